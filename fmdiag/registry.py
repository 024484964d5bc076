"""Registry of named things: an object or where it is to be found, imported on first use, near names as hints.

Other packages add to a registry by an entry point of its group, so that ``pip install`` is all that their users do:

    [project.entry-points."fmdiag.diagnostics"]
    speed = "their_package.speed:CARD"
"""

import importlib
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from fmdiag.errors import FmdiagError, check_choice

OURS = Path(__file__).parent


class ForeignError(FmdiagError):
    """Raised where code of somebody else's fails that fmdiag called."""


class Registry(Mapping[str, Any]):
    """Names in the order in which they were added, and the objects that they stand for.

    Parameters
    ----------
    kind : str
        What is registered, for messages, e.g. ``"diagnostic"``.
    entries : dict of str to object or str, optional
        A str is ``"module:attribute"``, imported when it is asked for.
    group : str, optional
        Group of entry points that are added when names are first listed.
    """

    def __init__(self, kind: str, entries: Any = (), group: str | None = None):
        self.kind, self.group = kind, group
        self._entries, self._ours = dict(entries), frozenset(dict(entries))

    def add(self, name: str, entry: Any) -> Any:
        """Add an object, or ``"module:attribute"``, in place of what was added under its name before.

        Raises
        ------
        FmdiagError
            If the name is one of ours.
        """
        if name in self._ours and self[name] is not entry:
            raise FmdiagError(f"there is a {self.kind} {name!r} already: choose another name")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> Any:
        """Return the object of a name.

        Raises
        ------
        FmdiagError
            If the name is unknown, or cannot be imported.
        """
        if name not in self._entries:
            self._discover()
            check_choice(self.kind, name, self._entries)
        if isinstance(self._entries[name], str):
            self._entries[name] = resolve(self._entries[name], f"{self.kind} {name!r}")
        return self._entries[name]

    def get(self, name, default=None):
        """Return the object of a name, or the default."""
        return self[name] if name in self else default

    def __iter__(self):
        self._discover()
        return iter(list(self._entries))

    def __len__(self):
        self._discover()
        return len(self._entries)

    def __contains__(self, name):
        return name in self._entries or name in list(self)

    def _discover(self):
        group, self.group = self.group, None
        for point in entry_points(group=group) if group else ():
            self._entries.setdefault(point.name, point.value)


def resolve(place: Any, what: str = "object") -> Any:
    """Return the object at ``"module:attribute"``; a function as it is.

    Raises
    ------
    FmdiagError
        If there is none.
    """
    if callable(place):
        return place
    module, _, attribute = place.partition(":")
    try:
        found = importlib.import_module(module)
        for name in attribute.split(".") if attribute else ():
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise FmdiagError(f"{what} is named {place!r}, which cannot be imported ({error}): check the package that "
                          "brings it") from error
    return found


def foreign_place(error, caller):
    """Return file:line at which code failed that our function `caller` called, where it is not ours; else None."""
    frames = traceback.extract_tb(error.__traceback__)
    called = next((k for k, frame in enumerate(frames) if frame.name == caller), None)
    if called is None or called + 1 >= len(frames) or OURS in Path(frames[called + 1].filename).parents:
        return None
    own = [frame for frame in frames[called + 1 :] if frame.filename == frames[called + 1].filename]
    return f"{own[-1].filename}:{own[-1].lineno}"
