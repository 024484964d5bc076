"""Decision on copies among samples: one p-value of two tests, each of which is blind where the other one sees.

Label test. Of the examples that samples come near to, more are training examples than chance gives. It holds for any
sampler that knows nothing of the split, sees noisy copies and ones of near-duplicated examples, over all thresholds and
feature spaces at once; but r copied examples have at best p = (N / (N + M))^r, little with few held-out examples.

Excess. More samples than held-out examples have d1/d2 below the threshold, or below 1/2, where noisy copies are too:
Fisher's test of effective counts, samples clustered by their nearest training example (a quarter of the error for 1/2;
Holm over feature spaces). In efficientnet-lite0 a cropped, recoloured or re-encoded picture is nearest to its source,
but at 0.4 to 0.8 of d2, where next to no fresh picture is. There a third level, 3/4, has half of the error, and the
others a quarter each; in pixels fresh examples crowd there, and in other features it was not measured. The test takes
held-out examples for what honest samples look like, and r copied ones have at best p = (n / (n + m))^r for n samples
and m held-out examples.

The error of 5 % is divided between the two by these sizes alone, before any distance is looked at. With r and r' copied
examples to reach p = 0.05, the label test has 80 % where r <= r', half where r <= 3 r', else 20 %. p is the lesser of
the two p-values, each divided by its part; copies are found where p is at most 0.05.
"""

import math
from dataclasses import dataclass

import numpy as np

from fmdiag.diagnostics.memorization.near import hits
from fmdiag.diagnostics.memorization.sweep import clusters_of
from fmdiag.stats.clustered import clustered_difference, clustered_exclusion, clustered_p, effective_counts
from fmdiag.stats.label_test import PERMUTATIONS, Hits, LabelTest, label_test
from fmdiag.stats.shares import holm

ERROR = 0.05
PARTS = ((1, 0.8), (3, 0.5), (math.inf, 0.2))   # (r / r' up to, the label test's part of the error)
SEED = 0
WIDE, PART_OF_WIDE = 0.5, 0.25
WIDEST, PART_OF_WIDEST = 0.75, 0.5      # in features for which it was measured (checks/vision_power.py)
MEASURED = ("efficientnet-lite0",)


@dataclass(frozen=True)
class Space:
    """What one feature space says: d1/d2 of samples and of held-out examples, and what comes near.

    Parameters
    ----------
    feature : str
    threshold : float
        Bound on d1/d2.
    ratios, null_ratios : ndarray of float, shape (n,) and (m,)
        d1/d2 of the samples and of the held-out examples.
    clusters, null_clusters : ndarray, shape (n,) and (m,)
        Nearest training example of each, or its group.
    hits : Hits or None
    """

    feature: str
    threshold: float
    ratios: np.ndarray
    clusters: np.ndarray
    null_ratios: np.ndarray
    null_clusters: np.ndarray
    hits: Hits | None

    @property
    def thresholds(self):
        """Bound on d1/d2 -> part of the error with which it is tested."""
        wider = {WIDE: PART_OF_WIDE} | ({WIDEST: PART_OF_WIDEST} if self.feature in MEASURED else {})
        wider = {level: part for level, part in wider.items() if level > self.threshold}
        return {self.threshold: 1 - sum(wider.values()), **wider}

    @property
    def flags(self):
        """Which samples have d1/d2 below the threshold: bool, shape (n,)."""
        return self.ratios < self.threshold

    @property
    def null_flags(self):
        """Which held-out examples have: bool, shape (m,)."""
        return self.null_ratios < self.threshold

    def counts(self, threshold):
        """Return the effective (successes, n) below a threshold, of the samples and of the held-out examples."""
        return (effective_counts(self.ratios < threshold, self.clusters),
                effective_counts(self.null_ratios < threshold, self.null_clusters))

    def excess(self, threshold=None, level=0.95):
        """Return (difference, low, high) of the shares of samples and held-out examples below a threshold.

        The difference is that of the plain shares; effective counts make the interval.
        """
        return clustered_difference(*self.counts(threshold or self.threshold), level=level)

    def exclusion(self, threshold=None, level=0.95):
        """Return the excess above which all are excluded."""
        return clustered_exclusion(*self.counts(threshold or self.threshold), level=level)


