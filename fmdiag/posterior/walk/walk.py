"""Walk of û*'s trajectories: a pass over all rows per step only while many of them matter.

A sample is *dense* (each step scans all rows), then *listed* (its posterior mean comes from few rows; what all others
weigh at most is known by a bound, and when that bound no longer suffices the rows are scanned again), then *finished*:
one row or its duplicates hold all the weight, and the rest is the straight line to it. Left out is at most OMITTED of
the weight at any step: the result is that of plain integration, to rounding.
"""

import math

import torch

from fmdiag.posterior.empirical import EmpiricalPosterior
from fmdiag.posterior.walk.candidates import GATHER_BYTES, CandidateLists
from fmdiag.posterior.walk.scan import Scanner

OMITTED = 1e-13          # share of the weight that may be left out of a step
MARGIN = 15.0            # in nats beyond it: how far rows are listed that do not count yet
ROUNDING = 1e-9          # of a log-weight: beyond it a scan's mean is not taken
SHARE = 32               # a list is cheaper than a scan up to n / SHARE rows
AT_ONCE = 256            # points per scan
ENTRY_BYTES = 256        # of a list's entry, with what is made from it at a time, and room for other lists


class Walk:
    """Samples on their way along û*.

    Parameters
    ----------
    u_star : ClosedFormField
        û* of n rows.
    x0 : Tensor, shape (b, *shape)
        Noise.
    """

    def __init__(self, u_star, x0):
        plain = u_star.posterior
        self.path, self.shape = u_star.path, x0.shape
        # For rows that lie too close together for products; alone, as other ranks walk other samples.
        self.plain = EmpiricalPosterior(u_star.training_set, self.path, memory=plain.memory, device=plain.device)
        self.store = plain.rows_alone()
        self.scanner, self.lists = Scanner(self.store), CandidateLists(self.store)
        self.x = x0.reshape(len(x0), -1).to(plain.device, torch.float64)
        self.target, self.noise = torch.zeros_like(self.x), torch.zeros_like(self.x)
        self.active = torch.ones(len(x0), dtype=torch.bool, device=plain.device)
        self.listed = torch.zeros_like(self.active)
        self.bound = torch.full_like(self.x[:, 0], -torch.inf)   # on log-weights of rows that are not listed
        self.spread = torch.full_like(self.bound, torch.inf)     # tr Cov where listed
        self.count = torch.full_like(self.active, self.store.n, dtype=torch.int64)
        self.cut = math.log(self.store.n / OMITTED) + MARGIN
        room = plain.memory // (ENTRY_BYTES * len(x0))
        self.most = max(16, min(self.store.n // SHARE, GATHER_BYTES // (8 * self.store.dim), room))

    def at(self, t):
        """Return (alpha, sigma) at a time, floats."""
        t = torch.tensor(t, dtype=torch.float64)
        return float(self.path.alpha(t)), float(self.path.sigma(t))

    def state(self, t):
        """Return the points, float64, shape (b, *shape); finished ones on their lines at time t."""
        alpha, sigma = self.at(t)
        line = alpha * self.target + sigma * self.noise
        return torch.where(self.active[:, None], self.x, line).reshape(self.shape)

    def means(self, t):
        """Return the posterior means of all active samples at time t, shape (b, dim); some of them may finish here."""
        mean = torch.zeros_like(self.x)
        self.spread.fill_(torch.inf)
        missing = self.active & ~self._from_lists(mean, t)
        if bool(missing.any()):
            for chunk in torch.nonzero(missing).reshape(-1).split(AT_ONCE):
                self._from_scan(mean, chunk, t)
            self._from_lists(mean, t, missing & self.listed)
        return mean

    def _from_lists(self, mean, t, only=None):
        """Write the means of the listed samples (`only` these), and return which ones are proven, shape (b,)."""
        proven, (alpha, sigma) = torch.zeros_like(self.active), self.at(t)
        sums = self.lists.evaluate(self.x, alpha, sigma, self.cut, only)
        if sums is None:
            return proven
        omitted = self.store.n * (self.bound[sums.points] - sums.total).exp()
        good = omitted <= OMITTED if only is None else torch.ones_like(omitted, dtype=torch.bool)
        points = sums.points[good]
        proven[points], mean[points], self.spread[points] = True, sums.mean[good], sums.variance[good]
        dropped = torch.where(sums.dropped[good], sums.top[good] - self.cut, -torch.inf)
        self.bound[points] = torch.maximum(self.bound[points], dropped)
        self.lists.discard(sums.points[~good])
        self.listed[sums.points[~good]] = False
        alone = good & (sums.others + omitted <= OMITTED)
        self.finish(sums.points[alone], self.store.take(sums.top_row[alone]).double(), t)
        return proven

    def _from_scan(self, mean, chunk, t):
        """Write the means of samples `chunk` from a pass over all rows, and list those with few rows left."""
        alpha, sigma = self.at(t)
        collect = self.count[chunk] <= 4 * self.most
        found = self.scanner(self.x[chunk], alpha, sigma, cut=self.cut, collect=collect)
        mean[chunk], self.count[chunk] = found.mean, found.count
        few = collect & (found.count <= self.most) & (found.worst <= MARGIN / 3)
        kept = few[found.point]
        self.lists.admit(chunk[found.point[kept]], found.row[kept])
        self.listed[chunk[few]] = True
        everything = found.count == self.store.n
        self.bound[chunk] = torch.where(everything, -torch.inf, found.top - self.cut)
        coarse = chunk[~few & (found.rounding > ROUNDING)]
        if len(coarse):
            mean[coarse] = self._plain(coarse, t)

    def _plain(self, chunk, t):
        found = self.plain(self.x[chunk].reshape(-1, *self.shape[1:]), t)
        self.spread[chunk] = found.variance
        return found.mean.reshape(len(chunk), -1)

    def finish(self, points, target, t):
        """Take samples out: from time t on they go straight to their targets, shape (p, dim)."""
        alpha, sigma = self.at(t)
        self.target[points] = target
        self.noise[points] = (self.x[points] - alpha * target) / sigma
        self.active[points] = False
        self.lists.discard(points)
        self.listed[points] = False

    def advance(self, mean, start, stop):
        """Move the active samples from `start` to `stop` with their posterior means held fixed."""
        (alpha, sigma), (alpha_stop, sigma_stop) = self.at(start), self.at(stop)
        rest = self.x - alpha * mean
        centre = rest.square().sum(1) * (-0.5 / sigma**2)
        self.x = torch.where(self.active[:, None], alpha_stop * mean + sigma_stop / sigma * rest, self.x)
        if sigma_stop > 0 and alpha_stop * sigma > alpha * sigma_stop > 0:
            ratio = alpha_stop * sigma / (sigma_stop * alpha)
            self.bound = torch.where(self.bound > -torch.inf, centre + ratio * (self.bound - centre), self.bound)
        else:
            self.bound[self.bound > -torch.inf] = torch.inf
