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

from fmdiag.datasets.cache import content_key, file_facts
from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.source import TEST_NAMES, Part
from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import check_unpacked

PICTURES = ("image", "img", "images", "picture", "png", "jpg")
LABELS = ("label", "labels", "class", "fine_label", "y")
BATCH = 256
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
    key = content_key("parquet", 1, [file_facts(file) for file in files], column, reading.size, reading.skip_bad)
    rows, kept = decoded_rows(partial(_pictures, files, column), size=reading.size, skip_bad=reading.skip_bad,
                              cache=reading.cache, key=key, name=str(source))
    return Part(rows, _labels(files, label, kept))


def _columns(file):
    """Return the names of the picture column and the label column (or None)."""
    try:
        schema = pq.read_schema(file)
        _check_size(file)
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


def _pictures(files, column):
    """Yield (label for messages, bytes) of every row."""
    for file in files:
        number = 0
        for batch in _batches(file, column):
            values = batch.column(0)
            values = values.field("bytes") if pa.types.is_struct(values.type) else values
            for value in values:
                yield f"{file} row {number}", value.as_py() or b""
                number += 1


def _batches(file, column):
    try:
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(batch_size=BATCH, columns=[column])
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


def _check_size(file):
    """Refuse a file whose columns say that they unpack to far more than there is."""
    facts = pq.read_metadata(file)
    groups = [facts.row_group(k) for k in range(facts.num_row_groups)]
    check_unpacked(file, max([0, facts.num_rows, *(group.total_byte_size for group in groups)]), file.stat().st_size)


def _damaged(file, error):
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return FmdiagError(f"{file}: truncated or not a Parquet file ({reason}); fetch it again")
