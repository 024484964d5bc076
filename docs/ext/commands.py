"""Page of the commands: the help of each, as `fmdiag COMMAND --help` prints it."""

import click

from fmdiag.cli.main import commands, fmdiag

WIDTH = 96
INTRODUCTION = """# Commands

What `fmdiag COMMAND --help` prints; `--help-all` also lists the options that say how a checkpoint is read.
"""


def pages():
    """Return {path: text} of the page."""
    lines = [INTRODUCTION]
    for name, short in commands().items():
        lines += [f"## fmdiag {name}", "", short.replace("*", "\\*"), "", "```text", help_of(name), "```", ""]
    return {"made/commands.md": "\n".join(lines) + "\n"}


def help_of(name):
    """Return the help of a command at a width of WIDTH characters."""
    context = click.Context(fmdiag, info_name="fmdiag", max_content_width=WIDTH, terminal_width=WIDTH)
    command = fmdiag.get_command(context, name)
    return command.get_help(click.Context(command, info_name=name, parent=context, max_content_width=WIDTH,
                                          terminal_width=WIDTH))
