"""Paths as a run records them: relative to the working folder where they lie below it."""

import contextlib
from pathlib import Path


def relative(path):
    """Return the path as seen from the working folder where it lies below it, else as it was given."""
    path = Path(path)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return str(path)
