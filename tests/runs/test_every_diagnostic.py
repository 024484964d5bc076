"""What every registered diagnostic promises beside its `measure`: a whole card, and a Result that is kept and drawn."""

import json
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tiny import TINY

import fmdiag
from fmdiag import Result
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.diagnostic import NAMES
from fmdiag.diagnostics.parameters import KINDS, specs
from fmdiag.registry import resolve
from fmdiag.results import SUMMARY_COLUMNS

TEXTS = ("title", "question", "memorization", "generalization", "definition", "cost")


def test_every_diagnostic_is_here():
    assert set(TINY) == set(NAMES) <= set(DIAGNOSTICS)
    folder = resources.files("fmdiag") / "diagnostics"
    assert {name.replace("-", "_") for name in NAMES} == {path.name for path in folder.iterdir()
                                                          if (path / "card.py").is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_card(name):
    card = DIAGNOSTICS[name]
    assert card.name == name and [text for text in TEXTS if not getattr(card, text).strip()] == []
    assert card.question.endswith("?") and next(iter(card.tables)) == name and all(card.tables.values())
    assert callable(resolve(card.run))
    for place in (card.applies_if, card.data):
        assert place is None or callable(resolve(place))
    for figure in card.figures:
        assert figure.caption and figure.alt and callable(resolve(figure.draw))
        assert figure.panel is None or callable(resolve(figure.panel))
    for parameter, (spec, _) in specs(card.parameters).items():
        assert spec.help.endswith(".") and spec.kind in KINDS, parameter
    if card.command:
        assert card.short and all(line.startswith(f"fmdiag {name}") for line in card.examples) and card.examples
    assert card.made({}) == card.made({}) and hash(card.made({})) is not None


@pytest.fixture(scope="module")
def results():
    return {}


@pytest.fixture
def result(request, tiny, results):
    """Return the Result of a diagnostic of the tiny checkpoint, measured once."""
    name = request.param
    if name not in results:
        checkpoint, parameters = tiny(name)
        results[name] = fmdiag.Run(checkpoint, device="cpu").measure(name, **parameters)
    return results[name]


every = pytest.mark.parametrize("result", NAMES, indirect=True)
quiet = pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")


@every
@quiet
def test_result(result):
    card = DIAGNOSTICS[result.name]
    assert len(result.table) and len(result.summary) and set(SUMMARY_COLUMNS) <= set(result.summary.columns)
    assert set(result.summary["diagnostic"]) == {result.name}
    assert set(result.all_tables()) - set(card.tables) == set()
    assert json.loads(json.dumps(result.parameters)) and result.key and result.run["diagnostics"][result.name]
    assert result.name in result._repr_html_() and "<table" in result._repr_html_()
    assert result.name in repr(result)


@every
@quiet
def test_saved_and_loaded_it_is_the_same(result, tmp_path):
    result.save(tmp_path / "kept")
    again = Result.load(tmp_path / "kept")
    for name, table in {**result.all_tables(), "summary": result.summary}.items():
        other = again.summary if name == "summary" else again.all_tables()[name]
        pd.testing.assert_frame_equal(other, table, check_exact=True)
    for file, arrays in result.arrays.items():
        assert arrays.keys() == again.arrays[file].keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(again.arrays[file][key], array)
    assert (again.verdict, again.cautions, again.key) == (result.verdict, result.cautions, result.key)
    again.save(tmp_path / "again")
    assert (tmp_path / "kept/result.json").read_bytes() == (tmp_path / "again/result.json").read_bytes()


@every
@quiet
def test_plot(result):
    figures = DIAGNOSTICS[result.name].figures
    if not figures:
        with pytest.raises(fmdiag.FmdiagError, match=f"{result.name} has no figure"):
            result.plot()
        return
    assert isinstance(result.plot(), Figure)
    for figure in figures:
        try:
            assert isinstance(result.plot(figure.name), Figure)
        except fmdiag.FmdiagError as error:
            assert "nothing to draw" in str(error)
    with pytest.raises(fmdiag.FmdiagError, match=f"figure of {result.name}"):
        result.plot("nonesuch")
