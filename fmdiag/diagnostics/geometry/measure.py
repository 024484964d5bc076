"""Local intrinsic dimension and curvature maps: how many directions, and which pixels, a field leaves free at a point.

At an example or sample x the posterior mean D is asked at the state alpha x. With p_t the distribution of the states,

    LID(x, t) = d + sigma² (tr Hessian log p_t + ||grad log p_t||²)  at alpha x
              = alpha tr dD(alpha x, t) + (alpha² / sigma²) ||D(alpha x, t) - x||²,

since sigma² grad log p_t = alpha D - x_t = alpha (D - x), and by one more derivative sigma² Hessian = alpha dD - I.
It is an estimate of the dimension of the data around x at the scale of the noise (FLIPD); of a Gaussian with
covariance Lambda and mean m it is tr G + ||W (m - x)||² with G = alpha² Lambda V^-1, W = alpha sigma V^-1, V = alpha²
Lambda + sigma². The diagonal of dD is the map: how much of a change of each pixel D follows.

Of û* both are known exactly. D* = sum_i lambda_i X_i with log lambda_i = -||y - alpha X_i||² / (2 sigma²) + a constant
of all rows, so that with (sum_i lambda_i X_i) = D* in the derivative of the constant

    d lambda_i / dy = lambda_i (alpha / sigma²) (X_i - D*),
    dD*/dy = sum_i X_i (d lambda_i / dy)^T = (alpha / sigma²) sum_i lambda_i X_i (X_i - D*)^T
           = (alpha / sigma²) Cov_lambda,                              as sum_i lambda_i D* (X_i - D*)^T = 0,

    diag dD* = (alpha / sigma²) Var_lambda(X_p),     LID*(x, t) = (alpha² / sigma²) (tr Cov_lambda + ||D* - x||²).

At a training example x = X_k without duplicate, whose nearest other example is Delta away, all other weights are at
most exp(-alpha² Delta² / (2 sigma²)): both terms go to 0 as t -> 1, faster than any power of sigma. At any other x the
second one grows without bound, as alpha² / sigma² times the squared distance to the nearest training example.

Memorisation: LID and maps fall towards 0 at training examples and at samples that copy them, and not at held-out ones.
Generalisation: they are alike at training and held-out examples.

References
----------
Kamkari et al. 2024, "A Geometric View of Data Complexity", arXiv 2406.03537 (FLIPD). Ross et al. 2024, arXiv 2411.00113
(memorisation as a low dimension). Kim and Lee 2026, arXiv 2605.26756 (maps). û*'s closed form, the null: derived here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.error.measure import reachable_times
from fmdiag.diagnostics.geometry.curvature import draw_probes, mean_diagonal
from fmdiag.diagnostics.geometry.examples import Examples, draw_examples
from fmdiag.diagnostics.geometry.summary import NAME, flat_shares, summarise
from fmdiag.diagnostics.points.measurable import say_left_out
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField, JacobianProducts, as_field
from fmdiag.paths import as_path
from fmdiag.posterior.coordinates import coordinate_moments
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, sample, seeded

__all__ = ["NAME", "TIMES", "Geometry", "measure", "measured", "summarise"]
TIMES = [0.3, 0.5, 0.7, 0.9, 0.95]


@by_card
def measure(field, training_set, *, samples=None, held_out=None, times=None, n_images=64, n_probes=16, n_steps=100,
            method="euler", reference=None, path=None, memory=None, device="cpu", progress=iter, group=SINGLE,
            generator=None, seed=0):
    """Return the local intrinsic dimension at training examples, held-out examples and samples, a row each per time.

    Parameters
    ----------
    field : callable
        v(x, t).
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the field was trained on.
    samples : Tensor or ndarray, shape (m, *shape), optional
        Samples of the field in model range; default n_images of them, drawn with n_steps and method.
    held_out : TrainingSet, Tensor or ndarray, optional
        Examples of the same distribution that it was not trained on; default the training set's own.
    times : sequence of float, optional
        Times in [0, 1); default 0.3, 0.5, 0.7, 0.9, 0.95.
    n_images : int
        Examples or samples of each kind at most, at least 2.
    n_probes : int
        Random vectors per point, at least 2, where there are more than 128 coordinates; else all is exact.
    n_steps, method
        Solver of the samples, as in `fmdiag.sample`.
    reference : callable, optional
        Another field on the same path, an earlier checkpoint for instance, whose maps stand beside; default û* of
        held-out examples.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; ranks share the points.

    Returns
    -------
    DataFrame
        Columns source (train, heldout, model), number (row of its own set, or sample), pair (of a training and a
        held-out example), t, lid (may be negative: an estimate), lid_standard_error (of the probes; 0 where exact),
        trace (tr dD), distance (||D - x||, model range), lid_closed_form (of û* of the training set),
        lid_heldout_form (of û* of held-out examples, for one of them of the others; NaN without any), flat_share (share
        of coordinates at which D follows less than at 95 % of the held-out examples, for one of them of the others; NaN
        with fewer than 20), and derivative ("forward", "backward" or "differences").

    Raises
    ------
    FmdiagError
        If a time is outside [0, 1), a number is too small, or nothing finite is left.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=50)
    >>> table = fmdiag.geometry(fmdiag.ClosedFormField(train), train, times=[0.95], n_images=8)
    >>> bool(table[table.source == "train"].lid.abs().max() < 1e-6)
    True
    >>> bool(table[table.source == "heldout"].lid.min() > 100)
    True
    """
    return measured(field, training_set, samples=samples, held_out=held_out, times=times, n_images=n_images,
                    n_probes=n_probes, n_steps=n_steps, method=method, reference=reference, path=path, memory=memory,
                    device=device, progress=progress, group=group, generator=generator, seed=seed).table


@dataclass(frozen=True)
class Geometry:
    """The table of `measure`, and the maps that go with its points.

    Attributes
    ----------
    table : DataFrame
    examples : Examples
        All points, those that were left out of the table too.
    times : list of float
    maps : dict of str to Tensor, float64, shape (N, times, dim)
        Diagonals of dD per point: of the "model", their standard "error"s, of û* ("closed_form"), and of the
        "reference", where there is one.
    kept : ndarray of bool, shape (N,)
        Which points are in the table.
    """

    table: pd.DataFrame
    examples: Examples
    times: list
    maps: dict
    kept: np.ndarray


def measured(field, training_set, *, samples=None, held_out=None, times=None, n_images=64, n_probes=16, n_steps=100,
             method="euler", reference=None, path=None, memory=None, device="cpu", progress=iter, group=SINGLE,
             generator=None, seed=0):
    """Return the Geometry of `measure`'s parameters."""
    if n_images < 2 or n_probes < 2:
        raise FmdiagError(f"geometry needs n_images and n_probes of at least 2, got {n_images} and {n_probes}")
    training_set, generator, path = as_training_set(training_set), seeded(generator, seed), as_path(path)
    asked = as_field(field)
    times = reachable_times(asked, sorted(set(check_times(TIMES if times is None else times))))
    if samples is None:
        noise = draw_noise(n_images, training_set.shape, generator=generator)
        samples = torch.cat(group.spread(noise, lambda mine: sample(asked, mine, n_steps=n_steps, method=method)))
    examples = draw_examples(training_set, samples, held_out, n_images=n_images, generator=generator)
    probes = draw_probes(len(examples.points), n_probes, training_set.dim, generator=generator)
    looked = _Look(field, reference, training_set, examples, path, probes, torch.device(device))
    parts = group.spread(torch.arange(len(examples.points)), lambda chosen: looked(chosen, times, progress))
    found = {name: torch.cat([part[name] for part, _ in parts]) for name in parts[0][0]}
    derivatives = np.concatenate([np.repeat(method, len(part["lid"])) for part, method in parts])
    kept = torch.isfinite(found["lid"]).all(1).numpy()
    remark = say_left_out(torch.from_numpy(~kept), "images")
    maps = {name: found.pop(name) for name in ("model", "error", "closed_form", "reference") if name in found}
    found["flat_share"] = torch.from_numpy(flat_shares(maps["model"].numpy(), examples.source == "heldout", kept))
    table = _table(examples, times, found, derivatives)[np.repeat(kept, len(times))].reset_index(drop=True)
    table.attrs["remarks"] = [*examples.remarks, *([remark] if remark else [])]
    return Geometry(table, examples, times, maps, kept)


