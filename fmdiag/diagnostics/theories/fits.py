"""Fits of theories: on all training examples, and on equally many training and held-out ones with groups left out.

The difference between two equal sets has the chance of which examples are in either, beside that of the states. It is
known from fits that lack one of GROUPS random groups of examples (the delete-a-group jackknife, `fmdiag.stats`).
"""

from dataclasses import dataclass, field

import numpy as np

from fmdiag.diagnostics.theories.fresh import part
from fmdiag.diagnostics.theories.ladder import SLOW, built

GROUPS = 8
WHOLE = -1


@dataclass(frozen=True)
class Fit:
    """Theories fitted on one set of examples.

    Attributes
    ----------
    fitted_on : str
        "train" or "heldout".
    compared : bool
        Whether it is one of the equal sets, or such a set with a group left out.
    group : int
        The group that is left out; WHOLE for none.
    n : int
        Examples, mirror images counted.
    fields : dict of str to field
        By the theory's name.
    """

    fitted_on: str
    compared: bool
    group: int
    n: int
    fields: dict = field(repr=False)


def make_fits(names, training_set, equal_sets, schedules, *, left_out, **surroundings):
    """Return the Fits: the one on all training examples first.

    Parameters
    ----------
    names : list of str
        Theories.
    training_set : TrainingSet
    equal_sets : dict of str to TrainingSet
        Under "train" and "heldout"; empty where nothing is compared.
    schedules : dict of str to Schedule
        Patch sizes of the theories that have them.
    left_out : bool
        Whether fits without each of the groups are wanted.
    **surroundings
        path, memory and device.
    """
    def fit(rows, fitted_on, compared, group=WHOLE):
        fields = {name: built(name, rows, schedules.get(name), **surroundings)
                  for name in names if not (compared and name in SLOW)}
        return Fit(fitted_on, compared, group, rows.n, fields)

    fits = [fit(training_set, "train", False)]
    for fitted_on, rows in equal_sets.items():
        fits.append(fit(rows, fitted_on, True))
        groups = np.arange(rows.n_stored) % GROUPS   # the rows are in a random order
        fits += [fit(part(rows, np.flatnonzero(groups != group), training_set), fitted_on, True, group)
                 for group in range(GROUPS if left_out else 0)]
    return fits
