"""Do these weights belong to that network? Checked by name, shape and value before any is used."""

import torch

from fmdiag.errors import FmdiagError

SHOWN = 3


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
    with torch.device("meta"):
        expected = {name: tuple(w.shape) for name, w in build().state_dict().items()}
    check_weights(expected, weights)
    module = build()
    module.load_state_dict(weights)
    return module.float()


def check_weights(expected, weights):
    """Raise FmdiagError unless `weights`, a state dict, has the names and shapes in `expected` and finite values."""
    if not isinstance(weights, dict) or not all(isinstance(w, torch.Tensor) for w in weights.values()):
        raise FmdiagError("the weights are not a dict of tensors; save model.state_dict()")
    _check_names(expected, weights)
    _check_values(expected, weights)


def _check_names(expected, weights):
    missing, surplus = [n for n in expected if n not in weights], [n for n in weights if n not in expected]
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
        if not torch.isfinite(weight).all():
            bad = int((~torch.isfinite(weight)).sum())
            raise FmdiagError(f"weight {name} has {bad} NaN or infinite of {weight.numel()} values: training "
                              "diverged before it was saved; use an earlier checkpoint")
