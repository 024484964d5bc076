"""Were these vectors computed before? Features on disk, found by the content of all that decides them.

An entry is a folder ``KEY`` with ``features.npy`` and ``entry.json`` (its SHA-256 and what it is of); KEY hashes the
data's fingerprint (rows, map to model range, flips) and the feature's key (transform, weights). It is written under a
temporary name and renamed; read back as a memory map after its hash was checked, and removed where that differs. A
cache that cannot be written, or is full, costs time, not the run.
"""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import platformdirs
import pooch

from fmdiag.datasets.cache import cached, content_key
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.npy import load_npy

MAX_BYTES = 20 * 10**9
ARRAY, ENTRY = "features.npy", "entry.json"


def default_folder():
    """Return FMDIAG_CACHE, else the user's cache folder."""
    chosen = os.environ.get("FMDIAG_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("fmdiag")) / "features"


class FeatureCache:
    """Features on disk.

    Parameters
    ----------
    folder : path, optional
        Default `default_folder`.
    max_bytes : int
        Nothing is added beyond; a warning says what to delete.
    """

    def __init__(self, folder=None, *, max_bytes=MAX_BYTES):
        self.folder = Path(folder) if folder else default_folder()
        self.max_bytes = max_bytes

    @staticmethod
    def key(data_fingerprint, feature):
        """Return the name of an entry."""
        return content_key("features", data_fingerprint, feature.key)

    def get(self, key):
        """Return the vectors, a read-only memory map, or None where there are none or they are damaged."""
        place = self.folder / key
        if not place.is_dir():
            return None
        try:
            entry = json.loads((place / ENTRY).read_text())
            if pooch.file_hash(str(place / ARRAY)) == entry["sha256"]:
                return load_npy(place / ARRAY)
            reason = "its content has changed"
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"it cannot be read ({type(error).__name__})"
        warnings.warn(f"{place}: {reason}: these features are computed again", FmdiagWarning, stacklevel=2)
        shutil.rmtree(place, ignore_errors=True)
        return None

    def put(self, key, shape, write, describe):
        """Have `write` fill a new entry; return its vectors, or None where there is no room for it.

        Parameters
        ----------
        shape : tuple of int
            Of the float32 array.
        write : callable
            Fills the array it is given.
        describe : dict
            What the vectors are of, for a reader of the folder.
        """
        if not self._has_room(4 * int(np.prod(shape)) + 4096):
            return None

        def build(folder):
            array = np.lib.format.open_memmap(folder / ARRAY, "w+", np.float32, shape)
            write(array)
            array.flush()
            entry = {"sha256": pooch.file_hash(str(folder / ARRAY)), "shape": list(shape), **describe}
            (folder / ENTRY).write_text(json.dumps(entry, indent=1, default=str) + "\n")

        return load_npy(cached(self.folder, key, build) / ARRAY)

    def _has_room(self, n_bytes):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = sum(file.stat().st_size for file in self.folder.glob(f"*/{ARRAY}"))
            free = shutil.disk_usage(self.folder).free
            writable = os.access(self.folder, os.W_OK)
        except OSError as error:
            raise FmdiagError(f"the feature cache {self.folder} cannot be used ({error.strerror}): choose another "
                              "folder with FMDIAG_CACHE, or --no-cache") from error
        if writable and held + n_bytes <= self.max_bytes and 2 * n_bytes <= free:
            return True
        reason = ("it may not be written to" if not writable else f"it holds {held / 1e9:.1f} GB of at most "
                  f"{self.max_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on its disk")
        warnings.warn(f"features of {n_bytes / 1e9:.1f} GB are not kept in the cache {self.folder}: {reason}; delete "
                      "entries of it, or choose another folder with FMDIAG_CACHE", FmdiagWarning, stacklevel=3)
        return False
