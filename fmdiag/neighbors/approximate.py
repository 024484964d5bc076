"""Approximate nearest rows by FAISS's IVF and HNSW indexes, on request.

Candidates come from the index; their distances are computed again in float64 as in the exact search, so that a distance
is never wrong, but a row may be missed. How often is measured: `recalled` compares a random part of the queries with
the exact search.

References
----------
Jégou et al. 2011 (inverted lists). Malkov and Yashunin 2018 (HNSW).
"""

import math

import numpy as np
import torch

from fmdiag.errors import FmdiagError
from fmdiag.neighbors import candidates
from fmdiag.neighbors.search import OVER_FETCH, Search

N_CHECKED = 256
LINKS, BUILD_EFFORT, SEARCH_EFFORT = 32, 200, 128  # of HNSW
ROWS_PER_CELL, ROUNDS = 40, 10  # of k-means


class ApproximateSearch(Search):
    """Search among some rows of a training set by an index in memory; called as `Search` is.

    IVF gives the same rows every time. HNSW is built by several threads at once and need not.

    Parameters
    ----------
    training_set, rows, device, plan
        As for `Search`.

    Raises
    ------
    FmdiagError
        If FAISS is absent, or the index would not fit into the plan's memory.
    """

    def __init__(self, training_set, rows, device, plan):
        super().__init__(training_set, rows, torch.device("cpu"), plan)
        if candidates.faiss is None:
            raise FmdiagError(f"index {plan.index} needs FAISS, which cannot be imported ({candidates.WITHOUT}): pip "
                              "install faiss-cpu (1.8 to 1.11 beside NumPy 1), or use index flat")
        needed = len(rows) * (4 * training_set.dim + (8 * LINKS if plan.kind == "hnsw" else 8))
        if plan.memory is not None and needed > plan.memory:
            raise FmdiagError(f"index {plan.kind} of {len(rows)} rows takes {needed / 1e9:.2f} GB, the memory is "
                              f"{plan.memory / 1e9:.2f} GB: raise --memory, or use index flat, which reads blocks")
        with candidates.faiss_threads():
            self.index = (self._ivf if plan.kind == "ivf" else self._hnsw)(plan.effort)
            for _, block in self._blocks(torch.float32):
                self.index.add(block.numpy())

    def __call__(self, queries, k, exclude):
        """Return (rows, distances), shape (q, k), of every query, shape (q, d); `exclude` as in `Search`."""
        found = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
        if not len(queries):
            return found
        count = min(k + OVER_FETCH, len(self.rows))
        for part in self.passes(np.arange(len(queries)), count, queries.shape[1]):
            centred = (torch.from_numpy(queries[part]).double() - self.center.double()).float().numpy()
            with candidates.faiss_threads():
                _, numbers = self.index.search(centred, count)
            rows = np.where(numbers < 0, -1, self.rows[numbers])
            possible = (rows >= 0) & (rows != exclude[part, None])
            rows, d2 = self._rescore(queries[part], rows, possible)
            found[0][part], found[1][part] = rows[:, :k], np.sqrt(d2[:, :k])
        short = np.flatnonzero(np.isinf(found[1]).any(1))  # the cells visited held fewer than k rows
        if short.size:
            found[0][short], found[1][short] = super().__call__(queries[short], k, exclude[short])
        return found

    def _ivf(self, effort):
        faiss, d = candidates.faiss, self.training_set.dim
        n_cells = max(1, min(round(2 * math.sqrt(len(self.rows))), len(self.rows) // 8))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, n_cells)
        index.cp.min_points_per_centroid, index.cp.niter = 1, ROUNDS
        n = min(len(self.rows), ROWS_PER_CELL * n_cells)
        chosen = self.rows[np.sort(np.random.default_rng(0).permutation(len(self.rows))[:n])]
        index.train((self.training_set[chosen].reshape(n, d) - self.center).numpy())
        index.nprobe = min(n_cells, effort or max(8, n_cells // 8))
        return index

    def _hnsw(self, effort):
        index = candidates.faiss.IndexHNSWFlat(self.training_set.dim, LINKS)
        index.hnsw.efConstruction, index.hnsw.efSearch = BUILD_EFFORT, effort or SEARCH_EFFORT
        return index


def recalled(distances, exact_distances, n_queries):
    """Return, per query, 1.0 where all of its neighbours are as near as the exact ones, 0.0 where not, NaN unchecked.

    Parameters
    ----------
    distances : ndarray, shape (q, k)
        Found by the index.
    exact_distances : callable
        Numbers of queries, shape (m,), to the exact distances, shape (m, k).
    n_queries : int
        q; at most 256 of them are checked, drawn at random.
    """
    checked = np.sort(np.random.default_rng(0).permutation(n_queries)[:N_CHECKED])
    result = np.full(n_queries, np.nan)
    result[checked] = (distances[checked] <= exact_distances(checked)).all(1)
    return result
