"""Parameters of diagnostics: dataclass fields that carry their help, kind and range, for Python and the command line.

@dataclass(frozen=True)
class Parameters:
n_pairs: int = parameter(256, "Pairs (x0, x1).", minimum=2)
times: tuple | None = parameter(None, "Times in [0, 1).", kind="times", shown="0, 0.02 ... 0.98")
"""

import math
import numbers
import reprlib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fmdiag.errors import FmdiagError, check_choice

KINDS = ("int", "float", "str", "bool", "times", "ints", "floats", "path", "range", "data")
METHODS = ("euler", "midpoint", "heun2", "rk4", "dopri5")


@dataclass(frozen=True)
class Spec:
    """What is known of one parameter.

    Parameters
    ----------
    help : str
        One sentence.
    kind : str
        One of KINDS; ``"times"``: numbers, on the command line also LOW:HIGH:COUNT; ``"range"``: two numbers;
        ``"data"``: in Python an array or a path, on the command line a path.
    minimum, maximum : number, optional
        Accepted range; open at the minimum where `above`.
    choices : tuple of str, optional
        Accepted values.
    many : bool
        Whether the option may be given several times; the value is a tuple.
    option : str, optional
        Option on the command line, where it is not the name with hyphens.
    shown : str, optional
        The default as the help shows it.
    metavar : str, optional
        What stands for the value in the help.
    group : str
        Heading of the help that it stands under.
    argument : bool
        Whether it is an argument of the command, not an option.
    """

    help: str
    kind: str
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple | None = None
    many: bool = False
    option: str | None = None
    shown: str | None = None
    metavar: str | None = None
    group: str = "Options"
    argument: bool = False


# Of every diagnostic's function, and of a Run.
COMMON = {
    "seed": Spec("Seed of everything random.", "int", minimum=0, maximum=2**63 - 1),
    "memory": Spec("Bytes that may be used.", "int", minimum=1),
    "times": Spec("Times in [0, 1).", "times"),
    "feature": Spec("Feature spaces.", "str", many=True),
    "fields": Spec("Fields that carry the samples.", "str", many=True),
    "n_closed_form": Spec("Samples of û*.", "int", minimum=2),
    "n_band": Spec("Further training paths, for the band.", "int", minimum=0),
    "n_rows": Spec("Training rows of the largest weights.", "int", minimum=1),
    "tolerance": Spec("Distance up to which examples are duplicates.", "float", minimum=0),
}


def parameter(default, help, *, kind=None, **further):
    """Return a dataclass field that carries what is known of a parameter.

    Parameters
    ----------
    default : object
        Its default; None where the diagnostic chooses one.
    help : str
        One sentence.
    kind : str, optional
        One of KINDS; default that of `default`.
    **further
        Fields of `Spec`: minimum, maximum, above, choices, many, option, shown, metavar, group, argument.

    Examples
    --------
    >>> import fmdiag
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Parameters:
    ...     n_pairs: int = fmdiag.parameter(256, "Pairs (x0, x1).", minimum=2)
    >>> Parameters().n_pairs
    256
    """
    kind = kind or type(default).__name__
    check_choice("kind of parameter", kind, KINDS)
    return field(default=default, metadata={"spec": Spec(help, kind, **further)})


def replaced(owner, name, default, **changes):
    """Return the field `name` of another dataclass of parameters with another default, and its Spec changed."""
    spec = next(f for f in fields(owner) if f.name == name).metadata["spec"]
    return field(default=default, metadata={"spec": replace(spec, **changes)})


def specs(parameters):
    """Return {name: (Spec, default)} of a dataclass of parameters or one of its instances."""
    return {f.name: (f.metadata["spec"], f.default) for f in fields(parameters)}


def checked(parameters, owner):
    """Return the parameters with every value in the form that its kind has.

    Raises
    ------
    FmdiagError
        If a value is of another kind or outside its range.
    """
    values = {name: valid(f"{owner}: {name}", getattr(parameters, name), spec)
              for name, (spec, _) in specs(parameters).items()}
    return replace(parameters, **values)


def valid(name: str, value: Any, spec: Spec) -> Any:
    """Return a value in the form that its kind has, or None as it is; raises as `checked`."""
    if value is None or spec.kind == "data":
        return value
    if spec.many:
        parts = (value,) if isinstance(value, str) or not hasattr(value, "__iter__") else tuple(value)
        return tuple(_one(name, part, spec) for part in parts)
    return _one(name, value, spec)


def _one(name, value, spec):
    if spec.kind in ("times", "ints", "floats", "range"):
        return _numbers(name, value, spec)
    convert = {"int": _whole, "float": _real, "str": _text, "bool": _truth, "path": _path}[spec.kind]
    try:
        value = convert(value)
    except (TypeError, ValueError):
        raise FmdiagError(f"{name} must be {_words(spec)}, got {reprlib.repr(value)}") from None
    if spec.choices is not None:
        check_choice(name, value, spec.choices)
    return _inside(name, value, spec)


def _numbers(name, value, spec):
    convert = _whole if spec.kind == "ints" else _real
    try:
        values = tuple(convert(one) for one in ([value] if isinstance(value, numbers.Number) else value))
    except (TypeError, ValueError):
        raise FmdiagError(f"{name} must be numbers, got {reprlib.repr(value)}") from None
    if not values or spec.kind == "range" and (len(values) != 2 or not values[0] < values[1]):
        raise FmdiagError(f"{name} must be {'LOW, HIGH' if spec.kind == 'range' else 'at least one number'}, got "
                          f"{reprlib.repr(value)}")
    return tuple(_inside(name, one, spec) for one in values)


def _inside(name, value, spec):
    low, high = spec.minimum, spec.maximum
    if isinstance(value, float) and not math.isfinite(value):
        raise FmdiagError(f"{name} must be finite, got {value}")
    if low is not None and (value <= low if spec.above else value < low) or high is not None and value > high:
        raise FmdiagError(f"{name} must be {_words(spec)}, got {value}")
    return value


def _words(spec):
    kind = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false",
            "path": "a path"}.get(spec.kind, "numbers")
    low = "" if spec.minimum is None else f" {'above' if spec.above else 'of at least'} {spec.minimum:g}"
    high = "" if spec.maximum is None else f" {'and' if low else 'of'} at most {spec.maximum:g}"
    return kind + low + high


def _whole(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        raise TypeError
    whole = int(value)  # pyright: ignore[reportArgumentType]
    if whole != value:
        raise TypeError
    return whole


def _real(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        raise TypeError
    return float(value)  # pyright: ignore[reportArgumentType]


def _text(value):
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value):
    if value not in (True, False):
        raise TypeError
    return bool(value)


def _path(value):
    return str(Path(value))
