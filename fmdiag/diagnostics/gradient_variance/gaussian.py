"""Gradient variance between two Gaussians: every coupling under every field, exact and sampled.

X0 ~ N(0, I), X1 ~ N(mu, M). The gradient is that of ||target - v||^2 with respect to the field's own two parameters
(see `fmdiag.fields.gaussian`), pooled over t uniform in [0, 1]. A coupling under its own field has variance 0 however
its lines cross; every other cell is the mismatch of field and coupling (Reu et al., arXiv 2510.18118).
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.diagnostics.gradient_variance.gaussian_moments import moments_at, pooled_moments
from fmdiag.diagnostics.gradient_variance.measure import NAME, jackknife
from fmdiag.diagnostics.gradient_variance.per_sample import PerSampleGradients
from fmdiag.fields.gaussian import INDEPENDENT, GaussianFlow, check_gaussian, rotation, square_root
from fmdiag.training.interpolants import Interpolant

ANGLES = (0.0, 60.0, 120.0)
SIGMAS = (0.0, 0.05)
TIMES = [round(0.02 * k, 2) for k in range(51)]
KEYS = ["coupling", "field", "sigma", "field_sigma"]


def measure(mean, covariance, *, angles=ANGLES, sigmas=SIGMAS, noise="constant", n_samples=20_000, progress=iter,
            generator):
    """Return each sample's squared gradient norm and product with the mean gradient, for every cell of the table.

    Parameters
    ----------
    mean, covariance : Tensor, shape (d,) and (d, d)
        Of X1.
    angles : sequence of float
        Rotated couplings and fields, in degrees; 0 is optimal transport. The independent one is added.
    sigmas : sequence of float
        Noise on the path; each with the field without noise and the field of that noise.
    noise : str
        ``"constant"`` or ``"bridge"``.
    n_samples : int
        Samples (x0, x1, z, t) per cell, the same ones in all; t uniform in (0, 1).

    Returns
    -------
    DataFrame
        Columns coupling, field ("ot", "60°", ..., "independent"), sigma, field_sigma, sample, t, loss, squared_norm,
        inner. Cells whose field is singular at a crossing time are left out: they have no variance.
    """
    mean, covariance = check_gaussian(mean, covariance)
    d = len(mean)
    x0, e, z = torch.randn(3, n_samples, d, generator=generator, dtype=torch.float64)
    t = torch.rand(n_samples, generator=generator, dtype=torch.float64).clamp(2.0**-40, 1 - 2.0**-40)
    root, parts = square_root(covariance), []
    for coupling, flow, sigma in progress(cells(mean, covariance, angles, sigmas)):
        if flow.crossing_times():
            continue
        x1 = mean + (e @ root if coupling == INDEPENDENT else x0 @ (root @ rotation(d, coupling)).T)
        interpolant = Interpolant(sigma, noise)
        xt = interpolant.point(x0, x1, t, z)
        found = PerSampleGradients(flow)(xt, t, interpolant.target("velocity", x0, x1, xt, t, z))
        columns = dict(zip(("loss", "squared_norm", "inner"), (part.numpy() for part in found), strict=True))
        parts.append(pd.DataFrame({**_keys(coupling, flow, sigma), "sample": np.arange(n_samples), "t": t.numpy(),
                                   **columns}))
    return pd.concat(parts, ignore_index=True)


def cells(mean, covariance, angles, sigmas):
    """Return all (coupling, GaussianFlow, sigma): every coupling under every field, of the path's noise and of none."""
    kinds = [*map(float, angles), INDEPENDENT]
    return [(coupling, GaussianFlow(mean, covariance, kind, field_sigma), sigma) for sigma in map(float, sigmas)
            for field_sigma in sorted({0.0, sigma}) for kind in kinds for coupling in kinds]


def _keys(coupling, flow, sigma):
    return dict(zip(KEYS, (label(coupling), label(flow.coupling), sigma, flow.sigma), strict=True))


def label(coupling):
    """Return "ot", an angle such as "60°", or "independent"."""
    return coupling if coupling == INDEPENDENT else "ot" if coupling == 0 else f"{coupling:g}°"


def curves(mean, covariance, *, angles=ANGLES, sigmas=SIGMAS, noise="constant", times=None):
    """Return the exact moments, a row per cell and t: t, variance, squared_mean; infinite at crossing times."""
    rows = []
    for coupling, flow, sigma in cells(mean, covariance, angles, sigmas):
        crossing, own = flow.crossing_times(), flow.coupling == coupling != INDEPENDENT and sigma == 0
        for t in TIMES if times is None else times:
            singular = any(abs(t - time) < 1e-6 for time in crossing) or (noise == "bridge" and sigma > 0
                                                                          and not 0 < t < 1)
            found = None if own or singular else moments_at(flow, coupling, t, Interpolant(sigma, noise))
            spread = 0.0 if own else np.inf if singular else found.variance
            square = 0.0 if own or singular else float(found.mean.square().sum())
            rows.append({**_keys(coupling, flow, sigma), "t": t, "variance": spread, "squared_mean": square})
    return pd.DataFrame(rows)


def summarise(table, mean, covariance, *, angles=ANGLES, sigmas=SIGMAS, noise="constant", level=0.95):
    """Return the summary rows: per cell the sampled variance with its jackknife interval, and the exact one."""
    rows, sampled = [], dict(list(table.groupby(KEYS)))
    for coupling, flow, sigma in cells(mean, covariance, angles, sigmas):
        keys = _keys(coupling, flow, sigma)
        exact = pooled_moments(flow, coupling, Interpolant(sigma, noise))
        row = {"diagnostic": NAME, **keys, "level": level, "low": np.nan, "high": np.nan}
        group = sampled.get(tuple(keys.values()))
        if group is not None:
            found = jackknife(group["squared_norm"], group["inner"], level=level)
            if exact.second < 1e-20:   # gradients are rounding, and so is their mean
                found["relative_variance"] = (np.nan, np.nan, np.nan)
            for quantity, (value, low, high) in found.items():
                rows.append({**row, "quantity": quantity, "value": value, "low": low, "high": high, "n": len(group),
                             "interval": "jackknife"})
        rows.append({**row, "quantity": "exact_variance", "value": exact.variance, "n": 0, "interval": "none"})
    return pd.DataFrame(rows)
