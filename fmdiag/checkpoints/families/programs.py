"""TorchScript and torch.export files, pickled modules, and a user's own class: networks that no library's files tell.

A program carries its architecture and weights; names of its arguments tell the order of x and t. What its output means
is assumed to be the velocity on the straight path, 0 = noise, unless options or a model card say otherwise.
"""

from torch import nn

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.candidates import is_averaged
from fmdiag.checkpoints.cautions import CONVENTION
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import rectified_flow
from fmdiag.checkpoints.foreign import READ, Foreign
from fmdiag.checkpoints.schedules import DiscreteSchedule, EDMSchedule, PathSchedule
from fmdiag.checkpoints.states import RAW, choose_state
from fmdiag.errors import FmdiagError
from fmdiag.paths import LinearPath

KINDS = {"script": "torchscript", "export": "torch.export", "pickle": "pickled module"}


def recognise(source):
    """Return whether the source is a program or a trusted pickled module."""
    return source.kind in ("script", "export") or (source.kind == "pickle" and _pickled(source) is not None)


def load(source, choices):
    """Return the Foreign network of a program, or of a factory's class with the file's weights."""
    if choices.factory:
        module, read, assumed = _from_card(source, choices)
    else:
        module, weights, note = _whole(source, choices.weights)
        read, assumed = {"network": {"name": KINDS[source.kind]}}, {}
        (read if note else assumed)["weights"] = weights
    order, origin = order_of(module, choices)
    (read if origin == READ else assumed)["call"] = order
    shape = choices.data.get("shape")
    if shape:
        read["network"]["shape"] = list(shape)
    assumed |= {"coupling": "independent", "hflip": bool(choices.data.get("hflip", False)),
                "data_range": choices.data.get("range", [-1, 1])}
    return Foreign("module", module, calling(order, choices.output, None, choices.conditions), convention_of(choices),
                   read, assumed,
                   tuple(shape) if shape else None, n_classes=choices.n_classes or 0, null_label=choices.null_label,
                   warnings=_cautions(source, choices))


def _cautions(source, choices):
    """Return the caution about a file that score_sde may have written, where nothing says what the network is."""
    given = choices.convention or choices.parameterisation or choices.path or choices.family
    score_sde = rectified_flow.has_layout(source) and {"optimizer", "step"} <= source.keys()
    return [CONVENTION] if score_sde and not given else []


def convention_of(choices):
    """Return the Convention whose schedule the card's [convention] names; overrides come later."""
    given = choices.convention
    if "alphas_cumprod" in given:
        return Convention(DiscreteSchedule(given["alphas_cumprod"]), choices.parameterisation or "epsilon")
    if "sigma_max" in given:
        schedule = EDMSchedule(given.get("sigma_min", 0.002), given["sigma_max"])
        return Convention(schedule, choices.parameterisation or "x1")
    return Convention(PathSchedule(LinearPath()))


def _from_card(source, choices):
    chosen = choose_state(source, choices)
    module, facts = chosen.into(chosen.module)
    read, assumed = {"network": {"name": choices.factory, **choices.arguments}, **facts}, {}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    return module, read, assumed


def _whole(source, wanted):
    """Return (module, ``"ema"`` or ``"raw"``, whether the file says so) of a program or of pickled modules."""
    if source.kind in ("script", "export") or isinstance(source.content, nn.Module):
        if wanted == "ema":
            raise FmdiagError(f"{source.file} has one set of weights and does not say that it is averaged: leave out "
                              "--weights ema")
        return source.content, "raw", False
    held = _modules(source)
    kinds = {kind: next((m for key, m in held.items() if is_averaged(key) == (kind == "ema")), None)
             for kind in ("ema", "raw")}
    kind = wanted or ("ema" if kinds["ema"] is not None else "raw")
    if not held:
        raise FmdiagError(f"{source.file} holds no network: name its class by --model card.toml with a factory")
    if kinds[kind] is None:
        raise FmdiagError(f"{source.file} holds only {'raw' if kind == 'ema' else 'averaged'} weights "
                          f"({', '.join(held)}): leave out --weights {kind}")
    return kinds[kind], kind, True


def _pickled(source):
    """Return a network of a trusted pickle, None where it has none."""
    content = source.content
    return content if isinstance(content, nn.Module) else next(iter(_modules(source).values()), None)


def _modules(source):
    """Return the networks of a pickled dict by their keys: the averaged ones, and those under the usual keys of raw."""
    content = source.content if isinstance(source.content, dict) else {}
    return {key: value for key, value in content.items() if isinstance(value, nn.Module) and (
        is_averaged(key) or key in RAW)}
