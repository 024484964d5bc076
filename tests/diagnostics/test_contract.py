"""What every registered diagnostic promises: its columns, whole numbers, one generator, and nothing else touched."""

import importlib
import inspect

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.memorization import summary as memorization_summary
from fmdiag.results import SUMMARY_COLUMNS

# The columns of DESIGN.md, which every version keeps.
PROMISED = {
    "alignment": ["dim", "n", "t", "pair", "cosine", "source_weight", "max_weight", "ess", "entropy"],
    "error": ["n", "t", "pair", "states", "squared_error", "conditional_variance", "cosine", "shell"],
    "hybrid": ["tau", "sample", "nearest", "distance", "memorized", "feature"],
    "memorization": ["source", "sample", "nearest", "d1", "d2", "ratio", "memorized", "feature"],
    "quality": ["feature", "metric", "definition", "source", "value", "low", "high", "level", "n", "interval"],
    "membership": ["t", "pair", "source", "row", "cfm_loss", "squared_error", "error_without"],
    "provenance": ["source", "sample", "t", "row", "weight"],
    "geometry": ["source", "number", "pair", "t", "lid", "lid_standard_error", "lid_closed_form", "lid_heldout_form"],
    "symmetry": ["t", "start", "kind", "field", "states", "eigenvalue"],
    "gradient-variance": ["t", "sample", "loss", "squared_norm", "inner"],
    "theories": ["theory", "fitted_on", "states", "t", "pair", "squared_error", "cosine", "r2", "explained"],
    "uturn": ["source", "field", "start", "t", "returned", "nearest", "same_class", "distance", "feature"],
    "patches": ["source", "sample", "place", "area_share", "n_images", "window", "flagged"],
}
# Columns that may be NaN, as the docstring of `measure` says: vectors have no image side.
MAY_BE_MISSING = {"alignment": {"image_size"}, "quality": {"value", "low", "high"},
                  "error": {"cfm_loss", "source_weight", "source_shell"},        # of states on trajectories
                  "memorization": {"d_heldout", "near", "hit"},   # of samples only
                  "theories": {"explained"},                      # not of û*
                  "geometry": {"flat_share", "lid_heldout_form"}}   # with fewer than 20 held-out examples, and none
SETS = {
    "digits": lambda: fmdiag.load_dataset("digits", n=60),
    "flipped": lambda: fmdiag.load_dataset("digits", n=30, hflip=True),
    "points": lambda: fmdiag.load_dataset("two-moons", n=50),
}


def linear(x, t):
    """Return a velocity that is no minimiser of anything."""
    return -0.5 * x


def plane(images):
    """Return a feature of two dimensions, so that few rows are enough for a covariance."""
    return images.reshape(len(images), -1, 2).mean(1)


plane.name = "plane"


