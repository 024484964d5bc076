"""Errors that a user can mend, and warnings: one line that says what, where and what to do."""

import difflib


class FmdiagWarning(UserWarning):
    """What a user should know although the work goes on; the command line prints it on one line."""


class FmdiagError(ValueError):
    """Raised for wrong input; the command line prints its message on one line and exits with code 2."""


def check_choice(kind, name, choices):
    """Return `name` if it is one of `choices`, else raise and suggest the nearest.

    Parameters
    ----------
    kind : str
        What is being chosen, for the message, e.g. ``"data set"``.
    name : str
        What the user gave.
    choices : iterable of str
        What is accepted.

    Raises
    ------
    FmdiagError
        If `name` is not among `choices`.
    """
    choices = list(choices)
    if name in choices:
        return name
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise FmdiagError(f"unknown {kind} {name!r}: {hint}choose from {', '.join(sorted(choices))}")
