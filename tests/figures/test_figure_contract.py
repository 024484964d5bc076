"""What holds for every registered figure: it draws, is labelled, needs its tables, and leaves them alone."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthetic_run import run_json

from fmdiag.figures import RunData, captions, figure_cards
from fmdiag.figures.draw import drawn_figure
from fmdiag.figures.style import paper_style

FIGURES = figure_cards()
# Figures of nothing but pictures, which points have none of.
PICTURES = {"provenance_copied", "agreement_pairs", "theories_samples", "uturn_strips", "duplicates_groups",
            "geometry_maps", "patches_maps"}
CASES = [(name, fixture) for name in FIGURES for fixture in ("synthetic_run", "synthetic_points_run")
         if not (name in PICTURES and fixture == "synthetic_points_run")]


def draw(name, path):
    with paper_style():
        return drawn_figure(RunData(path), name, FIGURES[name])


def has_text(label):
    return bool(label.get_text().strip())


@pytest.mark.parametrize(("name", "fixture"), CASES)
def test_a_figure_is_labelled_and_whole_and_leaves_the_tables_unchanged(name, fixture, request):
    """One drawing for all three: to draw is what takes the time."""
    run = RunData(request.getfixturevalue(fixture))
    unchanged = kept(run)
    with paper_style():
        figure = drawn_figure(run, name, FIGURES[name])
    unchanged()
    assert isinstance(figure, Figure)
    every_axes_is_labelled(name, figure)
    nothing_is_cut_off_or_empty(name, figure)


def kept(run):
    """Return a function that raises AssertionError where tables and arrays of a run have changed since."""
    tables = {table: run.table(table) for table in ("summary", "alignment", "error", "hybrid", "memorization")}
    arrays = {key: run.arrays(key) for key in ("hybrid", "memorization")}
    before = {key: table.copy(deep=True) for key, table in tables.items()}
    pictures = {key: {k: v.copy() for k, v in values.items()} for key, values in arrays.items()}

    def unchanged():
        for key, table in before.items():
            assert table.equals(tables[key])
        for key, values in pictures.items():
            assert all(np.array_equal(values[k], arrays[key][k]) for k in values)

    return unchanged


def every_axes_is_labelled(name, figure):
    shared = figure.get_supxlabel(), figure.get_supylabel()
    for ax in (ax for ax in figure.axes if not ax.images and ax.axison):
        below = ax.get_subplotspec().is_last_row() or not ax.get_shared_x_axes().joined(ax, figure.axes[-1])
        left = ax.get_subplotspec().is_first_col()
        assert not below or has_text(ax.xaxis.label) or shared[0], f"{name}: an x axis without a label"
        assert not left or has_text(ax.yaxis.label) or shared[1], f"{name}: a y axis without a label"


def nothing_is_cut_off_or_empty(name, figure):
    figure.set_dpi(100)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    # 0.02 inches: half a line's width may touch the edge; a label cut off reaches out by at least half a letter, 0.05.
    assert box.x0 > -0.02 and box.y0 > -0.02
    assert box.x1 < figure.get_figwidth() + 0.02 and box.y1 < figure.get_figheight() + 0.02
    for ax in (ax for ax in figure.axes if ax.axison):
        assert ax.lines or ax.patches or ax.images or ax.collections, f"{name}: an empty panel"


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_pictures_of_points_are_none(name, synthetic_points_run):
    assert draw(name, synthetic_points_run) is None


@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_an_empty_run_is_none(name, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run_json()))
    assert draw(name, tmp_path) is None


@pytest.mark.parametrize("name", FIGURES)
def test_caption_names_the_data_its_size_and_fills_every_field(name, synthetic_run):
    text = captions(RunData(synthetic_run), [name])[name]
    assert FIGURES[name].caption
    assert "digits" in text["caption"] and "n = 1 500" in text["caption"]
    assert "{" not in text["caption"] and text["alt"]


def test_captions_say_which_interval_and_how_many_units(synthetic_run):
    texts = captions(RunData(synthetic_run), FIGURES)
    assert "95 % exact (Clopper-Pearson)" in texts["alignment_share"]["caption"]
    assert "subsampled to 8, 16 px" in texts["alignment_share"]["caption"]
    assert "40 pairs" in texts["error"]["caption"] and "Student t" in texts["error"]["caption"]
    assert "20 noises" in texts["hybrid_distance"]["caption"]
    assert "bootstrap" in texts["memorization_rates"]["caption"] and "exact" in texts["memorization_rates"]["caption"]


def test_captions_of_points_do_not_speak_of_pictures(synthetic_points_run):
    texts = captions(RunData(synthetic_points_run), FIGURES)
    for name in ("hybrid_strips", "memorization_gallery"):
        assert "square" in texts[name]["caption"]


def test_braces_in_a_data_set_name_are_text(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run_json("a{b}c {0}")))
    assert "a{b}c {0}" in captions(RunData(tmp_path), ["error"])["error"]["caption"]