class Scaled(torch.nn.Module):
    """The same as a network with one parameter."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(-0.5))

    def forward(self, x, t):
        return self.scale * x


def measure_of(name):
    return importlib.import_module(f"fmdiag.diagnostics.{DIAGNOSTICS[name].method}.measure")


def measured(name, training_set, seed):
    measure = measure_of(name).measure
    generator = torch.Generator().manual_seed(seed)
    n = 70 if name == "quality" else 6
    x = fmdiag.sample(linear, torch.randn(n, *training_set.shape, generator=generator), n_steps=2)
    arguments = {"alignment": ((training_set,), {"times": [0.0, 0.3, 0.9], "n_pairs": 5}),
                 "error": ((linear, training_set), {"times": [0.0, 0.3, 0.9], "n_pairs": 5}),
                 "hybrid": ((linear, training_set), {"taus": [0.0, 0.5, 1.0], "n_samples": 4, "n_steps": 4}),
                 "memorization": ((x, training_set), {"n_closed_form": 4, "n_steps": 20}),
                 "quality": ((x, training_set), {"features": [plane], "held_out": training_set[:40] + 0.1}),
                 "membership": ((linear, training_set), {"times": [0.0, 0.5], "n_images": 6, "n_noises": 2}),
                 "provenance": ((linear, training_set), {"samples": 2, "times": [0.0, 0.5], "n_steps": 4}),
                 "gradient-variance": ((Scaled(), training_set), {"times": [0.1, 0.9], "n_samples": 5}),
                 "theories": ((linear, training_set), {"times": [0.3, 0.9], "n_pairs": 5, "n_calibration": 2,
                                                       "theories": ["wiener"], "n_steps": 4}),
                 "geometry": ((linear, training_set), {"times": [0.3, 0.9], "n_images": 8, "n_steps": 4}),
                 "symmetry": ((linear, training_set), {"times": [0.2, 0.5], "n_noises": 2, "n_steps": 4}),
                 "patches": ((x, training_set), {"n_controls": 2, "n_any": 2, "n_steps": 20}),
                 "uturn": ((linear, training_set), {"times": [0.0, 0.5], "n_starts": 6, "n_steps": 4})}
    positional, keywords = arguments[name]
    return measure(*positional, **keywords, generator=generator)


def global_state():
    legacy = np.random.get_state()[1].copy()  # noqa: NPY002 - this very state must not be touched
    return torch.get_rng_state(), legacy, torch.get_default_dtype(), torch.is_grad_enabled()


@pytest.mark.parametrize(("name", "which"), [(name, which) for name in PROMISED for which in SETS
                                             if "images" not in DIAGNOSTICS[name].needs or which != "points"])
def test_measure(name, which):
    training_set = SETS[which]()
    before = global_state()
    table = measured(name, training_set, 0)
    after = global_state()
    assert torch.equal(before[0], after[0]) and (before[1] == after[1]).all() and before[2:] == after[2:]
    assert set(PROMISED[name]) <= set(table.columns)
    missing = {column for column in table if table[column].isna().any()}
    assert missing <= MAY_BE_MISSING.get(name, set())
    numbers = table.select_dtypes("number").drop(columns=list(missing))
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    # The same seed gives the same table, another seed another one.
    pd.testing.assert_frame_equal(table, measured(name, training_set, 0), check_exact=True)
    assert not table.equals(measured(name, training_set, 1))


@pytest.mark.parametrize("name", PROMISED)
def test_summary(name):
    module = measure_of(name)
    summarise = memorization_summary.summarise if name == "memorization" else module.summarise
    summary = summarise(measured(name, SETS["digits"](), 0))
    assert set(SUMMARY_COLUMNS) <= set(summary.columns)
    assert set(summary["diagnostic"]) == {name} == {module.NAME}
    inside = summary.dropna(subset=["low", "high"])
    assert len(inside) and (inside["low"] <= inside["value"] + 1e-12).all()
    assert (inside["value"] <= inside["high"] + 1e-12).all()
    assert (summary["n"] > 0).all()


@pytest.mark.parametrize("name", PROMISED)
def test_signature(name):
    parameters = list(inspect.signature(measure_of(name).measure).parameters.values())
    assert [(p.name, p.default, p.kind) for p in parameters[-2:]] == [
        ("generator", None, inspect.Parameter.KEYWORD_ONLY), ("seed", 0, inspect.Parameter.KEYWORD_ONLY)]
    positional = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert positional[-1] == "training_set" and len(positional) <= 2


def test_a_generator_wins_over_a_seed():
    digits, keywords = SETS["digits"](), {"times": [0.5], "n_pairs": 4}
    by_seed = fmdiag.alignment(digits, **keywords, seed=3)
    assert not by_seed.equals(fmdiag.alignment(digits, **keywords))
    given = fmdiag.alignment(digits, **keywords, seed=7, generator=torch.Generator().manual_seed(3))
    pd.testing.assert_frame_equal(by_seed, given, check_exact=True)


@pytest.mark.parametrize("name", PROMISED)
def test_every_column_is_documented(name):
    measure = measure_of(name).measure
    text = measure.__doc__.partition("Returns")[2]
    assert [column for column in measured(name, SETS["digits"](), 0) if column not in text] == []
