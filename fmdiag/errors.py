"""Errors that a user can mend, and warnings: one line that says what, where and what to do."""

import difflib

LONGEST = 1000  # characters of a message: what it quotes may come from a hostile file


def printable(value):
    """Return a text that a terminal shows as it is and UTF-8 can spell, lines kept; within dicts and lists too.

    Names in files may hold a terminal's escape codes, direction marks, and bytes that are no text.
    """
    if isinstance(value, str):
        return value if value.isprintable() else "".join(
            c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in value)
    if isinstance(value, dict):
        return {printable(key): printable(inner) for key, inner in value.items()}
    return [printable(inner) for inner in value] if isinstance(value, list | tuple) else value


def one_line(message):
    """Return a message as one printable line: names in files may hold newlines or a terminal's escape codes."""
    text = str(message)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= LONGEST else f"{text[: 2 * LONGEST // 3]} ... {text[-LONGEST // 4 :]}"


class FmdiagWarning(UserWarning):
    """What a user should know although the work goes on; the command line prints it on one line."""

    def __init__(self, message=""):
        super().__init__(one_line(message))


class FmdiagError(ValueError):
    """Raised for wrong input; the command line prints its message on one line and exits with code 2."""

    def __init__(self, message=""):
        super().__init__(one_line(message))


def causes(error, link="__cause__"):
    """Yield an error, what it was raised from, and so on; each once, as errors of libraries may cause one another.

    With link "__context__": what was being handled as it was raised, whether or not it says so.
    """
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, link)


def names_one_of(error, *places):
    """Return whether an error's message names one of some files; None is no file."""
    return any(one_line(place) in str(error) for place in places if place is not None)


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
