"""Figures of a run: every registered one that applies, as PNG, PDF and SVG, from saved tables alone."""

import json
import warnings
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.figures.captions import captions
from fmdiag.figures.cards import figure_cards
from fmdiag.figures.comparison import comparison_figures
from fmdiag.figures.readings import readings
from fmdiag.figures.run_data import RunData
from fmdiag.figures.style import DPI, paper_style
from fmdiag.registry import ForeignError, foreign_place, resolve
from fmdiag.results import note_files, remedy, replace_atomically

# No time stamps and no version strings: the same tables give the same bytes.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": "fmdiag", "Producer": None},
            "svg": {"Date": None, "Creator": "fmdiag"}}
CANVASES = {"png": FigureCanvasAgg, "pdf": FigureCanvasPdf, "svg": FigureCanvasSVG}


def draw_all(run_path):
    """Draw every figure that applies to a run folder and return the files written.

    Parameters
    ----------
    run_path : path
        Run folder; its ``figures`` receives NAME.png, NAME.pdf, NAME.svg, captions.json and readings.json (the values
        drawn and their places), each replaced atomically.

    Returns
    -------
    list of Path

    Raises
    ------
    FmdiagError
        If the folder is not a run folder, is damaged, or cannot be written to.
    """
    run = RunData(run_path)
    written, drawn = [], {}
    with paper_style():
        # The figures of cards show one run each.
        for name, draw in (comparison_figures(run) or figure_cards()).items():
            figure = _drawn_or_left_out(run, name, draw)
            if figure is not None:
                written += [save_figure(figure, run.path / "figures" / f"{name}.{kind}", kind) for kind in METADATA]
                drawn[name] = readings(figure)
    if drawn:
        beside = [_write_json(run.path / "figures" / "captions.json", captions(run, drawn), indent=1),
                  _write_json(run.path / "figures" / "readings.json", drawn, separators=(",", ":"))]
        note_files(run.path, [*written, *beside])
    return written


def drawn_figure(run, name, draw):
    """Return a figure of a run, drawn by a function or the one that a `Figure` card names; None where it is empty."""
    try:
        return (draw if callable(draw) else resolve(draw.draw, f"figure {name!r}"))(run)
    except FmdiagError:
        raise
    except Exception as error_:
        place = foreign_place(error_, "drawn_figure")
        if place is not None:
            raise ForeignError(f"figure {name!r} fails in {place} ({type(error_).__name__}: {error_}): mend it, or "
                               "leave it out") from error_
        if not isinstance(error_, KeyError):
            raise
        raise FmdiagError(f"{run.path}: figure {name!r} needs the column or array {error_}, which this run lacks; "
                          "make the run again") from error_


def _drawn_or_left_out(run, name, draw):
    """Return a figure, None where it is empty; one of somebody else's that fails is said and left out."""
    try:
        return drawn_figure(run, name, draw)
    except ForeignError as error:
        warnings.warn(str(error), FmdiagWarning, stacklevel=3)
        return None


def save_figure(figure, path, kind):
    """Write a figure as "png", "pdf" or "svg", atomically; return the path."""
    # Not by savefig, which draws every figure twice: it looks for a layout that is settled already.
    save = getattr(CANVASES[kind](figure), f"print_{kind}")
    figure.set_dpi(DPI)  # saving as PDF leaves its own
    _write(path, lambda temporary: save(temporary, metadata=METADATA[kind]))
    figure.set_layout_engine("none")  # the first file placed everything; the others share the places
    return path


def _write(path, write):
    try:
        replace_atomically(path, write)
    except OSError as error_:
        raise FmdiagError(f"{path}: cannot be written ({error_.strerror}); {remedy(error_)}") from error_
    return path


def _write_json(path, content, **layout):
    text = json.dumps(content, ensure_ascii=False, **layout) + "\n"
    return _write(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8", errors="backslashreplace"))
