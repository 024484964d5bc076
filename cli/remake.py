"""Which command line makes one diagnostic of a run again? The run's own options, as far as that diagnostic has them."""

import importlib
import shlex

import click

from fmdiag.files.places import is_elsewhere, shown_path

# Where and how the result is shown decides nothing about it.
OUTPUT = ("out", "overwrite", "as_json")


def remaking(diagnostic, values, checkpoint=None, renamed=()):
    """Return the command line of a diagnostic that measures what the run measured.

    Parameters
    ----------
    diagnostic : str
        Name of a diagnostic, which is the name of its command.
    values : dict
        The run's options by parameter name, as click converted them.
    checkpoint : path, optional
        The checkpoint that the run measured.
    renamed : dict, optional
        The diagnostic's parameter name -> the name that the run has for it.
    """
    command = importlib.import_module(f".{diagnostic.replace('-', '_')}", __package__).command
    values = values | {name: values[run_name] for name, run_name in dict(renamed).items()}
    words = [word for parameter in command.params if parameter.name in values and parameter.name not in OUTPUT
             for word in _words(parameter, values[parameter.name])]
    return shlex.join(["fmdiag", diagnostic, *words, *([] if checkpoint is None else [str(checkpoint)])])


def _words(parameter, value):
    """Return the words that give an option its value; none for arguments and where the value is the default."""
    if isinstance(parameter, click.Argument) or value is None or value == () or value == parameter.default:
        return []
    option = next(name for name in parameter.opts if name.startswith("--"))
    if parameter.is_flag:
        return [option] if value else parameter.secondary_opts[:1]
    repeated = value if parameter.multiple else [value]
    return [word for one in repeated for word in (option, _text(one))]


def _text(value):
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return shown_path(value) if is_elsewhere(str(value)) else str(value)
