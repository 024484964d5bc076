"""Each figure shows the numbers of its table, where and as it says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from synthetic_run import TAUS

from fmdiag.figures import RunData, alignment, error, gradient_variance, hybrid, memorization, study_losses
from fmdiag.figures.captions import captions
from fmdiag.figures.curves import draw_curve
from fmdiag.figures.hybrid import column_numbers
from fmdiag.figures.style import COLORS, SOURCES, new_figure, ordered_colors, paper_style


def luminance(color):
    """Relative luminance, what is left of a colour in greyscale (ITU-R BT.709)."""
    return np.dot(to_rgb(color), [0.2126, 0.7152, 0.0722])


def test_curve_and_band_are_the_summary_rows():
    rows = pd.DataFrame({"t": [0.9, 0.1, 0.5], "value": [3.0, 1.0, 2.0], "low": [2.5, 0.5, 1.5],
                         "high": [4.0, 2.0, 3.0]})
    ax = draw_curve(new_figure(2)[1][0, 0], rows, "t")
    assert np.array_equal(ax.lines[0].get_xydata(), [[0.1, 1.0], [0.5, 2.0], [0.9, 3.0]])
    corners = {tuple(point) for point in ax.collections[0].get_paths()[0].vertices}
    assert {(0.1, 0.5), (0.1, 2.0), (0.9, 2.5), (0.9, 4.0)} <= corners


def test_a_single_unit_has_no_band_and_does_not_fail():
    rows = pd.DataFrame({"t": [0.1, 0.5], "value": [1.0, 2.0], "low": [np.nan] * 2, "high": [np.nan] * 2})
    ax = draw_curve(new_figure(2)[1][0, 0], rows, "t")
    assert len(ax.lines[0].get_xydata()) == 2


def test_histogram_bars_sum_to_one():
    ax = alignment.histogram(pd.DataFrame({"cosine": [-1.0, 0.0, 0.95, 1.0]}))
    assert sum(patch.get_height() for patch in ax.patches) == pytest.approx(1)


def test_histogram_times_are_the_nearest_available_to_the_papers_six():
    assert alignment.nearest_times(np.arange(1, 100) / 100) == [0.01, 0.21, 0.4, 0.6, 0.79, 0.99]
    assert alignment.nearest_times([0.5]) == [0.5]


def test_share_has_a_curve_per_image_size_and_marks_the_transition_times(synthetic_run):
    rows = RunData(synthetic_run).summary("alignment")
    ax = alignment.share(rows)
    labels = ax.get_legend_handles_labels()[1]
    assert labels[:2] == ["8 px, d = 192", "16 px, d = 768"] and "speciation time" in labels
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "v" and len(line.get_xdata()) == 1]
    collapse = rows.loc[rows["quantity"] == "collapse_time_fresh", "value"]
    assert sorted(marks) == pytest.approx(sorted(collapse))


def test_effective_sample_size_is_shown_as_a_share_of_n(synthetic_run):
    with paper_style():
        figure = alignment.posterior_figure(RunData(synthetic_run))
    ax = next(ax for ax in figure.axes if "sample" in ax.get_ylabel())
    heights = np.concatenate([line.get_ydata() for line in ax.lines if len(line.get_xdata()) > 2])
    assert 0 < heights.min() and 0.9 < heights.max() <= 1


def test_error_shows_all_three_terms_and_survives_a_floor_of_zero(synthetic_run):
    rows = RunData(synthetic_run).summary("error").copy()
    rows.loc[(rows["quantity"] == "conditional_variance") & (rows["t"] > 0.5), ["value", "low", "high"]] = 0.0
    ax = error.decomposition(rows)
    assert len(ax.get_legend_handles_labels()[1]) == 3 and ax.get_yscale() == "log"
    ax.figure.draw_without_rendering()


def test_identical_fields_give_an_error_of_zero_that_can_be_drawn(synthetic_run):
    rows = RunData(synthetic_run).summary("error").assign(value=0.0, low=0.0, high=0.0)
    error.decomposition(rows).figure.draw_without_rendering()
    assert error.squared_error(rows).get_ylim()[0] == 0


def test_hybrid_shows_four_noises_in_colour_and_the_mean_black_and_dashed(synthetic_run):
    run = RunData(synthetic_run)
    ax = hybrid.distance(run.summary("hybrid"), singles=run.table("hybrid"))
    mean = ax.lines[-1]
    assert len(ax.lines) == 5 and to_rgb(mean.get_color()) == (0, 0, 0) and mean.get_linestyle() == "--"
    assert np.array_equal(mean.get_xdata(), TAUS)


def test_a_single_tau_is_drawn(synthetic_run):
    run = RunData(synthetic_run)
    rows = run.summary("hybrid")
    ax = hybrid.distance(rows[rows["tau"] == 0.4], singles=run.table("hybrid").query("tau == 0.4"))
    assert [len(line.get_xdata()) for line in ax.lines] == [1] * 5


def test_strips_have_a_row_per_noise_and_the_nearest_row_last(synthetic_run):
    with paper_style():
        figure = hybrid.strips_figure(RunData(synthetic_run))
    arrays = RunData(synthetic_run).arrays("hybrid")
    assert len(figure.axes) == 4 * (len(TAUS) + 1)
    assert figure.axes[len(TAUS)].get_title() == "train"
    assert np.array_equal(figure.axes[len(TAUS)].images[0].get_array(), arrays["nearest"][-1, 0, 0])
    assert np.array_equal(figure.axes[0].images[0].get_array(), arrays["images"][0, 0, 0])


def test_strips_keep_the_first_and_last_of_many_taus():
    chosen = column_numbers(101)
    assert len(chosen) == 11 and chosen[0] == 0 and chosen[-1] == 100
    assert column_numbers(1) == [0]


def test_ratio_shows_every_source_and_the_third(synthetic_run):
    ax = memorization.ratio(RunData(synthetic_run).table("memorization"))
    labels = ax.get_legend_handles_labels()[1]
    assert [label.split("\n")[0] for label in labels] == list(SOURCES.values())
    assert any(list(line.get_xdata()) == [1 / 3, 1 / 3] for line in ax.lines)


def test_rates_draw_both_intervals_of_each_source(synthetic_run):
    rows = RunData(synthetic_run).summary("memorization", "f_mem")
    ax = memorization.rates(rows)
    drawn = sorted(tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2)
    assert np.allclose(drawn, sorted(zip(rows["low"], rows["high"], strict=True)), rtol=1e-12)
    assert [text.get_text() for text in ax.get_yticklabels()] == [f"{name}\n(n = 60)" for name in SOURCES.values()]


def test_neighbouring_curves_differ_in_greyscale():
    # A just noticeable difference on paper is about 0.02 of relative luminance; 0.1 keeps a wide margin.
    shades = [luminance(color) for color in COLORS]
    assert min(abs(a - b) for a, b in zip(shades, shades[1:], strict=False)) > 0.1
    family = [luminance(color) for color in ordered_colors(5)]
    assert all(a > b + 0.05 for a, b in zip(family, family[1:], strict=False))
    assert max(family) < 0.75


def test_ratios_over_a_gradient_that_is_not_told_from_0_are_left_out():
    rows = pd.DataFrame([{"quantity": "relative_variance", "t": t, "value": 50.0, "low": low, "high": 90.0}
                         for t, low in ((0.1, -30.0), (0.5, 20.0), (0.9, 30.0))])
    line = gradient_variance.variance(rows, "relative_variance").lines[0]
    assert line.get_xdata().tolist() == [0.5, 0.9]


def test_fault_4_3_the_figure_says_whose_count_m_is(synthetic_run):
    """In run.json the pools of the study; in the legend the authors' number, in the caption what tells them apart."""
    run = RunData(synthetic_run)
    run.run["study"] = {"batch_size": 128}
    run.run["pools"] = {"efm M=128": {"M": 128, "authors_n_samples_mean": 0}}
    figure = study_losses.study_losses_figure(run)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    plt.close(figure)
    assert "efm M = 128 (authors' 0)" in labels
    assert "n_samples_mean is M less 128" in captions(run, ["study_losses"])["study_losses"]["caption"]
