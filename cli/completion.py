"""Shell completion of data-set names: the bundled cards' names, else files; nothing heavy is imported for it."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem


class DataSet(click.ParamType):
    """A named data set, or a path."""

    name = "name|path"

    def convert(self, value, parameter, context):
        """Return the value as it is: the library says what cannot be read."""
        return value

    def shell_complete(self, context, parameter, incomplete):
        """Return the names that begin so, or leave it to the shell to complete a file."""
        from fmdiag import data

        names = sorted(card.stem for card in Path(data.__file__).parent.glob("*.toml"))
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]
