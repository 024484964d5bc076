"""Exact nearest rows by a fast float32 search.

1. Fetch more candidates than asked for, by computed d² (`fmdiag.neighbors.candidates`).
2. Compute the candidates' distances again as sum (q - x)² in float64.
3. Prove by the bound on the rounding error that no row left out could have won: the k-th distance must be less than
   the largest computed d² that was fetched, minus the bound.

In few dimensions a k-d tree gives the candidates (`fmdiag.neighbors.tree`), in float64 from the start.
Queries without a proof are searched again in float64 with four times the candidates, at last with all rows.
"""

import math

import numpy as np
import torch

from fmdiag.errors import FmdiagError
from fmdiag.memory import default_memory, in_pieces
from fmdiag.neighbors import tree
from fmdiag.neighbors.candidates import error_bound, knn, roundoff
from fmdiag.neighbors.plan import EXACT

OVER_FETCH = 14
BLOCK_BYTES = 1 << 27  # of training rows, float32
QUERY_BYTES = 1 << 28  # of queries in one pass, float64
SCORE_BYTES = 1 << 25  # of differences, float64
CANDIDATES = 1 << 23  # in one pass


class Search:
    """Exact search among some rows of a training set.

    Parameters
    ----------
    training_set : TrainingSet
        Streamed once per pass.
    rows : ndarray of int64, shape (m,)
        The row numbers that count, ascending.
    device : torch.device
        Where candidates are searched.
    plan : SearchPlan
        Its memory scales the sizes of blocks and passes.
    """

    def __init__(self, training_set, rows, device, plan=EXACT):
        self.training_set, self.rows, self.device, self.scale = training_set, rows, device, plan.scale
        self.by_tree = device.type == "cpu" and tree.serves(training_set, len(rows), plan.memory or default_memory())
        self.block_size = max(1, int(BLOCK_BYTES * self.scale) // (4 * training_set.dim))
        first = training_set[slice(0, min(training_set.n, 1024))].reshape(-1, training_set.dim)
        # Any centre is right, one amid the rows makes the bound small; rows that are not finite are named later.
        self.center = first.double().mean(0).float().nan_to_num(0.0, 0.0, 0.0)

    def __call__(self, queries, k, exclude):
        """Return (rows, distances), shape (q, k), of every query, shape (q, d), in ever wider passes until proven.

        `exclude`, int64, shape (q,), is a row number per query that does not count, or -1.
        """
        found = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
        pending, count, dtype = np.arange(len(queries)), k + OVER_FETCH, torch.float32
        while pending.size:
            count = min(count, len(self.rows))
            unproven = [part[~proven] for whole in self.passes(pending, count, queries.shape[1])
                        for part, proven in self._fitting(queries, whole, k, exclude, count, dtype, found)]
            pending, count, dtype = np.concatenate(unproven), 4 * count, torch.float64
        return found

    def passes(self, numbers, count, dim):
        """Return the queries' numbers in parts, so that `count` candidates of each fit into memory."""
        size = max(1, int(self.scale * min(CANDIDATES // count, QUERY_BYTES // (8 * dim))))
        return np.split(numbers, range(size, len(numbers), size))

    def _fitting(self, queries, whole, k, exclude, count, dtype, found):
        """Return [(queries' numbers, which are proven)] of a pass, in halves and smaller blocks if memory is short."""
        done = []

        def search(rows):
            part = whole[rows]
            done.append((part, self._pass(queries, part, k, exclude, count, dtype, found)))

        def shrink():
            self.block_size = max(1, self.block_size // 2)

        reached = in_pieces(search, len(whole), len(whole), "queries per search", shrink)
        self.scale *= reached / len(whole)
        return done

    def _pass(self, queries, part, k, exclude, count, dtype, found):
        """Search the queries numbered `part`, write what was found, and return where it is proven, bool, shape (p,)."""
        rows, d2, error = self._candidates(queries[part], count, dtype)
        with np.errstate(invalid="ignore"):  # inf - inf where float32 overflowed: not proven
            unfetched = d2[:, -1] - error
        complete = (count == len(self.rows)) & ((rows >= 0).all(axis=1) | (dtype == torch.float64))
        counts = (rows >= 0) & (rows != exclude[part, None])
        d2[~counts] = np.inf
        # Rows whose computed d² exceeds the k-th by twice the error bound cannot be among the k nearest.
        possible = counts & ~(d2 > (np.partition(d2, k - 1, axis=1)[:, k - 1] + 2 * error)[:, None])
        rows, d2 = self._rescore(queries[part], rows, possible)
        found[0][part], found[1][part] = rows[:, :k], np.sqrt(d2[:, :k])
        slack = 1 + 2 * (queries.shape[1] + 4) * 2.0**-53
        return complete | (d2[:, k - 1] * slack < unfetched)

    def _candidates(self, queries, count, dtype):
        """Return (rows, d2, error): the `count` rows of least computed d², ascending, and the bound on their error.

        Rows are int64 and d2 float64, shape (p, count), -1 and inf where fewer were found; error has shape (p,).
        """
        if self.by_tree:
            return tree.candidates(self.training_set, self.rows, np.asarray(queries, np.float64), count)
        centred = (torch.from_numpy(queries).double() - self.center.double()).to(self.device, dtype)
        rows, d2 = np.full((len(queries), count), -1), np.full((len(queries), count), np.inf)
        largest = 0.0
        for numbers, block in self._blocks(dtype):
            largest = max(largest, self._largest_norm(numbers, block))
            near, index = knn(centred, block, min(count, len(block)))
            rows = np.concatenate([rows, np.where(index < 0, -1, numbers[index])], axis=1)
            d2 = np.concatenate([d2, near], axis=1)
            order = np.argsort(d2, axis=1, kind="stable")[:, :count]
            rows, d2 = np.take_along_axis(rows, order, 1), np.take_along_axis(d2, order, 1)
        spread = torch.linalg.vector_norm(centred, dim=1, dtype=torch.float64).cpu().numpy() + largest
        return rows, d2, error_bound(spread, queries.shape[1], roundoff(centred))

    def _largest_norm(self, numbers, block):
        """Return an upper bound of the norms of the centred rows, a float; a row that is not finite is named."""
        norm = torch.linalg.vector_norm(block, dim=1).max().item() * (1 + (block.shape[1] + 8) * 2.0**-24)
        if not math.isfinite(norm):  # in float32; float64 tells an overflow from a row that is not finite
            norms = torch.linalg.vector_norm(block, dim=1, dtype=torch.float64).cpu().numpy()
            bad = numbers[~np.isfinite(norms)]
            if bad.size:
                raise FmdiagError(f"{self.training_set.name}: row {bad[0]} holds NaN or infinite values: leave it out")
            norm = norms.max() * (1 + 2.0**-40)
        return norm + math.sqrt(block.shape[1] * np.finfo(np.float32).tiny)  # squares that underflowed

    def _blocks(self, dtype):
        """Yield (numbers, block): row numbers, shape (m,), and these rows centred, shape (m, d)."""
        center = self.center.to(self.device, dtype)
        for start, block in self.training_set.blocks(self.block_size, device=self.device):
            low, high = np.searchsorted(self.rows, [start, start + len(block)])
            numbers = self.rows[low:high]
            if numbers.size:
                kept = block if numbers.size == len(block) else block[torch.from_numpy(numbers - start)]
                yield numbers, kept.to(dtype).sub_(center)  # blocks are copies, ours to change

    def _rescore(self, queries, rows, possible):
        """Return (rows, d2) in order of (d², row number): d² = sum (q - x)² in float64, inf where not `possible`."""
        d2 = np.full(rows.shape, np.inf)
        which, column = np.nonzero(possible)
        size = max(1, int(SCORE_BYTES * self.scale) // (8 * queries.shape[1]))
        for start in range(0, len(which), size):
            query, candidate = which[start : start + size], column[start : start + size]
            x = self.training_set[rows[query, candidate]].reshape(len(query), -1).numpy()
            difference = queries[query].astype(np.float64) - x
            with np.errstate(over="ignore"):
                d2[query, candidate] = np.einsum("ij,ij->i", difference, difference)
        order = np.lexsort((rows, d2), axis=1)
        return np.take_along_axis(rows, order, 1), np.take_along_axis(d2, order, 1)
