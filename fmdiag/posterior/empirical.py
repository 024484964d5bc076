"""Empirical posterior: which training rows explain the point x at time t, and with what weight.

    lambda_i(x, t) = softmax_i( -||x - alpha_t X_i||^2 / (2 sigma_t^2) )

exactly, for any Gaussian path, streamed over blocks of rows with an online softmax. Squared distances come from one
float64 product per block, ||x||^2 - 2 alpha <x, X_i> + alpha^2 ||X_i||^2. That expansion cancels when sigma is small,
so every row that could matter is then measured again from its difference x - alpha X_i: at t = 1 - 10^-6 the weights
are as exact as at t = 1/2.

References
----------
Bertrand et al., arXiv 2506.03719, section 2: the closed form of the minimiser.
"""

import math

import torch

from fmdiag.datasets import as_training_set
from fmdiag.devices import choose_device
from fmdiag.errors import FmdiagError
from fmdiag.memory import with_less
from fmdiag.paths import as_path, times_like
from fmdiag.posterior.curve import nearest_norms, posterior_curve
from fmdiag.posterior.rounding import difference_rounding
from fmdiag.posterior.rows import RowStore, shared_memory
from fmdiag.posterior.state import FLOOR, Posterior, SoftmaxState
from fmdiag.ranks.group import SINGLE

BLOCK_BYTES = 1 << 26      # of float64 rows at a time
QUERIES_AT_ONCE = 512
LEAST_MEMORY = 10**7  # bytes: below it, less would not help
EPSILON = 2.0**-53
NO_WEIGHT = -1e300         # a log-weight


