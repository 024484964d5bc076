"""Source of data: its parts, as which arrays, read how.

A reader turns a file or folder into a dict of *parts*: ``{"train": load, "test": load}`` where the source has a test
part of its own, else ``{"all": load}``. Each `load` is called only when that part is wanted.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

ORIENTATIONS = ("upright", "stored")
TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Part:
    """One part of a source.

    Parameters
    ----------
    rows : ndarray, shape (n, ...)
        As stored: in memory or memory-mapped, in the source's own layout.
    labels : ndarray of int, shape (n,), optional
        Class labels.
    divisor, shift : float, optional
        The map to model range; without it the rules of `layout` apply.
    n_turned : int
        Pictures whose EXIF orientation is not the one in which they are stored.
    columns : dict of callable, or callable
        What else is stored per row: each loads an array of shape (n,); or a function that returns the dict.
    files : callable, optional
        Returns the path of every row's picture below the part's folder, a list of str with slashes.
    """

    rows: np.ndarray
    labels: np.ndarray | None = None
    divisor: float | None = None
    shift: float = 0.0
    n_turned: int = 0
    columns: dict | Callable = field(default_factory=dict)
    files: Callable | None = None


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Parameters
    ----------
    size : int, optional
        Side of the square images wanted, in pixels.
    skip_bad : bool
        Whether unreadable images are left out instead of refused.
    data_root : Path, optional
        Where downloads are kept, if the user chose.
    offline : bool
        Whether downloads are refused.
    orientation : str
        Whether pictures are turned as their EXIF orientation says, ``"upright"``, or kept as they are ``"stored"``.
    verify : bool
        Whether earlier decoded or unpacked copies are found by the content of all files.
    """

    size: int | None = None
    skip_bad: bool = False
    data_root: Path | None = None
    offline: bool = False
    verify: bool = False
    orientation: str = "upright"

    @property
    def root(self):
        """Folder in which named data sets are looked for and downloaded to."""
        return self.data_root or Path(platformdirs.user_data_dir("fmdiag"))

    @property
    def cache(self):
        """Folder of decoded pictures and unpacked archives; all of it can be remade."""
        return self.data_root / ".cache" if self.data_root else Path(platformdirs.user_cache_dir("fmdiag"))


def chosen_data_root(data_root):
    """Return the data root that the user chose, by argument or by FMDIAG_DATA_ROOT, else None."""
    chosen = data_root or os.environ.get("FMDIAG_DATA_ROOT")
    return Path(chosen).expanduser() if chosen else None
