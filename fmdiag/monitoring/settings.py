"""Settings of a monitor: checked, completed, and named by what decides a look."""

import warnings
from dataclasses import replace

import torch

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import non_finite_allowed
from fmdiag.files.hashing import arrays_sha256, text_sha256
from fmdiag.monitoring.measures import MEASURES, NEEDS_HELD_OUT, Setting
from fmdiag.sampling import draw_noise

LEAST = 8      # samples of a look
NO_HELD_OUT = ("{name} has no held-out examples: the monitor leaves out the gap, the membership AUC and the null of "
               "f_mem (held_out=ROWS gives some)")


def check(every, budget, n):
    """Raise FmdiagError where a number is out of range."""
    if int(every) != every or every < 1:
        raise FmdiagError(f"every must be a whole number of steps, at least 1, got {every!r}")
    if budget is not None and not 0 < budget <= 100:
        raise FmdiagError(f"budget must be in (0, 100], per cent of the training's time, or None, got {budget!r}")
    if n < LEAST:
        raise FmdiagError(f"n must be at least {LEAST}, got {n}")


def setting_of(train, held_out, measures, options, *, say):
    """Return the Setting; without held-out rows the measures that need them are refused, or left out with a warning."""
    setting = Setting(train, held_out, tuple(measures or ()), **options)
    rows = setting.training_set
    if rows.unseen is not None:
        return setting
    asked = [name for name in NEEDS_HELD_OUT if name in (measures or ())]
    if asked:
        raise FmdiagError(f"{asked[0]}: {rows.name} has no held-out examples: give held_out=ROWS, or leave it out")
    if say and held_out is not False:
        warnings.warn(NO_HELD_OUT.format(name=rows.name), FmdiagWarning, stacklevel=4)
    return replace(setting, measures=setting.measures or tuple(MEASURES))


def digest(field, setting):
    """Return what tells this network from others: its answers at eight points; None where it fails."""
    points = draw_noise(LEAST, setting.training_set.shape, generator=setting.generator())
    try:
        with non_finite_allowed():
            return arrays_sha256(field(points, torch.linspace(0.1, 0.9, len(points))).cpu().numpy())
    except Exception:
        return None


def key_of(setting):
    """Return what decides a look but the network and n."""
    rows, names = setting.training_set, [getattr(one, "__qualname__", one) for one in setting.measures]
    path = None if setting.path is None else setting.path.describe()
    return text_sha256(repr([rows.fingerprint, rows.unseen and rows.unseen.fingerprint, names, path, setting.times,
                             setting.n_steps, setting.method, setting.seed]))
