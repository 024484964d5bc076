"""diffusers folders: a network and its scheduler, saved by ``save_pretrained``.

    flow match    m(x, 1000 sigma).sample = x0 - x1, sigma = 1 - t              u = -output
    DDPM, DDIM    m(x, step, class_labels).sample, 0 = clean                    by the scheduler's prediction_type

A folder is a pipeline (model_index.json, with scheduler/ beside unet/ or transformer/; the final pipeline of the
training scripts holds averaged weights already), a training checkpoint (unet/, unet_ema/) or a network alone.

References
----------
Salimans and Ho, arXiv 2202.00512 (v_prediction). Esser et al., arXiv 2403.03206 (flow match).
"""

import inspect
import reprlib

import torch

from fmdiag.checkpoints.cautions import LATENTS
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.pretrained import class_of, read_json, read_module
from fmdiag.checkpoints.schedules import DiscreteSchedule, PathSchedule
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

AVERAGED, PLAIN = ("unet_ema", "transformer_ema"), ("unet", "transformer")
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x1"}
SCHEDULER = "scheduler_config.json"
MOST_STEPS = 10**6  # of a discrete schedule, which is a table of as many numbers
# Networks that take t itself and return x1 - x0, and networks that take 1 - t unscaled.
FORWARD_TIME, UNSCALED_TIME = ("Lumina2Transformer2DModel", "LuminaNextDiT2DModel"), (
    "FluxTransformer2DModel", "AuraFlowTransformer2DModel")


def recognise(source):
    """Return whether the source is such a folder."""
    return source.kind == "folder"


def load(source, choices):
    """Return the Foreign network of a folder."""
    folder, name = _network_folder(source.file, choices)
    config = read_json(folder / "config.json")
    module = read_module(_measurable(class_of(config, folder), folder), config, folder)
    convention, read = _convention(source.file, folder, config)
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
    n_classes, null = _classes(config)
    latents = (folder.parent / "vae").is_dir() or channels == 4
    if outputs == 2 * (channels or 0):
        read["learned_variance"] = True
    return Foreign("diffusers", module, _call(module), convention, read, assumed,
                   (channels, *(sides if fixed else (None, None))), n_classes=n_classes, null_label=null,
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


def _measurable(cls, folder):
    """Return the class, unless its call needs more than x, a time and class labels."""
    parameters = inspect.signature(cls.forward).parameters
    needed = [p.name for p in list(parameters.values())[3:] if p.default is p.empty and p.name != "return_dict"]
    if "encoder_hidden_states" in parameters and parameters["encoder_hidden_states"].default is inspect._empty:
        needed.append("encoder_hidden_states")
    if needed:
        raise FmdiagError(f"{folder}: {cls.__name__} needs {', '.join(dict.fromkeys(needed))}: fmdiag measures "
                          "unconditional and class-conditional networks; wrap it with a fixed condition and name "
                          "the wrapper by --model card.toml")
    return cls


def _convention(file, folder, config):
    """Return (Convention, facts) from the scheduler beside the network, or what is usual for its class."""
    places = (file / "scheduler", folder.parent / "scheduler", file)  # the first pipelines had it beside the network
    found = next((place / SCHEDULER for place in places if (place / SCHEDULER).is_file()), None)
    scheduler = read_json(found) if found else {}
    name = scheduler.get("_class_name", "")
    if not name and (config["_class_name"].startswith("UNet") or "DiT" in config["_class_name"]):
        return Convention(_discrete({"_class_name": "DDPMScheduler"}), "epsilon"), {}
    read = {"scheduler": name} if name else {}
    if name and "FlowMatch" not in name:
        prediction = scheduler.get("prediction_type", "epsilon")
        if prediction not in PREDICTIONS:
            raise FmdiagError(f"{file}: prediction_type {prediction!r} of {name} is not one of "
                              f"{', '.join(PREDICTIONS)}: give --parameterisation")
        return Convention(_discrete(scheduler), PREDICTIONS[prediction]), read
    if config["_class_name"] in FORWARD_TIME:
        return Convention(PathSchedule(LinearPath())), read
    scale = 1.0 if config["_class_name"] in UNSCALED_TIME else float(scheduler.get("num_train_timesteps", 1000))
    return Convention(PathSchedule(LinearPath()), "velocity", "data-to-noise", scale), read


def _discrete(config):
    import diffusers

    wanted = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas",
              "rescale_betas_zero_snr")
    known = {key: config[key] for key in wanted if key in config}
    steps = known.get("num_train_timesteps", 1000)
    if not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise FmdiagError(f"num_train_timesteps of {config.get('_class_name')} is {reprlib.repr(steps)}, no number of "
                          f"steps from 1 to {MOST_STEPS}")
    schedule = known.get("beta_schedule", "linear")
    # Its own cumulative product is in float32, which is off by 1e-5 at the last step.
    betas = diffusers.DDPMScheduler(**known).betas.double()
    return DiscreteSchedule(torch.cumprod(1 - betas, 0).numpy(), f"{schedule} betas")


def _classes(config):
    n = config.get("num_class_embeds") or config.get("num_embeds_ada_norm") or 0
    # DiT keeps one embedding more than classes, for none.
    return (n + 1, n) if config["_class_name"] == "DiTTransformer2DModel" else (n, None)


def _call(module):
    def call(module, x, time, labels):
        # A tensor: UNet2DModel would cut the fraction off a python float.
        given = {} if labels is None else {"class_labels": labels}
        output = module(x, time, **given)
        return output.sample[:, : x.shape[1]]

    return call


def _shown(config):
    keys = ("in_channels", "out_channels", "block_out_channels", "layers_per_block", "num_layers",
            "num_attention_heads", "attention_head_dim", "patch_size")
    return {key: config[key] for key in keys if config.get(key) is not None}
