"""Options of a command, made from a dataclass of parameters: type, help, range, choices, default, heading."""

import click

from fmdiag.diagnostics.parameters import specs

from .grouped import Grouped
from .types import Numbers, Range


def options_of(parameters):
    """Return the click parameters of a dataclass of parameters, arguments first."""
    made = [_parameter(name, spec, default) for name, (spec, default) in specs(parameters).items()]
    return sorted(made, key=lambda parameter: isinstance(parameter, click.Option))


def _parameter(name, spec, default):
    if spec.argument:
        return click.Argument([name], type=click.Path())
    option = spec.option or f"--{name.replace('_', '-')}"
    if spec.kind == "bool":
        both = f"{option}/--no-{option.removeprefix('--')}" if default else option
        return Grouped([both, name], is_flag=True, default=default, help=spec.help, group=spec.group)
    # A default that is nothing is told in words, at the end of the help line; click shows the others.
    empty = default is None or default == ()
    shown = False if empty else spec.shown or True
    return Grouped([option, name], type=_type(spec), multiple=spec.many, default=_default(spec, default),
                   show_default=shown, metavar=spec.metavar, help=_help(spec, default), group=spec.group)


def _default(spec, default):
    return list(default) if spec.many and default else None if spec.many else default


def _help(spec, default):
    shown = spec.shown if spec.shown is not None and (default is None or default == ()) else None
    return spec.help if shown is None else f"{spec.help}  [default: {shown}]"


def _type(spec):
    if spec.choices is not None:
        return click.Choice(spec.choices)
    if spec.kind in ("times", "ints", "floats"):
        return Numbers(spec.kind, spec.minimum, spec.maximum, above=spec.above)
    if spec.kind in ("range", "path", "data"):
        return Range() if spec.kind == "range" else click.Path()
    if spec.kind in ("int", "float"):
        kind = click.IntRange if spec.kind == "int" else click.FloatRange
        return kind(spec.minimum, spec.maximum, min_open=spec.above)
    return str
