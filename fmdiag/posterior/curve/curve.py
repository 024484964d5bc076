"""The posterior along the probability path of given pairs, at many times for little more than the price of one.

With s = alpha / sigma ascending, a pair starts *dense* (all rows may matter; log-weights of every time from two
products, posterior means of all times from one more pass over the rows) and becomes a *list* of rows once few are left,
which only shrinks. Ranks see different rows but decide from merged numbers, so that they stay in step. Results differ
from the plain posterior by rounding and by the share of the weight that was left out, and a bound on both is reported.
"""

import math

import torch

from fmdiag.memory import give_back
from fmdiag.posterior.curve.dense import means, stats_at
from fmdiag.posterior.curve.lowdim import STRIP, Differences
from fmdiag.posterior.curve.products import PairProducts
from fmdiag.posterior.curve.sparse import RowLists
from fmdiag.posterior.rounding import UNIT, moved
from fmdiag.posterior.state import Posterior

MASS = 1e-6              # share of a pair's weight that may be left out of its posterior mean
MASS_LOW = 1e-14         # the same in few dimensions, where a list's rows cost little
ROUNDING = 2e-5          # of a log-weight: beyond it dense pairs are handed to the plain posterior
LIST_ALIVE, LIST_ESS = 16, 512   # a pair becomes a list at n / 16 rows above the cutoff and n / 512 effective ones
LIST_ESS_LOW = 1024      # in few dimensions, where a row costs little: all pairs at n / 1024 effective rows, on average
LIST_SHARE = 8           # part of the memory, 1 / 8, that lists take
ENTRY_BYTES = 100        # of a list's entry, with what is made from it at a time
COORDINATES_AT_ONCE = 1 << 22    # of pairs, where further passes over the rows come from memory
SHARPEN_ROWS = 16        # rows per list, on average, that are measured again in float64 whatever their rounding


