"""Figures of a run: every registered one that applies, as PNG, PDF and SVG, from saved tables alone."""

import contextlib
import json
import shutil
import warnings
from functools import partial
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.figures.captions import captions
from fmdiag.figures.cards import figure_cards, owner
from fmdiag.figures.comparison import comparison_figures
from fmdiag.figures.embedded_fonts import without_layout_tables
from fmdiag.figures.readings import readings
from fmdiag.figures.run_data import RunData
from fmdiag.figures.style import DPI, paper_style
from fmdiag.registry import ForeignError, foreign_place, resolve
from fmdiag.results import note_files, remedy, replace_atomically

# No time stamps and no version strings: the same tables give the same bytes.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": "fmdiag", "Producer": None},
            "svg": {"Date": None, "Creator": "fmdiag"}}
CANVASES = {"png": FigureCanvasAgg, "pdf": FigureCanvasPdf, "svg": FigureCanvasSVG}


def draw_all(run_path, ahead=None):
    """Draw every figure that applies to a run folder and return the files written.

    Parameters
    ----------
    run_path : path
        Run folder; its ``figures`` receives NAME.png, NAME.pdf, NAME.svg, captions.json and readings.json (the values
        drawn and their places), each replaced atomically.
    ahead : fmdiag.figures.ahead.Ahead, optional
        What draws figures meanwhile: those are copied, and it draws no other from here on.

    Returns
    -------
    list of Path

    Raises
    ------
    FmdiagError
        If the folder is not a run folder, is damaged, or cannot be written to.
    """
    run = RunData(run_path)
    made = {}   # figure -> (files, readings)
    with paper_style():
        # The figures of cards show one run each.
        figures = comparison_figures(run) or figure_cards()
        # The other process goes through them from the first on; what it is at is taken last.
        order = figures if ahead is None else reversed(figures)
        for name in [name for name in order if not _settled(run, name, figures[name], made, ahead)]:
            if (found := ahead.drawn(owner(name), name, wait=True)) is not None:
                made[name] = _taken(run, name, *found)
            else:
                _settled(run, name, figures[name], made, None)
    written = [file for name in figures if name in made for file in made[name][0]]
    drawn = {name: made[name][1] for name in figures if name in made}
    if drawn:
        beside = [_write_json(run.path / "figures" / "captions.json", captions(run, drawn), indent=1),
                  _write_json(run.path / "figures" / "readings.json", drawn, separators=(",", ":"))]
        note_files(run.path, [*written, *beside])
    return written


def _settled(run, name, draw, made, ahead):
    """Put a figure that applies into `made`, as (files, readings); return False if another process is drawing it."""
    if ahead is not None and not ahead.claim(owner(name), name):
        if (found := ahead.drawn(owner(name), name)) is None:
            return False
        made[name] = _taken(run, name, *found)
    elif (figure := _drawn_or_left_out(run, name, draw)) is not None:
        made[name] = ([save_figure(figure, _place(run, name, kind), kind) for kind in METADATA], readings(figure))
    return True


def _taken(run, name, files, values):
    """Copy the files of a figure that was drawn elsewhere."""
    return [_write(_place(run, name, kind), partial(shutil.copyfile, files[kind])) for kind in METADATA], values


def _place(run, name, kind):
    return run.path / "figures" / f"{name}.{kind}"


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
    with without_layout_tables() if kind == "pdf" else contextlib.nullcontext():
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
