"""Gradient variance: the trace of the covariance of single samples' grad_theta L, per time.

    Var(t) = E||g||^2 - ||E g||^2,      g = grad_theta ||target - v(x_t, t)||^2      (summed over coordinates),

estimated without bias from n samples: n/(n-1) (mean ||g_i||^2 - ||gbar||^2), and ||E g||^2 by
(n ||gbar||^2 - mean ||g_i||^2)/(n-1). A straight-path model that memorises its pairs has Var near 0 on them, at every
t: its own field fits each pair exactly. Noise on the path, other pairs, or a model that averages keep it away from 0;
the forward target then peaks at t = 1, the backward one at t = 0.

References
----------
Reu et al., "Gradient Variance Reveals Failure Modes in Flow-Based Generative Models", arXiv 2510.18118.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.gradient_variance.couplings import coupled_pairs
from fmdiag.diagnostics.gradient_variance.per_sample import PerSampleGradients
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, integrate, seeded
from fmdiag.stats import from_left_out, row
from fmdiag.training.interpolants import Interpolant

NAME = "gradient-variance"
TIMES = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98]
POINTS = ("interpolated", "integrated")
SIGN = {"velocity": 1.0, "forward": 1.0, "backward": -1.0}
KEYS = ["coupling", "sigma", "noise", "target", "points"]


def measure(field, training_set, *, coupling="independent", sigma=0.0, noise="constant", target="velocity",
            points="interpolated", times=None, n_samples=64, layers=None, angle=180.0, batch=64, pairs=None, n_steps=51,
            method="auto", group=SINGLE, progress=iter, generator=None, seed=0):
    """Return the squared norm of each sample's gradient and its product with the mean, a row per time and sample.

    Parameters
    ----------
    field : callable with ``module``, or torch.nn.Module
        Velocity field of a network.
    training_set : TrainingSet, array, torch Dataset, name or path
        Where x1 comes from.
    coupling, angle, batch, pairs
        How x0 and x1 are paired, see `fmdiag.diagnostics.gradient_variance.couplings.coupled_pairs`.
    sigma, noise, target
        The interpolant and what is regressed on, see `fmdiag.training.interpolants`. For the backward target the
        field's negative is asked.
    points : str
        ``"interpolated"``: x_t of the pair. ``"integrated"``: the field's own trajectory from x0, noise added, with the
        target of the pair at that point.
    times : sequence of float, optional
        Times, the same pairs at each; by default 11 from 0.02 to 0.98.
    n_samples : int
        Pairs, at least 2.
    layers : sequence of str, optional
        Shell patterns of parameter names; default: all.
    n_steps : int
        Euler steps from 0 to 1 for integrated points and generated pairs; odd, no step starts at t = 1/2.
    method : str
        ``"auto"``, ``"vmap"`` or ``"loop"``, see `PerSampleGradients`; the result does not depend on it.
    group : Group
        The ranks that share the times.
    progress : callable, optional
        Wraps the iterable of times.
    generator, seed
        Draws pairs and noise; without a generator a new one of `seed`.

    Returns
    -------
    DataFrame
        Columns n, dim, n_parameters, coupling, sigma, noise, target, points, t, sample; loss, squared_norm ||g_i||^2,
        inner <g_i, gbar> with the mean over the samples of that time.

    Raises
    ------
    FmdiagError
        If a name is unknown, a time is outside the target's range, fewer than 2 samples are asked for, no parameter
        matches `layers`, or the field has no parameters.

    Examples
    --------
    >>> import fmdiag, torch
    >>> from fmdiag.fields import GaussianFlow
    >>> flow = GaussianFlow(torch.zeros(2), torch.eye(2))       # optimal transport of N(0, I) to itself: v = 0
    >>> train = fmdiag.load_dataset("gaussian-2")
    >>> table = measure(flow, train, times=[0.5], n_samples=8)
    >>> bool((table.squared_norm > 0).all())
    True
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    interpolant = Interpolant(sigma, noise)
    times = interpolant.check_times(reachable(field, TIMES if times is None else times), target)
    check_choice("points", points, POINTS)
    gradients = PerSampleGradients(field, layers, sign=SIGN[target], method=method)
    x0, x1 = coupled_pairs(coupling, training_set, n_samples, field=field, angle=angle, batch=batch, pairs=pairs,
                           n_steps=n_steps, generator=generator)
    if len(x0) < 2:
        raise FmdiagError(f"a variance needs at least 2 samples, got {len(x0)}: give more --n-samples")
    z = draw_noise(len(x0), x0.shape[1:], generator=generator)
    keys = dict(zip(KEYS, (coupling, float(sigma), noise, target, points), strict=True))

    def work(mine):
        parts, at_grid = [], (x0, 0)
        for t in progress(mine):
            state = None
            if points == "integrated":
                at_grid = advance(field, *at_grid, int(t * n_steps), n_steps)
                state = integrate(field, at_grid[0], sorted({at_grid[1] / n_steps, t}))
            parts.append(_at(gradients, interpolant, target, x0, x1, z, t, state, keys))
        return pd.concat(parts, ignore_index=True)

    table = pd.concat(group.spread(sorted(times), work), ignore_index=True)
    for name, value in (("n_parameters", gradients.n_parameters), ("dim", x0[0].numel()), ("n", training_set.n)):
        table.insert(0, name, value)
    return table