class EmpiricalPosterior:
    """The posterior over the rows of a training set; callable on (x, t).

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        n rows, flips counted.
    path : GaussianPath
        Schedules alpha and sigma.
    memory : int, optional
        Bytes this object may use, on each rank; default a quarter of what is free, at least 1 GiB
        (`fmdiag.memory`). Rows are kept as float64 where they fit into half of it, else converted block by block from
        where they are stored.
    device : str or torch.device
        Where the arithmetic is done.
    block_rows : int, optional
        Rows at a time; it changes results by rounding only.
    group : Group
        Ranks that share the rows out and answer together; each must make the same calls.
    """

    on_rows = True   # whether engines that take the rows for points may answer for it

    def __init__(self, training_set, path=None, *, memory=None, device="cpu", block_rows=None, group=SINGLE):
        training_set = as_training_set(training_set)
        self.training_set, self.group = training_set, group
        self._share = group.share(training_set.n)
        self.path = as_path(path)
        self.device = choose_device(device)
        self.memory = shared_memory(memory, self.device, group)
        dim, self._block_rows = training_set.dim, block_rows
        self.block_rows = block_rows or max(1, min(BLOCK_BYTES, self.memory // 8) // (8 * max(dim, QUERIES_AT_ONCE)))
        self._store = self._alone = None
        self._kept = None
        # One tensor: small ones kept between large blocks would scatter the heap until all of it is resident.
        self._norms = torch.full((self._share.stop - self._share.start,), torch.nan, dtype=torch.float64, device=device)

    def __call__(self, x, t, *, source_rows=None, exclude=None):
        """Return the Posterior at points x and times t.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range; float64 input is answered to about 1e-11 in the log-weights, float32 to 1e-8.
        t : float or Tensor, shape (b,)
            Times in [0, 1]; where sigma_t = 0 (t = 1 on most paths) the posterior does not exist.
        source_rows : Tensor of int64, shape (b,), optional
            The row that made each x, for `source_weight`.
        exclude : Tensor of int64, shape (b, k), optional
            Rows of the whole set that do not count for each x, -1 for none; `log_density` still divides by n.

        Raises
        ------
        FmdiagError
            If the shape is not the training set's, x is not finite, or sigma_t = 0.
        """
        self._check(x)
        t = times_like(t, x)
        parts = []
        for start in range(0, x.shape[0], QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            sources = None if source_rows is None else torch.as_tensor(source_rows)[part]
            excluded = None if exclude is None else torch.as_tensor(exclude)[part].to(self.device)
            parts.append(self._fitting(self._chunk, x[part], t[part], sources, excluded))
        return Posterior.concatenate(parts)

    def curve(self, x0, x1, rows, times):
        """Yield the Posterior along the paths of pairs (x0, x1), at many times for little more than the price of one.

        Parameters and yields as in `posterior_curve`: (number of the time, numbers of the pairs, Posterior), where
        every time and pair occurs once.
        """
        self._check(x0)
        self._check(x1)
        left = torch.ones(len(times), len(rows), dtype=torch.bool)   # what was not yielded yet
        parts = None

        def following():
            nonlocal parts
            try:
                parts = parts or self._curve(x0, x1, rows, times)
                return next(parts, None)
            except Exception:
                parts = None   # begun again
                raise

        while (found := self._fitting(following)) is not None:
            k, pairs, posterior = found
            new = left[k, pairs.cpu()]
            left[k, pairs.cpu()] = False
            if bool(new.any()):
                yield k, pairs[new.to(pairs.device)], posterior.select(new.to(pairs.device))

    def shells(self, x0, x1, rows, times):
        """Return min_i ||x_t - alpha X_i|| / (sigma sqrt(dim)) along the paths of pairs, shape (times, b), float64.

        As `shell` of a Posterior for a fraction of the price; parameters as in `curve`, a row of -1 for an x1 that is
        no row of the set.
        """
        self._check(x0)
        self._check(x1)
        return self._fitting(lambda: nearest_norms(self, self.rows(), x0, x1, rows, times)) / x0[0].numel() ** 0.5

    def rows(self):
        """Return the RowStore of this posterior, made once."""
        if self._store is None:
            alone = self.group.size == 1 and self._block_rows is None
            self._store = self.rows_alone() if alone else RowStore(self.training_set, self.memory, self.device,
                                                                   self._block_rows, self.group)
        return self._store

    def _curve(self, x0, x1, rows, times):
        return posterior_curve(self, self.rows(), x0, x1, rows, times)

    def rows_alone(self):
        """Return the RowStore of all rows, which is not shared out among ranks, made once: for walks of own samples."""
        if self._alone is None:
            self._alone = RowStore(self.training_set, self.memory, self.device)
        return self._alone

    def _fitting(self, work, *arguments):
        """Return ``work(*arguments)``, tried again with half the memory for as long as it does not suffice.

        Ranks must stay in step, so that none of several goes on alone.
        """
        least = LEAST_MEMORY if self.group.size == 1 else math.inf
        return with_less(lambda: work(*arguments), self._use_less, lambda: self.memory, "bytes of memory for û*", least)

    def _use_less(self):
        """Let go of the rows that are kept and halve the memory."""
        self._store = self._alone = self._kept = None
        self.memory //= 2
        self.block_rows = max(1, self.block_rows // 2)

    def _check(self, x):
        if not isinstance(x, torch.Tensor):
            raise FmdiagError(f"x must be a Tensor, got {type(x).__name__}: give torch.as_tensor(x)")
        if tuple(x.shape[1:]) != self.training_set.shape or x.shape[0] == 0:
            raise FmdiagError(f"x must have shape (b, {', '.join(map(str, self.training_set.shape))}) with b >= 1, "
                              f"got {tuple(x.shape)}")
        if not bool(torch.isfinite(x).all()):
            raise FmdiagError("x holds NaN or infinite values")

    def schedule(self, t):
        """Return alpha and sigma at `t`, float64; raise FmdiagError where sigma is 0."""
        alpha, sigma = self.path.alpha(t), self.path.sigma(t)
        if bool((sigma <= 0).any()):
            raise FmdiagError("the closed form is singular where sigma_t = 0 (t = 1): stop before, the last step of an "
                              "integration lands on the posterior mean")
        return alpha, sigma

    def _chunk(self, x, t, source_rows, excluded=None):
        tolerance = 1e-11 if x.dtype == torch.float64 else 1e-8
        points = x.reshape(x.shape[0], -1).to(self.device, torch.float64)
        alpha, sigma = self.schedule(t.to(self.device))
        sources = None if source_rows is None else source_rows.to(self.device)
        state = SoftmaxState(points.shape[0], points.shape[1], self.device)
        square, rounding, scaled = points.square().sum(1), torch.zeros_like(alpha), points * (-2 * alpha[:, None])
        for first, rows, norms in self._blocks():
            distances = torch.outer(alpha.square(), norms).add_(square[:, None]).addmm_(scaled, rows.T)
            logs = distances.clamp_(min=0).mul_(-0.5 / sigma[:, None].square())
            if excluded is not None:
                leave_out(logs, excluded, first)
            rounding = torch.maximum(rounding, self._refine(logs, state.max, points, rows, norms, alpha, sigma,
                                                            tolerance))
            if sources is not None:
                state.keep_source(logs, sources, first)
            state.add(logs, rows, norms, first)
        state.merge_ranks(self.group)
        rounding = self.group.max(rounding) + difference_rounding(FLOOR - state.max, points.shape[1],
                                                                  alpha / sigma * state.reach)
        return state.finish(points, alpha, sigma, self.training_set.n, self.training_set.shape,
                            has_source=sources is not None, rounding=rounding)

    def _refine(self, logs, running_max, points, rows, norms, alpha, sigma, tolerance):
        """Replace the log-weights that matter by exact ones where the expansion's rounding exceeds `tolerance`.

        Returned is the bound on the rounding of the log-weights that were not replaced, shape (b,).

        |x|^2 - 2<x, y> + |y|^2 is off by about eps (|x| + |y|)^2, at most d + 4 times that (Higham, "Accuracy and
        Stability of Numerical Algorithms", section 3.1). Rows further below the best than FLOOR plus twice the
        worst-case error cannot carry weight, so they need no second look.
        """
        scale = (points.norm(dim=1) + alpha * norms.max().sqrt()).square() / (2 * sigma.square())
        worst = (points.shape[1] + 4) * EPSILON * scale
        if bool((EPSILON * scale < tolerance).all()):
            return worst
        floor = torch.maximum(logs.max(dim=1).values, running_max) - FLOOR - 2 * worst
        queries, columns = torch.nonzero(logs >= floor[:, None], as_tuple=True)
        for part in torch.arange(len(queries), device=queries.device).split(max(1, BLOCK_BYTES // (8 * rows.shape[1]))):
            q, c = queries[part], columns[part]
            difference = points[q] - alpha[q, None] * rows[c]
            logs[q, c] = difference.square().sum(1) * (-0.5 / sigma[q].square())
        return torch.zeros_like(worst)

    def _blocks(self):
        """Yield (first row, rows float64 of shape (m, dim), squared norms), kept in memory where they fit."""
        if self._kept is not None:
            yield from self._kept
            return
        size = self._share.stop - self._share.start
        keep = [] if 8 * size * self.training_set.dim <= self.memory // 2 else None
        for first, block in self.training_set.blocks(self.block_rows, device=self.device, rows=self._share):
            rows, start = block.double(), first - self._share.start
            norms = self._norms[start : start + len(rows)]
            if bool(norms.isnan().any()):
                norms[:] = rows.square().sum(1)
            if keep is not None:
                keep.append((first, rows, norms))
            yield first, rows, norms
        self._kept = keep


def leave_out(logs, excluded, first):
    """Give the excluded rows of this block no weight; not -inf, so that a block of nothing else has a maximum."""
    queries, columns = torch.nonzero((excluded >= first) & (excluded < first + logs.shape[1]), as_tuple=True)
    logs[queries, excluded[queries, columns] - first] = NO_WEIGHT
