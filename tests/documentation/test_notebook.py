"""The notebooks of docs/ run from their first cell to their last, and are kept with the outputs that they show."""

from pathlib import Path

import nbformat
import pytest

from docs.notebooks import NOTEBOOKS, executed
from fmdiag.results import ANSWERS

FIGURES = {"first_steps": 2, "memorising_model": 4}
SAID = {"first_steps": ("True", "index.html"),
        "memorising_model": ("Copies found", "No excess of copies found", "net.py")}

# What a notebook saves is measured at few times, and of its page's figures two are drawn: others test those.
BEFORE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import pytest
from few import thin
from fmdiag.figures import draw
thin(pytest.MonkeyPatch())
cards = draw.figure_cards()
draw.figure_cards = lambda: {{name: cards[name] for name in ("error", "memorization_rates")}}
del draw.METADATA["pdf"]
"""


def fewer_steps(source):
    """Return a cell that trains for fewer steps: of the first notebook's model no outcome is told."""
    return source.replace("for step in range(1500):", "for step in range(300):").replace("steps=1500", "steps=700")


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def text_of(notebook):
    return " ".join(f"{one.get('text', '')} {one.get('data', {}).get('text/plain', '')}" for one in outputs(notebook))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_kept_outputs_show_what_it_shows(path, tmp_path):
    kept = nbformat.read(path, as_version=4)
    for notebook in (kept, executed(path, tmp_path, BEFORE, fewer_steps)):
        assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) >= FIGURES[path.stem]
        assert all(words in text_of(notebook) for words in SAID[path.stem]), "run: python -m docs.notebooks"
    assert "site-packages" not in text_of(kept) and not any(one.output_type == "error" for one in outputs(kept))
    assert any(answer in text_of(kept).lower() for answer in ANSWERS)
