"""What a command prints: texts from files are shown as they are spelt, never obeyed by the terminal."""

import click

HIDDEN = "fmdiag.anonymous"


def hidden():
    """Return whether the command at hand names neither folders nor user nor host."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(HIDDEN, False)


def echo(message="", err=False):
    """Print a text on stdout, or on stderr; escape codes and the like in it are shown escaped, lines are kept."""
    from fmdiag.errors import printable

    click.echo(printable(named(str(message))), err=err)


def named(content):
    """Return plain values as the command at hand may show them."""
    from fmdiag.files.anonymous import anonymous

    return anonymous(content) if hidden() else content


def echo_json(value, indent=None):
    """Print a value as JSON on stdout, as every reader of JSON takes it."""
    from fmdiag.files.documents import as_json

    click.echo(as_json(named(value), finite=True, indent=indent))
