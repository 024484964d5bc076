"""diffusers folders: a network and its scheduler, saved by ``save_pretrained``.

    flow match    m(x, 1000 sigma).sample = x0 - x1, sigma = 1 - t              u = -output
    DDPM, DDIM    m(x, step, class_labels).sample, 0 = clean                    by the scheduler's prediction_type

A folder is a pipeline (model_index.json, with scheduler/ beside unet/ or transformer/; the final pipeline of the
training scripts holds averaged weights already), a training checkpoint (unet/, unet_ema/) or a network alone.
"""

from fmdiag.checkpoints.cautions import LATENTS
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.diffusers_call import call, check_call, check_signature
from fmdiag.checkpoints.diffusers_schedulers import ddpm_convention, flow_convention, scheduler_convention
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.pretrained import class_of, read_json, read_module
from fmdiag.checkpoints.programs import convention_of
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

AVERAGED, PLAIN = ("unet_ema", "transformer_ema"), ("unet", "transformer")
SCHEDULER = "scheduler_config.json"


def recognise(source):
    """Return whether the source is such a folder."""
    return source.kind == "folder"


def load(source, choices):
    """Return the Foreign network of a folder."""
    folder, name = _network_folder(source.file, choices)
    config = read_json(folder / "config.json")
    cls = check_signature(class_of(config, folder), folder)
    convention, read = _convention(source.file, folder, config, choices)
    module = read_module(cls, config, folder)
    channels, outputs = config.get("in_channels"), config.get("out_channels") or config.get("in_channels")
    side = config.get("sample_size")
    sides = (side, side) if isinstance(side, int) else tuple(side or (None, None))
    fixed = "Transformer" in config["_class_name"]
    read |= {"network": {"name": config["_class_name"], **_shown(config)}}
    assumed = {"weights": name, "hflip": False, "data_range": [-1, 1]}
    if channels and None not in sides and fixed:
        read["network"]["shape"] = [channels, *sides]
    if (folder.parent / "vae").is_dir():
        assumed["data_range"] = "latents × the autoencoder's scaling_factor"
    shape = (channels, *(sides if fixed else (None, None)))
    n_classes, null = _classes(config)
    check_call(module, config, shape, n_classes, folder)
    latents = (folder.parent / "vae").is_dir() or channels == 4
    if outputs == 2 * (channels or 0):
        read["learned_variance"] = True
    return Foreign("diffusers", module, call, convention, read, assumed, shape, n_classes=n_classes, null_label=null,
                   warnings=[LATENTS] if latents else [], convention_read=bool(read.get("scheduler")))


def _network_folder(file, choices):
    order = (*AVERAGED, *PLAIN) if choices.ema else PLAIN
    for name in order:
        if (file / name / "config.json").is_file():
            averaged = name in AVERAGED or ((file / "model_index.json").is_file() and choices.ema)
            return file / name, "ema" if averaged else "raw"
    if (file / "config.json").is_file():
        return file, "ema" if file.name in AVERAGED else "raw"
    raise FmdiagError(f"{file} has no network: none of {', '.join((*AVERAGED, *PLAIN))} or config.json in it")


def _convention(file, folder, config, choices):
    """Return (Convention, facts): what the user gives, else by the scheduler beside it, else what is usual."""
    if {"alphas_cumprod", "sigma_max"} & choices.convention.keys():
        return convention_of(choices), {}
    name = config["_class_name"]
    places = (file / "scheduler", folder.parent / "scheduler", file)  # the first pipelines had it beside the network
    found = next((place / SCHEDULER for place in places if (place / SCHEDULER).is_file()), None)
    if found is None:
        return ddpm_convention() if name.startswith("UNet") or "DiT" in name else flow_convention(name), {}
    scheduler = read_json(found)
    try:
        return scheduler_convention(scheduler, name), {"scheduler": scheduler["_class_name"]}
    except FmdiagError as error:
        if choices.path is not None:  # then the scheduler is not needed
            return Convention(PathSchedule(LinearPath())), {}
        raise FmdiagError(f"{found}: {error}") from error


def _classes(config):
    """Return (number of labels, the one for none or None)."""
    embedded = config.get("num_embeds_ada_norm") or 0
    if config["_class_name"] == "DiTTransformer2DModel" or config.get("norm_type") == "ada_norm_zero":
        return (embedded + 1, embedded)  # one embedding more than classes
    return config.get("num_class_embeds") or 0, None


def _shown(config):
    keys = ("in_channels", "out_channels", "block_out_channels", "layers_per_block", "num_layers",
            "num_attention_heads", "attention_head_dim", "patch_size")
    return {key: config[key] for key in keys if config.get(key) is not None}
