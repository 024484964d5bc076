"""Null families and power cases of a watch: 20 looks at one training run, and the smallest p-value corrected for them.

A repetition is one run: training and held-out examples of one distribution, a field that changes from look to look, the
measures and tests of `fmdiag watch` at each look, corrected as there for however many looks will come. A false alarm is
any test at any look. Fields of the null families know nothing of which examples were trained on: the exact field of the
population with a smooth disturbance of its own at every look, and fields that go over from it to û* of a third set of
the same distribution, as a network does that comes to memorise other rows. The cases go over to û* of the training
examples.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch

from checks.calibration.membership import SETS, population
from fmdiag import ClosedFormField
from fmdiag.monitoring.measures import Setting, look
from fmdiag.monitoring.onset import tests_of, with_corrected
from fmdiag.stats import exchanges_needed

N_LOOKS, N_PAIRS, N_STEPS, TIMES = 20, 20, 4, (0.3, 0.8)
MEASURES = ("gap", "f_mem", "membership")


def disturbed(rng, size):
    """Return the population's field with a smooth disturbance: size sin(x A + b + 3 t)."""
    a, b = (torch.tensor(rng.normal(size=shape)) for shape in ((8, 8), (8,)))
    return lambda x, t: population(x, t) + size * torch.sin(x.double() @ a + b + 3 * t.double().reshape(-1, 1)).to(x)


def blended(other, share):
    """Return the field that goes over from the population's to another one, to a `share`."""
    return lambda x, t: (1 - share) * population(x, t) + share * other(x, t)


def smallest_p(train, fields, rng):
    """Return the smallest corrected p-value of a watch of the fields, over looks and tests."""
    setting = Setting(train, measures=MEASURES, n_steps=N_STEPS, times=TIMES, seed=int(rng.integers(2**31)))
    tests = tests_of(setting)
    tables = [look(field, setting, step=k, n=N_PAIRS, exchanges=exchanges_needed(k, n_tests=len(tests)))
              for k, field in enumerate(fields, 1)]
    p = with_corrected(pd.concat(tables, ignore_index=True), tests=tests)["p_corrected"]
    return None if p.isna().all() else float(p.min())


def of_population(rng):
    """Draw Gaussian sets; every look has its own disturbance, of a size that falls."""
    train, _ = SETS["Gaussian, d = 8"](rng)
    return smallest_p(train, [disturbed(rng, size) for size in np.geomspace(1, 0.05, N_LOOKS)], rng)


def going_over(sets, own, rng):
    """Draw sets; the field goes over to û* of the training examples, or of the third set."""
    train, third = sets(rng)
    other = ClosedFormField(train if own else third)
    return smallest_p(train, [blended(other, share) for share in np.linspace(0, 1, N_LOOKS)], rng)


MANY = "Gaussian, d = 8, the population's field, disturbed at every look"    # repeated more often than the others
FAMILIES = {MANY: of_population,
            **{f"{name}, over to third-party û*": partial(going_over, SETS[name], False)
               for name in ("Gaussian, d = 8", "grouped frames")}}
CASES = {f"{name}, over to û* of the training set": partial(going_over, SETS[name], True)
         for name in ("Gaussian, d = 8", "grouped frames")}
