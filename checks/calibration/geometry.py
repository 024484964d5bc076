"""Null families and power cases of the test of dimensions: one repetition each, a p-value or None where not judged.

As for U-turns: fields of the null families know nothing of which examples were trained on, the exact field of the
population and û* of a third set; those of the cases are û* of the training examples, and a blend of the two.
"""

import warnings
from functools import partial

import torch

from checks.calibration.membership import SETS, population
from fmdiag import ClosedFormField
from fmdiag.diagnostics.geometry.measure import measure, summarise
from fmdiag.errors import FmdiagWarning

TIMES = (0.3, 0.5, 0.7, 0.9)


def p_value(field, train, rng):
    """Return the p-value for a field, None where there are too few examples to compare."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        table = measure(field, train, samples=train[:2], times=TIMES, n_images=40, generator=generator)
    rows = summarise(table).set_index("quantity")
    return float(rows.loc["lid_p", "value"]) if "lid_p" in rows.index else None


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
