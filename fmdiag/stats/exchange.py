"""Permutation test of AUCs or differences whose values come in pairs, and a simultaneous band over several of them.

The two members of a pair share what the score depends on (here the noise), so that a test of independent groups does
not hold its level. Where a label tells nothing the two may change places, in all columns at once: of ranks R among all
2m scores of a column

    AUC - 1/2 = sum_k s_k (R_k - R'_k) / (2 m²),      s_k = 1, and at random 1 or -1 under the null.

The band holds for all columns together: each AUC has Newcombe's interval with the critical value of the largest |z|
over the columns under exchange, z = (AUC - 1/2) / Newcombe's error at 1/2, in the place of 1.96 and never below it. It
leaves out 1/2 only where that maximum test rejects, stays in [0, 1] and has no width 0.

Differences in their own units: to exchange the members of a pair flips the sign of its differences d. The mean over its
standard error under random signs, all columns together, gives the same kind of test and band. The sum of d² does not
change under flips, and the standard error follows from it and the mean.

References
----------
Pitman 1937, "Significance tests which may be applied to samples from any populations", J. R. Stat. Soc. Suppl. 4.
Westfall and Young 1993, "Resampling-based multiple testing" (the maximum). Newcombe 2006, see `fmdiag.stats.roc`.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.stats.roc import newcombe_error, newcombe_limits

EXCHANGES = 20_000
ENTRIES = 1 << 22


@dataclass(frozen=True)
class Exchanged:
    """AUCs of k columns of m pairs, and the same after random exchanges within pairs.

    Attributes
    ----------
    areas : ndarray, shape (k,)
    null : ndarray, shape (n_exchanges, k)
    n_pairs : int
    """

    areas: np.ndarray
    null: np.ndarray
    n_pairs: int

    def larger_p(self):
        """Return the one-sided p-value of each column, shape (k,); never below 1 / (n_exchanges + 1)."""
        return (1 + (self.null >= self.areas - 1e-12).sum(0)) / (1 + len(self.null))

    def largest_p(self):
        """Return the one-sided p-value of the largest of all columns, a float; never below 1 / (n_exchanges + 1)."""
        return float((1 + (self.null.max(1) >= self.areas.max() - 1e-12).sum()) / (1 + len(self.null)))

    def critical(self, level=0.95):
        """Return the critical value of the largest |z| of all columns."""
        largest = np.abs(self.null - 0.5).max(1) / newcombe_error(0.5, self.n_pairs, self.n_pairs)
        return max(float(np.quantile(largest, level, method="higher")), float(stats.norm.ppf((1 + level) / 2)))

    def band(self, level=0.95):
        """Return (areas, low, high), each of shape (k,), simultaneous at `level`."""
        z, m = self.critical(level), self.n_pairs
        ends = np.array([newcombe_limits(area, m, m, z) for area in self.areas])
        return self.areas, ends[:, 0], ends[:, 1]


def exchange_pairs(positive, negative, *, n_exchanges=EXCHANGES, seed=0):
    """Return the Exchanged of pairs of scores, those of all columns exchanged together.

    Parameters
    ----------
    positive, negative : array_like, shape (m, k)
        Scores of both members of each pair; finite.

    Raises
    ------
    FmdiagError
        If the shapes differ, or a score is not finite.

    Examples
    --------
    >>> found = exchange_pairs([[3.0], [4.0]], [[1.0], [2.0]])       # one of four exchanges is as extreme
    >>> float(found.areas[0]), round(float(found.larger_p()[0]), 2)
    (1.0, 0.25)
    """
    positive, negative = np.asarray(positive, float), np.asarray(negative, float)
    if positive.shape != negative.shape or positive.ndim != 2 or not np.isfinite([positive, negative]).all():
        raise FmdiagError("pairs need finite scores of one shape (pairs, columns), got "
                          f"{positive.shape} and {negative.shape}")
    m, rng = len(positive), np.random.default_rng(seed)
    ranks = stats.rankdata(np.concatenate([positive, negative]), axis=0)
    steps = (ranks[:m] - ranks[m:]) / (2 * m**2)
    parts, per_pass = [], max(1, ENTRIES // m)
    for start in range(0, n_exchanges, per_pass):
        signs = rng.integers(2, size=(min(per_pass, n_exchanges - start), m), dtype=np.int8)
        parts.append((2.0 * signs - 1) @ steps)
    return Exchanged(0.5 + steps.sum(0), 0.5 + np.concatenate(parts), m)


@dataclass(frozen=True)
class Flipped:
    """Mean differences of k columns of m units, and their studentized means after random flips of whole units' signs.

    Attributes
    ----------
    means, errors : ndarray, shape (k,)
        Means over units and their standard errors.
    null : ndarray, shape (n_flips, k)
        Mean over standard error after flips.
    n_units : int
    """

    means: np.ndarray
    errors: np.ndarray
    null: np.ndarray
    n_units: int

    def any_larger_p(self):
        """Return the one-sided p-value of "some column's mean is above 0", by the largest studentized mean."""
        largest = _studentized(self.means, self.errors).max()
        return float((1 + (self.null.max(1) >= largest - 1e-12).sum()) / (1 + len(self.null)))

    def larger_p(self):
        """Return the one-sided p-value of each column, corrected for all of them by the largest, shape (k,)."""
        found = _studentized(self.means, self.errors)
        return (1 + (self.null.max(1)[:, None] >= found - 1e-12).sum(0)) / (1 + len(self.null))

    def critical(self, level=0.95):
        """Return the critical value of the largest |mean| over standard error, never below Student's."""
        student = float(stats.t.ppf((1 + level) / 2, self.n_units - 1))
        return max(float(np.quantile(np.abs(self.null).max(1), level, method="higher")), student)

    def band(self, level=0.95):
        """Return (means, low, high), each of shape (k,), simultaneous at `level`."""
        half = self.critical(level) * self.errors
        return self.means, self.means - half, self.means + half


