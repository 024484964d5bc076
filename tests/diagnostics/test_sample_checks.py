"""Samples that cannot be compared are refused by name; samples that merely are bad are not."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.points.checks import check_range
from fmdiag.errors import FmdiagError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def run(samples, training_set, **options):
    options = {"held_out": False, "closed_form": False} | options
    return measure(samples, training_set, generator=torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize(("change", "message"), [
    (lambda x: x * torch.nan, "all 20 samples diverged"),
    (lambda x: x[:, 0], r"must have shape \(1, 8, 8\).*got \(8, 8\)"),
    (lambda x: x[:0], "no sample was given"),
    (lambda x: (x + 1) / 2, r"samples lie in \[0, 1\].*in \[-1, 1\]"),
    (lambda x: (x + 1) * 127.5, r"samples lie in \[0, 255\]"),
    (lambda x: ((x + 1) * 127.5).to(torch.uint8), r"samples lie in \[0, 255\]"),
    (lambda x: (x + 1) * 8, "samples lie in"),
    (lambda x: x * 1e-3, "samples lie in"),
    (lambda x: x[:, :, :1, :1].expand(-1, 1, 8, 8), "all 20 samples are constant images"),
])
def test_bad_samples_are_named(digits, change, message):
    with pytest.raises(FmdiagError, match=message):
        run(change(digits.held_out[:20]), digits)


def test_other_training_ranges(digits):
    """Rows kept as floats in [0, 1] are compared with samples in [-1, 1] and [0, 255]."""
    unit = TrainingSet(((digits[:] + 1) / 2).numpy(), name="unit")
    x = digits.held_out[:20]
    check_range((x + 1) / 2, unit)
    for samples, found in ((x, r"\[-1, 1\]"), ((x + 1) * 127.5, r"\[0, 255\]")):
        with pytest.raises(FmdiagError, match=f"samples lie in {found}"):
            check_range(samples, unit)


@pytest.mark.parametrize("samples", [
    torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
    torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 - 0.3,
    torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.05 - 0.4,
], ids=["noise", "blurred", "washed out"])
def test_samples_of_a_poor_model_are_measured(digits, samples):
    check_range(samples, digits)


def test_every_training_row_alone_is_in_range(digits):
    for row in range(0, digits.n, 50):
        check_range(digits[[row]], digits)


def test_vectors_have_no_picture_range():
    rows = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    check_range(torch.full((5, 2), 200.0), TrainingSet(rows))


@pytest.mark.parametrize("n", [1, 4])
def test_fewer_than_two_distinct_rows_are_refused(n):
    training_set = TrainingSet(np.ones((n, 2), np.float32), name="ones")
    with pytest.raises(FmdiagError, match=f"ones: all {n} rows are copies of one.*at least two"):
        run(np.zeros((3, 2), np.float32), training_set)


def test_bad_held_out_rows_are_named(digits):
    with pytest.raises(FmdiagError, match="held-out example must have shape"):
        run(digits[:5], digits, held_out=np.zeros((4, 1, 9, 9), np.float32))


@pytest.mark.parametrize(("options", "message"), [
    ({"threshold": 0.0}, "memorization: threshold must be a number above 0 and at most 1, got 0"),
    ({"threshold": 1.5}, "got 1.5"),
    ({"feature": "pixel"}, "unknown feature 'pixel': did you mean 'pixels'"),
])
def test_bad_options_are_named(digits, options, message):
    with pytest.raises(FmdiagError, match=message):
        run(digits[:5], digits, **options)
