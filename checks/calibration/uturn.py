"""Null families and power cases of the test of U-turns: one repetition each, a p-value or None where not judged.

Fields of the null families know nothing of which examples were trained on: the exact field of the population, and û* of
a third set of the same distribution, whose U-turns end on examples of neither kind. Those of the cases are û* of the
training examples themselves, and a blend of the two.
"""

import warnings
from functools import partial

import torch

from checks.calibration.membership import SETS, population
from fmdiag import ClosedFormField
from fmdiag.diagnostics.uturn.measure import measure
from fmdiag.diagnostics.uturn.summary import difference_test
from fmdiag.errors import FmdiagWarning

TIMES = (0.2, 0.4, 0.6, 0.8)


def p_value(field, train, rng):
    """Return the p-value for a field, None where there are too few examples to compare."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        table = measure(field, train, times=TIMES, n_starts=40, n_steps=20, fields=("model",), generator=generator)
    return difference_test(table)[0] if (table["source"] == "heldout").any() else None


def of_population(rng):
    """Draw Gaussian sets and return the p-value of the population's own field."""
    return p_value(population, SETS["Gaussian, d = 8"](rng)[0], rng)


def repetition(sets, share, rng):
    """Draw the sets; the field is û* of the training examples to a `share`, of third examples else."""
    train, third = sets(rng)
    own, other = ClosedFormField(train), ClosedFormField(third)
    return p_value(lambda x, t: share * own(x, t) + (1 - share) * other(x, t), train, rng)


FAMILIES = {"Gaussian, d = 8, the population's field": of_population,
            **{f"{name}, third-party û*": partial(repetition, sets, 0.0) for name, sets in SETS.items()}}
CASES = {f"{name}, {kind}": partial(repetition, sets, share) for name, sets in SETS.items()
         for kind, share in (("û* of the training set", 1.0), ("half of it û* of the training set", 0.5))}
