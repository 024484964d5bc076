"""`fmdiag figures`: redraw a run's figures from its tables."""

import click


@click.command()
@click.argument("run_folder", type=click.Path())
def command(run_folder):
    """Redraw the figures of RUN_FOLDER from its saved tables: nothing is measured again.

    \b
    Example:
      fmdiag figures reports/report-digits
    """
    from fmdiag.figures import draw_all

    for path in draw_all(run_folder):
        click.echo(path)
