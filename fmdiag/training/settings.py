"""Settings of a training run, and which of them may change when it is resumed.

Defaults are those of Bertrand et al., arXiv 2506.03719 (Adam, 2e-4, batch 128, clip 1, EMA 0.9999); their warm-up of
5000 steps is capped at a twentieth of the run.
"""

import math
import warnings

from fmdiag.errors import FmdiagError, FmdiagWarning, check_choice
from fmdiag.training.objective import check_fits
from fmdiag.training.precision import PRECISIONS

MAX_WARMUP = 5000


def check_settings(settings, training_set):
    """Raise FmdiagError if a setting is out of range or the network does not fit the rows."""
    check_fits(settings["objective"], training_set)
    check_choice("precision", settings["precision"], PRECISIONS)
    for name, least in [("steps", 1), ("batch_size", 1), ("warmup", 0)]:
        if settings[name] < least:
            raise FmdiagError(f"{name} must be at least {least}, got {settings[name]}")
    for name in ("lr", "clip"):
        if not (settings[name] > 0 and math.isfinite(settings[name])):
            raise FmdiagError(f"{name} must be positive and finite, got {settings[name]}")
    if not 0 <= settings["ema_decay"] < 1:
        raise FmdiagError(f"ema_decay must be in [0, 1), got {settings['ema_decay']}")
    shape = settings["network"].get("shape")
    if list(shape or []) != list(training_set.shape):
        raise FmdiagError(f"the network takes samples of shape {shape}, {training_set.name} has rows of shape "
                          f"{list(training_set.shape)}")


def check_unchanged(settings, given):
    """Raise FmdiagError if a resumed run is asked for other settings than it was begun with.

    Parameters
    ----------
    settings : dict
        Of the run to resume.
    given : dict
        Settings asked for now; None means as before. `steps` may grow, and precision "auto" keeps what was measured.
    """
    for name, value in given.items():
        kept = value is None or name == "steps" or (name == "precision" and value == "auto")
        if not kept and value != settings[name]:
            raise FmdiagError(f"cannot resume with another {name}: the run has {settings[name]}, got {value}; leave "
                              "the option out, or start a new run")


def check_rows(settings, training_set):
    """Raise FmdiagError if the rows are not those that the run was begun with."""
    before = settings["dataset"]
    if before["fingerprint"] != training_set.fingerprint:
        raise FmdiagError(f"cannot resume on other data: the run was begun on {before['name']} (n = {before['n']}, "
                          f"fingerprint {before['fingerprint'][:12]}), got {training_set.name} (n = {training_set.n}, "
                          f"fingerprint {training_set.fingerprint[:12]}); give the same data, or start a new run")


def say_without_null(training_set):
    """Warn where no rows are held out of a training that is about to begin."""
    if training_set.held_out_source is None:
        warnings.warn(f"{training_set.name}: no rows are held out, so that what is measured of this model will have no "
                      "null: no verdict on copies, no membership, no audit; stop and give --held-out 0.1 (a share of "
                      "these rows) or --held-out PATH (others); in Python load_dataset(..., held_out=0.1)",
                      FmdiagWarning, stacklevel=3)
