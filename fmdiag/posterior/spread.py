"""Posterior over examples that were sampled anew in training, latents of an autoencoder for instance.

An example is not a point but N(mu_i, diag s_i²), and the training distribution their mixture; the same holds for data
with noise of deviation s added. With v_i = alpha² s_i² + sigma²,

    lambda_i ∝ prod_d v_id^-1/2 exp(-(x_d - alpha mu_id)² / (2 v_id)),
    D = sum_i lambda_i m_i,      m_i = mu_i + alpha s_i² / v_i (x - alpha mu_i) = sigma² / v_i mu_i + alpha s_i² / v_i x

(derived: the product of two Gaussians), which for s = 0 is the empirical posterior. One s for all costs one product per
block as that does, with sigma² + alpha² s² in the place of sigma². Deviations of every example and coordinate cost two
products for the weights and five for the sums; log-weights that matter are measured again from differences where the
expansion's rounding exceeds a bound, as in `fmdiag.posterior.empirical`. Noise of deviation g added to x_t instead of
the data, as the loss noised does, leaves û* on points, of the wider path sqrt(sigma² + g²): a `CustomPath`.

References
----------
Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv 1312.6114 (what an autoencoder's moments are).
"""

from dataclasses import replace

import torch

from fmdiag.posterior.empirical import BLOCK_BYTES, EPSILON, EmpiricalPosterior, leave_out
from fmdiag.posterior.state import FLOOR, SoftmaxState

COPIES = 12    # of a block of rows that the sums are made from


class _Sampled(EmpiricalPosterior):
    """What is the same for one deviation and for many: the curve is asked time by time."""

    on_rows = False   # no engine that takes the rows for points answers for it

    def curve(self, x0, x1, rows, times):
        """Yield (number of the time, numbers of the pairs, Posterior), as in `EmpiricalPosterior`."""
        for k, t in enumerate(times):
            x = self.path.sample(x0.double(), x1.double(), t)
            yield k, torch.arange(len(x), device=self.device), self(x, t, source_rows=rows)

    def settling(self, x, t):
        """Return (mean, undecided): D, and the variance of what was sampled."""
        found = self(x, t)
        return found.mean, found.variance

    def shells(self, x0, x1, rows, times):
        """Return `shell` of the Posterior along the paths of pairs, shape (times, b)."""
        return torch.stack([self(self.path.sample(x0.double(), x1.double(), t), t).shell for t in times])


class SharedSpread(_Sampled):
    """The posterior over rows with one deviation s, `training_set.spread`, in all coordinates; callable on (x, t).

    In a Posterior, `mean` and `variance` are those of what was sampled; all else is of the rows.
    """

    def schedule(self, t):
        """Return alpha and sqrt(sigma² + alpha² s²) at `t`, float64."""
        alpha, sigma = super().schedule(t)
        return alpha, (sigma.square() + (alpha * self.training_set.spread).square()).sqrt()

    def _chunk(self, x, t, source_rows, excluded=None):
        found = super()._chunk(x, t, source_rows, excluded)
        t, s = t.to(self.device), self.training_set.spread
        alpha, wide = self.schedule(t)
        gain = alpha * s**2 / wide.square()
        kept = 1 - alpha * gain
        column = [-1, *[1] * (x.ndim - 1)]
        mean = kept.reshape(column) * found.mean + gain.reshape(column) * x.to(self.device, torch.float64)
        variance = kept.square() * found.variance + self.training_set.dim * s**2 * kept
        return replace(found, mean=mean, variance=variance, mean_error=kept * found.mean_error)