def reachable(field, times):
    """Return the times that the field can answer; FmdiagError where there is none."""
    low, high = getattr(field, "reachable", (0.0, 1.0))
    kept = [float(t) for t in times if low <= t <= high]
    if not kept and len(times):
        raise FmdiagError(f"the model's schedule covers t in [{low:.4g}, {high:.4g}] only: give --times in it")
    return kept


def advance(field, x, start, stop, n_steps):
    """Return (the field's trajectory carried from grid time start / n_steps to stop / n_steps by Euler steps, stop).

    The times that are looked at lie between: they must not add steps, which could start where lines cross.
    """
    return integrate(field, x, [k / n_steps for k in range(start, stop + 1)]), stop


def _at(gradients, interpolant, target, x0, x1, z, t, state, keys):
    # In float32, so that points and targets belong to the very times that the network sees.
    time = torch.full((len(x0),), t, dtype=torch.float32).to(x0.dtype)
    if state is None:
        xt = interpolant.point(x0, x1, time, z)
    else:
        xt = state + interpolant.point(torch.zeros_like(x0), torch.zeros_like(x0), time, z)
    wanted = interpolant.target(target, x0, x1, xt, time, z)
    losses, norms, inner = gradients(xt, time, wanted)
    return pd.DataFrame({**keys, "t": t, "sample": np.arange(len(x0)), "loss": losses.numpy(),
                         "squared_norm": norms.numpy(), "inner": inner.numpy()})


def variance(norms, inner):
    """Return (variance, squared mean, relative) from ||g_i||^2 and <g_i, gbar>, the first two unbiased.

    The squared norm of gbar is the mean of the inner products. Relative is their ratio, NaN where the estimate of the
    squared mean is not positive.
    """
    return _from_sums(len(norms), np.sum(norms), len(inner) * np.sum(inner))


def _from_sums(n, norms, total):
    """Return the three from n, sum ||g_i||^2 and ||sum g_i||^2."""
    spread = (norms - total / n) / (n - 1)
    square = (total - norms) / (n * (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return spread, square, np.where(square > 0, spread / square, np.nan)


def jackknife(norms, inner, *, level=0.95):
    """Return {quantity: (value, low, high)}: each estimate with the interval of the jackknife over samples.

    Without sample i the sums are S - s_i and ||G||^2 - 2 n <g_i, gbar> + s_i, G = n gbar: nothing is computed again.
    For the variance, a U-statistic, the interval is Student's on the jackknife's standard error (Arvesen 1969). The
    relative variance is NaN where the interval of the squared mean holds 0: a ratio to nothing says nothing.
    """
    norms, inner = np.asarray(norms, float), np.asarray(inner, float)
    n, total = len(norms), len(norms) * np.sum(inner)
    found = dict(zip(("variance", "squared_mean", "relative_variance"), _from_sums(n, norms.sum(), total), strict=True))
    if n < 3:
        return {name: (float(value) if name != "relative_variance" else np.nan, np.nan, np.nan)
                for name, value in found.items()}
    without = _from_sums(n - 1, norms.sum() - norms, total - 2 * n * inner + norms)
    found = {name: from_left_out(float(value), [left]).interval(level)
             for (name, value), left in zip(found.items(), without, strict=True)}
    return found if found["squared_mean"][1] > 0 else found | {"relative_variance": (np.nan, np.nan, np.nan)}


def summarise(table, *, level=0.95):
    """Return the summary rows: variance, squared mean and their ratio per time, and the mean loss."""
    rows = []
    for keys, group in table.groupby([*KEYS, "t"], sort=True):
        found = jackknife(group["squared_norm"], group["inner"], level=level)
        named = dict(zip([*KEYS, "t"], keys, strict=True))
        rows += [row(NAME, quantity, values, **named, level=level, n=len(group), interval="jackknife")
                 for quantity, values in found.items()]
    return pd.DataFrame(rows)
