"""Posterior at points that are on no training path: one float32 product, and in float64 what it leaves of the rows.

With c a mean of some rows, y = (x - alpha c) / sigma and s = alpha / sigma, the log-weight of row X_i is up to a
constant of the point

    l_i = s <y, X_i - c> - s² ||X_i - c||² / 2,

and on the paths of pairs (x0, z), z any point, s <x0, X_i - z> - s² ||X_i - z||² / 2, where two products serve every
time. Products in float32 only say which rows may matter: those within the cutoff and twice the worst rounding of the
largest one are measured again from their differences, as those of a walk are. Points with too many such rows, at early
times, where s is small and rounding is too, keep the weights of the products, and of these the nearest row alone is
measured again; where rounding is coarse they are handed to the plain posterior.
"""

import math
from dataclasses import dataclass

import torch

from fmdiag.posterior.curve.products import PairProducts
from fmdiag.posterior.rounding import UNIT
from fmdiag.posterior.rows import SMALL_DIM
from fmdiag.posterior.walk.candidates import CandidateLists

MASS = 1e-9          # share of the weight that may be left out of a list
ROUNDING = 2e-5      # of a log-weight: beyond it a product's weights are not taken
LISTED, SHARE = 64, 64    # a point is a list up to so many rows, or n / SHARE


@dataclass(frozen=True)
class PointPosterior:
    """What of the Posterior of b points an error needs; the fields are those of `Posterior`."""

    mean: torch.Tensor
    top_weight: torch.Tensor
    variance: torch.Tensor
    shell: torch.Tensor
    source_weight: torch.Tensor | None = None

    def select(self, chosen):
        """Return that of some of the points, by number, mask or slice."""
        return PointPosterior(self.mean[chosen], self.top_weight[chosen], self.variance[chosen], self.shell[chosen])


def at_points(plain, x, t):
    """Return the posterior at points x, (b, *shape), at one time t: mean, top_weight, variance and shell.

    Parameters
    ----------
    plain : EmpiricalPosterior
        Answers itself in few dimensions, for several ranks, and where there is no room for the log-weights.
    x : Tensor, float64, shape (b, *shape)
        Points in model range.
    t : float
        In [0, 1).

    Returns
    -------
    PointPosterior or Posterior
    """
    if not _fits(plain, len(x)):
        return plain(x.double(), t)
    store = plain.rows()
    alpha, sigma = (float(value) for value in plain.schedule(torch.tensor(t, dtype=torch.float64)))
    flat = x.reshape(len(x), -1).to(store.device, torch.float64)
    center, s = store.center(), alpha / sigma
    y = (flat - alpha * center) / sigma
    logs = torch.empty(len(x), store.n, device=store.device)
    single, reach = y.float(), 0.0
    for first, block in store.blocks():
        rows = store.centred(block, center, torch.float32)
        norms = rows.square().sum(1)
        reach = max(reach, norms.max().item() ** 0.5)
        torch.addmm(-0.5 * s * s * norms, single, rows.T, alpha=s, out=logs[:, first : first + len(block)])
    return _summed(plain, store, x, t, logs, s * reach * (y.norm(dim=1) + s * reach))


def along_paths(plain, x0, x1, times):
    """Yield (number of the time, posterior as of `at_points`) on paths of pairs whose x1 are no training rows."""
    if not _fits(plain, 3 * len(x0)):
        yield from ((k, plain(plain.path.sample(x0.double(), x1.double(), t), t)) for k, t in enumerate(times))
        return
    store = plain.rows()
    noises, ends = (x.reshape(len(x), -1).to(store.device, torch.float64) for x in (x0, x1))
    products = PairProducts(noises, ends, torch.full((len(x0),), -1, device=store.device), store)
    noise, logs = noises.norm(dim=1), torch.empty(len(x0), store.n, device=store.device)
    for k, t in enumerate(times):
        x = plain.path.sample(x0.double(), x1.double(), t)
        alpha, sigma = (float(value) for value in plain.schedule(torch.tensor(t, dtype=torch.float64)))
        s = alpha / sigma
        torch.add(products.linear, products.quadratic, alpha=s, out=logs).mul_(s)
        yield k, _summed(plain, store, x, t, logs, s * products.reach * (noise + s * products.reach))


