"""Ladder of closed forms that are compared with a network: û* and every registered theory that fits the data."""

from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.diagnostics.theories.names import OPTIMUM
from fmdiag.errors import check_choice
from fmdiag.fields import ClosedFormField


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
    wanted = list(CLOSED_FORMS) if names is None else [name for name in names if name != OPTIMUM]
    for name in wanted:
        check_choice("theory", name, [OPTIMUM, *CLOSED_FORMS])
    wanted = list(dict.fromkeys(wanted))
    if len(training_set.shape) >= 2:
        return [OPTIMUM, *wanted], None
    out = [name for name in wanted if of_images(name)]
    remark = (f"theories: {', '.join(out)} left out: they are of patches of images, and rows of {training_set.name} "
              f"are vectors of shape {training_set.shape}") if out else None
    return [OPTIMUM, *(name for name in wanted if name not in out)], remark


def of_images(name):
    """Return whether a theory is of images only."""
    return name != OPTIMUM and getattr(CLOSED_FORMS[name], "of_images", False)


def of_patches(name):
    """Return whether a theory has a patch size k(t)."""
    return name != OPTIMUM and hasattr(CLOSED_FORMS[name], "mean_of")


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
