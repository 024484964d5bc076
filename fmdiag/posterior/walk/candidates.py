"""Candidate rows of a moving point for which few rows can matter, and what all others weigh at most.

A step of û* with the posterior mean D moves y = x / sigma to y' = y + (s' - s) D, s = alpha / sigma. For every row,
with q_i = -||y - s X_i||^2 / 2 and v = -||y - s D||^2 / 2, which the step leaves as it is,

    q'_i - v = (s'/s) (q_i - v) - s' (s' - s) ||X_i - D||^2 / 2  <=  (s'/s) (q_i - v),

so a bound T on the log-weights of all rows that are not listed becomes v + (s'/s) (T - v), and no row needs to be
looked at. Where one row X is listed alone (or with its duplicates), D = X: all others only fall, the rest of the path
is the straight line to X, and the mass left out stays below what it is now.
"""

from dataclasses import dataclass

import torch

GATHER_BYTES = 1 << 26   # of listed rows at a time, float64
TIE = 1e-6               # log-weights closer than this to the top may be its duplicates'


@dataclass(frozen=True)
class ListSums:
    """The posterior over the listed rows of some points; float64, shape (p,), unless said otherwise."""

    points: torch.Tensor     # int64: their numbers
    mean: torch.Tensor       # (p, dim)
    top: torch.Tensor        # largest log-weight
    total: torch.Tensor      # log of the sum of the weights
    variance: torch.Tensor   # tr Cov
    others: torch.Tensor     # share of all rows but the top one and its duplicates
    dropped: torch.Tensor    # bool: whether rows fell out of the list
    top_row: torch.Tensor    # int64


class CandidateLists:
    """Ragged lists of rows, one list per point, stored flat and ordered by point.

    Parameters
    ----------
    store : RowStore
        The rows.
    """

    def __init__(self, store):
        self.store = store
        self.point = torch.empty(0, dtype=torch.int64, device=store.device)
        self.row = torch.empty_like(self.point)

    def admit(self, point, row):
        """Add lists of points that have none."""
        point, row = torch.cat([self.point, point]), torch.cat([self.row, row])
        order = torch.argsort(point, stable=True)
        self.point, self.row = point[order], row[order]

    def discard(self, points):
        """Drop the lists of some points (numbers)."""
        if len(points):
            kept = ~torch.isin(self.point, points)
            self.point, self.row = self.point[kept], self.row[kept]

    def evaluate(self, x, alpha, sigma, cut, only=None):
        """Return the ListSums of listed points, and drop their rows that lie further than `cut` below the top.

        Parameters
        ----------
        x : Tensor, float64, shape (b, dim)
            All points; lists are numbered by them.
        alpha, sigma : float
            The path's schedules.
        cut : float
            In nats.
        only : Tensor of bool, shape (b,), optional
            Leave the lists of other points alone.

        Returns
        -------
        ListSums, or None where no point is listed
        """
        entries = torch.arange(len(self.point), device=self.point.device)
        entries = entries if only is None else entries[only[self.point]]
        if not len(entries):
            return None
        points, counts = torch.unique_consecutive(self.point[entries], return_counts=True)
        parts, kept = [], torch.ones_like(self.point, dtype=torch.bool)
        for group, chosen in self._groups(counts.tolist()):
            sums, kept[entries[chosen]] = self._group(points[group], entries[chosen], x, alpha, sigma, cut)
            parts.append(sums)
        self.point, self.row = self.point[kept], self.row[kept]
        return ListSums(*(torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])))

    def _groups(self, counts):
        """Yield (slice of points, slice of entries) whose rows fit into GATHER_BYTES (those of one point always do)."""
        most = max(1, GATHER_BYTES // (8 * self.store.dim))
        start = stop = entries = size = 0
        for count in counts:
            if size and size + count > most:
                yield slice(start, stop), slice(entries, entries + size)
                start, entries, size = stop, entries + size, 0
            stop, size = stop + 1, size + count
        yield slice(start, stop), slice(entries, entries + size)

    def _group(self, points, chosen, x, alpha, sigma, cut):
        """Return the ListSums of `points`, whose entries are numbered `chosen`, and which entries stay."""
        point, row = self.point[chosen], self.row[chosen]
        place = torch.searchsorted(points, point)
        rows = self.store.take(row).double()
        logs = (x[point] - alpha * rows).square_().sum(1) * (-0.5 / sigma**2)
        top = torch.full((len(points),), -torch.inf, dtype=torch.float64, device=x.device)
        top.scatter_reduce_(0, place, logs, "amax")
        relative = logs - top[place]
        weights = relative.exp()
        total = torch.zeros_like(top).index_add_(0, place, weights)
        share = weights / total[place]
        mean = _sum_by(place, share[:, None] * rows, len(points))
        variance = _sum_by(place, share * (rows - mean[place]).square_().sum(1), len(points))
        first = _first(place, relative == 0, len(points))
        copies = relative > -TIE
        copies[copies.clone()] = (rows[copies] == rows[first[place[copies]]]).all(1)
        others = _sum_by(place, share * ~copies, len(points))
        kept = relative > -cut
        dropped = torch.bincount(place[~kept], minlength=len(points)) > 0
        return ListSums(points, mean, top, top + total.log(), variance, others, dropped, row[first]), kept


def _sum_by(place, values, n):
    """Return the sums of `values`, shape (k, ...), by `place`, shape (k,): shape (n, ...)."""
    return torch.zeros((n, *values.shape[1:]), dtype=values.dtype, device=values.device).index_add_(0, place, values)


def _first(place, chosen, n):
    """Return, for every place, the number of its first entry that is `chosen`."""
    entries = torch.nonzero(chosen).reshape(-1)
    first = torch.full((n,), len(place), dtype=torch.int64, device=place.device)
    return first.scatter_reduce_(0, place[entries], entries, "amin")
