"""Null families and power cases of the membership test: one repetition each, a p-value or None where not judged.

The fields of the null families are û* of a third set of the same distribution, which fits what is frequent and knows
nothing of which examples were trained on; for the best attack also the exact field of the population. Those of the cases
are û* of the training examples themselves, and a blend of the two. The p-value is the smaller of loss and error, doubled.
"""

import warnings
from functools import partial

import numpy as np
import torch

from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.membership.attacks import ATTACKS
from fmdiag.diagnostics.membership.attacks.measure import measure as measure_attacks
from fmdiag.diagnostics.membership.attacks.summary import summarise as summarise_attacks
from fmdiag.diagnostics.membership.examples import TooFewImages
from fmdiag.diagnostics.membership.measure import draw, measure, summarise
from fmdiag.errors import FmdiagWarning

N, N_HELD_OUT = 120, 60
TIMES = (0.3, 0.6, 0.9)


def gaussian(rng, n):
    """Return n independent points in 8 dimensions."""
    return rng.normal(size=(n, 8))


def grid(rng, n):
    """Return n rounded points in two dimensions: most content recurs."""
    return np.round(6 * rng.normal(size=(n, 2))) / 6


def binary(rng, n):
    """Return n vectors of 10 bits."""
    return 2.0 * (rng.random((n, 10)) < 0.3) - 1


def duplicated(rng, n):
    """Return n points of which three in ten are one of 40 that recur."""
    points, known = rng.normal(size=(n, 8)), np.random.default_rng(5).normal(size=(40, 8))
    chosen = rng.random(n) < 0.3
    points[chosen] = known[rng.integers(40, size=chosen.sum())]
    return points


def drawn(draw, rng):
    """Return (training set with its held-out set, a third set) of one distribution."""
    own, held_out, third = (TrainingSet(np.float32(draw(rng, n))) for n in (N, N_HELD_OUT, N))
    return TrainingSet(own.rows, held_out_source=held_out), third


def grouped(rng):
    """Return the same where the examples are frames: 2 to 4 near-copies of each of the scenes."""
    sets = []
    for n in (N // 3, N_HELD_OUT // 3, N // 3):
        groups = np.repeat(np.arange(n), rng.integers(2, 5, size=n))
        rows = rng.normal(size=(n, 8))[groups] + 0.05 * rng.normal(size=(len(groups), 8))
        sets.append(TrainingSet(np.float32(rows), groups=groups, group_names=tuple(map(str, range(n)))))
    own, held_out, third = sets
    names = tuple(f"h{k}" for k in held_out.group_names)
    held_out = TrainingSet(held_out.rows, groups=held_out.groups, group_names=names)
    return TrainingSet(own.rows, groups=own.groups, group_names=own.group_names, held_out_source=held_out), third


def population(x, t):
    """Return the exact velocity for standard normal data on the straight path."""
    t = t.reshape(-1, 1).to(x)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def p_value(sets, share, rng):
    """Return the p-value for the field that is û* of the training examples to a `share`, of third examples else."""
    train, third = sets
    own, other = ClosedFormField(train), ClosedFormField(third)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        try:
            table = measure(lambda x, t: share * own(x, t) + (1 - share) * other(x, t), train, times=TIMES,
                            n_images=64, n_noises=2, generator=generator)
        except TooFewImages:
            return None
    summary = summarise(table)
    return float(min(1.0, 2 * summary.loc[summary["quantity"] == "auc_p", "value"].min()))


def attack_p(field, train, seed):
    """Return attack_p of the best published attack on a field, None where there are too few examples."""
    options = {"n_images": 64, "n_noises": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        try:
            table = measure(field, train, times=TIMES, generator=torch.Generator().manual_seed(seed), **options)
        except TooFewImages:
            return None
        drawn = draw(train, generator=torch.Generator().manual_seed(seed), **options)
        names = [name for name in ATTACKS if name != "reference"]
        summary = summarise_attacks(measure_attacks(field, train, drawn, table, names))
    return float(summary.loc[summary["quantity"] == "attack_p", "value"].iloc[0])


def best_attack(sets, share, rng):
    """Draw the sets and return attack_p for the field that p_value describes."""
    train, third = sets(rng)
    own, other = ClosedFormField(train), ClosedFormField(third)
    return attack_p(lambda x, t: share * own(x, t) + (1 - share) * other(x, t), train, int(rng.integers(2**31)))


def best_attack_on_population(rng):
    """Draw Gaussian sets and return attack_p for the population's own field."""
    train, _ = SETS["Gaussian, d = 8"](rng)
    return attack_p(population, train, int(rng.integers(2**31)))


def repetition(sets, share, rng):
    """Draw the sets and return the p-value."""
    return p_value(sets(rng), share, rng)


SETS = {**{name: partial(drawn, draw) for name, draw in (("Gaussian, d = 8", gaussian), ("grid, d = 2", grid),
                                                         ("binary, d = 10", binary), ("30 % duplicates", duplicated))},
        "grouped frames": grouped}
FAMILIES = {f"{name}, third-party û*": partial(repetition, sets, 0.0) for name, sets in SETS.items()}
CASES = {f"{name}, {kind}": partial(repetition, sets, share) for name, sets in SETS.items()
         for kind, share in (("û* of the training set", 1.0), ("half of it û* of the training set", 0.5))}
ATTACK_FAMILIES = {f"{name}, third-party û*": partial(best_attack, sets, 0.0) for name, sets in SETS.items()}
ATTACK_CASES = {f"{name}, {kind}": partial(best_attack, sets, share) for name, sets in SETS.items()
                for kind, share in (("û* of the training set", 1.0), ("half of it û* of the training set", 0.5))}
FAMILIES |= {"best attack, Gaussian, d = 8, the population's field": best_attack_on_population,
             **{f"best attack, {name}": case for name, case in ATTACK_FAMILIES.items()}}
CASES |= {f"best attack, {name}": case for name, case in ATTACK_CASES.items()}