def _fits(plain, b):
    """Return whether the products serve: rows as points, one process, many dimensions, and room in memory."""
    if not plain.on_rows or plain.group.size > 1 or plain.training_set.dim <= SMALL_DIM:
        return False
    return plain.rows().kept is not None and 4 * b * plain.training_set.n <= plain.memory / 3


def _summed(plain, store, x, t, logs, scale):
    """Return the PointPosterior of points from float32 log-weights, (b, n), of terms as large as `scale`, (b,)."""
    shape, device = x.shape, store.device
    alpha, sigma = (float(value) for value in plain.schedule(torch.tensor(t, dtype=torch.float64)))
    flat = x.reshape(len(x), -1).to(device, torch.float64)
    worst = 2 * (store.dim + 8) * UNIT[torch.float32] * scale
    tops = torch.stack([logs[:, span].amax(1) for span in store.spans()], 1)
    least = tops.amax(1).double() - math.log(store.n / MASS) - 2 * worst
    point, row, few = _candidates(store, logs, tops, least)
    mean = torch.zeros_like(flat)
    weight, variance, shell = (torch.zeros(len(x), dtype=torch.float64, device=device) for _ in range(3))
    lists = CandidateLists(store)
    lists.admit(point, row)
    sums = lists.evaluate(flat, alpha, sigma, math.inf)
    if sums is not None:
        mean[sums.points], variance[sums.points] = sums.mean, sums.variance
        weight[sums.points] = (sums.top - sums.total).exp()
        shell[sums.points] = (-2 * sums.top / store.dim).clamp(min=0).sqrt()
    coarse = ~few & (2 * worst / (store.dim + 8) * store.dim**-0.5 * 2 > ROUNDING)
    dense = torch.nonzero(~few & ~coarse).reshape(-1)
    if len(dense):
        mean[dense], weight[dense], variance[dense], nearest = _dense(store, logs, dense)
        difference = flat[dense] - alpha * store.take(nearest).double()
        shell[dense] = difference.norm(dim=1) / sigma / store.dim**0.5
    left = torch.nonzero(coarse).reshape(-1)
    if len(left):
        found = plain(x[left.to(x.device)].double(), t)
        mean[left], weight[left] = found.mean.reshape(len(left), -1), found.top_weight
        variance[left], shell[left] = found.variance, found.shell
    return PointPosterior(mean.reshape(shape), weight, variance, shell)


def _candidates(store, logs, tops, least):
    """Return (point, row) of all log-weights above `least` of points with few of them, and which points these are."""
    most, found = max(LISTED, store.n // SHARE), []
    count = torch.zeros(len(logs), dtype=torch.int64, device=logs.device)
    for k, span in enumerate(store.spans()):
        here = torch.nonzero((tops[:, k] >= least) & (count <= most)).reshape(-1)
        if len(here):
            place, column = torch.nonzero(logs[here, span] >= least[here, None], as_tuple=True)
            count += torch.bincount(here[place], minlength=len(count))
            found.append((here[place], column + span.start))
    few = count <= most
    point, row = (torch.cat(parts) for parts in zip(*found, strict=True))
    return point[few[point]], row[few[point]], few


def _dense(store, logs, dense):
    """Return (mean, top weight, variance, nearest row) of points `dense` by the products' weights on all rows."""
    chosen = logs[dense] if len(dense) < len(logs) else logs
    top, nearest = chosen.max(1)
    center, total = store.center(), torch.zeros(len(dense), dtype=torch.float64, device=logs.device)
    sums, square = torch.zeros(len(dense), store.dim, dtype=torch.float64, device=logs.device), torch.zeros_like(total)
    for first, block in store.blocks():
        rows = store.centred(block, center, torch.float32)
        weights = (chosen[:, first : first + len(block)] - top[:, None]).exp_()
        total += weights.sum(1)
        sums += weights @ rows
        square += weights @ rows.square().sum(1)
    mean = sums / total[:, None]
    return mean + center, 1 / total, (square / total - mean.square().sum(1)).clamp(min=0), nearest
