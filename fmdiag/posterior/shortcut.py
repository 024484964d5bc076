"""When do the nearest rows alone give the posterior, and how wrong can that be?

Order by ||x / alpha - X_i|| is posterior order at every time, so one static search serves all times. With W the kernel
mass of the k nearest of N rows and w the weight of any row that was not fetched at most, the share left out is

    at most (N - k) w / (W + (N - k) w).

FAISS searches in float32; the fetched rows are measured again in float64, and w comes from the computed distance of the
last one less the worst rounding. Where the bound is not met more rows are fetched, at last all: there is no answer
without its bound.
"""

import math
from dataclasses import replace

import faiss
import torch

from fmdiag.paths import times_like
from fmdiag.posterior.empirical import EmpiricalPosterior
from fmdiag.posterior.rounding import UNIT, moved
from fmdiag.posterior.rows import RowStore
from fmdiag.posterior.state import FLOOR, Posterior

MASS = 1e-6
LARGEST_SHARE = 8        # beyond n / LARGEST_SHARE rows a scan costs less
GATHER_BYTES = 1 << 26


class NearestPosterior:
    """The posterior from the rows nearest to x / alpha, certified; callable on (x, t) like `EmpiricalPosterior`.

    Parameters
    ----------
    training_set : TrainingSet
        n rows.
    path, memory : optional
        As in `EmpiricalPosterior`.
    k : int
        Rows fetched at first; eightfold in each further attempt.
    mass : float
        Largest share of the weight that may be left out.
    """

    def __init__(self, training_set, path=None, *, memory=None, k=32, mass=MASS):
        self.full = EmpiricalPosterior(training_set, path, memory=memory)
        self.store = RowStore(training_set, self.full.memory, torch.device("cpu"))
        self.k, self.mass, self.center = k, mass, self.store.center()

    def __call__(self, x, t, *, source_rows=None):
        """Return the Posterior; `dropped_mass` is the bound of the module docstring, with rounding at most `mass`.

        Parameters as in `EmpiricalPosterior`.
        """
        t = times_like(t, x)
        alpha, sigma = self.full.schedule(t)
        flat = x.reshape(len(x), -1).double()
        parts, pending, k = {}, torch.arange(len(x)), self.k
        pending = pending[alpha > 0]
        while len(pending) and k <= max(self.store.n // LARGEST_SHARE, self.k):
            rows, unseen = self._fetch(flat[pending] / alpha[pending, None], min(k, self.store.n))
            found = self._posterior(flat[pending], alpha[pending], sigma[pending], rows, unseen)
            good = found.dropped_mass <= self.mass
            parts.update((int(q), _select(found, j)) for j, q in enumerate(pending) if good[j])
            pending, k = pending[~good], 8 * k
        rest = torch.tensor([q for q in range(len(x)) if q not in parts], dtype=torch.int64)
        if len(rest):
            scanned = self.full(x[rest], t[rest])
            parts.update((int(q), _select(scanned, j)) for j, q in enumerate(rest))
        answer = Posterior.concatenate([parts[q] for q in range(len(x))])
        return answer if source_rows is None else self._with_source(answer, flat, alpha, sigma, source_rows)

    def _fetch(self, z, k):
        """Return (row numbers, shape (b, k); lower bound, shape (b,), on the distances of all other rows to z)."""
        centred = (z - self.center).float()
        length, reach = (z - self.center).norm(dim=1), 0.0
        near, rows = torch.full((len(z), k), torch.inf), torch.zeros(len(z), k, dtype=torch.int64)
        for first, block in self.store.blocks():
            block = block - self.center.float()
            reach = max(reach, block.norm(dim=1).max().item())
            d2, index = faiss.knn(centred.numpy(), block.numpy(), min(k, len(block)))
            merged = torch.cat([near, torch.from_numpy(d2)], 1).topk(k, largest=False)
            rows = torch.cat([rows, torch.from_numpy(index) + first], 1).gather(1, merged.indices)
            near = merged.values
        self.reach = reach * (1 + 1e-4) + self.center.norm().item()
        steps = (self.store.dim + 16) * 2.0**-24      # Higham, section 3.1: computed d² is within steps (|z| + |X|)²
        error = steps / (1 - steps) * (length + reach * (1 + 1e-4)).square() if steps < 0.5 else torch.inf
        unseen = (near.amax(1).double() - error).clamp(min=0).sqrt()
        return rows, torch.where(torch.isnan(unseen), 0.0, unseen) if k < self.store.n else unseen * torch.inf

    def _posterior(self, x, alpha, sigma, rows, unseen):
        """Return the Posterior over the fetched rows, and the bound on the others."""
        size = max(1, GATHER_BYTES // (8 * rows.shape[1] * self.store.dim))
        return Posterior.concatenate([self._chunk(*part) for part in zip(
            *(values.split(size) for values in (x, alpha, sigma, rows, unseen)), strict=True)])

    def _chunk(self, x, alpha, sigma, rows, unseen):
        n, (b, k) = self.store.n, rows.shape
        near = self.store.take(rows.reshape(-1)).double().reshape(b, k, -1)
        logs = (x[:, None] - alpha[:, None, None] * near).square().sum(2) / (-2 * sigma.square())[:, None]
        top, total = logs.amax(1), torch.logsumexp(logs, 1)
        log_rest = math.log(max(n - k, 1e-300)) - 0.5 * (alpha / sigma * unseen).square() - total
        log_share = (logs - total[:, None]).exp()
        mean = (log_share[:, :, None] * near).sum(1)
        entropy = torch.special.entr(log_share).sum(1)
        gaussian = -0.5 * x.shape[1] * torch.log(2 * torch.pi * sigma.square())
        depth, steps = FLOOR - top, (k + 8) * UNIT[torch.float64]
        rounding = UNIT[torch.float64] * (2 * (2 * depth).sqrt() * alpha / sigma * self.reach
                                          + (x.shape[1] + 8) * depth)
        left_out = torch.sigmoid(log_rest) if n > k else torch.zeros_like(top)
        dropped = (left_out + moved(rounding, rounding) + 4 * steps).clamp(max=1)
        tops = torch.where(logs == top[:, None], rows, torch.iinfo(torch.int64).max).amin(1)
        return Posterior(
            mean=mean.reshape(b, *self.full.training_set.shape), log_density=total - math.log(n) + gaussian,
            top_row=tops, top_weight=(top - total).exp(), source_weight=None, ess=1 / log_share.square().sum(1),
            entropy=entropy / math.log(n) if n > 1 else torch.zeros_like(entropy),
            variance=(log_share * (near - mean[:, None]).square().sum(2)).sum(1),
            dropped_mass=dropped, mean_error=2 * self.reach * (dropped + steps))

    def _with_source(self, answer, x, alpha, sigma, source_rows):
        """Add the weight of the row that made each x, from its log-weight and the density."""
        own = self.store.take(torch.as_tensor(source_rows)).double()
        gaussian = -0.5 * x.shape[1] * torch.log(2 * torch.pi * sigma.square()) - math.log(self.store.n)
        log = (x - alpha[:, None] * own).square().sum(1) / (-2 * sigma.square()) + gaussian
        return replace(answer, source_weight=(log - answer.log_density).exp().clamp(max=1))


def _select(posterior, j):
    """Return the Posterior of one query."""
    columns = {name: None if value is None else value[j : j + 1] for name, value in vars(posterior).items()}
    return Posterior(**columns)
