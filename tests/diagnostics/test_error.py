"""||u_theta - û*||: zero for û* itself, and the decomposition of the CFM loss."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.error import measure as error
from fmdiag.errors import FmdiagError
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath, VPPath


def make_set(n=40, dim=6, seed=0):
    return TrainingSet(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_closed_form_has_no_error():
    data = make_set()
    table = error.measure(ClosedFormField(data), data, n_pairs=16, generator=generator())
    # û* of the curve and û* of the plain posterior agree to 1e-6 of the mass and float32 rounding of x, squared.
    assert table["squared_error"].max() < 1e-9
    np.testing.assert_allclose(table["cosine"], 1)


def test_a_known_offset_is_its_mean_square():
    data = make_set()
    u_star = ClosedFormField(data)
    table = error.measure(lambda x, t: u_star(x, t) + 0.5, data, times=[0.1, 0.5], n_pairs=16, generator=generator())
    np.testing.assert_allclose(table["squared_error"], 0.25, rtol=3e-5)


@pytest.mark.parametrize("path", [LinearPath(), LinearPath(0.1), CosinePath(), VPPath()], ids=lambda path: path.name)
def test_loss_is_error_plus_conditional_variance(path):
    """L_CFM = E||u - û*||^2 + E||u_cond - û*||^2 in expectation: the paired differences have mean 0.

    With 6000 pairs the bound is five standard errors of their mean, per time.
    """
    data = make_set(n=15, dim=4)
    field = lambda x, t: 0.3 * x - 0.2  # noqa: E731
    table = error.measure(field, data, times=[0.05, 0.3, 0.6, 0.9], n_pairs=6000, path=path, states="train",
                          generator=generator())
    gap = table["cfm_loss"] - table["squared_error"] - table["conditional_variance"]
    grouped = gap.groupby(table["t"])
    assert (grouped.mean().abs() < 5 * grouped.sem()).all()
    # The test can fail: without the floor the gap is far outside.
    bare = (table["cfm_loss"] - table["squared_error"]).groupby(table["t"])
    assert (bare.mean().abs() > 5 * bare.sem()).loc[:0.6].all()


def test_conditional_variance_equals_its_definition():
    data, path, t = make_set(n=9, dim=3), LinearPath(), 0.45
    table = error.measure(ClosedFormField(data), data, times=[t], n_pairs=12, states="train", generator=generator())
    from fmdiag.diagnostics.points.pairs import draw_pairs

    pairs = draw_pairs(data, 12, generator=generator())
    xt, _ = pairs.at(path, t)
    xt = xt.float().double()
    rows = data[:].double()
    weights = torch.softmax(-(xt[:, None] - t * rows).square().sum(2) / (2 * (1 - t) ** 2), 1)
    velocities = (rows - xt[:, None]) / (1 - t)
    optimum = (weights[:, :, None] * velocities).sum(1)
    expected = (weights * (velocities - optimum[:, None]).square().mean(2)).sum(1)
    np.testing.assert_allclose(table["conditional_variance"], expected, rtol=1e-6)


def test_a_generator_gives_the_same_table_twice():
    data = make_set()
    tables = [error.measure(lambda x, t: -x, data, times=[0.5], n_pairs=8, generator=generator(4)) for _ in range(2)]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(("field", "words"), [(lambda x, t: x[:, :2], "returned shape"),
                                              (lambda x, t: x / 0, "not finite")])
def test_wrong_fields_are_refused(field, words):
    with pytest.raises(FmdiagError, match=words):
        error.measure(field, make_set(), times=[0.5], n_pairs=4, generator=generator())
