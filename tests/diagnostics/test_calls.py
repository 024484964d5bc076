"""Functions of the library called with what is no number, no time or no name: an FmdiagError before any work."""

import inspect

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag.errors import FmdiagError

WRONG = {
    "seed": [-1, 1.5, "a"], "memory": [0, "1GB", float("nan")], "device": ["nonsense", None],
    "times": ["0.5", [], [1.0], [None], [float("nan")]], "taus": ["0.5", []],
    "method": ["eulr", 3], "n_steps": [0, 2.5, "a"], "feature": [3], "features": [3, "pixls"], "metrics": ["fred", 3],
    "theories": ["winer", 3], "states": ["trian", 3], "fields": ["modl", 3], "threshold": [-1, "a"],
    "n_closed_form": [0, 1.5], "n_band": [-1, 2.5], "n_rows": [0], "tolerance": [-1.0],
    **{name: [0, -1, 2.5, "a", True, [4]] for name in ("n_pairs", "n_samples", "n_images", "n_starts", "n_noises")}}
OF_SAMPLES, OF_ROWS = ("memorization", "quality", "patches"), ("alignment", "duplicates")
OF_FIELDS = ("error", "hybrid", "membership", "provenance", "uturn", "theories", "symmetry", "geometry")
ROWS = np.random.default_rng(0).normal(size=(40, 1, 6, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def u_star():
    return fmdiag.ClosedFormField(ROWS)


@pytest.mark.parametrize("name", [*OF_SAMPLES, *OF_ROWS, *OF_FIELDS])
def test_what_is_no_value_is_refused(u_star, name):
    function = getattr(fmdiag, name)
    first = [] if name in OF_ROWS else [ROWS[:9]] if name in OF_SAMPLES else [u_star]
    for parameter in inspect.signature(function).parameters.keys() & WRONG.keys():
        for value in WRONG[parameter]:
            with pytest.raises(FmdiagError):
                function(*first, ROWS, **{parameter: value})
                pytest.fail(f"{parameter}={value!r} was taken")


def test_one_number_or_name_is_a_sequence_of_one(u_star):
    together = {"n_pairs": 4, "n_calibration": 2, "n_steps": 2}
    alone = fmdiag.theories(u_star, ROWS, theories="wiener", times=0.5, **together)
    listed = fmdiag.theories(u_star, ROWS, theories=["wiener"], times=[0.5], **together)
    assert alone.equals(listed)


@pytest.mark.parametrize("given", [{"seed": -1}, {"seed": "a"}, {"memory": "1GB"}, {"device": "nonsense"}])
def test_a_run_refuses_them_too(u_star, given):
    with pytest.raises(FmdiagError, match=next(iter(given))):
        fmdiag.Run(field=u_star, train=ROWS, **given)


@pytest.mark.parametrize("given", [{"memory": "1GB"}, {"memory": 0}, {"device": "nonsense"}])
def test_the_closed_form_refuses_them_too(given):
    with pytest.raises(FmdiagError, match=next(iter(given))):
        fmdiag.ClosedFormField(ROWS, **given)


def test_points_that_are_no_tensor(u_star):
    with pytest.raises(FmdiagError, match="must be a Tensor"):
        u_star(ROWS[:2], 0.5)


@pytest.mark.parametrize("path", ["cosinus", 3])
def test_what_is_no_path_is_refused(u_star, path):
    for call in (lambda: fmdiag.ClosedFormField(ROWS, path), lambda: fmdiag.Run(field=u_star, train=ROWS, path=path),
                 lambda: fmdiag.theories(u_star, ROWS, path=path), lambda: fmdiag.geometry(u_star, ROWS, path=path)):
        with pytest.raises(FmdiagError, match="path"):
            call()


def test_a_path_by_its_name():
    assert fmdiag.ClosedFormField(ROWS, "cosine").path == fmdiag.CosinePath()


@pytest.mark.parametrize("call", [
    lambda u: fmdiag.sample(u, torch.zeros(1, 1, 6, 6), 2.5), lambda u: fmdiag.sample(u, torch.zeros(1, 1, 6, 6), "a"),
    lambda u: fmdiag.HybridField(u, u, "a"), lambda u: fmdiag.NetworkField(torch.nn.Identity(), batch_size=0),
    lambda u: fmdiag.nearest(ROWS[:2], ROWS, n_neighbors=1.5), lambda u: fmdiag.nearest(ROWS[:2], ROWS, feature=3),
    lambda u: fmdiag.nearest(ROWS[:2], ROWS, feature="pixls"),
    lambda u: fmdiag.quality(ROWS[:9], ROWS, features=lambda x: x.flatten(1))])
def test_the_parts_refuse_them_too(u_star, call):
    with pytest.raises(FmdiagError):
        call(u_star)


def test_a_feature_by_its_name():
    assert fmdiag.nearest(ROWS[3:5], ROWS, feature="pixels").rows.ravel().tolist() == [3, 4]
