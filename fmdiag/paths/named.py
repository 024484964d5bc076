"""Paths by name or description."""

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths.schedules import CosinePath, LinearPath, LinearVPPath, PolynomialPath, VPPath

PATHS = {path.name: path for path in (LinearPath, CosinePath, VPPath, PolynomialPath, LinearVPPath)}


def path_from_description(description):
    """Build a path from what `GaussianPath.describe` returned.

    Raises
    ------
    FmdiagError
        If the name is unknown or an argument does not belong to the path.
    """
    arguments = dict(description)
    name = check_choice("probability path", arguments.pop("name", None), PATHS)
    try:
        return PATHS[name](**arguments)
    except TypeError as error:
        raise FmdiagError(f"probability path {name!r} does not take {arguments}: {error}") from error


def path_from_name(text):
    """Return the path that a name means, as ``--path`` and model cards give it: ``cosine``, or ``polynomial:3``.

    Raises
    ------
    FmdiagError
        If the name is unknown, or a number is missing, surplus or none.
    """
    name, colon, number = str(text).partition(":")
    if check_choice("probability path", name, PATHS) == "polynomial":
        return PolynomialPath(_exponent(text, number))
    if colon:
        raise FmdiagError(f"probability path {text!r}: only polynomial:N takes a number")
    return PATHS[name]()


def as_path(path):
    """Return a path given as one, by its name as in `path_from_name`, or as None for the linear one.

    Raises
    ------
    FmdiagError
        If it is none.
    """
    if path is None:
        return LinearPath()
    if isinstance(path, str):
        return path_from_name(path)
    if not all(callable(getattr(path, name, None)) for name in ("alpha", "sigma", "sample", "conditional_velocity")):
        raise FmdiagError(f"path must be a path, such as fmdiag.CosinePath(), or the name of one, got {path!r}")
    return path


def _exponent(text, number):
    try:
        return float(number)
    except ValueError as error:
        raise FmdiagError(f"probability path {text!r}: give the exponent of t as polynomial:N, e.g. "
                          "polynomial:2") from error
