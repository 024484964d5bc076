"""Which of a file's tensors are the network, averaged or raw, and how does a network receive them?"""

import importlib
import importlib.util
from pathlib import Path

import torch

from fmdiag.checkpoints.weights import check_weights
from fmdiag.errors import FmdiagError

PREFIXES = ("module.", "_orig_mod.")


def choose_state(source, choices, *, ema=(), raw=()):
    """Return (``"ema"`` or ``"raw"``, state dict): averaged weights where the file has them and they are wanted.

    Parameters
    ----------
    source : Source
        The checkpoint.
    choices : Choices
        Its `weights` and `weights_key` decide.
    ema, raw : sequence of str
        Dotted keys at which the family keeps them, most likely first.
    """
    if choices.weights_key is not None:
        state = look_up(source.content, choices.weights_key)
        if state is None:
            raise FmdiagError(f"{source.file} has nothing at weights_key {choices.weights_key!r}: it has "
                              f"{', '.join(sorted(map(str, source.keys()))[:8])}")
        return ("ema" if choices.weights_key in ema else "raw"), unprefixed(state)
    for key in ema if choices.ema else ():
        if state := look_up(source.content, key):
            return "ema", unprefixed(state)
    for key in raw:
        if state := look_up(source.content, key):
            return "raw", unprefixed(state)
    held = "only averaged weights: leave out --weights raw" if not choices.ema else "no weights"
    raise FmdiagError(f"{source.file} holds {held}")


def look_up(content, key):
    """Return the value at a dotted key, the content itself for the empty key, or None."""
    if key == "":
        return content
    for part in key.split("."):
        if not isinstance(content, dict) or part not in content:
            return None
        content = content[part]
    return content


def unprefixed(state):
    """Return a state dict without the prefixes of DistributedDataParallel and torch.compile."""
    if not isinstance(state, dict):
        return state
    for prefix in PREFIXES:
        if state and all(str(name).startswith(prefix) for name in state):
            state = {name[len(prefix):]: value for name, value in state.items()}
    return state


def is_state(value):
    """Return whether a value is a dict of tensors."""
    return isinstance(value, dict) and bool(value) and all(isinstance(w, torch.Tensor) for w in value.values())


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
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    if len(shadow) != len(names):
        raise FmdiagError(f"{file} has {len(shadow)} averaged tensors (shadow_params), its network {len(names)} "
                          "parameters: they are of another network; --weights raw uses the raw ones")
    return {**raw, **dict(zip(names, shadow, strict=True))}


def build_from_factory(choices):
    """Return the module that the card's factory makes: ``package.module:name`` or ``file.py:name``.

    Raises
    ------
    FmdiagError
        If it cannot be imported or called; the user's own error is quoted.
    """
    place, _, name = choices.factory.rpartition(":")
    if not place:
        raise FmdiagError(f"factory {choices.factory!r}: give package.module:name or file.py:name")
    try:
        factory = getattr(_imported(place, choices.folder), name)
        return factory(**choices.arguments)
    except Exception as error:
        raise FmdiagError(f"factory {choices.factory!r} failed: {type(error).__name__}: "
                          f"{' '.join(str(error).split())}; check factory and [arguments] in the model card") from error


def _imported(place, folder):
    if not place.endswith(".py"):
        return importlib.import_module(place)
    file = Path(folder) / Path(place).expanduser()
    specification = importlib.util.spec_from_file_location(f"fmdiag_card_{file.stem}", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
