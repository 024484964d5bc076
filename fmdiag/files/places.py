"""Paths as records may show them: below the working folder relative to it, elsewhere the name alone.

What is published must not say who made it, nor where.
"""

import os
from pathlib import Path

from fmdiag.files.anonymous import anonymous

ANYWHERE = ("/",)   # given as `given`: every path is its name alone, users and hosts are not named


def shown_path(path):
    """Return a path as seen from the working folder where it lies below it, else its name alone."""
    real = Path(os.path.abspath(os.path.expanduser(path)))
    for place, folder in ((real, Path.cwd()), (real.resolve(), Path.cwd().resolve())):
        if place.is_relative_to(folder):
            return place.relative_to(folder).as_posix()
    return real.name


def is_elsewhere(text):
    """Return whether a word names a place by more than a name: absolute, in a home folder or above."""
    return os.sep in text and text.startswith((os.sep, "~", f"..{os.sep}")) and "\n" not in text


def without_places(content, given=()):
    """Return plain values whose texts show no place: neither as a whole nor, of those given, within a sentence.

    Parameters
    ----------
    content : dict, list, str or other plain value
    given : iterable of str
        Paths that the user gave, which sentences may quote; or ANYWHERE.
    """
    if given is ANYWHERE:
        return anonymous(content)
    names = {place: shown_path(place) for place in sorted(given, key=len, reverse=True)}
    names[f"{Path.cwd()}{os.sep}"] = ""
    return _without(content, names)


def _without(content, names):
    if isinstance(content, dict):
        return {_without(key, names): _without(value, names) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without(value, names) for value in content]
    if isinstance(content, Path) or (isinstance(content, str) and is_elsewhere(content)):
        return shown_path(content)
    if isinstance(content, str):
        for place, name in names.items():
            content = content.replace(place, name)
    return content
