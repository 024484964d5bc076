"""Rounding bounds of posterior weights and means, which the engines of û* report with their answers.

If every log-weight l_i is computed to within delta_i, the weights' total variation distance from the exact ones is
sum lambda_i |delta_i| to first order; and a mean over rows within R of a point is off by at most twice that, times R,
besides the rounding of its own sum. In float64 worst cases are small enough to report (Higham, "Accuracy and Stability
of Numerical Algorithms", sections 3.1 and 4.2). In float32 the worst case of a product in thousands of dimensions says
nothing, so its error is measured: for an error matrix E and random g ~ N(0, I), E g ~ N(0, |E_q|²) per line q, and E g
costs one product with g in float64 (as Freivalds checks products). By Cauchy's inequality

    sum_i lambda_i |delta_i| <= |lambda| |delta| = |delta| / sqrt(ess).
"""

import torch

UNIT = {torch.float64: 2.0**-53, torch.float32: 2.0**-24}
SUM_STEPS = 64        # additions in a row of torch's cascaded and tree sums over one block
N_PROBES = 16
# 16 / the 1e-9 quantile of a chi-square with 16 degrees of freedom: measured norms are too small once in 10^9.
SAFETY = (N_PROBES / 0.58313) ** 0.5


def moved(mean_error, largest_error):
    """Return the bound on the total variation distance, in [0, 1], from sum lambda_i |delta_i| and max |delta_i|."""
    return (mean_error * largest_error.clamp(max=50).exp()).clamp(max=1)


def log_rounding(noise, dim, near=160.0):
    """Return what float64 may change in a log-weight formed from the differences x1 - X, for rows with weight.

    A row within `near` / 2 nats of the pair's own has s |x1 - X| <= rho = |x0| + sqrt(|x0|² + near).

    Parameters
    ----------
    noise : Tensor, float64, shape (b,)
        |x0| of the pairs.
    """
    rho = noise + (noise.square() + near).sqrt()
    return 2 * (dim + 8) * UNIT[torch.float64] * rho * (noise + rho)


def difference_rounding(depth, dim, reach):
    """Return the bound on the rounding of log-weights -||x / sigma - s X||^2 / 2 from differences, shape (b,).

    Rows with weight have |l| <= `depth`, which is half the square of the distance; alpha X is rounded too. `reach` is s
    times the largest ||X||.
    """
    return UNIT[torch.float64] * (2 * (2 * depth).sqrt() * reach + (dim + 8) * depth)


class RowProbes:
    """Products of random probes with the centred rows of a store, made on the first pass over them and kept.

    Parameters
    ----------
    dim : int
        Length of a row.
    device : torch.device
        Where they are.
    """

    def __init__(self, dim, device):
        self.along = torch.zeros(N_PROBES, dim, dtype=torch.float64, device=device)   # sum of g_i X_i
        self.total, self.norms = torch.zeros(2, N_PROBES, dtype=torch.float64, device=device)   # of g_i, g_i ||X_i||^2
        self.complete = False

    def begin(self):
        """Forget a pass over the rows that did not reach its end."""
        if not self.complete:
            for sums in (self.along, self.total, self.norms):
                sums.zero_()

    def add(self, first, rows, center):
        """Return the probes of a block of rows, shape (N_PROBES, m); take the rows in, unless they are complete."""
        g = torch.randn(N_PROBES, len(rows), dtype=torch.float64, generator=torch.Generator().manual_seed(first))
        g = g.to(rows.device)
        if not self.complete:
            rows = rows.double() - center
            self.along += g @ rows
            self.total += g.sum(1)
            self.norms += g @ torch.linalg.vector_norm(rows, dim=1).square()
        return g


class ProbedErrors:
    """Norms, per pair, of the errors of a product with the rows, measured by random projections.

    Parameters
    ----------
    x0, x1 : Tensor, float64, shape (b, dim)
        Noise and data of the pairs, the latter centred like the rows.
    probes : RowProbes
        Of the rows.
    """

    def __init__(self, x0, x1, probes):
        self.x0, self.x1, self.probes = x0, x1, probes
        self.found = torch.zeros(2, len(x0), N_PROBES, dtype=torch.float64, device=x0.device)

    def add(self, probes, linear, quadratic):
        """Take in the coefficients, shape (b, m), of a block of rows with its probes, shape (N_PROBES, m)."""
        for found, coefficients in zip(self.found, (linear, quadratic), strict=True):
            found += coefficients.double() @ probes.T

    def norms(self, group):
        """Return the norms of the errors of both coefficients over all ranks' rows, shape (2, b)."""
        along, total, norms = self.probes.along, self.probes.total, self.probes.norms
        product, norm = (self.x0 * self.x1).sum(1, keepdim=True), self.x1.square().sum(1, keepdim=True)
        exact = torch.stack([self.x0 @ along.T - product * total, self.x1 @ along.T - (norm * total + norms) / 2])
        return SAFETY * group.sum((self.found - exact).square().mean(2)).sqrt()
