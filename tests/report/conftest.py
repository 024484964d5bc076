"""Report tests use the synthetic runs of the figure tests, and a real browser where there is one."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))

from devtools import CHROMIUM, Browser  # noqa: E402
from synthetic_run import point_arrays, run_json, write_run  # noqa: E402

from fmdiag.report import write_report  # noqa: E402
from fmdiag.results import load_array, load_table, save_table  # noqa: E402

HOSTILE = "</script><script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


def gallery_arrays(table):
    """Return the arrays of gallery.npz: every sample of the table, its picture's grey level telling its number."""
    shown = table.drop_duplicates(["source", "sample"])
    pictured = (shown["source"] != "closed_form").to_numpy()
    rows = np.unique(shown["nearest"])
    grey = np.tile(np.arange(pictured.sum(), dtype=np.uint8)[:, None, None, None], (1, 1, 8, 8))
    return {"source": shown["source"].to_numpy(str), "sample": shown["sample"].to_numpy(),
            "picture": np.where(pictured, np.cumsum(pictured) - 1, -1), "images": grey, "rows": rows,
            "copies": np.where(rows == 5, 3, 1),
            "row_images": np.tile((255 - rows).astype(np.uint8)[:, None, None, None], (1, 1, 8, 8))}


def provenance_parts():
    """Return (table, arrays) of two samples whose weight passes from row 7 to row 3."""
    rows = [{"source": source, "sample": sample, "t": t, "row": row, "n_copies": 1, "weight": weight}
            for source in ("model", "closed_form") for sample in (0, 1) for t in (0.0, 0.5, 0.99)
            for row, weight in ((3, 0.8 * t), (7, 0.8 * (1 - t)), (-1, 0.2))]
    grey = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((4, 1, 8, 8), np.uint8) * 60
    return pd.DataFrame(rows), {"rows": np.array([3, 7]), "samples": np.array([0, 1]), "row_images": grey[:2],
                                "model_images": grey[2:], "closed_form_images": grey[2:]}


def two_features(table):
    """Return the memorisation table with a second feature space in which the order of samples is reversed."""
    model = table["source"] == "model"
    other = table.assign(feature="reversed")
    other.loc[model, "ratio"] = 1 - table.loc[model, "ratio"]
    other["memorized"] = other["ratio"] < 1 / 3
    return pd.concat([table, other], ignore_index=True)


@pytest.fixture(autouse=True)
def undrawn():
    """Everything is drawn here."""


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def reported_run(made_once):
    """A complete run whose data set name, command and verdict try to be markup, with its page."""
    return made_once("reported", _reported)


def _reported(folder):
    document = run_json(HOSTILE, command=f"fmdiag report {HOSTILE}")
    document["diagnostics"]["provenance"] = {"samples": [0, 1]}
    path = write_run(folder, document=document)
    table = load_table(path, "memorization")
    np.savez(path / "arrays" / "gallery.npz", **gallery_arrays(table))
    save_table(path, "memorization", two_features(table))
    table, arrays = provenance_parts()
    save_table(path, "provenance", table)
    np.savez(path / "arrays" / "provenance.npz", **load_array(path, "provenance") | arrays)
    save_table(path, "spectrum", pd.DataFrame({"eigenvalue": [0.1, 0.2]}))
    write_report(path)


@pytest.fixture(scope="session")
def points_run(tmp_path_factory):
    """The page of a hybrid run on points in the plane, without the figures, which take most of the time."""
    path = write_run(tmp_path_factory.mktemp("report") / "points", arrays=point_arrays, sizes=(8,))
    (path / "figures").mkdir()
    (path / "figures" / "captions.json").write_text("{}")
    write_report(path)
    return path


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all tests of a worker."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
