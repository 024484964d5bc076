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
    from fmdiag.report import redraw

    for path in redraw(run_folder):
        echo(path)
