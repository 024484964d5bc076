"""`fmdiag figures`: redraw a run's figures from its tables."""

import click

from .echo import echo


@click.command()
@click.argument("run_folder", type=click.Path())
def command(run_folder):
    """Redraw the figures of RUN_FOLDER from its saved tables: nothing is measured again.

    A page that the run has (index.html) is written anew with them.

    \b
    Example:
      fmdiag figures reports/report-digits
    """
    from pathlib import Path

    from fmdiag.errors import FmdiagError
    from fmdiag.figures import draw_all
    from fmdiag.files.marker import changed_file, read_marker
    from fmdiag.report import write_report

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
    for path in written:
        echo(path)
