"""Gaussian field: carries N(0, I) to N(mu, M), for pairs coupled by a map or drawn independently.

Rotated coupling x1 = mu + M^1/2 R x0 (R = I is optimal transport), Theta = M^1/2 R - I, A = I + t Theta:

    v(x, t) = theta + Theta A^T (A A^T + sigma^2 I)^-1 (x - t theta),     theta = mu,     Theta A^-1 without noise,

independent coupling, with the family's parameters (theta, M):

    v(x, t) = theta + (t M - (1 - t) I) [(1 - t)^2 I + t^2 M + sigma^2 I]^-1 (x - t theta).

sigma is the constant noise on the path. Both are exact: v = E[x1 - x0 | x_t = x]. Derived from the Gaussian
conditional.

References
----------
Reu et al., "Gradient Variance Reveals Failure Modes in Flow-Based Generative Models", arXiv 2510.18118.
"""

import math

import torch

from fmdiag.errors import FmdiagError

INDEPENDENT = "independent"


class GaussianFlow(torch.nn.Module):
    """The exact field of a coupling of N(0, I) and N(mean, covariance), as a module v(x, t) with two parameters.

    Parameters
    ----------
    mean : Tensor, shape (d,)
        mu.
    covariance : Tensor, shape (d, d)
        M, symmetric and positive definite.
    coupling : float or "independent"
        Degrees that x0 is rotated by before optimal transport, 0 for optimal transport itself, see `rotation`.
    sigma : float
        Constant noise on the path that the field belongs to.

    Attributes
    ----------
    theta : Parameter, shape (d,)
        Started at mu.
    matrix : Parameter, shape (d, d)
        Theta of a rotated coupling, M of the independent one.
    """

    def __init__(self, mean, covariance, coupling=0.0, sigma=0.0):
        super().__init__()
        self.mean, self.covariance = check_gaussian(mean, covariance)
        self.coupling, self.sigma = coupling, float(sigma)
        if not (self.sigma >= 0 and math.isfinite(self.sigma)):
            raise FmdiagError(f"sigma must be 0 or more and finite, got {sigma}")
        matrix = self.covariance if coupling == INDEPENDENT else self.transport() - torch.eye(self.dim).double()
        self.theta, self.matrix = torch.nn.Parameter(self.mean.clone()), torch.nn.Parameter(matrix.clone())

    @property
    def dim(self):
        """Number of coordinates."""
        return len(self.mean)

    def transport(self):
        """Return M^1/2 R, the matrix that carries x0 to x1 - mu."""
        return square_root(self.covariance) @ rotation(self.dim, self.coupling)

    def gain(self, t):
        """Return the matrices K_t with v = theta + K_t (x - t theta), shape (b, d, d), for t of shape (b,)."""
        eye, t = torch.eye(self.dim, dtype=self.theta.dtype), t.reshape(-1, 1, 1)
        if self.coupling == INDEPENDENT:
            left = t * self.matrix - (1 - t) * eye
            return torch.linalg.solve((1 - t) ** 2 * eye + (t**2) * self.matrix + self.sigma**2 * eye, left, left=False)
        A = eye + t * self.matrix
        if self.sigma == 0:
            return torch.linalg.solve(A, self.matrix.expand_as(A), left=False)
        return torch.linalg.solve(A @ A.mT + self.sigma**2 * eye, self.matrix @ A.mT, left=False)

    def forward(self, x, t):
        """Return the velocity at x, shape (b, d), and t, shape (b,); the times must not be among `crossing_times`."""
        t = t.to(self.theta.dtype)
        centred = x.to(self.theta.dtype) - t[:, None] * self.theta
        return (self.theta + (self.gain(t) @ centred[..., None])[..., 0]).to(x.dtype)

    def crossing_times(self):
        """Return the times in [0, 1] at which A is singular: lines of different pairs cross there.

        A real eigenvalue l <= -1 of Theta gives t = -1 / l. With noise, and for independent pairs, there are none.
        """
        if self.coupling == INDEPENDENT or self.sigma > 0:
            return []
        found = torch.linalg.eigvals(self.matrix.detach())
        real = found.real[found.imag.abs() < 1e-9 * found.abs().clamp(min=1e-300)]
        return sorted({round(-1 / value, 12) for value in real.tolist() if value <= -1})


def rotation(dim, degrees):
    """Return the rotation by an angle in the planes of coordinates (1, 2), (3, 4), ...; float64, shape (dim, dim).

    The last of an odd number of coordinates stays, except at 180 degrees, which is -I in every dimension.
    """
    if degrees % 360 == 180:
        return -torch.eye(dim, dtype=torch.float64)
    angle, matrix = math.radians(degrees), torch.eye(dim, dtype=torch.float64)
    turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    block = torch.tensor(turn, dtype=torch.float64)
    for k in range(0, dim - 1, 2):
        matrix[k : k + 2, k : k + 2] = block
    return matrix


def square_root(covariance):
    """Return the symmetric positive root of a covariance."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ torch.diag(values.sqrt()) @ vectors.T


def check_gaussian(mean, covariance):
    """Return (mean, covariance) in float64; raise FmdiagError unless they describe a Gaussian with a density."""
    mean, covariance = (torch.as_tensor(part, dtype=torch.float64) for part in (mean, covariance))
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise FmdiagError(f"mean and covariance must have shapes (d,) and (d, d), got {tuple(mean.shape)} and "
                          f"{tuple(covariance.shape)}")
    finite = bool(mean.isfinite().all() and covariance.isfinite().all())
    if not finite or not torch.allclose(covariance, covariance.T) or torch.linalg.eigvalsh(covariance).min() <= 0:
        raise FmdiagError("the covariance must be finite, symmetric and positive definite")
    return mean, covariance
