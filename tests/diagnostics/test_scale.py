"""Copies in another scale of values: refused, or not judged; never no evidence."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.points.checks import check_range, unlike
from fmdiag.diagnostics.points.scale import other_scale
from fmdiag.errors import FmdiagError, FmdiagWarning

DIGITS = load_dataset("digits")


def generator():
    return torch.Generator().manual_seed(0)


def copies(n=200, noise=0.03):
    """Return noisy training rows, as a memorising network that is not clamped draws them, and a tenth of new ones."""
    x = DIGITS[:n] + noise * torch.randn(n, 1, 8, 8, generator=generator())
    x[: n // 10] = DIGITS.held_out[: n // 10]
    return x


@pytest.mark.parametrize(("change", "option"), [(lambda x: (x + 1) / 2, "0,1"), (lambda x: (x + 1) * 127.5, "0,255")])
def test_fault_2_23_samples_of_another_range_that_are_not_clamped_are_refused(change, option):
    samples = change(copies())
    assert samples.min() < -0.01
    with pytest.raises(FmdiagError, match=f"--sample-range {option}"):
        measure(samples, DIGITS, closed_form=False, generator=generator())
    # Rows in [0, 1] beside samples in [-1, 1].
    unit = TrainingSet(((DIGITS[:] + 1) / 2).numpy(), name="unit")
    with pytest.raises(FmdiagError, match=r"samples lie in \[-1, 1\]"):
        check_range(copies(), unit)


@pytest.mark.parametrize(("change", "advice"), [
    (lambda x: x / 2, r"--sample-range -0.5\d*,0.5\d*\)"), (lambda x: -x, "invert them"),
    (lambda x: 0.7 * x - 0.2, r"--sample-range -0.9\d*,0.5\d*\)"),
])
def test_fault_2_23_copies_in_another_scale_are_not_judged(change, advice):
    with pytest.warns(FmdiagWarning, match=advice):
        table = measure(change(copies()), DIGITS, closed_form=False, generator=generator())
    reason = table.attrs["not_judged"]
    assert verdict(table, not_judged=reason).text.startswith("Not judged: ")
    assert int(reason.split(" of ")[0]) >= 0.8 * 200


def test_the_map_that_is_named_brings_the_copies_back():
    words, share = other_scale(copies() * 0.6 + 0.3, DIGITS)
    low, high = map(float, words.split("--sample-range ")[1].rstrip(")").split(","))
    assert share > 0.8 and abs(low + 0.3) < 0.02 and abs(high - 0.9) < 0.02


def test_copies_as_they_are_and_fresh_rows_in_any_scale_are_judged():
    assert not unlike(copies(), DIGITS)
    table = measure(copies(), DIGITS, closed_form=False, generator=generator())
    assert "not_judged" not in table.attrs and verdict(table).text.startswith("Copies found")
    assert other_scale(DIGITS.held_out[:200] * 0.6, DIGITS) is None
    assert other_scale(torch.randn(100, 1, 8, 8, generator=generator()), DIGITS) is None
    assert other_scale(torch.zeros(100, 1, 8, 8), DIGITS) is None


def test_recoloured_copies_without_one_map_are_not_of_another_scale():
    contrast = 0.3 + 0.7 * torch.rand(200, 1, 1, 1, generator=generator())
    assert other_scale(copies() * contrast, DIGITS) is None


@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_rows_of_the_same_law_are_never_refused(n):
    """Groups of rows that the model never saw, of single classes, and poor samples: no false alarm."""
    rng = np.random.default_rng(n)
    groups = [DIGITS.held_out[rng.choice(297, n, replace=False)] for _ in range(10)]
    groups += [DIGITS[np.flatnonzero(DIGITS.labels == label)[:n]] for label in range(10)]
    poor = DIGITS[:n]
    groups += [poor + torch.randn(poor.shape, generator=generator()), 0.3 * poor + 0.7 * DIGITS[:].mean(0),
               torch.nn.functional.avg_pool2d(poor, 3, 1, 1)]
    for group in groups:
        check_range(group, DIGITS)
    assert not any(unlike(group, DIGITS) for group in groups[:10])


def test_duplicates_among_the_rows_hide_no_copies():
    twice = TrainingSet(np.concatenate([DIGITS.rows, DIGITS.rows]), DIGITS.divisor, DIGITS.shift, name="twice")
    assert other_scale(copies() / 2, twice)[1] > 0.8


def test_held_out_rows_in_another_range_are_refused():
    with pytest.raises(FmdiagError, match=r"held-out examples lie in \[0, 1\].*as the training examples"):
        measure(copies(), DIGITS, held_out=(DIGITS.held_out[:] + 1) / 2, generator=generator())
