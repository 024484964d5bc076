"""Known images, planted in a training set before training, and others held out: which come back tells what is copied.

All canaries are drawn alike, and a fair coin of its own decides for each whether it is planted, as often as its
multiplicity says, or held out: whatever planted ones show beyond held-out ones, training did, and how well the coins
can be guessed from the model bounds its privacy. The folder is a data set that every command reads:

    train.npy       the training rows with the planted canaries among them, at random places
    test.npy        held-out rows that are no canaries
    canaries.npy    all canaries, held-out ones too
    canaries.json   schema "fmdiag-canaries/1": seed, source, fingerprint of train.npy, the share of coins to be
                    guessed, and per canary its multiplicity (0: held out), the multiplicity that its coin was
                    about, its rows in train.npy and the SHA-256 of its bytes
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fmdiag.datasets.training_set import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import arrays_sha256
from fmdiag.files.npy import load_npy
from fmdiag.files.regular import open_regular

SCHEMA = "fmdiag-canaries/1"
ROWS_AT_ONCE = 4096
GUESSED = 0.5   # share of the coins that are guessed: those of the least and of the largest loss


@dataclass(frozen=True)
class Canaries:
    """Canaries as `load_canaries` returns them.

    Attributes
    ----------
    images : Tensor, float32, shape (k, *shape)
        In model range.
    multiplicity : ndarray of int64, shape (k,)
        How often each was planted; 0: held out.
    rows : list of list of int
        Where, in the training set.
    coin : ndarray of int64, shape (k,), optional
        The multiplicity that each canary's coin was about; None for a folder in which no coins were thrown.
    guessed : float
        Share of the coins that are guessed, fixed when they were thrown.
    """

    images: torch.Tensor
    multiplicity: np.ndarray
    rows: list
    coin: np.ndarray | None = None
    guessed: float = GUESSED


def plant(folder, training_set, held_out, *, multiplicities=(1, 4, 16), n_each=10, images=None, seed=0):
    """Write the data set with planted canaries and return its manifest.

    Parameters
    ----------
    folder : path
        Existing folder to write into.
    training_set : TrainingSet
        The rows to plant among, flips not counted.
    held_out : TrainingSet or None
        Canaries are drawn from these rows unless `images` are given; the others become test.npy.
    multiplicities : sequence of int
        How often canaries are planted, all different and at least 1.
    n_each : int
        Canaries of each multiplicity; about half of them, by their coins, are held out.
    images : TrainingSet, optional
        Own canaries, of which enough are drawn.
    seed : int
        Decides which images become canaries, which are planted how often, and where.

    Raises
    ------
    FmdiagError
        If there are too few distinct images that are no training rows, or shapes differ.
    """
    multiplicities = sorted(set(map(int, multiplicities)))
    if not multiplicities or multiplicities[0] < 1 or n_each < 1:
        raise FmdiagError(f"canaries: multiplicities and n_each must be at least 1, got {multiplicities} and {n_each}")
    source, rng = held_out if images is None else images, np.random.default_rng(seed)
    chosen = _choose(source, training_set, n_each * len(multiplicities), rng)
    coin = np.repeat(multiplicities, n_each)
    planted = coin * rng.integers(0, 2, len(coin))
    stored = _stored(source, training_set, chosen)
    order = np.concatenate([np.arange(training_set.n_stored),
                            training_set.n_stored + np.repeat(np.arange(len(planted)), planted)])
    order = order[rng.permutation(len(order))]
    _write_rows(Path(folder) / "train.npy", training_set, stored, order)
    rest = None if held_out is None else np.setdiff1d(np.arange(held_out.n_stored), chosen if images is None else [])
    if rest is not None and len(rest):
        np.save(Path(folder) / "test.npy", _stored(held_out, training_set, rest))
    np.save(Path(folder) / "canaries.npy", stored)
    where = [np.flatnonzero(order == training_set.n_stored + k).tolist() for k in range(len(planted))]
    train = TrainingSet(load_npy(Path(folder) / "train.npy", empty=False), *_map(training_set))
    entries = [{"id": k, "multiplicity": int(planted[k]), "coin": int(coin[k]), "rows": where[k],
                "origin_row": int(chosen[k]), "sha256": arrays_sha256(stored[k])} for k in range(len(planted))]
    return {"schema": SCHEMA, "seed": seed, "source": training_set.describe(), "canaries_from": source.name,
            "train": {"file": "train.npy", "n": train.n, "fingerprint": train.fingerprint}, "guessed": GUESSED,
            "canaries": entries}


def _choose(source, training_set, k, rng):
    """Return k stored row numbers of distinct images that are no training rows, in random order."""
    if source is None:
        raise FmdiagError(f"{training_set.name} has no held-out examples to make canaries of: give --images, or "
                          f"--held-out")
    if source.shape != training_set.shape:
        raise FmdiagError(f"canaries have shape {source.shape}, the rows of {training_set.name} {training_set.shape}: "
                          "give pictures of one kind, or --size")
    seen = {arrays_sha256(row) for block in _blocks(training_set) for row in block}
    free = {}
    for number in rng.permutation(source.n_stored):
        key = arrays_sha256(_stored(source, training_set, [number])[0])
        if key not in seen:
            free.setdefault(key, number)
        if len(free) == k:
            return np.array(list(free.values()))
    raise FmdiagError(f"{source.name} has {len(free)} distinct images that are no training examples, {k} canaries are "
                      "wanted: fewer --each or multiplicities")


def _is_pictures(rows):
    return rows.rows.dtype == np.uint8 and (rows.divisor, rows.shift) == (127.5, -1.0)


def _map(training_set):
    """Return (divisor, shift) under which the written rows are read: 8-bit pictures, or floats in model range."""
    return (127.5, -1.0) if _is_pictures(training_set) else (1.0, 0.0)


def _stored(source, training_set, numbers):
    """Return rows of a set as they are written: bytes where the training set has 8-bit pictures, else float32."""
    rows = source[np.asarray(numbers)]
    if _is_pictures(training_set):
        return ((rows + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return rows.numpy()


def _blocks(training_set):
    for start in range(0, training_set.n_stored, ROWS_AT_ONCE):
        yield _stored(training_set, training_set, np.arange(start, min(start + ROWS_AT_ONCE, training_set.n_stored)))


def _write_rows(path, training_set, stored, order):
    """Write the rows in `order`, block by block; numbers from n_stored on are canaries."""
    out = np.lib.format.open_memmap(path, "w+", stored.dtype, (len(order), *training_set.shape))
    place = np.argsort(order, kind="stable")
    for first, block in zip(range(0, training_set.n_stored, ROWS_AT_ONCE), _blocks(training_set), strict=True):
        out[place[first : first + len(block)]] = block
    planted = order >= training_set.n_stored
    out[planted] = stored[order[planted] - training_set.n_stored]
    out.flush()


def load_canaries(folder, training_set):
    """Return the Canaries of a folder that `plant` wrote, checked against the training set.

    Raises
    ------
    FmdiagError
        If the folder is not such a folder, was changed, or belongs to another training set.
    """
    folder = Path(folder)
    entries, guessed = _entries(folder)
    stored = np.array(load_npy(folder / "canaries.npy", empty=False))
    if stored.ndim < 2 or [entry["sha256"] for entry in entries] != [arrays_sha256(row) for row in stored]:
        raise FmdiagError(f"{folder}: canaries.npy is not what canaries.json describes: plant them again")
    images = _read(stored)
    for entry, image in zip(entries, images, strict=True):
        rows = entry["rows"]
        if rows and (max(rows) >= training_set.n or not bool((training_set[rows] == image).all())):
            raise FmdiagError(f"{folder}: canary {entry['id']} is not in {training_set.name} where it was planted: the "
                              "checkpoint was trained on other rows than this folder's train.npy")
    coin = np.array([entry["coin"] for entry in entries]) if all("coin" in entry for entry in entries) else None
    return Canaries(images, np.array([entry["multiplicity"] for entry in entries]), [e["rows"] for e in entries], coin,
                    guessed)


def _entries(folder):
    """Return what canaries.json says of every canary, dicts whose values are of the right types, and of the guesses."""
    place = folder / "canaries.json"
    try:
        with open_regular(place, "canaries.json") as file:
            manifest = json.load(file)
    except FmdiagError:
        raise
    except (ValueError, RecursionError) as error:
        raise FmdiagError(f"{place}: not readable as JSON: plant the canaries again") from error
    entries = manifest.get("canaries") if isinstance(manifest, dict) and manifest.get("schema") == SCHEMA else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and _is_entry(entry) for entry in entries):
        raise FmdiagError(f"{place}: does not describe canaries: give a folder that `fmdiag canaries` wrote")
    guessed = manifest.get("guessed", GUESSED)
    if isinstance(guessed, bool) or not isinstance(guessed, int | float) or not 0 <= guessed <= 1:
        raise FmdiagError(f"{place}: the share of coins to guess must be in [0, 1], got {guessed!r}: plant the "
                          "canaries again")
    return entries, float(guessed)


def _is_entry(entry):
    rows = entry.get("rows")
    return (isinstance(entry.get("sha256"), str) and _is_count(entry.get("multiplicity")) and isinstance(rows, list)
            and all(map(_is_count, rows)) and "id" in entry
            and ("coin" not in entry or (_is_count(entry["coin"]) and entry["coin"] >= 1
                                         and entry["multiplicity"] in (0, entry["coin"]))))


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48


def _read(stored):
    divisor, shift = (127.5, -1.0) if stored.dtype == np.uint8 else (1.0, 0.0)
    return TrainingSet(stored, divisor, shift)[:]
