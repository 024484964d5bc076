"""Cache of features: vectors on disk, found by the content of all that decides them.

An entry of the store (`fmdiag.files.store`) holds ``features.npy``; its key hashes the data's fingerprint (rows, map to
model range, flips) and the feature's key (transform, weights). It is read back as a memory map after its hash was
checked, and removed where that differs. What
cannot be written there, or read back, is kept by the cache object alone, for as long as it lives: it costs one warning
and the time of computing it again in a later run, not the run.
"""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import platformdirs

from fmdiag.datasets.cache import content_key
from fmdiag.errors import FmdiagWarning
from fmdiag.files.npy import load_npy
from fmdiag.files.store import Store

MAX_BYTES = 20 * 10**9
ARRAY = "features.npy"


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
    disk : bool
        False: neither read nor written, vectors are kept as long as the object lives.
    """

    def __init__(self, folder=None, *, max_bytes=MAX_BYTES, disk=True):
        self.folder = Path(folder) if folder else default_folder()
        self.store, self.max_bytes, self.disk = Store(self.folder), max_bytes, disk
        self._held, self._warned = {}, False

    @staticmethod
    def key(data_fingerprint, feature):
        """Return the name of an entry."""
        return content_key("features", 2, data_fingerprint, feature.key)

    def get(self, key):
        """Return the vectors, from disk a read-only memory map, or None where there are none or they are damaged."""
        place = self.store.path(key)
        if key in self._held or not self.disk or not os.path.isdir(place):
            return self._held.get(key)
        if self.store.find(key) is not None:
            return load_npy(place / ARRAY)
        warnings.warn(f"{place}: it is damaged or was changed: these features are computed again", FmdiagWarning,
                      stacklevel=2)
        shutil.rmtree(place, ignore_errors=True)
        return None

    def put(self, key, shape, write, describe):
        """Have `write` fill a new entry; return its vectors, or None where it cannot be kept on disk.

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

        try:
            return load_npy(self.store.add(key, build, shape=list(shape), **describe) / ARRAY)
        except OSError as error:
            return self._warn(error.strerror or str(error))

    def hold(self, key, vectors):
        """Keep vectors that the disk does not, for as long as this object lives; return them."""
        self._held[key] = vectors
        return vectors

    def _has_room(self, n_bytes):
        if not self.disk:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = sum(file.stat().st_size for file in self.folder.glob(f"*/{ARRAY}"))
            free = shutil.disk_usage(self.folder).free
            writable = os.access(self.folder, os.W_OK)
        except OSError as error:
            return self._warn(error.strerror)
        if writable and held + n_bytes <= self.max_bytes and 2 * n_bytes <= free:
            return True
        reason = ("it may not be written to" if not writable else f"it holds {held / 1e9:.1f} GB of at most "
                  f"{self.max_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on its disk")
        return self._warn(reason)

    def _warn(self, reason):
        """Say once that features are not kept, and why."""
        if not self._warned:
            self._warned = True
            warnings.warn(f"features are not kept in the cache {self.folder} ({reason}), the next run computes them: "
                          "delete entries of it, choose another folder with FMDIAG_CACHE, or give --no-cache",
                          FmdiagWarning, stacklevel=4)
