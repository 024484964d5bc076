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


class ProbedErrors:
    """Norms, per pair, of the errors of a product with the rows, measured by random projections.

    Parameters
    ----------
    x0, x1 : Tensor, float64, shape (b, dim)
        Noise and data of the pairs, the latter centred like the rows.
    """

    def __init__(self, x0, x1):
        self.x0, self.x1 = x0, x1
        self.product, self.norm = (x0 * x1).sum(1, keepdim=True), x1.square().sum(1, keepdim=True)
        self.square = torch.zeros(2, len(x0), dtype=torch.float64, device=x0.device)

    def add(self, first, rows, linear, quadratic):
        """Take in the coefficients, shape (b, m), of a block of centred rows, float64, shape (m, dim)."""
        g = torch.randn(len(rows), N_PROBES, dtype=torch.float64,
                        generator=torch.Generator().manual_seed(first)).to(rows.device)
        along, total = rows.T @ g, g.sum(0)
        norms = torch.linalg.vector_norm(rows, dim=1).square()
        exact = (self.x0 @ along - self.product * total, self.x1 @ along - (self.norm * total + norms @ g) / 2)
        for k, (found, expected) in enumerate(zip((linear, quadratic), exact, strict=True)):
            self.square[k] += (found.double() @ g - expected).square().mean(1)

    def norms(self, group):
        """Return the norms of the errors of both coefficients over all ranks' rows, shape (2, b)."""
        return SAFETY * group.sum(self.square).sqrt()
