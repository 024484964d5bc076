"""Plot of one Result: a figure of its diagnostic, or its main panel on axes that are given."""

import sys

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.figures.cards import card
from fmdiag.figures.draw import drawn_figure
from fmdiag.figures.run_data import ResultData
from fmdiag.figures.style import paper_style
from fmdiag.registry import resolve


def plot(result, name=None, ax=None):
    """Draw a figure of a Result; see `Result.plot`."""
    _shown_in_notebooks()
    figures = {figure.name: figure for figure in card(result.name).figures}
    if not figures:
        raise FmdiagError(f"{result.name} has no figure: its numbers are in .table and .summary")
    wanted = list(figures) if name is None else [check_choice(f"figure of {result.name}", name, figures)]
    data = ResultData(result)
    with paper_style():
        if ax is not None:
            return _panel(result, [figures[one] for one in wanted], data, ax)
        for one in wanted:
            figure = drawn_figure(data, one, figures[one])
            if figure is not None:
                return figure
    raise FmdiagError(f"{result.name}: this result has nothing to draw in {', '.join(wanted)}")


def _panel(result, figures, data, ax):
    drawn = next((figure for figure in figures if figure.panel is not None), None)
    if drawn is None:
        raise FmdiagError(f"{result.name}: {', '.join(figure.name for figure in figures)} cannot be drawn on axes that "
                          "are given: leave ax out")
    return resolve(drawn.panel, f"figure {drawn.name!r}")(data.summary(result.name, *(drawn.intervals or ())), ax)


def _shown_in_notebooks():
    """Let a notebook show figures that pyplot does not know of."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and hasattr(shell, "kernel"):
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})