class _Look:
    """What is looked at, at points and times: a dict of tensors, float64, shapes (points, times, ...)."""

    def __init__(self, field, reference, training_set, examples, path, probes, device):
        self.field, self.products = as_field(field), JacobianProducts(field)
        self.reference = reference and JacobianProducts(reference)
        self.training_set, self.examples, self.path, self.probes = training_set, examples, path, probes
        self.device = device
        parameter = getattr(self.field, "parameter", None)
        double = isinstance(field, ClosedFormField) or parameter is not None and parameter.dtype == torch.float64
        self.dtype = torch.float64 if double else torch.float32

    def __call__(self, chosen, times, progress):
        found = [self._at(chosen, t) for t in progress(times)]
        return {name: torch.stack([part[name] for part in found], 1) for name in found[0]}, self.products.method

    def _at(self, chosen, t):
        alpha, sigma = (float(part(torch.tensor(t, dtype=torch.float64))) for part in (self.path.alpha,
                                                                                       self.path.sigma))
        x = self.examples.points[chosen].double()
        state = alpha * x
        asked = state.to(self.device, self.dtype)
        # A float would reach the field as float32.
        velocity = self.field(asked, torch.full((len(x),), t, dtype=torch.float64, device=self.device)).cpu().double()
        away = (self.path.mean_from_velocity(velocity, asked.cpu().double(), t) - x).flatten(1)
        # One state that is no number would make the derivatives of all others be taken in another way.
        lost = ~torch.isfinite(away).all(1)
        asked[lost.to(asked.device)] = 0
        probes = None if self.probes is None else self.probes[chosen]
        diagonal = mean_diagonal(self.products, self.path, asked, t, probes)
        squares = away.square().sum(1)
        found = {"lid": alpha * diagonal.trace + (alpha / sigma) ** 2 * squares,
                 "lid_standard_error": alpha * diagonal.trace_error, "trace": diagonal.trace,
                 "distance": squares.sqrt(), "model": diagonal.values, "error": diagonal.errors}
        found |= self._closed_forms(chosen, x.flatten(1), state.flatten(1), alpha, sigma)
        if self.reference is not None:
            found["reference"] = mean_diagonal(self.reference, self.path, asked, t, probes).values
        return found

    def _closed_forms(self, chosen, x, state, alpha, sigma):
        """Return what û* of the training set and û* of held-out examples say."""
        other, factor = self.examples.other_set, alpha / sigma**2

        def known(rows, exclude=None):
            mean, variance = coordinate_moments(rows, state, alpha, sigma, exclude=exclude)
            return alpha * factor * (variance.sum(1) + (mean - x).square().sum(1)), factor * variance

        found = dict(zip(("lid_closed_form", "closed_form"), known(self.training_set), strict=True))
        if other is None:
            return found | {"lid_heldout_form": torch.full((len(x),), torch.nan, dtype=torch.float64)}
        own = torch.from_numpy(self.examples.own_rows)[chosen]
        return found | dict(zip(("lid_heldout_form", "reference"), known(other, own), strict=True))


def _table(examples, times, found, derivatives):
    n_times = len(times)
    columns = {name: np.repeat(getattr(examples, name), n_times) for name in ("source", "number", "pair")}
    return pd.DataFrame(columns | {"t": np.tile(times, len(examples.pair))}
                        | {name: values.flatten().numpy() for name, values in found.items()}
                        | {"derivative": np.repeat(derivatives, n_times)})
