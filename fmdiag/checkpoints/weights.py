"""Check of weights against a network, by name, shape and value, before any is used."""

import warnings

import torch

from fmdiag.errors import FmdiagError

SHOWN = 3
SHARED = 4  # how often, on average, weights may share their bytes: embeddings are tied to output layers


class NotFinite(FmdiagError):
    """Raised where weights are NaN or infinite."""


def load_weights(build, weights):
    """Return the network that `build` makes, with `weights` in it, in float32.

    Parameters
    ----------
    build : callable
        Makes the network; called first without allocating memory, so that a wrong description costs nothing.
    weights : dict of str to Tensor
        State dict, of any floating dtype.

    Raises
    ------
    FmdiagError
        If a name is missing or surplus, a shape differs, or a value is NaN or infinite.
    """
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = {name: tuple(w.shape) for name, w in build().state_dict().items()}
    except FmdiagError:
        raise
    except (RuntimeError, TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise FmdiagError(f"the network that it describes cannot be built ({error})") from error
    check_weights(expected, weights)
    module = build()
    module.load_state_dict(weights)
    return module.float()


def check_weights(expected, weights):
    """Raise FmdiagError unless `weights`, a state dict, has the names and shapes in `expected` and finite values."""
    if not isinstance(weights, dict) or not all(isinstance(w, torch.Tensor) for w in weights.values()):
        raise FmdiagError("the weights are not a dict of tensors; save model.state_dict()")
    _check_names(expected, weights)
    _check_held(weights)
    _check_values(expected, weights)


def _check_held(weights):
    """Refuse tensors that are not numbers in memory, and few bytes that stand for many."""
    held = {}
    for name, weight in weights.items():
        if weight.is_meta or weight.is_quantized or weight.is_complex() or weight.layout is not torch.strided:
            kind = ("quantised" if weight.is_quantized else "complex" if weight.is_complex()
                    else "sparse or without data")
            raise FmdiagError(f"weight {name} is {kind}: save plain tensors")
        storage = weight.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        if weight.nbytes > storage.nbytes():
            raise FmdiagError(f"weight {name} of shape {tuple(weight.shape)} repeats {storage.nbytes()} bytes: save "
                              "plain tensors")
    wanted = sum(weight.nbytes for weight in weights.values())
    if wanted > max(SHARED * sum(held.values()), 1 << 28):
        raise FmdiagError(f"its weights share their bytes: {wanted} are made of {sum(held.values())}; save plain "
                          "tensors")


def _check_names(expected, weights):
    missing, surplus = [n for n in expected if n not in weights], [str(n) for n in weights if n not in expected]
    if missing or surplus:
        parts = [f"{len(names)} {kind} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
                 for kind, names in [("missing", missing), ("surplus", surplus)] if names]
        raise FmdiagError(f"the weights do not fit the network it describes: {' and '.join(parts)}; "
                          "the description or the weights are of another network")


def _check_values(expected, weights):
    for name, shape in expected.items():
        weight = weights[name]
        if tuple(weight.shape) != shape:
            raise FmdiagError(f"weight {name} has shape {tuple(weight.shape)}, its network needs {shape}")
        finite = torch.isfinite(weight.float() if weight.is_floating_point() else weight)
        if not finite.all():
            bad = int((~finite).sum())
            raise NotFinite(f"weight {name} has {bad} NaN or infinite of {weight.numel()} values: training "
                              "diverged before it was saved; use an earlier checkpoint")
