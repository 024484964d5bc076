"""Which figures does a run have? Every registered one that applies, as PNG and PDF, from the saved tables alone."""

import json

from fmdiag.errors import FmdiagError
from fmdiag.figures import alignment, error, gradient_variance, hybrid, memorization, pairing, training
from fmdiag.figures.captions import captions
from fmdiag.figures.run_data import RunData
from fmdiag.figures.style import DPI, paper_style
from fmdiag.results import remedy, replace_atomically

# Figure name -> function (RunData) -> Figure, or None where the run has nothing to draw.
FIGURES = {**alignment.FIGURES, **error.FIGURES, **hybrid.FIGURES, **memorization.FIGURES, **training.FIGURES,
           **gradient_variance.FIGURES, **pairing.FIGURES}

# No time stamps and no version strings: the same tables give the same bytes.
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": "fmdiag", "Producer": None}}


def draw_all(run_path):
    """Draw every figure that applies to a run folder and return the files written.

    Parameters
    ----------
    run_path : path
        Run folder; its ``figures`` receives NAME.png, NAME.pdf and captions.json, each replaced atomically.

    Returns
    -------
    list of Path

    Raises
    ------
    FmdiagError
        If the folder is not a run folder, is damaged, or cannot be written to.
    """
    run = RunData(run_path)
    written, drawn = [], []
    with paper_style():
        for name in FIGURES:
            figure = _draw(run, name)
            if figure is not None:
                drawn.append(name)
                _lay_out(figure)
                written += [_save(figure, run.path / "figures" / f"{name}.{kind}", kind) for kind in METADATA]
    if drawn:
        text = json.dumps(captions(run, drawn), indent=1, ensure_ascii=False) + "\n"
        _write(run.path / "figures" / "captions.json", lambda path: _write_text(path, text))
    return written


def _draw(run, name):
    try:
        return FIGURES[name](run)
    except KeyError as error_:
        raise FmdiagError(f"{run.path}: figure {name!r} needs the column or array {error_}, which this run lacks; "
                          "make the run again") from error_


def _lay_out(figure):
    """Place everything once; both files then share the places, and saving takes half the time."""
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _save(figure, path, kind):
    return _write(path, lambda temporary: figure.savefig(temporary, format=kind, metadata=METADATA[kind]))


def _write(path, write):
    try:
        replace_atomically(path, write)
    except OSError as error_:
        raise FmdiagError(f"{path}: cannot be written ({error_.strerror}); {remedy(error_)}") from error_
    return path


def _write_text(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
