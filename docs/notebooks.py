"""Notebooks of docs/, executed: `python -m docs.notebooks` runs each in an empty folder and keeps its outputs."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.ipynb"))


def executed(path, folder, before=None, change=lambda source: source):
    """Return the notebook after all its cells ran in a folder; an error of a cell is raised.

    `before` is code for the kernel ahead of the first cell, and `change` a function of a cell's source.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = change(cell.source)
    if before is not None:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def main():
    """Run every notebook and write it back."""
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder)
        for cell in notebook.cells:
            cell.metadata = {}  # times of execution would change the file each time
            if cell.cell_type == "code":  # complaints of packages about what this machine lacks
                cell.outputs = [one for one in cell.outputs if "site-packages" not in one.get("text", "")]
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
