"""What a figure is read to show is what was drawn, and where it was drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fmdiag.figures.readings import MOST_POINTS, plain, readings

X = np.linspace(0, 1, 11)


def laid_out(draw):
    figure = Figure(figsize=(4, 3), dpi=100)
    ax = figure.subplots()
    draw(ax)
    figure.draw_without_rendering()
    return figure, ax


def test_a_curve_with_its_band_and_its_places():
    def draw(ax):
        ax.plot(X, X**2, color="#0072B2", label="square")
        ax.fill_between(X, X**2 - 0.1, X**2 + 0.2, color="#0072B2", alpha=0.2)
        ax.set(xlabel="time t (0 noise, 1 data)", ylabel="value", xlim=(0, 1), ylim=(0, 1))

    (panel,) = readings(laid_out(draw)[0])
    (curve,) = panel["curves"]
    assert (panel["x"], panel["y"], curve["label"], curve["color"]) == (
        "time t (0 noise, 1 data)", "value", "square", "#0072b2")
    points = np.array(curve["points"])
    np.testing.assert_allclose(points[:, 2:], np.column_stack([X, X**2, X**2 - 0.1, X**2 + 0.2]), atol=1e-12)
    left, top, right, bottom = panel["box"]
    # The axes span [0, 1] in both directions, and places are counted from the upper left corner.
    np.testing.assert_allclose(points[:, 0], left + X * (right - left), atol=1e-3)
    np.testing.assert_allclose(points[:, 1], bottom - X**2 * (bottom - top), atol=1e-3)


def test_logarithmic_axes_are_read_at_their_places():
    def draw(ax):
        ax.semilogy(X, 10.0 ** (-4 * X))
        ax.set(ylim=(1e-4, 1))

    (panel,) = readings(laid_out(draw)[0])
    _, top, _, bottom = panel["box"]
    down = np.array(panel["curves"][0]["points"])[:, 1]
    np.testing.assert_allclose(down, top + X * (bottom - top), atol=1e-3)


def test_rules_whiskers_and_pictures_are_no_curves():
    def draw(ax):
        ax.axvline(0.3)
        ax.axhline(0.3)
        ax.plot([0, 1], [2, 2])

    assert readings(laid_out(draw)[0]) == []
    assert readings(laid_out(lambda ax: ax.imshow(np.eye(4)))[0]) == []


def test_bars_are_read_at_their_middles():
    (panel,) = readings(laid_out(lambda ax: ax.bar([1, 2, 3], [0.2, 0.5, 0.3]))[0])
    assert [point[2:] for point in panel["curves"][0]["points"]] == [[1, 0.2], [2, 0.5], [3, 0.3]]


def test_long_curves_are_thinned_and_gaps_left_out():
    def draw(ax):
        x = np.linspace(0, 1, 5000)
        ax.plot(x, np.where(x < 0.5, x, np.nan))

    points = readings(laid_out(draw)[0])[0]["curves"][0]["points"]
    assert len(points) == MOST_POINTS and points[0][2] == 0 and points[-1][2] == pytest.approx(0.5, abs=1e-3)


def test_a_band_of_another_colour_is_not_taken():
    def draw(ax):
        ax.plot(X, X, color="#000000")
        ax.fill_between(X, X - 1, X + 1, color="#0072B2", alpha=0.2)

    assert len(readings(laid_out(draw)[0])[0]["curves"][0]["points"][0]) == 4


def test_labels_lose_their_markup():
    assert plain("squared error\n$|u_\\theta - \\hat{u}^*|^2/d$") == "squared error ‖u_θ - û*‖²/d"