def posterior_curve(plain, store, x0, x1, rows, times, *, mass=MASS):
    """Yield the posterior at x_t of pairs (x0, x1) for many times, in parts.

    Parameters
    ----------
    plain : EmpiricalPosterior
        Gives the path, the training set, the memory budget, and answers where the products' rounding is too coarse.
    store : RowStore
        The rows.
    x0, x1 : Tensor, shape (b, *shape)
        Noise and data; x1 are rows of the training set.
    rows : Tensor of int64, shape (b,)
        Which rows of the whole set.
    times : sequence of float
        Times with sigma_t > 0.
    mass : float
        Share of the weight that may be left out of a posterior mean.

    Yields
    ------
    (k, pairs, Posterior)
        Number of the time, numbers of the pairs (int64 tensor), and their Posterior; every (time, pair) occurs once.
    """
    device = store.device
    flat = [x.reshape(len(x), -1).to(device, torch.float64) for x in (x0, x1)]
    rows = rows.to(device) - store.first
    size = torch.tensor([], dtype=torch.float64 if store.dim <= 64 else torch.float32).element_size()
    most_rows = -(-store.n // store.group.size)
    # A chunk of pairs costs passes over the rows: from storage that is time, so that fewer chunks get more memory.
    share = plain.memory * (2 / 3 if store.kept is None else 1 / 3)
    at_once = max(1, int(share / (2 * size * most_rows)))
    if Differences.fit(flat[0], store):
        at_once = max(1, int(share / (8 * most_rows / STRIP)))   # no coefficients are kept, the tops of strips are
    elif store.kept is not None:
        at_once = min(at_once, max(32, COORDINATES_AT_ONCE // store.dim))
    else:
        at_once = -(-len(rows) // -(-len(rows) // at_once))   # as many passes, with less memory each
    for chunk in torch.arange(len(rows), device=device).split(at_once):
        curve = _Curve(plain, store, flat[0][chunk], flat[1][chunk], rows[chunk], times, mass)
        for k, pairs, posterior in curve.run():
            yield k, chunk[pairs], posterior
            if store.kept is None:
                give_back()


class _Curve:
    """The curves of one chunk of pairs; x0 and x1 float64 of shape (b, dim)."""

    def __init__(self, plain, store, x0, x1, rows, times, mass):
        self.plain, self.store = plain, store
        self.few_dimensions = Differences.fit(x0, store)
        self.mass = min(mass, MASS_LOW) if self.few_dimensions else mass
        self.x0, self.x1, self.rows = x0, x1, rows
        t = torch.tensor(times, dtype=torch.float64, device=x0.device)
        self.t = t
        self.alpha, self.sigma = plain.schedule(t)
        self.s = self.alpha / self.sigma
        # Each row below -cutoff has a weight of less than mass / n beside the pair's own row, which weighs 1.
        self.cutoff = math.log(store.n / self.mass)

    def run(self):
        """Yield (k, pairs, Posterior) of every time and pair."""
        return self._by_differences() if self.few_dimensions else self._by_products()

    def _by_differences(self):
        """In few dimensions: all rows by differences until few are left, then lists."""
        dense, lists = Differences(self.x0, self.x1, self.store), None
        pairs, few = torch.arange(len(self.rows), device=self.x0.device), False
        # A list of e effective rows holds about e times the cutoff, in nats, of rows.
        room = max(1.0, self.plain.memory / (4 * ENTRY_BYTES * self.cutoff * len(pairs)))
        for k in self.s.argsort().tolist():
            s = self.s[k].item()
            if lists is None and not few:
                stats, mean = dense.stats_at(s)
                few = stats.ess.mean().item() <= min(self.store.n / LIST_ESS_LOW, room)
                rounding, summed = dense.rounding(s), UNIT[torch.float64] * dense.steps
                yield k, pairs, self._posterior(k, pairs, stats.sums, mean, moved(rounding, rounding) + 4 * summed,
                                                (dense.reach, summed, dense.center))
                continue
            if lists is None:
                lists = RowLists(self.store, self.x0, self.x1, self.rows)
                lists.start(pairs, *dense.above(s, self.cutoff))
            yield self._listed(lists, k, s, (dense.reach, dense.center))

    def _by_products(self):
        """Dense pairs by products, each leaving for a list once that is cheaper."""
        products = PairProducts(self.x0, self.x1, self.rows, self.store)
        lists = RowLists(self.store, self.x0, self.x1, self.rows)
        spans, waiting = self.store.spans(), []
        dense = torch.arange(len(self.rows), device=self.x0.device)
        room = max(1, int(self.plain.memory / 4 / (products.linear.element_size() * self.store.dim)))
        for k in self.s.argsort().tolist():
            s = self.s[k].item()
            if len(dense):
                stats = stats_at(products, dense, s, spans)
                leaving = self._few_left(products, dense, stats)
                lists.admit(products, dense[leaving], s, self.cutoff)
                dense, stats = dense[~leaving], stats.select(~leaving)
            if len(dense) and products.rounding(s) > ROUNDING:
                yield k, dense, self._plain(k, dense)
            elif len(dense):
                if sum(len(pairs) for _, pairs, _ in waiting) + len(dense) > room:
                    yield from self._dense(products, waiting)
                    waiting = []
                waiting.append((k, dense, stats))
            if len(lists.members):
                yield self._listed(lists, k, s, (products.reach, products.center), products)
        yield from self._dense(products, waiting)

    def _few_left(self, products, dense, stats):
        """Return which dense pairs, a mask, have so few rows left that a list is cheaper."""
        few = stats.ess <= max(8, self.store.n // LIST_ESS)
        candidates = torch.nonzero(few).reshape(-1)
        alive = products.alive(dense[candidates], stats.s, self.cutoff)
        room = int(self.plain.memory / LIST_SHARE / ENTRY_BYTES) // len(self.rows)
        few[candidates] = alive <= max(64, min(self.store.n // LIST_ALIVE, room))
        return few

    def _plain(self, k, pairs):
        x = self.alpha[k] * self.x1[pairs] + self.sigma[k] * self.x0[pairs]
        shape = self.plain.training_set.shape
        return self.plain(x.reshape(-1, *shape), self.t[k].item(), source_rows=self.rows[pairs] + self.store.first)

    def _dense(self, products, waiting):
        if not waiting:
            return
        found = means(self.store, products, [(pairs, stats) for _, pairs, stats in waiting], self.mass)
        for (k, pairs, stats), (mean, left_out) in zip(waiting, found, strict=True):
            yield k, pairs, self._posterior(k, pairs, stats.sums, mean, left_out + self._moved(products, pairs, stats),
                                            self._sums(products, len(stats.block_share[0])))

    def _moved(self, products, pairs, stats):
        """Return the bound on the share of the weight that rounding moves, shape (b,)."""
        (mean, largest), own = products.error(pairs, stats.s, stats.ess), stats.evaluation_error(products.dtype)
        return moved(mean + own, largest)

    def _sums(self, products, blocks):
        """Return (largest ||X - center||, rounding of a mean's sum, center) of means from sums over blocks of rows."""
        steps = self.store.block_rows + blocks + self.store.group.size + 4
        return products.reach, UNIT[products.dtype] * steps, products.center

    def _listed(self, lists, k, s, extent, products=None):
        rounding = 0.0 if products is None else products.rounding(s)
        lists.prune(s, self.cutoff)
        entries = int(self.store.group.sum(torch.tensor([len(lists.pair)], device=self.x0.device)))
        if entries <= SHARPEN_ROWS * len(self.rows) or rounding > ROUNDING:
            lists.sharpen()
        place, sums, weights = lists.stats_at(s)
        mean, left_out = lists.means(place, sums, weights, self.mass)
        share, summed = lists.rounding(place, sums, s, products)
        reach, center = extent
        summed *= 1 + center.norm().item() / max(reach, 1e-300)   # rows are summed as they are, not centred
        # What was pruned: at most n rows of mass / n beside a weight of at least 1.
        return k, lists.members, self._posterior(k, lists.members, sums, mean, left_out + self.mass + share,
                                                 (reach, summed, center))

    def _posterior(self, k, pairs, sums, mean, left_out, extent):
        """Return the Posterior from sums relative to the pairs' own rows.

        `left_out` bounds the share of the weight that is missing or misplaced, shape (b,); `extent` is (largest
        ||X - center||, rounding of the mean's sum in units of it, center).
        """
        reach, summed, center = extent
        dropped = (left_out + n_floor(self.store.n)).clamp(max=1)
        n, dim = self.store.n, self.store.dim
        log_weight = sums["weight"].log()
        entropy = (log_weight - sums["weighted_log"] / sums["weight"]).clamp(min=0)
        square = -2 * sums["weighted_half_square"] / sums["weight"]
        gaussian = -0.5 * dim * torch.log(2 * torch.pi * self.sigma[k].square())
        return Posterior(
            mean=mean.reshape(-1, *self.plain.training_set.shape),
            log_density=sums["max"] + log_weight - 0.5 * self.x0[pairs].square().sum(1) - math.log(n) + gaussian,
            top_row=sums["top_row"],
            # Clamped: sums in float32 may pass the limits by their rounding.
            top_weight=(1 / sums["weight"]).clamp(max=1),
            source_weight=((-sums["max"]).exp() / sums["weight"]).clamp(max=1),
            ess=(sums["weight"].square() / sums["weight_squared"]).clamp(1, n),
            entropy=entropy / math.log(n) if n > 1 else torch.zeros_like(entropy),
            variance=(square - (mean - self.x1[pairs]).square().sum(1)).clamp(min=0),
            # Of the nearest row: ||x - alpha X||^2 / sigma^2 = ||x0||^2 - 2 l.
            shell=((self.x0[pairs].square().sum(1) - 2 * sums["max"]).clamp(min=0) / dim).sqrt(),
            dropped_mass=dropped,
            mean_error=2 * reach * (dropped + summed) + 8 * UNIT[torch.float64] * (reach + center.norm()),
        )


def n_floor(n):
    """Return what weights that are held at e^-80 add up to, beside a weight of 1."""
    return n * math.exp(-80)
