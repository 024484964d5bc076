"""Paths as a run records them: relative to the working folder, and names alone outside it."""

import contextlib
from pathlib import Path


def relative(path):
    """Return the path as seen from the working folder where it lies below it, else its name alone."""
    path = Path(path)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd()))
    return path.name
