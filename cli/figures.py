"""`fmdiag figures`: redraw a run's figures from its tables."""

import click


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

    from fmdiag.figures import draw_all
    from fmdiag.report import write_report

    written = draw_all(run_folder)
    if (Path(run_folder) / "index.html").is_file():
        written.append(write_report(run_folder))
    for path in written:
        click.echo(path)