@dataclass(frozen=True)
class Decision:
    """Outcome of the rule.

    Parameters
    ----------
    p : float
        p-value of the rule.
    excess_p : dict
        Feature -> (p-value of the excess, corrected; the threshold on d1/d2 where it is clearest).
    labels : LabelTest or None
        None where the labels decide nothing, for want of numbers of examples.
    label_share : float
        The label test's part of the error.
    """

    p: float
    excess_p: dict
    labels: LabelTest | None
    label_share: float

    @property
    def found(self):
        """Whether copies are found."""
        return self.p <= ERROR

    @property
    def least_excess_p(self):
        """The p-value of the excess, over all spaces."""
        return min(self.excess_p.values())[0]

    @property
    def clearest(self):
        """(feature, threshold) where the excess is clearest."""
        return min((p, feature, threshold) for feature, (p, threshold) in self.excess_p.items())[1:]

    @property
    def by_labels(self):
        """Whether the label test is the one that decides."""
        excess = self.least_excess_p / (1 - self.label_share)
        return self.labels is not None and self.labels.p / self.label_share <= excess


def spaces_of(table):
    """Return the Spaces of a memorization table, as far as it has samples and held-out examples."""
    found = []
    for (feature, threshold), part in table.groupby(["feature", "threshold"], sort=False):
        model, null = (part[part["source"] == source] for source in ("model", "heldout"))
        if len(model) and len(null):
            found.append(Space(feature, float(threshold), model["ratio"].to_numpy(float), clusters_of(model),
                               null["ratio"].to_numpy(float), clusters_of(null), hits(model)))
    return found


def decide(spaces, pool=None, *, n_permutations=PERMUTATIONS):
    """Return the Decision.

    Parameters
    ----------
    spaces : sequence of Space
        At least one.
    pool : tuple of int, optional
        Numbers of training and of held-out examples (or groups) that samples could come near to.
    """
    p_values = excess_p(spaces)
    near = [space.hits for space in spaces]
    if pool is None or None in near:
        return Decision(min(p_values.values())[0], p_values, None, 0.0)
    share = label_share(pool, len(spaces[0].ratios), len(spaces[0].null_ratios))
    labels = label_test(near, *pool, rng=np.random.default_rng(SEED), n_permutations=n_permutations)
    p = min(1.0, labels.p / share, min(p_values.values())[0] / (1 - share))
    return Decision(p, p_values, labels, share)


def excess_p(spaces):
    """Return {feature: (p-value of the excess, threshold)}, corrected for thresholds and spaces."""
    found = [_over_thresholds([space]) for space in spaces]
    corrected = holm([p[:, 0].min() for p in found])
    return {space.feature: (float(p), list(space.thresholds)[int(each[:, 0].argmin())])
            for space, p, each in zip(spaces, corrected, found, strict=True)}


def least_excess_p(measured):
    """Return the least corrected p-value of each of many measurements, lists of Spaces alike; shape (m,)."""
    p = np.stack([_over_thresholds(spaces).min(0) for spaces in zip(*measured, strict=True)])
    return np.minimum(1, len(p) * p.min(0))   # Holm's step for the least of them


def _over_thresholds(spaces):
    """Return the p-values of Spaces of one feature, divided by the thresholds' parts; shape (thresholds, spaces)."""
    found = []
    for threshold, part in spaces[0].thresholds.items():
        counts = np.array([space.counts(threshold) for space in spaces])
        found.append(np.minimum(1, clustered_p(counts[:, 0].T, counts[:, 1].T) / part))
    return np.stack(found)


def label_share(pool, n_samples, n_null):
    """Return the label test's part of the error, from sizes alone."""
    n_train, n_held_out = pool
    ratio = math.log1p(n_null / n_samples) / math.log1p(n_held_out / n_train)
    return next(part for most, part in PARTS if ratio <= most)
