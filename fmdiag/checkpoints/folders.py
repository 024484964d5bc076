"""Folders given as checkpoints: of which kind they are, and their tensors."""

from pathlib import Path

from fmdiag.checkpoints.file import read_safetensors, read_torch_file
from fmdiag.checkpoints.pretrained import read_json
from fmdiag.errors import FmdiagError

NETWORKS = ("unet_ema", "transformer_ema", "unet", "transformer")
# In the order in which they are looked for; each may be in parts, with NAME.index.json.
TENSORS = ("diffusion_pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.bin",
           "pytorch_model.bin", "model.bin")
LOOSE = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl", ".tar")
CARD = ("name the network's class by --model card.toml with factory = \"file.py:Class\", [arguments] and the "
        "[convention] of its time and output")


def is_diffusers(folder):
    """Return whether a folder has a network that says which class of diffusers it is."""
    if (folder / "model_index.json").is_file() or any((folder / name / "config.json").is_file() for name in NETWORKS):
        return True
    return (folder / "config.json").is_file() and "_class_name" in _config(folder)


def tensors_of(folder):
    """Return what a folder holds for a class of the user's: {name: state dict}, or one bare state dict.

    Raises
    ------
    FmdiagError
        If it has no file of tensors.
    """
    inner = {name: state for name in NETWORKS if (state := _read(folder / name))}
    found = _read(folder) if not inner else None
    if not inner and not found:
        raise FmdiagError(f"{folder} {what_is(folder)}")
    return inner or found


def what_is(folder):
    """Return what a folder is, and how it can be measured, for a message; it has no network of diffusers."""
    if (folder / ".metadata").is_file():
        return DISTRIBUTED.format(folder=folder)
    if (folder / "zero_to_fp32.py").is_file() or list(folder.glob("*/*_model_states.pt")):
        return (f"is a DeepSpeed checkpoint: make one file of it by its own `python zero_to_fp32.py {folder} FILE`, "
                "and give that")
    held = _file(folder)
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


DISTRIBUTED = ("is a distributed checkpoint of torch (.metadata and .distcp files): make one file of it by `python -m "
               "torch.distributed.checkpoint.format_utils dcp_to_torch {folder} FILE`, and give that")


def distributed_part(file):
    """Return what a file of a distributed checkpoint is, for a message; None for any other file."""
    file = Path(file)
    if file.name == ".metadata" or (file.suffix == ".distcp" and (file.parent / ".metadata").is_file()):
        return f"lies in {file.parent}, which {DISTRIBUTED.format(folder=file.parent)}"
    return None


def _file(folder):
    return next((name for name in TENSORS if (folder / name).is_file() or (folder / f"{name}.index.json").is_file()),
                None)


def _read(folder):
    name = _file(folder)
    if name is None:
        return None
    index = folder / f"{name}.index.json"
    parts = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [name]
    if any(Path(part).name != part for part in parts):
        raise FmdiagError(f"{index} names files outside its folder: {', '.join(parts)[:200]}")
    read = read_safetensors if name.endswith("safetensors") else read_torch_file
    return {key: tensor for part in parts for key, tensor in read(folder / part).items()}


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
