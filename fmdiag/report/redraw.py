"""Figures and page of a run drawn again from its saved tables."""

from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.figures import draw_all
from fmdiag.files.marker import changed_file, read_marker
from fmdiag.report.page import write_report


def redraw(run_folder):
    """Draw the figures of a run again, with its page where it has one; return the files that were written.

    Parameters
    ----------
    run_folder : path

    Raises
    ------
    FmdiagError
        If a figure or the page was changed since fmdiag wrote it, or the folder holds nothing that is drawn.
    """
    marker = read_marker(run_folder)
    drawn = [name for name in (marker.files if marker else ()) if name.startswith("figures/") or name == "index.html"]
    changed = changed_file(run_folder, drawn)
    if changed is not None:
        raise FmdiagError(f"{run_folder} holds {changed}, which was changed after fmdiag wrote it: move that away, "
                          "then draw again")
    written = draw_all(run_folder)
    if (Path(run_folder) / "index.html").is_file():
        written.append(write_report(run_folder))
    if not written:
        raise FmdiagError(f"{run_folder} holds nothing that is drawn: its tables are missing, or it is no run that "
                          "measured; give the folder that `wrote` named, or make the run again")
    return written
