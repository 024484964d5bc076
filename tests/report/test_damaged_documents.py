"""A run folder's JSON, its entries replaced by values of other kinds: read, or refused in one line; no traceback."""

import itertools
import json
import shutil

import pandas as pd
import pytest
from synthetic_run import run_json

from fmdiag.errors import FmdiagError
from fmdiag.figures import RunData, draw_all
from fmdiag.figures.captions import captions
from fmdiag.report import compare
from fmdiag.report.page import page_content, write_page
from fmdiag.results import save_table

MISSING = object()
VALUES = [MISSING, None, True, -1, 10**30, float("nan"), "../x", "\ud800", [[]], ["x"], {}, {"text": 1}]


def mutations(content, *, depth=3):
    """Yield (where, content) with one entry replaced, on every level down to `depth`."""
    yield from ((f"whole = {value!r}", value) for value in VALUES if value is not MISSING)
    yield from _entries(content, depth, "")


def _entries(content, depth, where):
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, inner in [*items]:
        for value in VALUES:
            changed = content.copy()
            if value is MISSING:
                changed.pop(key)
            else:
                changed[key] = value
            yield f"{where}/{key} = {value!r}", changed
        if depth > 1:
            for place, deeper in _entries(inner, depth - 1, f"{where}/{key}"):
                changed = content.copy()
                changed[key] = deeper
                yield place, changed


def write(path, n=3):
    """Write a run of a few numbers, with a page."""
    document = run_json(verdict={"text": "No evidence of memorisation", "details": ["one"]}, cautions=["c"],
                        limits=["l"], pictures="latents", runs=None)
    document["checkpoint"]["warnings"] = ["ot-coupling: text"]
    document["diagnostics"] = {"error": {"n_pairs": n, "command": "fmdiag error", "tables": ["loss"]}}
    rows = [{"diagnostic": "error", "quantity": "squared_error", "states": "train", "t": t, "value": 1.0, "low": 0.5,
             "high": 1.5, "level": 0.95, "n": n, "interval": "student"} for t in (0.1, 0.2, 0.3)]
    path.mkdir()
    save_table(path, "summary", pd.DataFrame(rows))
    save_table(path, "loss", pd.DataFrame({"step": [1, 2], "loss": [2.0, 1.0]}))
    (path / "run.json").write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("runs") / "run")
    draw_all(path)
    return path


def outcomes(run, file, content, read, *, every=1):
    """Read the mutations of a file, or every so many; return how many were read, and how many refused.

    Steps that share no factor with the number of values take every value, at other entries.
    """
    counts = {"read": 0, "refused": 0}
    for where, changed in itertools.islice(mutations(content), 0, None, every):
        (run / file).write_text(json.dumps(changed))
        try:
            read()
            counts["read"] += 1
        except FmdiagError as error:
            assert file.rpartition("/")[2] in str(error) and "\n" not in str(error), where
            counts["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{file}: {where}: {type(error).__name__}: {error}") from error
    return counts


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def page(run):
    data = RunData(run)
    captions(data, ("error", "alignment_share", "memorization_gallery"))
    write_page(run / "index.html", "page.html.j2", page_content(data))


@pytest.mark.parametrize(("file", "every"), [("run.json", 7), ("figures/captions.json", 1),
                                             ("figures/readings.json", 5)])
def test_fault_5_low_a_page_of_a_mutated_run_is_made_or_refused(copy, file, every):
    content = json.loads((copy / file).read_text())
    found = outcomes(copy, file, content, lambda: page(copy), every=every)
    assert found["refused"] > 20 and found["read"] > 5


def test_fault_5_low_mutated_runs_are_compared_or_refused(copy, tmp_path):
    other = write(tmp_path / "other", n=4)

    def compared():
        runs = compare.read_runs([copy, other])
        summary, table = compare.compared(runs)
        assert [*compare.warnings(runs), *compare.facts_of(runs), compare.headline(table)] and len(summary)

    found = outcomes(copy, "run.json", json.loads((copy / "run.json").read_text()), compared, every=7)
    assert found["refused"] > 20 and found["read"] > 5