class RowSpread(_Sampled):
    """The posterior over rows with deviations of their own, `training_set.spread`, a TrainingSet of the same shape."""

    def _chunk(self, x, t, source_rows, excluded=None):
        """Return the Posterior, one time after the other: v_i depends on it."""
        points = x.reshape(len(x), -1).to(self.device, torch.float64)
        times, which = torch.unique(t, return_inverse=True)
        parts, order = [], []
        for k, time in enumerate(times):
            chosen = torch.nonzero(which == k).reshape(-1)
            alpha, sigma = (value.to(self.device) for value in self.schedule(time))
            given = [None if values is None else values[chosen].to(self.device) for values in (source_rows, excluded)]
            parts.append(self._at(points[chosen], alpha, sigma, *given))
            order.append(chosen)
        found = type(parts[0]).concatenate(parts)
        return found.select(torch.argsort(torch.cat(order)).to(found.mean.device))

    def _at(self, points, alpha, sigma, sources, excluded):
        b, dim = points.shape
        state, rounding = SoftmaxState(b, 5 * dim, self.device), torch.zeros(b, dtype=torch.float64, device=self.device)
        second = torch.zeros(b, dtype=torch.float64, device=self.device)   # weighted trace of the rows' own covariance
        most_gain = 0.0
        for first, rows, squares in self._with_squares():
            v = alpha.square() * squares + sigma.square()
            logs = self._logs(points, rows, v, alpha, sigma)
            if excluded is not None:
                leave_out(logs, excluded, first)
            rounding = torch.maximum(rounding, self._sharpened(logs, state.max, points, rows, v, alpha, sigma))
            if sources is not None:
                state.keep_source(logs, sources, first)
            kept, gain = sigma.square() / v, alpha * squares / v
            most_gain = max(most_gain, gain.max().item())
            own, before = (squares * kept).sum(1), state.max.clone()
            part = kept * rows
            terms = torch.cat([part, gain, part.square(), part * gain, gain.square()], 1)
            weights = (logs - torch.maximum(logs.max(1).values, before)[:, None]).exp()
            state.add(logs, terms, part.square().sum(1), first)
            second = second * torch.exp(before - state.max) + weights @ own
        return self._finished(state, second, points, alpha, sigma, most_gain, rounding, sources is not None)

    def _finished(self, state, second, points, alpha, sigma, most_gain, rounding, has_source):
        """Return the Posterior of what the rows' sums say at the points, float64 of shape (b, dim)."""
        dim, group = points.shape[1], self.group
        if group.size > 1:
            second = group.sum(second * torch.exp(state.max - group.max(state.max.clone())))
            state.merge_ranks(group)
            rounding = group.max(rounding)
            most_gain = group.max(torch.tensor([most_gain], dtype=torch.float64, device=self.device)).item()
        part, gain, square, cross, gain_square = (state.weighted_rows / state.weight[:, None]).split(dim, 1)
        mean = part + gain * points
        variance = (square + 2 * cross * points + gain_square * points.square() - mean.square()).sum(1)
        state.weighted_rows = mean * state.weight[:, None]
        state.reach += most_gain * points.norm(dim=1).max().item()
        found = state.finish(points, alpha.expand(len(points)), sigma.expand(len(points)), self.training_set.n,
                             self.training_set.shape, has_source=has_source, rounding=rounding)
        return replace(found, variance=variance.clamp(min=0) + second / state.weight)

    def _with_squares(self):
        """Yield (first row, rows, squared deviations), float64 of shape (m, dim)."""
        around = {"device": self.device, "rows": self._share}
        size = max(1, self.block_rows // COPIES)
        for (first, rows), (_, deviations) in zip(self.training_set.blocks(size, **around),
                                                  self.training_set.spread.blocks(size, **around), strict=True):
            yield first, rows.double(), deviations.double().square()

    @staticmethod
    def _logs(points, rows, v, alpha, sigma):
        """Return the log-weights by two products, shape (b, m), up to the constant of sigma."""
        if alpha == 0:   # equal for all rows, and not only to rounding
            return (points.square().sum(1, keepdim=True) / (-2 * sigma.square())).repeat(1, len(rows))
        fixed = (alpha.square() * rows.square() / v + (v / sigma.square()).log()).sum(1)
        quadratic = points.square() @ (1 / v).T - 2 * alpha * (points @ (rows / v).T)
        return (quadratic + fixed).mul_(-0.5)

    def _sharpened(self, logs, running_max, points, rows, v, alpha, sigma):
        """Replace log-weights that matter by those from differences; return the bound on the others' rounding, (b,).

        As in `EmpiricalPosterior`: a sum of dim terms is off by at most dim + 8 units of the sum of their sizes.
        """
        size = (points.norm(dim=1) + alpha * rows.norm(dim=1).max()).square() / (2 * v.min())
        size = size + (v / sigma.square()).log().sum(1).max() / 2
        worst = (points.shape[1] + 8) * EPSILON * size
        if bool((EPSILON * size < 1e-11).all()):
            return worst
        floor = torch.maximum(logs.max(1).values, running_max) - FLOOR - 2 * worst
        queries, columns = torch.nonzero(logs >= floor[:, None], as_tuple=True)
        for some in torch.arange(len(queries), device=queries.device).split(max(1, BLOCK_BYTES // (8 * rows.shape[1]))):
            q, c = queries[some], columns[some]
            terms = (points[q] - alpha * rows[c]).square() / v[c] + (v[c] / sigma.square()).log()
            logs[q, c] = -0.5 * terms.sum(1)
        # What is left is the rounding of differences: relative, of weights within FLOOR of the largest.
        depth = FLOOR + logs.max(1).values.abs()
        return EPSILON * ((points.shape[1] + 8) * depth + 4 * (size * depth).sqrt())
