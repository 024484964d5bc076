"""Intervals whose misses are counted: each call draws data, measures them, and returns (low, high, truth).

`INTERVALS` names every one; a driver calls it with a generator of its own as often as it likes and counts how often the
truth lies outside. All intervals have level .95. Truths are exact where they are known; otherwise they are means of many
values, found once, whose own error is below a twentieth of an interval's width.

Metrics of samples given their training rows (AuthPct, Carlini's, NNDR) are about the samples of *this* training set:
their truth is the value of 4000 further samples, not the mean over training sets.
"""

import functools
import zlib

import numpy as np
import torch
from scipy import stats

import fmdiag
from fmdiag.metrics import METRICS
from fmdiag.metrics.held_out import beside_held_out
from fmdiag.stats import bounded_interval, newcombe_auc

N, N_TRAIN, N_TEST, DIM = 60, 120, 80, 3
T = 0.8


def _seed(rng):
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def _sets(rng, scale=1.0):
    return scale * rng.normal(size=(N, DIM)), rng.normal(size=(N_TRAIN, DIM)), rng.normal(size=(N_TEST, DIM))


def _ends(table, metric, source=None):
    rows = table[table["metric"] == metric]
    row = (rows if source is None else rows[rows["source"] == source]).iloc[0]
    return float(row["value"]), float(row["low"]), float(row["high"])


@functools.cache
def _mean(name, metric, repeats=200):
    """Return the expected value of a metric at these sizes."""
    rng = np.random.default_rng([1, zlib.crc32(metric.encode())])
    return float(np.mean([_ends(METRICS[name].measure(*_sets(rng), generator=_seed(rng)), metric)[0]
                          for _ in range(repeats)]))


def expected(name, metric, truth=None):
    """Return the callable of a metric whose truth is its expected value at this n, equal distributions."""
    def draw(rng):
        _, low, high = _ends(METRICS[name].measure(*_sets(rng), generator=_seed(rng)), metric)
        return low, high, _mean(name, metric) if truth is None else truth
    return draw


def given_training(name, metric):
    """Return the callable of a metric of samples whose truth is that of 4000 further samples beside the same rows."""
    def draw(rng):
        samples, train, test = _sets(rng)
        _, low, high = _ends(METRICS[name].measure(samples, train, test, generator=_seed(rng)), metric)
        truth = _ends(METRICS[name].measure(rng.normal(size=(4000, DIM)), train, test, generator=_seed(rng)), metric)
        return low, high, truth[0]
    return draw


def difference(name, metric):
    """Return the callable of a metric's difference from held-out rows, whose truth is 0: equal distributions."""
    def draw(rng):
        table = beside_held_out(METRICS[name], *_sets(rng), generator=_seed(rng))
        return *_ends(table, metric, "difference")[1:], 0.0
    return draw


def infinite_frechet(rng):
    """Return the interval of the Fréchet distance at infinite n between N(0, I) and N(0, 1.5² I): DIM / 4."""
    table = METRICS["frechet"].measure(*_sets(rng, 1.5), generator=_seed(rng))
    return *_ends(table, "frechet_infinity_train")[1:], DIM / 4


def beta(a, b, n):
    """Return the callable of the mean of n values of Beta(a, b)."""
    return lambda rng: (*bounded_interval(rng.beta(a, b, n))[1:], a / (a + b))


def auc(shift, n):
    """Return the callable of Newcombe's interval of the AUC of n values of N(shift, 1) against n of N(0, 1)."""
    return lambda rng: (*newcombe_auc(rng.normal(size=n) + shift, rng.normal(size=n))[1:],
                        stats.norm.cdf(shift / np.sqrt(2)))


def _rows():
    return np.random.default_rng(3).normal(size=(40, 2)).astype(np.float32)


def _path_summary(diagnostic, rng, n_pairs):
    """Return the summary rows of a diagnostic along paths of 40 training rows in two dimensions, at one time."""
    from fmdiag.diagnostics.alignment import measure as alignment
    from fmdiag.diagnostics.error import measure as error

    options = {"times": [T], "n_pairs": n_pairs, "generator": _seed(rng)}
    if diagnostic == "alignment":
        return alignment.summarise(alignment.measure(_rows(), **options))
    return error.summarise(error.measure(fmdiag.ClosedFormField(_rows()), _rows(), states="train", **options))


@functools.cache
def _path_truth(diagnostic, quantity):
    rows = _path_summary(diagnostic, np.random.default_rng(4), 20_000)
    return float(rows.loc[rows["quantity"] == quantity, "value"].iloc[0])


def on_path(diagnostic, quantity, n_pairs):
    """Return the callable of a mean over pairs at t = .8, whose truth is that of 20 000 pairs."""
    def draw(rng):
        rows = _path_summary(diagnostic, rng, n_pairs)
        row = rows[rows["quantity"] == quantity].iloc[0]
        return float(row["low"]), float(row["high"]), _path_truth(diagnostic, quantity)
    return draw


INTERVALS = {
    "source_weight, 32 pairs": on_path("alignment", "source_weight", 32),
    "source_weight, 256 pairs": on_path("alignment", "source_weight", 256),
    "conditional_variance, 32 pairs": on_path("error", "conditional_variance", 32),
    "conditional_variance, 256 pairs": on_path("error", "conditional_variance", 256),
    "bounded mean of 8, Beta(.1, 2)": beta(0.1, 2, 8),
    "bounded mean of 8, Beta(2, .1)": beta(2, 0.1, 8),
    "bounded mean of 8, uniform": beta(1, 1, 8),
    "bounded mean of 32, Beta(.02, 1)": beta(0.02, 1, 32),
    "bounded mean of 256, Beta(.3, .3)": beta(0.3, 0.3, 256),
    "auc .98, 20 and 20": auc(2.9, 20),
    "auc .76, 20 and 20": auc(1.0, 20),
    "frechet_infinity, scale 1.5": infinite_frechet,
    "frechet_infinity, equal": lambda rng: (*_ends(METRICS["frechet"].measure(*_sets(rng), generator=_seed(rng)),
                                                   "frechet_infinity_train")[1:], 0.0),
    "kid_train of the model": expected("kid", "kid_train", truth=0.0),      # unbiased
    **{f"{metric} of the model": expected(name, metric) for name, metric in (
        ("frechet", "frechet_train"), ("prdc", "coverage_train"), ("prdc", "precision_test"), ("prdc", "recall_test"),
        ("prdc", "density_train"), ("fld", "fld"), ("fld", "fld_gap"))},
    **{f"{metric} of the model": given_training(name, metric) for name, metric in (
        ("authpct", "authpct"), ("carlini", "carlini_extracted"), ("carlini", "carlini_median"), ("dcr", "nndr"))},
    **{f"{metric} less held-out": difference(name, metric) for name, metric in (
        ("frechet", "frechet_train"), ("frechet", "frechet_test"), ("frechet", "frechet_infinity_train"),
        ("kid", "kid_train"), ("prdc", "coverage_train"), ("prdc", "density_train"), ("fld", "fld"),
        ("fld", "fld_gap"), ("authpct", "authpct"), ("carlini", "carlini_median"), ("dcr", "dcr_share"),
        ("dcr", "nndr"), ("mifid", "mifid_distance"))},
}
