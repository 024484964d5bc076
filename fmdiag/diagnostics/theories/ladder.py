"""Ladder of closed forms that are compared with a network: û* and every registered theory that fits the data."""

import inspect

from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.diagnostics.theories.names import OPTIMUM, label
from fmdiag.errors import check_choice
from fmdiag.fields import ClosedFormField

# Every patch of every place is compared with every pixel: on request only, and not fitted again with groups left out.
SLOW = ("els",)


class Optimum(ClosedFormField):
    """û* with the posterior mean that every other closed form has."""

    def mean(self, x, t):
        """Return D(x, t), float64, shape of x."""
        return self.posterior(x, t).mean.to(x.device)


def chosen(names, training_set):
    """Return (names of theories that apply, û* first; a sentence on those that do not, or None).

    Raises
    ------
    FmdiagError
        If a name is unknown.
    """
    wanted = [name for name in CLOSED_FORMS if name not in SLOW] if names is None else names
    wanted = [name for name in wanted if name != OPTIMUM]
    for name in wanted:
        check_choice("theory", name, [OPTIMUM, *CLOSED_FORMS])
    wanted = list(dict.fromkeys(wanted))
    if len(training_set.shape) in (2, 3):
        return [OPTIMUM, *wanted], None
    out = [name for name in wanted if of_patches(name)]
    remark = (f"theories of patches left out ({', '.join(map(label, out))}): they need images, and examples of "
              f"{training_set.name} have shape {training_set.shape}") if out else None
    return [OPTIMUM, *(name for name in wanted if name not in out)], remark


def of_patches(name):
    """Return whether a theory is of patches of images, with a size k."""
    return name != OPTIMUM and "k" in inspect.signature(CLOSED_FORMS[name]).parameters


def calibrated_by(name):
    """Return the theory whose patch sizes a theory takes: its own where it answers several sizes at once."""
    return name if hasattr(CLOSED_FORMS[name], "mean_of") else "local-score"


def built(name, training_set, schedule=None, **surroundings):
    """Return the field of one theory fitted on a training set.

    Parameters
    ----------
    name : str
        OPTIMUM or one of CLOSED_FORMS.
    training_set : TrainingSet
    schedule : Schedule, optional
        Patch sizes, for theories that have them.
    **surroundings
        path, memory and device.
    """
    if name == OPTIMUM:
        return Optimum(training_set, **surroundings)
    sizes = {} if schedule is None else {"k": schedule.sizes, "times": schedule.times}
    return CLOSED_FORMS[name](training_set, **surroundings, **sizes)
