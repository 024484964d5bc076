"""Unfinished decoding: the rows that were decoded so far, in a folder that outlives an interruption.

Pictures come in parts. After each part its rows are on the disk and `state.json`, which is replaced as
a whole, says how long each file is by then, and what the part was made from; what a file holds beyond that does not
count. Whoever goes on keeps the first parts that are still made from the same files, and cuts the rest off.
"""

import contextlib
import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

STATE, KEPT, SKIPPED = "state.json", "kept.bin", "skipped.csv"
COLUMNS = ("position", "picture", "reason")
NOTHING = {"n_rows": 0, "n_turned": 0, "n_bad": 0, "n_pixels": 0, "skipped_bytes": 0, "shape": None}
WIDENED_AT_ONCE = 1 << 24   # bytes


class UnfinishedRows:
    """Rows under construction, uint8, of one channel as long as every picture is grey.

    Parameters
    ----------
    folder : Path
        Exists, locked by the caller.
    part_key : callable
        ``part_key(k)``: a hash of what the k-th part is made from.
    skip_bad : bool
        Whether parts in which pictures were left out count.

    Attributes
    ----------
    n_parts : int
        Finished parts.
    n_rows, n_turned, n_bad, n_pixels : int
        Rows so far, turned pictures among them, pictures left out, and values of all before they were resampled.
    shape : tuple of int, or None
        Of a row; None as long as there is none.
    """

    rows: Any
    kept: Any
    skipped: Any

    def __init__(self, folder, part_key, skip_bad):
        self.folder, self.rows = Path(folder), None
        parts = _read_parts(self.folder)
        fitting = (k for k, part in enumerate(parts) if part["key"] != part_key(k) or (part["n_bad"] and not skip_bad))
        self.parts = parts[: next(fitting, len(parts))]
        if not self._reopen():
            self.parts = []
            self._reopen()

    @property
    def n_parts(self):
        """Number of finished parts."""
        return len(self.parts)

    def _reopen(self):
        """Open all files, cut to where the last finished part ends; return whether they reach that far."""
        last = self.parts[-1] if self.parts else NOTHING
        self.n_rows, self.n_turned, self.n_bad, self.n_pixels = (
            last[name] for name in ("n_rows", "n_turned", "n_bad", "n_pixels"))
        self.shape = last["shape"] and tuple(last["shape"])
        self.close()
        self.kept = _cut(self.folder / KEPT, 8 * self.n_rows)
        self.skipped = _cut(self.folder / SKIPPED, last["skipped_bytes"])
        self.rows = None
        if self.shape is not None:
            self.rows = _cut(self._rows_path(), len(_header(0, self.shape)) + self.n_rows * int(np.prod(self.shape)))
        return None not in (self.kept, self.skipped) and (self.shape is None) == (self.rows is None)

    def _rows_path(self):
        return self.folder / f"rows-{self.shape[0]}.npy"

    def add(self, position, pixels, *, turned, n_pixels):
        """Append the pixels of one picture, uint8 of shape (1 or 3, h, w), whose height and width fit `shape`."""
        if self.shape is None:
            self.shape = pixels.shape
            self.rows = open(self._rows_path(), "w+b")
            self.rows.write(_header(0, self.shape))
        elif len(pixels) > self.shape[0]:
            self._widen()
        self.rows.write(np.broadcast_to(pixels, self.shape).tobytes())
        self.kept.write(position.to_bytes(8, "little"))
        self.n_rows += 1
        self.n_turned += turned
        self.n_pixels += n_pixels

    def leave_out(self, position, label, reason):
        """Append a line to the table of pictures that cannot be read."""
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(
            ([] if self.skipped.tell() else [COLUMNS]) + [(position, label, str(reason).replace("\n", " "))])
        self.skipped.write(text.getvalue().encode("utf-8", "backslashreplace"))
        self.n_bad += 1

    def _widen(self):
        """Repeat the channel of the grey rows so far: a picture in colour came.

        The grey rows stay: parts that end before that picture are theirs.
        """
        self.rows.seek(len(_header(0, self.shape)))
        grey, self.shape = self.rows, (3, *self.shape[1:])
        self.rows = open(self._rows_path(), "w+b")
        self.rows.write(_header(0, self.shape))
        row = int(np.prod(self.shape[1:]))
        while block := grey.read(max(1, WIDENED_AT_ONCE // row) * row):
            block = np.frombuffer(block, np.uint8).reshape(-1, 1, row)
            self.rows.write(np.repeat(block, 3, axis=1).tobytes())
        grey.close()

    def end_part(self, key):
        """Record that all up to here is finished, on the disk and made from `key`."""
        for file in filter(None, (self.rows, self.kept, self.skipped)):
            file.flush()
            os.fsync(file.fileno())
        self.parts.append({"key": key, "n_rows": self.n_rows, "n_turned": self.n_turned, "n_bad": self.n_bad,
                           "n_pixels": self.n_pixels, "skipped_bytes": self.skipped.tell(), "shape": self.shape})
        new = self.folder / f"{STATE}.new"
        new.write_text(json.dumps(self.parts))
        os.replace(new, self.folder / STATE)

    def publish(self, folder):
        """Move the rows to a folder as ``rows.npy``, with ``kept.npy``, ``skipped.csv`` and ``counts.json``."""
        self.rows.seek(0)
        self.rows.write(_header(self.n_rows, self.shape))
        self.close()
        np.save(folder / "kept.npy", np.fromfile(self.folder / KEPT, "<i8").astype(np.int64))
        if self.n_bad:
            shutil.copyfile(self.folder / SKIPPED, folder / SKIPPED)
        (folder / "counts.json").write_text(json.dumps({"n_turned": self.n_turned, "n_bad": self.n_bad}))
        os.replace(self._rows_path(), folder / "rows.npy")

    def close(self):
        """Close all files; nothing is removed."""
        with contextlib.ExitStack() as stack:   # all of them, also where the disk is full and one cannot be written
            for name in ("rows", "kept", "skipped"):
                file = getattr(self, name, None)
                if file is not None:
                    stack.callback(file.close)


def first_skipped(folder, at_most):
    """Return the first lines of the table of pictures that were left out, a list of "picture (reason)"."""
    with open(Path(folder) / SKIPPED, encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.DictReader(file)
        return [f"{line['picture']} ({line['reason']})" for _, line in zip(range(at_most), lines, strict=False)]


def _read_parts(folder):
    """Return what the state says of each part, [] where there is none that can be read."""
    try:
        parts = json.loads((folder / STATE).read_text())
        return parts if all(part.keys() == {"key", *NOTHING} for part in parts) else []
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _cut(path, length):
    """Open a file for writing at `length`, and cut it there; return None if it is shorter."""
    if length == 0:
        return open(path, "w+b")
    if not path.is_file() or path.stat().st_size < length:
        return None
    file = open(path, "r+b")
    file.truncate(length)
    file.seek(length)
    return file


def _header(n, shape):
    # NumPy pads the header for growth of the first axis, so that of more rows has the same length.
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (n, *shape)})
    return stream.getvalue()
