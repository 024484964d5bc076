"""Folders given as checkpoints: of which kind they are, and their tensors."""

from pathlib import Path

from fmdiag.checkpoints.distributed import is_distributed, read_distributed
from fmdiag.checkpoints.file import read_safetensors, read_torch_file
from fmdiag.checkpoints.weight_files import read_json, tensors_of_file, weight_files
from fmdiag.errors import FmdiagError

NETWORKS = ("unet_ema", "transformer_ema", "unet", "transformer")
# What accelerate saves of a second model, of registered objects such as averages, and of sharded models.
FURTHER = ("model_[0-9]*.safetensors", "pytorch_model_[0-9]*.bin", "custom_checkpoint_[0-9]*.pkl")
OF_MLFLOW = ("state_dict.pth", "data/state_dict.pth", "data/model.pth", "data/model.pt2")
LOOSE = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".tar")
CARD = ("name the network's class by --model card.toml with factory = \"file.py:Class\", [arguments] and the "
        "[convention] of its time and output")


def is_diffusers(folder):
    """Return whether a folder has a network that says which class of diffusers it is."""
    if (folder / "model_index.json").is_file() or any((folder / name / "config.json").is_file() for name in NETWORKS):
        return True
    return (folder / "config.json").is_file() and "_class_name" in _config(folder)


def tensors_of(folder):
    """Return what a folder holds for a class of the user's: state dicts by name, or one bare state dict.

    Raises
    ------
    FmdiagError
        If it has no file of tensors.
    """
    inner = {name: state for name in NETWORKS if (state := _read(folder / name))}
    found = _read(folder) if not inner else None
    parts = sorted(path.parent for path in folder.glob("*model*/.metadata"))
    if found is None and len(parts) == 1:  # accelerate's sharded models
        return read_distributed(parts[0])
    if not inner and not found:
        raise FmdiagError(f"{folder} {what_is(folder)}")
    further = {} if inner else _further(folder)
    if not further:
        return inner or found
    same = [name for name, state in further.items() if isinstance(state, dict) and set(state) == set(found)]
    # Two of one class, of which nothing says which is measured, go by the names of their files.
    return {"model.safetensors" if same else "model": found,
            **{f"{name}.safetensors" if name in same else name: state for name, state in further.items()}}


def _further(folder):
    """Return what accelerate keeps beside the first model, by the names of files; what only trust reads is left out."""
    found = {}
    for path in sorted(path for pattern in FURTHER for path in folder.glob(pattern)):
        try:
            found[path.stem] = (read_safetensors if path.suffix == ".safetensors" else read_torch_file)(path)
        except FmdiagError:
            continue
    return found


def _read(folder):
    """Return the tensors of a folder's file of weights: of its variants, averages by a key that says so."""
    found = weight_files(folder)
    if len(found) > 1 and {"non_ema", "ema"} & set(found):
        file = found.get("ema") or found.get("")
        raw = found.get("non_ema") or found.get("")
        return {"model": tensors_of_file(raw), "ema": tensors_of_file(file)} if file and raw and file != raw else None
    file = found.get("") or next(iter(found.values()), None)
    return None if file is None else tensors_of_file(file)


def model_of_mlflow(folder):
    """Return the file of a network in a model folder of MLflow, None for any other folder.

    Raises
    ------
    FmdiagError
        If it is a model folder without a network of torch.
    """
    if not (Path(folder) / "MLmodel").is_file():
        return None
    places = [path for name in OF_MLFLOW if (path := Path(folder) / name).is_file()]
    if not places:
        raise FmdiagError(f"{folder} is a model folder of MLflow without a network of torch (data/model.pth or "
                          "state_dict.pth): log it by mlflow.pytorch.log_model or log_state_dict")
    return places[0]


def what_is(folder):
    """Return what a folder is, and how it can be measured, for a message; it has no network of diffusers."""
    if (folder / "zero_to_fp32.py").is_file() or list(folder.glob("*/*_model_states.pt")):
        return (f"is a DeepSpeed checkpoint: make one file of it by its own `python zero_to_fp32.py {folder} FILE`, "
                "and give that")
    held = next((file.name for file in weight_files(folder).values()), None)
    if held is not None:
        config = f" and a config.json that names no class of diffusers ({_named(folder)})" if (
            folder / "config.json").is_file() else ""
        return f"has {held}{config}: {CARD}"
    loose = sorted(path.name for path in folder.iterdir() if path.suffix in LOOSE) if folder.is_dir() else []
    if loose:
        shown = ", ".join(loose[:4]) + (", ..." if len(loose) > 4 else "")
        return (f"is a folder: give the checkpoint file in it ({shown}), or a diffusers folder with "
                "config.json or model_index.json")
    return "is a folder: give the checkpoint file in it, or a diffusers folder with config.json or model_index.json"


def distributed_part(file):
    """Return the folder of the distributed checkpoint that a file is a part of, None for any other file."""
    file = Path(file)
    part = file.name == ".metadata" or file.suffix == ".distcp"
    return file.parent if part and is_distributed(file.parent) else None


def _config(folder):
    try:
        found = read_json(folder / "config.json")
    except FmdiagError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(folder):
    config = _config(folder)
    shown = [f"{key} {config[key]}" for key in ("_class_name", "model_type", "architectures") if config.get(key)]
    return ", ".join(shown) or f"keys {', '.join(map(str, list(config)[:5])) or 'none'}"
