"""The points at which a reading is tested, and how well a velocity fits there: loss minus the zero field's.

    x_t = (1-t) x0 + t x1;     L(u) - L(0) = E[||u||^2 - 2 <u, x1 - x0>], a mean over coordinates

The same pairs of noise and training row serve every quarter of time, so that readings are compared on equal points.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.checkpoints.convention import SINGULAR

# Near t = 0 a velocity from epsilon, near t = 1 one from x1 has the network's error over t or 1 - t: the ends are left
# out, and in the quarter beside them a network that was trained briefly may be worse than 0, by SLACK times its loss.
QUARTERS = ((0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9))
TIMES_PER_QUARTER, N_PAIRS, QUANTILE, SLACK = 4, 64, 4.0, 2.0
SAME = 0.2
SINGULAR_QUARTER = {"epsilon": 0, "score": 0, "x1": 3}


@dataclass(frozen=True)
class Points:
    """Pairs and the times at which a field is asked about them: x0, x1 (b, *shape), t (b,), quarter (b,), float64."""

    x0: torch.Tensor
    x1: torch.Tensor
    t: torch.Tensor
    quarter: np.ndarray

    @property
    def x(self):
        """Points x_t, shape (b, *shape)."""
        return self._along(1 - self.t) * self.x0 + self._along(self.t) * self.x1

    def excess(self, velocity):
        """Return ||u||^2 - 2 <u, x1 - x0> of each point, a mean over coordinates, ndarray of shape (b,)."""
        velocity = velocity.cpu().double()
        return (velocity * (velocity - 2 * (self.x1 - self.x0))).flatten(1).mean(1).numpy()

    def reading(self, velocity, parameterisation, options=""):
        """Return the Reading that gives these velocities, shape (b, *shape)."""
        slack, k = np.zeros(len(QUARTERS)), SINGULAR_QUARTER.get(parameterisation)
        if k is not None:
            slack[k] = SLACK * self.zero[k]
        excess = self.excess(velocity)
        return Reading(self.by_quarter(excess), slack, options, excess, velocity)

    @property
    def zero(self):
        """Loss of the zero field per quarter, shape (4,)."""
        return self.by_quarter((self.x1 - self.x0).square().flatten(1).mean(1).numpy())[:, 0]

    def by_quarter(self, values):
        """Return (mean, standard error) of each quarter; NaN where it has no point."""
        parts = [values[self.quarter == k] for k in range(len(QUARTERS))]
        return np.array([(p.mean(), p.std(ddof=1) / math.sqrt(len(p))) if len(p) else (np.nan, np.nan) for p in parts])

    def _along(self, t):
        return t.reshape(-1, *[1] * (self.x0.ndim - 1))


@dataclass(frozen=True)
class Reading:
    """How well a reading fits the rows.

    Parameters
    ----------
    excess : ndarray, shape (4, 2)
        Loss minus the zero field's, (mean, standard error) per quarter of time.
    slack : ndarray, shape (4,)
        By how much it may be above 0.
    options : str
        What leads to it.
    values : ndarray, shape (b,), optional
        Loss minus the zero field's of each point.
    velocity : Tensor, shape (b, *shape), optional
        At the points.
    """

    excess: np.ndarray
    slack: np.ndarray
    options: str = ""
    values: np.ndarray | None = None
    velocity: torch.Tensor | None = None

    @property
    def worst(self):
        """The quarter in which it is worse than the zero field beyond the bound, the worst of them; else None."""
        over = self.excess[:, 0] - QUANTILE * self.excess[:, 1] - self.slack
        return int(np.nanargmax(over)) if bool((over > 0).any()) else None

    @property
    def total(self):
        """Mean over the quarters that were reached."""
        return float(np.nanmean(self.excess[:, 0]))

    def beats(self, other, margin):
        """Return whether it fits better than another reading in the mean over time, by a margin beyond the bound."""
        variance = self.excess[:, 1] ** 2 + other.excess[:, 1] ** 2
        error = math.sqrt(np.nansum(variance)) / max(1, int((~np.isnan(variance)).sum()))
        return self.worst is None and self.total < other.total - max(margin, QUANTILE * error)

    def equals(self, other, margin):
        """Return whether the pairs do not tell it from another reading, whose velocities are clearly others.

        The mean difference of loss at the same pairs lies within `QUANTILE` of its standard errors and a margin, and
        the velocities differ by more than `SAME` of their size. Added to those of û*, so large a difference would
        raise the loss by its square.
        """
        if self.values is None or other.values is None or self.values.shape != other.values.shape:
            return False
        d = self.values - other.values
        apart = (self.velocity - other.velocity).square().mean() > SAME**2 * other.velocity.square().mean()
        return bool(apart) and abs(d.mean()) <= min(margin, QUANTILE * d.std(ddof=1) / math.sqrt(len(d)))

    def nowhere_worse(self, other, margin):
        """Return whether no quarter's mean is above another reading's by more than a margin."""
        worse = self.excess[:, 0] > other.excess[:, 0] + margin
        return not bool(worse.any())


def draw_points(training_set, reachable, *, ot=False, n_pairs=N_PAIRS, seed=0):
    """Return the Points of all quarters that a schedule reaches, None where it reaches none."""
    generator = torch.Generator().manual_seed(seed)
    # No mirror images: whether the model was trained on them is another question.
    rows = torch.randint(training_set.n_stored, (n_pairs,), generator=generator)
    x0 = torch.randn(n_pairs, *training_set.shape, generator=generator).double()
    x1 = training_set[rows.numpy()].double()
    if ot:
        from scipy.optimize import linear_sum_assignment

        x1 = x1[linear_sum_assignment(-(x0.flatten(1) @ x1.flatten(1).T).numpy())[1]]
    parts = []
    for k, (low, high) in enumerate(QUARTERS):
        low, high = max(low, reachable[0] + SINGULAR), min(high, reachable[1] - SINGULAR)
        if low < high:
            steps = (torch.arange(n_pairs) % TIMES_PER_QUARTER + 0.5) / TIMES_PER_QUARTER
            parts.append((k, (low + (high - low) * steps).float().double()))
    if not parts:
        return None
    return Points(x0.repeat(len(parts), *[1] * (x0.ndim - 1)), x1.repeat(len(parts), *[1] * (x1.ndim - 1)),
                  torch.cat([t for _, t in parts]), np.repeat([k for k, _ in parts], n_pairs))
