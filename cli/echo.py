"""What a command prints: texts from files are shown as they are spelt, never obeyed by the terminal."""

import click


def echo(message="", err=False):
    """Print a text on stdout, or on stderr; escape codes and the like in it are shown escaped, lines are kept."""
    from fmdiag.errors import printable

    click.echo(printable(str(message)), err=err)


def echo_json(value, indent=None):
    """Print a value as JSON on stdout, as every reader of JSON takes it."""
    from fmdiag.files.documents import as_json

    click.echo(as_json(value, finite=True, indent=indent))
