"""State of the posterior over training rows after some of them have been seen.

For queries x with log-weights l_i = -||x - alpha X_i||^2 / (2 sigma^2), one pass over the rows keeps, per query, the
running maximum m and the sums of w_i = exp(l_i - m) that every summary of the posterior needs. Two states over disjoint
rows merge into the state over their union, so blocks, shards and machines all give the same answer (online softmax,
Milakov and Gimelshein, arXiv 1805.02867).
"""

from dataclasses import dataclass, fields

import torch

from fmdiag.posterior.rounding import UNIT, moved

# Weights below exp(-FLOOR) of the running maximum are set to zero: fewer than n e^-80 < 1e-25 of the mass for any
# n < 10^9, and no denormal ever enters the product with the rows (denormals slow it 5 to 9 times).
FLOOR = 80.0


@dataclass(frozen=True)
class Posterior:
    """Summary of the posterior lambda(x, t) over n training rows, per query; float64 unless said otherwise.

    Attributes
    ----------
    mean : Tensor, shape (b, *shape)
        Posterior mean D = sum_i lambda_i X_i, model range.
    log_density : Tensor, shape (b,)
        log p_t(x) of the Gaussian mixture (1/n) sum_i N(alpha X_i, sigma^2 I), in nats.
    top_row : Tensor of int64, shape (b,)
        Row of the largest weight, the lowest number among equals.
    top_weight : Tensor, shape (b,)
        Its weight, in [1/n, 1].
    source_weight : Tensor, shape (b,), or None
        Weight of the row that made x_t, where the caller named it.
    ess : Tensor, shape (b,)
        Effective sample size 1 / sum_i lambda_i^2, in [1, n].
    entropy : Tensor, shape (b,)
        H(lambda) / log n, in [0, 1]; 0 for n = 1.
    variance : Tensor, shape (b,)
        tr Cov_lambda[X] = sum_i lambda_i ||X_i - D||^2.
    shell : Tensor, shape (b,)
        min_i ||x - alpha X_i|| / (sigma sqrt(dim)): about 1 where training noise has put x.
    dropped_mass : Tensor, shape (b,)
        Upper bound on the total variation distance between the weights used and the exact ones: the share of the
        total weight that was left out, and what rounding may have moved (`fmdiag.posterior.rounding`).
    mean_error : Tensor, shape (b,)
        Upper bound on the Euclidean norm of mean - exact mean, model range; the rounding of sums is in it.
    """

    mean: torch.Tensor
    log_density: torch.Tensor
    top_row: torch.Tensor
    top_weight: torch.Tensor
    source_weight: torch.Tensor | None
    ess: torch.Tensor
    entropy: torch.Tensor
    variance: torch.Tensor
    shell: torch.Tensor
    dropped_mass: torch.Tensor
    mean_error: torch.Tensor

    def select(self, chosen):
        """Return the Posterior of some of the queries, by number, mask or slice."""
        return Posterior(**{name: None if value is None else value[chosen] for name, value in vars(self).items()})

    @classmethod
    def concatenate(cls, parts):
        """Return one Posterior for the queries of several, in order."""
        columns = {}
        for field in fields(cls):
            values = [getattr(part, field.name) for part in parts]
            columns[field.name] = None if values[0] is None else torch.cat(values)
        return cls(**columns)


