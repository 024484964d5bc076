"""Rows of a Hugging Face image data set in Parquet: a column of encoded pictures, and perhaps a class label.

The picture column is a struct with a field ``bytes``, or binary; the label column is ``label``, ``labels``, ``class``,
``fine_label`` or ``y``. A folder's shards belong to the part that their names begin with: ``train-00000-of-00005``,
``test-...``, ``validation-...``. Decoded pixels are kept in the cache.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.source import TEST_NAMES, Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import BYTES_PER_ENTRY, FREE_ENTRIES
from fmdiag.files.parquet_pages import check_pages
from fmdiag.files.regular import check_regular

PICTURES = ("image", "img", "images", "picture", "png", "jpg")
LABELS = ("label", "labels", "class", "fine_label", "y")
BATCH = 256
HELD = 1 << 25  # bytes of pictures that rows may repeat at a time
# pyarrow lets what a damaged file spells through as it is: text that is not, lengths that overflow.
ERRORS = (pa.ArrowException, OSError, UnicodeError, ValueError, OverflowError, IndexError, KeyError, TypeError)


def shards(folder):
    """Return the Parquet files of a folder, or of its ``data`` subfolder, sorted."""
    folder = Path(folder)
    return sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet"))


def read(path, reading):
    """Return the parts of a Parquet file, or of a folder of shards."""
    path = Path(path)
    if path.is_file():
        return {"all": partial(_part, [path], path, reading)}
    files = shards(path)
    found = {"train": [file for file in files if file.name.startswith("train")]}
    for name in TEST_NAMES:
        found.setdefault("test", [file for file in files if file.name.startswith(name)])
        found = {part: some for part, some in found.items() if some}
    found = found if "train" in found else {"all": files}
    return {part: partial(_part, some, path, reading) for part, some in found.items()}


def _part(files, source, reading):
    column, label = _columns(files[0])
    at_a_time = {file: _rows_at_a_time(file, [column, label]) for file in files}
    sources = SourceFiles.of(files, source if source.is_dir() else source.parent, reading.verify)
    rows, kept, n_turned = decoded_rows(partial(_pictures, at_a_time, column), sources, ("parquet", 3, column), reading,
                                        name=str(source))
    return Part(rows, _labels(files, label, kept), n_turned=n_turned)


def _columns(file):
    """Return the names of the picture column and the label column (or None)."""
    check_regular(file, "Parquet file")
    try:
        schema = pq.read_schema(file)
    except ERRORS as error:
        raise _damaged(file, error) from error
    candidates = [field.name for field in schema if _holds_pictures(field.type)]
    named = [name for name in PICTURES if name in candidates] + candidates
    if not named:
        raise FmdiagError(f"{file}: no column of encoded pictures (binary, or a struct with bytes) among "
                          f"{', '.join(schema.names)}")
    return named[0], next((name for name in LABELS if name in schema.names), None)


def _holds_pictures(kind):
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _pictures(at_a_time, column):
    """Yield (label for messages, bytes) of every row of some files, so many rows of each at a time."""
    for file, n_rows in at_a_time.items():
        number = 0
        for batch in _batches(file, column, n_rows):
            values = batch.column(0)
            values = values.field("bytes") if pa.types.is_struct(values.type) else values
            for value in values:
                yield f"{file} row {number}", value.as_py() or b""
                number += 1


def _batches(file, column, n_rows=BATCH):
    try:
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(batch_size=n_rows, columns=[column])
    except ERRORS as error:
        raise _damaged(file, error) from error


def _labels(files, label, kept):
    if label is None:
        return None
    values = []
    for file in files:
        try:
            values.append(pq.read_table(file, columns=[label]).column(0).to_numpy())
        except ERRORS as error:
            raise _damaged(file, error) from error
    values = np.concatenate(values)
    if len(kept) and kept.max() >= len(values):
        raise FmdiagError(f"{files[0]}: damaged: {len(values)} labels for more pictures; fetch it again")
    return values[kept].astype(np.int64) if values.dtype.kind in "iub" else None


def _rows_at_a_time(file, columns):
    """Return how many rows are read together; refuse a file that becomes far more than it is.

    A page of values to which rows refer may hold one large picture that all of them repeat.
    """
    check_regular(file, "Parquet file")
    try:
        dictionary = check_pages(file, columns)
        n_rows = pq.read_metadata(file).num_rows
    except FmdiagError:
        raise
    except ERRORS as error:
        raise _damaged(file, error) from error
    most = max(FREE_ENTRIES, file.stat().st_size // BYTES_PER_ENTRY)
    if n_rows > most:
        raise FmdiagError(f"{file}: {n_rows} rows in {file.stat().st_size} bytes, more than {most}: refused as made to "
                          "fill the disk; unpack it yourself if you know what it is")
    return max(1, min(BATCH, HELD // max(1, dictionary)))


def _damaged(file, error):
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return FmdiagError(f"{file}: truncated or not a Parquet file ({reason}); fetch it again")
