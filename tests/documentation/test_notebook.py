"""The notebook of docs/ runs from its first cell to its last, and is the one that its source makes."""

import nbformat
import pytest

from docs.notebook import CELLS, FILE, made, run
from fmdiag.results import ANSWERS


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    notebook = run(made(), tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = " ".join(str(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert any(answer in text for answer in ANSWERS) and "True" in text and "index.html" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert (tmp_path / "reports/notebook/index.html").is_file()


def test_the_notebook_is_the_one_that_its_source_makes():
    kept = nbformat.read(FILE, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == CELLS
    assert all(cell.outputs for cell in kept.cells if cell.cell_type == "code" and "loss.item()" in cell.source)