def flip_differences(differences, *, n_flips=EXCHANGES, seed=0):
    """Return the Flipped of paired differences, all columns of a unit flipped together.

    Parameters
    ----------
    differences : array_like, shape (m, k)
        Of independent units, which under the null could as well have the other sign; finite, m >= 2.

    Raises
    ------
    FmdiagError
        If there are fewer than two units, or a difference is not finite.

    Examples
    --------
    >>> found = flip_differences([[1.0], [1.5], [2.0]])         # one of eight signs is as extreme
    >>> float(found.means[0]), round(found.any_larger_p(), 2)
    (1.5, 0.13)
    """
    differences = np.asarray(differences, float)
    if differences.ndim != 2 or len(differences) < 2 or not np.isfinite(differences).all():
        raise FmdiagError("differences must be finite and of shape (units, columns) with two units at least, got shape "
                          f"{differences.shape}")
    m, rng = len(differences), np.random.default_rng(seed)
    squares = np.square(differences).sum(0)
    parts, per_pass = [], max(1, ENTRIES // max(differences.shape))
    for start in range(0, n_flips, per_pass):
        signs = rng.integers(2, size=(min(per_pass, n_flips - start), m), dtype=np.int8)
        means = (2.0 * signs - 1) @ differences / m
        parts.append(_studentized(means, _errors(means, squares, m)))
    means = differences.mean(0)
    return Flipped(means, _errors(means, squares, m), np.concatenate(parts), m)


def _errors(means, squares, m):
    """Return standard errors of means of m values with these sums of squares; rounding makes none of equal values."""
    variance = (squares - m * means**2) / (m - 1) / m
    return np.sqrt(np.where(variance > 1e-14 * squares / m, variance, 0.0))


def _studentized(means, errors):
    """Return means over errors; 0 for a mean of 0, and a large number for another one without an error."""
    return means / np.where(errors > 0, errors, np.where(means == 0, 1.0, np.abs(means) * 1e-12))
