"""diffusers folders: a network and its scheduler, saved by ``save_pretrained``.

    flow match    m(x, 1000 sigma).sample = x0 - x1, sigma = 1 - t              u = -output
    DDPM, DDIM    m(x, step, class_labels).sample, 0 = clean                    by the scheduler's prediction_type

A folder is a pipeline (model_index.json, with scheduler/ beside unet/ or transformer/; the final pipeline of the
training scripts holds averaged weights already), a training checkpoint (unet/, unet_ema/) or a network alone.
"""

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.candidates import Candidate
from fmdiag.checkpoints.cautions import LATENTS, scheduler_times_caution
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.factories import build_from_factory
from fmdiag.checkpoints.families.diffusers_call import call_with, check_call, check_signature
from fmdiag.checkpoints.families.diffusers_schedulers import ddpm_convention, flow_convention, scheduler_convention
from fmdiag.checkpoints.families.diffusers_times import scheduler_times, uneven
from fmdiag.checkpoints.families.programs import convention_of
from fmdiag.checkpoints.folders import tensors_of
from fmdiag.checkpoints.foreign import READ, Foreign
from fmdiag.checkpoints.pretrained import TENSORS, class_of, read_module
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import Chosen
from fmdiag.checkpoints.weight_files import chosen_file, read_json, tensors_of_file, weight_files
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

AVERAGED, PLAIN = ("unet_ema", "transformer_ema"), ("unet", "transformer")
SCHEDULER = "scheduler_config.json"


def recognise(source):
    """Return whether the source is such a folder."""
    return source.kind == "folder"


def load(source, choices):
    """Return the Foreign network of a folder."""
    folder, file, weights, assumed_weights = _network_file(source.file, choices)
    config = read_json(folder / "config.json")
    if choices.factory:
        return _own_class(source.file, folder, file, config, choices, {**assumed_weights, **weights})
    cls = check_signature(class_of(config, folder), folder, choices.conditions)
    convention, read, scheduler = _convention(source.file, folder, config, choices)
    module = read_module(cls, config, folder, file)
    channels, outputs = config.get("in_channels"), config.get("out_channels") or config.get("in_channels")
    side = config.get("sample_size")
    sides = (side, side) if isinstance(side, int) else tuple(side or (None, None))
    fixed = "Transformer" in config["_class_name"]
    read |= {"network": {"name": config["_class_name"], **_shown(config)}, **weights}
    assumed = {**assumed_weights, "hflip": False, "data_range": [-1, 1]}
    if channels and None not in sides and fixed:
        read["network"]["shape"] = [channels, *sides]
    if (folder.parent / "vae").is_dir():
        assumed["data_range"] = "latents × the autoencoder's scaling_factor"
    shape = (channels, *(sides if fixed else (None, None)))
    n_classes, null = _classes(config)
    call = call_with(choices.conditions)
    check_call(call, module, config, shape, n_classes, folder)
    latents = (folder.parent / "vae").is_dir() or channels == 4
    if outputs == 2 * (channels or 0):
        read["learned_variance"] = True
    return Foreign("diffusers", module, call, convention, read, assumed, shape, n_classes=n_classes, null_label=null,
                   warnings=[LATENTS] * latents + _cautions(scheduler, convention),
                   convention_read=bool(read.get("scheduler")),
                   times=None if scheduler is None else scheduler_times(scheduler, convention))


def _cautions(scheduler, convention):
    """Return the caution about times that are not the scheduler's own."""
    found = None if scheduler is None else uneven(scheduler, convention)
    return [] if found is None else [scheduler_times_caution(found)]


