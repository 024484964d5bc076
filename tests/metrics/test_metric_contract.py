"""What every registered metric promises: one table, its definition's id, repeatable, and wrong input in one line."""

import inspect

import numpy as np
import pytest
import torch

from fmdiag.errors import FmdiagError
from fmdiag.metrics import METRICS
from fmdiag.metrics.table import COLUMNS


def gaussian(n, dim, seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


SETS = gaussian(120, 3, 0), gaussian(150, 3, 1), gaussian(90, 3, 2)


def measured(name, *sets, seed=0, **options):
    return METRICS[name].measure(*sets, generator=torch.Generator().manual_seed(seed), **options)


@pytest.mark.parametrize("name", METRICS)
def test_table(name):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - must not be touched
    table = measured(name, *SETS)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert list(table.columns) == COLUMNS
    assert np.isfinite(table["value"]).all() and (table["n"] > 0).all() and (table["level"] == 0.95).all()
    assert not table.duplicated(["metric", "definition", "interval"]).any()
    inside = table[table["interval"] != "none"]
    assert len(inside) and inside[["low", "high"]].notna().all().all()
    assert (inside["low"] <= inside["value"]).all() and (inside["value"] <= inside["high"]).all()
    assert table.equals(measured(name, *SETS))
    narrower = measured(name, *SETS, level=0.5)
    width = (table["high"] - table["low"]) - (narrower["high"] - narrower["low"])
    assert (width.dropna() >= 0).all() and (width.dropna() > 0).any()


@pytest.mark.parametrize("name", METRICS)
def test_module(name):
    module = METRICS[name]
    first = module.DEFINITION.split("{")[0]
    assert measured(name, *SETS)["definition"].str.startswith(first).any()
    assert module.REFERENCE and "References\n----------" in module.__doc__
    parameters = list(inspect.signature(module.measure).parameters.values())
    assert [p.name for p in parameters[:3]] == ["generated", "train", "test"]
    assert parameters[-1].name == "generator" and parameters[-1].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", METRICS)
def test_without_test_rows(name):
    if METRICS[name].NEEDS_TEST:
        with pytest.raises(FmdiagError, match="needs test features, got None"):
            measured(name, *SETS[:2], None)
    else:
        assert len(measured(name, *SETS[:2], None))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("place", "rows", "message"), [
    (0, np.full((30, 3), np.nan), "generated features: row 0 holds NaN or infinite values"),
    (1, np.r_[SETS[1], [[np.inf, 0, 0]]], "train features: row 150 holds NaN or infinite"),
    (1, gaussian(150, 4, 0), "train features have 4 dimensions, generated features 3"),
    (0, np.zeros((0, 3)), "generated"),
    (0, np.zeros((9, 1, 3)), "flatten images first"),
])
def test_wrong_input_is_named(name, place, rows, message):
    sets = list(SETS)
    sets[place] = rows
    with pytest.raises(FmdiagError, match=message) as error:
        measured(name, *sets)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", METRICS)
def test_constant_features_are_survived_or_refused(name):
    """A feature that never varies changes nothing; all features constant is an answer or one line."""
    sets = [np.hstack([x, np.ones((len(x), 1), np.float32)]) for x in SETS]
    assert np.isfinite(measured(name, *sets)["value"]).all()
    constant = [np.ones((len(x), 3), np.float32) for x in SETS]
    try:
        assert len(measured(name, *constant))
    except FmdiagError as error:
        assert "\n" not in str(error)