class SoftmaxState:
    """Running softmax sums of b queries; see the module docstring.

    Parameters
    ----------
    b, dim : int
        Number of queries and of coordinates.
    device : torch.device
        Where the sums live; all are float64.
    """

    def __init__(self, b, dim, device):
        def zeros(*shape):
            return torch.zeros(shape, dtype=torch.float64, device=device)

        self.max = torch.full((b,), -torch.inf, dtype=torch.float64, device=device)
        self.top_row = torch.zeros(b, dtype=torch.int64, device=device)
        self.weight, self.weight_squared = zeros(b), zeros(b)      # sum w, sum w^2
        self.weighted_log, self.weighted_norm = zeros(b), zeros(b)  # sum w (l - m), sum w ||X||^2
        self.weighted_rows = zeros(b, dim)                         # sum w X
        self.source_log = torch.full_like(self.max, -torch.inf)
        self.left_out = zeros(b)                                   # bound on the sum of w of rows never added
        self.reach, self.steps = 0.0, 0                            # largest ||X||; additions in a row of any sum

    def add(self, log_weights, rows, norms, first_row):
        """Add a block of rows.

        Parameters
        ----------
        log_weights : Tensor, shape (b, m)
            l_i of the block; overwritten.
        rows : Tensor, shape (m, dim)
            The rows, in the dtype in which the weighted sum is to be formed.
        norms : Tensor, shape (m,)
            ||X_i||^2.
        first_row : int
            Number of the block's first row.
        """
        self.reach, self.steps = max(self.reach, norms.max().item() ** 0.5), max(self.steps, len(rows)) + 2
        top, index = log_weights.max(dim=1)
        better = top > self.max
        self.top_row = torch.where(better, index + first_row, self.top_row)
        self._rescale(torch.maximum(top, self.max))
        relative = log_weights.sub_(self.max[:, None])
        negligible = relative < -FLOOR
        self.left_out += torch.exp(-torch.tensor(FLOOR, dtype=torch.float64)) * negligible.sum(1)
        if bool(negligible.all()):
            return
        weights = relative.exp().masked_fill_(negligible, 0.0)
        self.weighted_log += torch.linalg.vecdot(weights, relative)
        self.weight += weights.sum(1)
        self.weight_squared += torch.linalg.vecdot(weights, weights)
        self.weighted_norm += weights @ norms
        self.weighted_rows += (weights.to(rows.dtype) @ rows).double()

    def keep_source(self, log_weights, sources, first_row):
        """Note the log-weight of each query's own row, `sources` of shape (b,), when its block comes by."""
        here = torch.nonzero((sources >= first_row) & (sources < first_row + log_weights.shape[1])).reshape(-1)
        self.source_log[here] = log_weights[here, sources[here] - first_row]

    def merge(self, other):
        """Add the sums of a state over other rows."""
        better = (other.max > self.max) | ((other.max == self.max) & (other.top_row < self.top_row))
        self.top_row = torch.where(better, other.top_row, self.top_row)
        top = torch.maximum(self.max, other.max)
        self._rescale(top)
        other._rescale(top)
        for name in ("weight", "weight_squared", "weighted_log", "weighted_norm", "weighted_rows", "left_out"):
            getattr(self, name).add_(getattr(other, name))
        self.source_log = torch.maximum(self.source_log, other.source_log)
        self.reach, self.steps = max(self.reach, other.reach), max(self.steps, other.steps) + 2

    def merge_ranks(self, group):
        """Add the sums of all ranks of a Group, each of which has seen other rows."""
        if group.size == 1:
            return
        top = group.max(self.max.clone())
        nowhere = torch.full_like(self.top_row, torch.iinfo(torch.int64).max)
        self.top_row = group.min(torch.where(self.max == top, self.top_row, nowhere))
        self._rescale(top)
        for name in ("weight", "weight_squared", "weighted_log", "weighted_norm", "weighted_rows", "left_out"):
            setattr(self, name, group.sum(getattr(self, name)))
        self.source_log = group.max(self.source_log)
        most = group.max(torch.tensor([self.reach, self.steps], dtype=torch.float64, device=self.max.device))
        self.reach, self.steps = most[0].item(), most[1].item() + group.size

    def _rescale(self, new_max):
        """Express every sum relative to `new_max`; sum w (l - m) shifts by W (m_old - m_new)."""
        shift = torch.where(torch.isinf(self.max), torch.zeros_like(new_max), self.max - new_max)
        factor = shift.exp()
        self.weighted_log = (self.weighted_log + self.weight * shift) * factor
        self.weight, self.weight_squared = self.weight * factor, self.weight_squared * factor.square()
        self.weighted_norm, self.left_out = self.weighted_norm * factor, self.left_out * factor
        self.weighted_rows *= factor[:, None]
        self.max = new_max

    def finish(self, x, alpha, sigma, n, shape, *, has_source, rounding):
        """Return the Posterior of queries `x`, float64 of shape (b, dim), at per-query alpha and sigma, shape (b,).

        `rounding`, shape (b,), bounds the error of every log-weight.
        """
        summed = UNIT[torch.float64] * self.steps
        changed = moved(rounding, rounding) + 4 * summed
        total = self.weight
        mean = self.weighted_rows / total[:, None]
        mean_log = self.weighted_log / total
        entropy = (total.log() - mean_log).clamp_(min=0)
        log_n = torch.log(torch.tensor(float(n), dtype=torch.float64, device=x.device))
        gaussian = -0.5 * x.shape[1] * torch.log(2 * torch.pi * sigma.square())
        return Posterior(
            mean=mean.reshape(-1, *shape),
            log_density=self.max + total.log() - log_n + gaussian,
            top_row=self.top_row,
            top_weight=1 / total,
            source_weight=(self.source_log - self.max).exp() / total if has_source else None,
            ess=total.square() / self.weight_squared,
            entropy=entropy / log_n if n > 1 else torch.zeros_like(entropy),
            variance=self._variance(x, alpha, sigma, mean, mean_log),
            shell=(-2 * self.max / x.shape[1]).clamp(min=0).sqrt(),
            dropped_mass=(self.left_out / total + changed).clamp(max=1),
            mean_error=2 * self.reach * ((self.left_out / total + changed).clamp(max=1) + summed),
        )

    def _variance(self, x, alpha, sigma, mean, mean_log):
        """Return tr Cov = E||X||^2 - ||D||^2; once alpha >= 1/2, (E||x - alpha X||^2 - ||x - alpha D||^2) / alpha^2.

        The second form loses nothing as sigma -> 0, since its terms shrink as sigma^2 does.
        """
        early = self.weighted_norm / self.weight - mean.square().sum(1)
        mean_square = -2 * sigma.square() * (self.max + mean_log)
        late = mean_square - (x - alpha[:, None] * mean).square().sum(1)
        return torch.where(alpha < 0.5, early, late / alpha.square().clamp(min=0.25)).clamp_(min=0)
