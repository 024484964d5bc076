"""Once few rows are left: the posterior of b pairs over lists of rows, exact as sigma -> 0.

A row that has fallen below -C relative to the pair's own row falls for ever, so each list only shrinks. Coefficients
are formed in float64 from the differences x1 - X_i themselves before their rounding could matter: duplicates keep
exactly the weight of the original at every time, and at t -> 1 nothing cancels.
"""

import torch

from fmdiag.posterior.rounding import UNIT, log_rounding, moved
from fmdiag.posterior.rows import SMALL_DIM

GATHER_BYTES = 1 << 26


class RowLists:
    """Ragged lists of rows with their coefficients, one list per pair, stored flat.

    Parameters
    ----------
    store : RowStore
        The rows.
    x0, x1 : Tensor, float64, shape (b, dim)
        Noise and data of all pairs.
    rows : Tensor of int64, shape (b,)
        The pairs' own rows; numbers outside [0, store.size) are another rank's.

    Attributes
    ----------
    members : Tensor of int64
        The pairs that have lists, ascending, the same on every rank: each list holds the pair's own row on one of them.
    """

    def __init__(self, store, x0, x1, rows):
        self.store, self.x0, self.x1, self.rows, self.group = store, x0, x1, rows, store.group
        device, self.noise = x0.device, x0.norm(dim=1)
        self.members = torch.empty(0, dtype=torch.int64, device=device)
        self.pair = torch.empty(0, dtype=torch.int64, device=device)
        self.row = torch.empty(0, dtype=torch.int64, device=device)
        self.linear = torch.empty(0, dtype=torch.float64, device=device)     # -a_i
        self.quadratic = torch.empty(0, dtype=torch.float64, device=device)  # -b_i / 2
        self.exact = torch.empty(0, dtype=torch.bool, device=device)

    def admit(self, products, queries, s, cutoff):
        """Take over the pairs `queries`: those of their rows that lie above -cutoff at `s`."""
        if not len(queries):
            return
        self.members = torch.cat([self.members, queries]).sort().values
        found = [(part, *torch.nonzero(above, as_tuple=True)) for part, above in products.above(queries, s, cutoff)]
        pair, row = torch.cat([part[which] for part, which, _ in found]), torch.cat([row for *_, row in found])
        columns = {"pair": pair, "row": row, "linear": products.linear[pair, row].double(),
                   "quadratic": products.quadratic[pair, row].double(),
                   "exact": torch.zeros(len(pair), dtype=torch.bool, device=pair.device)}
        merged = {name: torch.cat([getattr(self, name), values]) for name, values in columns.items()}
        order = torch.argsort(merged["pair"], stable=True)
        for name, values in merged.items():
            setattr(self, name, values[order])

    def start(self, members, pair, row, linear, quadratic):
        """Begin with lists given flat, by pair, with exact coefficients."""
        self.members, self.pair, self.row, self.linear, self.quadratic = members, pair, row, linear, quadratic
        self.exact = torch.ones_like(pair, dtype=torch.bool)

    def prune(self, s, cutoff):
        """Drop every row below -cutoff at `s`."""
        self._keep(s * (self.linear + s * self.quadratic) > -cutoff)

    def sharpen(self):
        """Recompute, in float64 from differences, the coefficients that came from the products."""
        todo = torch.nonzero(~self.exact).reshape(-1)
        for part in todo.split(max(1, GATHER_BYTES // (8 * self.store.dim))):
            pair = self.pair[part]
            difference = self.x1[pair] - self.store.take(self.row[part]).double()
            self.linear[part] = -(self.x0[pair] * difference).sum(1)
            self.quadratic[part] = -0.5 * difference.square().sum(1)
        self.exact[:] = True

    def stats_at(self, s):
        """Return (place of each entry among the members, summaries per member, weights per entry) at `s`."""
        logs = s * (self.linear + s * self.quadratic)
        place = torch.searchsorted(self.members, self.pair)
        top = torch.full((len(self.members),), -torch.inf, dtype=torch.float64, device=logs.device)
        top = self.group.max(top.scatter_reduce_(0, place, logs, "amax"))
        relative = logs - top[place]
        weights = relative.exp()
        terms = {"weight": weights, "weight_squared": weights.square(), "weighted_log": weights * relative,
                 "weighted_half_square": weights * self.quadratic}
        totals = self.group.sum(torch.stack([torch.zeros_like(top).index_add_(0, place, v) for v in terms.values()]))
        row = torch.full_like(self.members, torch.iinfo(torch.int64).max)
        best = relative == 0
        row.scatter_reduce_(0, place[best], self.row[best] + self.store.first, "amin")
        sums = dict(zip(terms, totals, strict=True)) | {"max": top, "top_row": self.group.min(row)}
        return place, sums, weights

    def means(self, place, sums, weights, mass):
        """Return (means, share left out) of the members: D = x1 + sum over the other rows of lambda_i (X_i - x1).

        Rows are left out from the lightest on while they carry less than `mass` together, by a threshold on the weight
        that is halved until this holds. Each rank leaves out its part of `mass`.
        """
        share, n_pairs = weights / sums["weight"][place], len(self.members)
        kept = self._heavy(share, place, n_pairs, mass / self.group.size)
        left_out = torch.zeros(n_pairs, dtype=torch.float64, device=share.device)
        left_out = self.group.sum(left_out.index_add_(0, place[~kept], share[~kept]))
        kept &= self.row != self.rows[self.pair]
        numbers, bag, part = self.row[kept], place[kept], share[kept]
        counts = torch.bincount(bag, minlength=n_pairs)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        others = torch.zeros(n_pairs, dtype=torch.float64, device=share.device).index_add_(0, bag, part)
        sums_of_rows = self.store.weighted_sums(numbers, part, offsets)
        x1 = self.x1[self.members]
        return x1 + self.group.sum_where(sums_of_rows - others[:, None] * x1, counts > 0), left_out

    def rounding(self, place, sums, s, products):
        """Return the bound on what rounding moves of the members' weights, shape (p,), and of their means' sums.

        Coefficients that came from `products` (None where all are exact) carry their errors.
        """
        n_pairs = len(self.members)
        longest = torch.bincount(place, minlength=n_pairs).max().item() if len(place) else 0
        longest = self.group.max(torch.tensor([longest], dtype=torch.float64, device=self.x0.device)).item()
        own = log_rounding(self.noise[self.members], self.store.dim)
        own = own + 2 * (longest + self.group.size) * UNIT[torch.float64]
        share = moved(own, own)
        coarse = torch.zeros(n_pairs, dtype=torch.float64, device=self.x0.device)
        coarse = self.group.max(coarse.index_fill_(0, place[~self.exact], 1.0)) > 0
        if products is not None and bool(coarse.any()):
            ess = sums["weight"].square() / sums["weight_squared"]
            share = share + torch.where(coarse, moved(*products.error(self.members, s, ess)), 0.0)
        return share, (longest + self.group.size + 2) * self.store.sum_unit

    def _heavy(self, share, place, n_pairs, mass):
        if self.store.dim <= SMALL_DIM:   # to sum all rows costs less than to choose among them
            return torch.ones_like(share, dtype=torch.bool)
        counts = torch.bincount(place, minlength=n_pairs).clamp(min=1)
        threshold = torch.full((n_pairs,), mass, dtype=torch.float64, device=share.device)
        lowest = mass / counts
        while True:
            light = share < threshold[place]
            lost = torch.zeros_like(threshold).index_add_(0, place[light], share[light])
            over = (lost > mass) & (threshold > lowest)
            if not bool(over.any()):
                return ~light
            threshold = torch.where(over, torch.maximum(threshold / 2, lowest), threshold)

    def _keep(self, kept):
        for name in ("pair", "row", "linear", "quadratic", "exact"):
            setattr(self, name, getattr(self, name)[kept])