def _own_class(whole, folder, file, config, choices, weights):
    """Return the Foreign network of a class that the card names, in the scheduler's convention.

    A folder without a scheduler is read as the card says, and without its word as velocity on the straight path.
    """
    module = build_from_factory(choices)
    tensors = tensors_of(folder) if file is None else tensors_of_file(file)
    candidate = Candidate(folder.name, weights["weights"] == "ema", tensors)
    module, facts = Chosen(weights["weights"], False, candidate, None, folder).into(module)
    convention, read, _ = _convention(whole, folder, config, choices)
    if not read:
        convention = convention_of(choices)
    order, origin = order_of(module, choices)
    shape = choices.data.get("shape")
    read |= {**weights, **facts, "network": {"name": choices.factory, **choices.arguments, **(
        {"shape": list(shape)} if shape else {})}}
    assumed = {"hflip": bool(choices.data.get("hflip", False)), "data_range": choices.data.get("range", [-1, 1])}
    (read if origin == READ else assumed)["call"] = order
    return Foreign("diffusers", module, calling(order, choices.output, None, choices.conditions), convention, read,
                   assumed, tuple(shape) if shape else None, n_classes=choices.n_classes or 0,
                   null_label=choices.null_label, convention_read=bool(read.get("scheduler")))


def _network_file(whole, choices):
    """Return (folder of the network, file of its weights or None, facts that are read, that are assumed)."""
    named = [name for name in PLAIN if (whole / name / "config.json").is_file()]
    held = [chosen_file(whole / name, names=TENSORS) for name in named[:1]] or [chosen_file(whole, names=TENSORS)]
    if held[0][1] is None:
        folder, *facts = _network_folder(whole, choices)
        return folder, chosen_file(folder, names=TENSORS)[0], *facts
    # Variants beside each other say themselves which are averages.
    folder = whole / named[0] if named else whole
    file, kind = chosen_file(folder, choices.weights, TENSORS)
    others = [other.name for _, other in sorted(weight_files(folder, TENSORS).items()) if other != file]
    return folder, file, {"weights": kind, "weights_at": file.name, "other_weights": others[0] if others else None}, {}


def _network_folder(file, choices):
    """Return (folder of the network, facts on its weights that are read, that are assumed).

    A pipeline of the training scripts holds averages under the plain name; a network alone does not say what it holds.
    """
    held = [name for name in (*AVERAGED, *PLAIN) if (file / name / "config.json").is_file()]
    averaged, plain = [n for n in held if n in AVERAGED], [n for n in held if n in PLAIN]
    if averaged and choices.weights != "raw":
        return file / averaged[0], {"weights": "ema", "other_weights": plain[0] if plain else None}, {}
    if plain:
        pipeline = (file / "model_index.json").is_file() and not averaged
        if choices.weights == "ema" and not pipeline:
            raise FmdiagError(f"{file} holds only raw weights ({plain[0]}): leave out --weights ema")
        kind = {"weights": choices.weights or ("ema" if pipeline else "raw")}
        return file / plain[0], *(({}, kind) if pipeline else (kind, {}))
    if averaged:
        raise FmdiagError(f"{file} holds only averaged weights ({averaged[0]}): leave out --weights raw")
    if not (file / "config.json").is_file():
        raise FmdiagError(f"{file} has no network: none of {', '.join((*AVERAGED, *PLAIN))} or config.json in it")
    kind = "ema" if file.name in AVERAGED else "raw"
    if choices.weights not in (None, kind):
        raise FmdiagError(f"{file} is one network, which does not say that its weights are {choices.weights}: leave "
                          f"out --weights {choices.weights}")
    return file, {}, {"weights": kind}


def _convention(file, folder, config, choices):
    """Return (Convention, facts, scheduler's configuration or None): as given, by the scheduler, or as is usual."""
    if {"alphas_cumprod", "sigma_max"} & choices.convention.keys():
        return convention_of(choices), {}, None
    name = str(config.get("_class_name") or "")
    places = (file / "scheduler", folder.parent / "scheduler", file)  # the first pipelines had it beside the network
    found = next((place / SCHEDULER for place in places if (place / SCHEDULER).is_file()), None)
    if found is None:
        return ddpm_convention() if name.startswith("UNet") or "DiT" in name else flow_convention(name), {}, None
    scheduler = read_json(found)
    try:
        return scheduler_convention(scheduler, name), {"scheduler": scheduler["_class_name"]}, scheduler
    except FmdiagError as error:
        if choices.path is not None:  # then the scheduler is not needed
            return Convention(PathSchedule(LinearPath())), {}, None
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
