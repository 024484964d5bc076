"""EDM and EDM2 checkpoints: ``net(x, sigma, labels)`` -> D, an estimate of x1; x1^ = D(x_t/t, (1-t)/t).

File: a .pkl whose key `ema` is a pickled module; training-state-*.pt has the raw one at `net`. Unpickling runs code and
needs that repository's packages: only with trust_code. EDM's data are uint8 / 127.5 - 1, EDM2's the encoder's latents
with standard deviation 0.5.

References
----------
Karras et al., arXiv 2206.00364 (EDM) and arXiv 2312.02696 (EDM2).
"""

import math

from torch import nn

from fmdiag.checkpoints.cautions import LATENTS, RAW
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families.edm_training import recorded
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.schedules import EDMSchedule
from fmdiag.errors import FmdiagError


def recognise(source):
    """Return whether a trusted pickle holds a module with EDM's interface."""
    return source.kind == "pickle" and hasattr(_module(source), "img_channels")


def load(source, choices):
    """Return the Foreign network of an EDM pickle."""
    module, weights = _chosen(source, choices.weights)
    low, high = float(getattr(module, "sigma_min", 0)), float(getattr(module, "sigma_max", math.inf))
    # The class allows every sigma; training and sampling used [0.002, 80].
    schedule = EDMSchedule(max(low, 0.002), min(high, 80.0))
    n_classes = int(getattr(module, "label_dim", 0) or 0)
    side = getattr(module, "img_resolution", None)
    shape = (getattr(module, "img_channels", None), side, side)
    latents = shape[0] == 4
    read = {"weights": weights, "network": {"name": type(module).__name__}}
    if None not in shape:
        read["network"]["shape"] = list(shape)
    assumed = {"data_range": "latents" if latents else [-1, 1], "hflip": False}
    read |= recorded(source.content)
    warnings = [LATENTS] * latents + [RAW] * (weights == "raw" and choices.weights is None)
    return Foreign("edm", module.float(), call, Convention(schedule, "x1"), read, assumed, shape, n_classes=n_classes,
                   null_trained=_null_trained(module), warnings=warnings, convention_read=True)


def call(module, x, time, labels):
    """Return the denoised image; labels go in as one-hot rows, all zero for none."""
    classes = int(getattr(module, "label_dim", 0) or 0)
    if not classes:
        return module(x, time)
    hot = x.new_zeros(len(x), classes)
    if labels is not None:
        hot[range(len(x)), labels] = 1
    return module(x, time, hot)


def _null_trained(module):
    """Return whether training dropped labels, which the inner network keeps; None where it does not say."""
    dropout = getattr(getattr(module, "model", module), "label_dropout", None)
    return dropout > 0 if isinstance(dropout, int | float) else None


def _module(source):
    content = source.content
    return content.get("ema", content.get("net")) if isinstance(content, dict) else content


def _chosen(source, wanted):
    """Return (module, ``"ema"`` or ``"raw"``): snapshots hold averages, training states the raw network alone."""
    content = source.content if isinstance(source.content, dict) else {"ema": source.content}
    held = {kind: content[key] for kind, key in (("ema", "ema"), ("raw", "net"))
            if isinstance(content.get(key), nn.Module)}
    if not held:
        raise FmdiagError(f"{source.file} holds no network at the keys ema and net")
    weights = wanted or next(iter(held))
    if weights not in held:
        raise FmdiagError(f"{source.file} holds only {'averaged' if weights == 'raw' else 'raw'} weights: leave out "
                          f"--weights {weights}")
    return held[weights], weights
