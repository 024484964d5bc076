"""Exact gradient variance between Gaussians: moments of quadratic forms, and a quadrature over t.

With L = ||u - v(x_t, t)||^2 everything is linear in z = (x0, e, noise) ~ N(0, I): the residual r = D z and the point
y = x_t - t mu = Y z. The per-sample gradient is linear in r for theta and a sum of outer products for the matrix,

    g_theta = -2 (I - t K)^T r,      g_matrix = -2 sum_k (P_k z) (Q_k z)^T,

so that E g_matrix = -2 sum_k P_k Q_k^T and, with B = P_k^T P_l and C = Q_k^T Q_l (Isserlis, derived),

    E ||g_matrix||^2 = 4 sum_kl  tr B tr C + tr B C + tr B C^T.

Differentials: d(Theta A^-1) = A^-1 dTheta A^-1; with noise, K = Theta A^T S^-1, S = A A^T + sigma^2 I,
dK = (I - t K) dTheta A^T S^-1 + t (Theta - K A) dTheta^T S^-1; independent: dK = (t I - t^2 K) dM S^-1.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.fields.gaussian import INDEPENDENT, rotation, square_root
from fmdiag.training.interpolants import Interpolant

NODES = 400


@dataclass(frozen=True)
class Moments:
    """E||g||^2 and E g (both parameters flat, one after the other) of the per-sample gradient g."""

    second: float
    mean: torch.Tensor

    @property
    def variance(self):
        """Trace of the covariance."""
        return self.second - float(self.mean.square().sum())


def moments_at(flow, coupling, t, interpolant=None):
    """Return the moments of the gradient with respect to a `GaussianFlow`'s parameters at one time.

    Parameters
    ----------
    flow : GaussianFlow
        The field; its distribution is that of the pairs.
    coupling : float or "independent"
        How the pairs are coupled, as in `GaussianFlow`.
    t : float
        Time at which the field is regular.
    interpolant : Interpolant, optional
        Noise on the path of the pairs; its velocity target.
    """
    interpolant, d = interpolant or Interpolant(), flow.dim
    eye, nothing = torch.eye(d).double(), torch.zeros(d, d).double()
    time = torch.tensor(float(t), dtype=torch.float64)
    root = square_root(flow.covariance)
    x0, noise = torch.cat([eye, nothing, nothing], 1), torch.cat([nothing, nothing, eye], 1)
    x1 = (torch.cat([nothing, root, nothing], 1) if coupling == INDEPENDENT
          else torch.cat([root @ rotation(d, coupling), nothing, nothing], 1))
    y = (1 - t) * x0 + t * x1 + float(interpolant.gamma(time)) * noise
    with torch.no_grad():
        K = flow.gain(time[None])[0]
    residual = x1 - x0 + float(interpolant.d_gamma(time)) * noise - K @ y
    theta = -2 * (eye - t * K).T @ residual
    left, right = zip(*_products(flow, K, t, residual, y, eye), strict=True)
    mean = torch.cat([torch.zeros(d).double(), -2 * sum(P @ Q.T for P, Q in zip(left, right, strict=True)).flatten()])
    second = sum(_fourth(P.T @ R, Q.T @ S) for P, Q in zip(left, right, strict=True)
                 for R, S in zip(left, right, strict=True))
    return Moments(float(theta.square().sum() + 4 * second), mean)


def _products(flow, K, t, r, y, eye):
    """Return the (P_k, Q_k) of the matrix's gradient."""
    matrix = flow.matrix.detach()
    if flow.coupling == INDEPENDENT:
        S = (1 - t) ** 2 * eye + t**2 * matrix + flow.sigma**2 * eye
        return [(t * (eye - t * K).T @ r, torch.linalg.solve(S, y))]
    A = eye + t * matrix
    if flow.sigma == 0:
        return [((eye - t * K).T @ r, torch.linalg.solve(A, y))]
    s = torch.linalg.solve(A @ A.T + flow.sigma**2 * eye, y)
    return [((eye - t * K).T @ r, A.T @ s), (t * s, (matrix - K @ A).T @ r)]


def _fourth(B, C):
    return torch.trace(B) * torch.trace(C) + (B * C.T).sum() + (B * C).sum()


def pooled_moments(flow, coupling, interpolant=None, *, low=0.0, high=1.0, n_nodes=NODES):
    """Return the moments for t uniform in [low, high], by Gauss-Legendre quadrature.

    Infinite where the field is singular inside and the pairs are not its own (see `GaussianFlow.crossing_times`), and
    for the velocity target of a bridge at t = 0 or 1.
    """
    interpolant = interpolant or Interpolant()
    own = flow.coupling == coupling != INDEPENDENT and interpolant.sigma == flow.sigma == 0
    if own:
        return Moments(0.0, torch.zeros(flow.dim + flow.dim**2).double())
    endless = interpolant.noise == "bridge" and interpolant.sigma > 0 and (low <= 0 or high >= 1)
    if endless or any(low <= time <= high for time in flow.crossing_times()):
        return Moments(float("inf"), torch.zeros(flow.dim + flow.dim**2).double())
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    parts = [moments_at(flow, coupling, low + (high - low) * (x + 1) / 2, interpolant) for x in nodes]
    return Moments(sum(w / 2 * p.second for w, p in zip(weights, parts, strict=True)),
                   sum(w / 2 * p.mean for w, p in zip(weights, parts, strict=True)))
