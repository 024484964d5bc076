"""Style of the figures: one paper style, readable in greyscale and by colour-blind readers.

Every curve differs from its neighbours by lightness, dash pattern and marker, never by hue alone. Text is set at 8 to 9
points on 4.8 inches, so that it stays legible at a paper's column width and on a telephone. Figures are
`matplotlib.figure.Figure` objects: pyplot, its global state and the display are never involved.
"""

import contextlib
import contextvars
import re
import warnings

import matplotlib
import seaborn as sns
from matplotlib import ticker
from matplotlib.figure import Figure
from matplotlib.text import Text

from fmdiag.errors import printable

WIDTH = 4.8
SMALLEST = 6.0   # points of a figure that is drawn for print
_PRINTED_WIDTH = contextvars.ContextVar("printed_width", default=None)
# Between two dollar signs: what our labels spell, and numbers as matplotlib's scales write them.
OWN_SYMBOLS = ("t_C", r"|u_\theta - \hat{u}^*|^2/d")
NUMBER = re.compile(r"\\mathdefault\{[^$a-zA-Z\\]*(\\times)?[^$a-zA-Z\\]*\}")
DPI = 150
BAND_ALPHA = 0.22
NEUTRAL = "#555555"

# Okabe and Ito's colours, ordered by alternating lightness so that neighbours differ in greyscale too.
COLORS = ["#0072B2", "#E69F00", "#000000", "#CC79A7", "#D55E00", "#56B4E9"]
DASHES = ["-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P"]
MARKS_PER_CURVE = 8

SOURCES = {"model": "model", "heldout": "held-out examples", "closed_form": "û* (closed form)"}


def rc():
    """Return the rcParams of every figure: seaborn's "ticks" style and "paper" context, text for column width."""
    params = {**sns.axes_style("ticks"), **sns.plotting_context("paper")}
    return params | {
        "font.family": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.title_fontsize": 8,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4",
        "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.linewidth": 0.8, "axes.edgecolor": "#333333",
        "lines.linewidth": 1.5, "lines.markersize": 4, "legend.frameon": False, "legend.handlelength": 2.6,
        "figure.facecolor": "white", "savefig.facecolor": "white", "savefig.dpi": DPI, "pdf.fonttype": 42,
        # Without it the names inside an SVG file would differ from one drawing to the next.
        "svg.hashsalt": "fmdiag",
    }


@contextlib.contextmanager
def paper_style():
    """Apply `rc` within the context and put the caller's settings back afterwards."""
    with matplotlib.rc_context(rc() if _PRINTED_WIDTH.get() is None else None):   # within `printed` as it says
        yield


@contextlib.contextmanager
def printed(width, font_size):
    """Draw figures `width` inches wide within the context, their texts at `font_size` points or one less."""
    small, token = max(SMALLEST, font_size - 1), _PRINTED_WIDTH.set(width)
    sizes = {name: small if "tick" in name or "legend" in name else font_size
             for name in rc() if name.endswith(("labelsize", "titlesize", "fontsize", "font.size"))}
    try:
        with matplotlib.rc_context(rc() | sizes):
            yield
    finally:
        _PRINTED_WIDTH.reset(token)


def columns(most, least_width=1.6):
    """Return how many panels stand beside each other, at most `most`: in a figure for print as many as have room."""
    wide = _PRINTED_WIDTH.get()
    return most if wide is None else max(1, min(most, int(wide // least_width)))


def legible(figure, font_size):
    """Return a figure whose texts of a size of their own are at most `font_size` points and at least SMALLEST."""
    figure.draw_without_rendering()   # the axes' ticks make their texts
    for text in figure.findobj(Text):
        text.set_fontsize(min(max(text.get_fontsize(), SMALLEST), font_size))
    return figure


class PaperFigure(Figure):
    """A figure whose texts are shown as they are spelt, but for the symbols of ours and matplotlib's own numbers.

    Names of runs, sets and features may hold dollar signs, which matplotlib takes for mathematics, and other things
    that no font has.
    """

    def draw(self, renderer):
        """Draw everything, texts from data as plain ones; those that the axes' ticks bring up included."""
        for text in self.findobj(Text):
            spelt = printable(text.get_text())
            if spelt != text.get_text():
                text.set_text(spelt)
            text.set_parse_math(all(part in OWN_SYMBOLS or NUMBER.fullmatch(part) for part in spelt.split("$")[1::2]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            super().draw(renderer)


def new_figure(height, *, width=WIDTH, nrows=1, ncols=1, **kwargs):
    """Return (figure, axes): a Figure of its own, laid out so that labels and legends are never cut off.

    Parameters
    ----------
    height, width : float
        Inches.
    nrows, ncols : int
        Grid of axes; `axes` is an array of shape (nrows, ncols).
    **kwargs
        Passed on to `Figure.subplots`.
    """
    wide = _PRINTED_WIDTH.get()
    # Texts do not shrink with a figure: of its height less is lost than of its width.
    width, height = (width, height) if wide is None else (wide, height * max(wide / width, 0.75))
    figure = PaperFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(nrows, ncols, squeeze=False, **kwargs)


def own_axes(ax):
    """Return `ax`, or the only axes of a new figure where `ax` is None."""
    return new_figure(3.0)[1][0, 0] if ax is None else ax


def curve_style(index, n_points, *, color=None):
    """Return the plot arguments of the curve `index` of a family with `n_points` points each."""
    return {"color": color or COLORS[index % len(COLORS)], "linestyle": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)], "markevery": max(1, n_points // MARKS_PER_CURVE)}


def ordered_colors(n):
    """Return n colours from light to dark for an ordered family such as image sizes; none is too pale for paper."""
    palette = sns.color_palette("viridis", 256)
    return [palette[round(190 * (1 - i / max(1, n - 1)))] if n > 1 else COLORS[0] for i in range(n)]


def log_steps(ax, steps):
    """Make the x axis one of steps on a logarithmic scale, with a tick at each of `steps` and nowhere else."""
    ax.set(xlabel="step", xscale="log")
    steps = sorted(set(steps))
    ax.set_xticks(steps, [f"{step:,.0f}".replace(",", " ") for step in steps])
    ax.xaxis.set_minor_locator(ticker.NullLocator())


def inner_legend(ax):
    """Give `ax` a legend where the data leave room; no legend where nothing has a label."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best")
    return ax


def legend_above(ax, further=(), *, ncols=3):
    """Move the legend of `ax`, and what other axes label besides, to the top of the figure, where it covers no data."""
    found = {}
    for each in (ax, *further):
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
        if each.get_legend() is not None:
            each.get_legend().remove()
    if found:
        ax.figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=ncols, columnspacing=1.2)
    return ax
