"""Names of weights fitted to a network's: prefixes, lists and counters."""

from dataclasses import dataclass

import torch

from fmdiag.checkpoints.weights import check_weights
from fmdiag.errors import FmdiagError

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "ema_model.", "online_model.", "network.", "unet.")


@dataclass(frozen=True)
class Found:
    """Weights by a module's names, the prefix that was taken off, what was left out and what is the module's own."""

    state: dict
    prefix: str = ""
    left: tuple = ()
    own: tuple = ()


def found_for(candidate, module, file):
    """Return the `Found` weights of a candidate for a module.

    All its names lie under one prefix, or they are the network's own after one: that of a class which wraps it, whose
    further buffers and frozen parameters are the factory's.
    """
    if candidate is None:
        return Found({})
    expected = module.state_dict()
    counters = {name: w for name, w in candidate.dropped.items() if isinstance(w, torch.Tensor)}
    everything = {**candidate.state, **counters}
    prefixes = prefixes_of(everything, expected)
    if len(prefixes) > 1 and prefixes[0]:
        raise FmdiagError(f"{file} holds several networks that fit, {', '.join(prefixes[:6])}: name one in --model "
                          f"card.toml, e.g. weights_key = \"{f'{candidate.key}.{prefixes[0]}'.strip('.')}\"")
    if prefixes:
        inner = under(everything, prefixes[0])
        state = {name: w for name, w in inner.items() if name in expected or f"{prefixes[0]}{name}" not in counters}
        return Found(state, prefixes[0], tuple(name for name in everything if not name.startswith(prefixes[0]) or
                                                name[len(prefixes[0]):] not in state))
    plain = unprefixed(candidate.state)
    return _wrapped(plain, module, expected) or Found(plain if set(plain) & set(expected) else candidate.state)


def _wrapped(plain, module, expected):
    """Return the weights of a network for the class that wraps it, None where it is no such class."""
    first = next(iter(plain))
    leads = sorted(name[: -len(first)] for name in expected if name.endswith(f".{first}"))
    lead = next((lead for lead in leads if all(f"{lead}{name}" in expected for name in plain)), None)
    if lead is None:
        return None
    state = {f"{lead}{name}": tensor for name, tensor in plain.items()}
    own = [name for name in expected if not name.startswith(lead) and name not in _learned(module)]
    return Found({**state, **{name: expected[name] for name in own}}, own=tuple(own))


def _learned(module):
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def completed(module, state, raw, file):
    """Return averages completed by the raw weights' buffers and frozen parameters, which are not averaged."""
    missing = [name for name in module.state_dict() if name not in state]
    if not missing or _learned(module) & set(missing):
        return state
    found = found_for(raw, module, file).state
    return {**state, **{name: found[name] for name in missing if name in found}}


def fitted(module, state, file):
    """Return the module with exactly these weights, in float32; the differences are listed where they do not fit."""
    try:
        check_weights({name: tuple(w.shape) for name, w in module.state_dict().items()}, state)
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
    module.load_state_dict(state)
    return module.float()


def with_shadow(module, raw, shadow, file):
    """Return the state dict whose parameters are a list of averages in parameters() order; buffers are the raw ones."""
    every = [name for name, _ in module.named_parameters()]
    learned = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    names = next((names for names in (learned, every) if len(names) == len(shadow)), None)
    if names is None:
        raise FmdiagError(f"{file} has {len(shadow)} averaged tensors (shadow_params), its network {len(learned)} "
                          "parameters: they are of another network; --weights raw uses the raw ones")
    return {**raw, **dict(zip(names, shadow, strict=True))}


def unprefixed(state):
    """Return a state dict without the prefixes of DistributedDataParallel, torch.compile and wrapping modules."""
    if not isinstance(state, dict):
        return state
    while state and (found := next((p for p in PREFIXES if all(str(name).startswith(p) for name in state)), None)):
        state = under(state, found)
    return state


def prefixes_of(state, expected):
    """Return the prefixes under which the state dict has every expected name, the shortest first."""
    if not expected:
        return []
    probe = max(expected, key=len)
    found = sorted((name[: -len(probe)] for name in state if name.endswith(probe)), key=len)
    return [prefix for prefix in found if (not prefix or prefix.endswith(".")) and all(
        f"{prefix}{name}" in state for name in expected)]


def under(state, prefix):
    """Return the part of a state dict whose names begin with a prefix, which is taken off."""
    return {str(name)[len(prefix):]: tensor for name, tensor in state.items() if str(name).startswith(prefix)}


def listed(names):
    """Return names for a message, those of one submodule as one."""
    groups = list(dict.fromkeys(f"{name.partition('.')[0]}.*" if "." in name else name for name in names))
    return ", ".join(groups[:5]) + (", ..." if len(groups) > 5 else "")
