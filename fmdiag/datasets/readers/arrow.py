"""Rows of a Hugging Face data set that ``save_to_disk`` wrote: Arrow streams with a column of encoded pictures.

A folder holds ``data-00000-of-00002.arrow`` and so on, and ``state.json``; one of several parts has a subfolder for
each. Columns are those of the Parquet reader.
"""

import json
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.readers.parquet import (
    ERRORS,
    FollowedPaths,
    chosen_columns,
    columns_to_group_by,
    pictures_of,
    rows_kept,
)
from fmdiag.datasets.readers.shards import by_part
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.names import spelt
from fmdiag.files.regular import check_regular

MOST_STATE = 1 << 20
COMPRESSION = 3     # field of a record batch in Arrow's format, after length, nodes and buffers


def shards(folder):
    """Return the Arrow files of a folder, sorted."""
    return sorted(Path(folder).glob("*.arrow"))


def read(path, reading):
    """Return the parts of an Arrow file, or of a folder of them.

    Raises
    ------
    FmdiagError
        If a file is damaged or compressed, holds no pictures, or the rows were chosen without being written anew.
    """
    path = Path(path)
    if path.is_dir():
        _check_state(path)
    found = by_part(shards(path)) if path.is_dir() else {"all": [path]}
    return {part: partial(_part, files, path, reading) for part, files in found.items()}


def _check_state(folder):
    state = folder / "state.json"
    if not state.is_file() or state.stat().st_size > MOST_STATE:
        return
    try:
        known = json.loads(state.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FmdiagError(f"{state}: damaged ({error}); save the data set again") from error
    if isinstance(known, dict) and (known.get("_indices_files") or known.get("_indices_data_files")):
        raise FmdiagError(f"{folder}: a choice of rows beside all of them: save data.flatten_indices() instead")


def _part(files, source, reading):
    schema = _schema(files[0])
    column, label = chosen_columns(files[0], schema)
    root = source if source.is_dir() else source.parent
    follow = FollowedPaths(root)
    sources = SourceFiles.of([*files, *follow.all(_columns(files, column))], root, reading.verify)
    rows, kept, n_turned = decoded_rows(lambda: pictures_of(_columns(files, column), follow), sources,
                                        ("arrow", 2, column), reading, name=str(source))
    columns = {name: partial(_column, files, name, kept) for name in columns_to_group_by(schema)}
    return Part(rows, _labels(files, label, kept), n_turned=n_turned, columns=columns)


def _schema(file):
    check_regular(file, "Arrow file")
    try:
        with spelt(file) as name, pa.memory_map(str(name)) as opened, pa.ipc.open_stream(opened) as stream:
            return stream.schema
    except ERRORS as error:
        raise _damaged(file, error) from error


def _columns(files, column):
    """Yield (file, a column's values) of every batch of some files; they stay in the files' memory maps."""
    for file in files:
        check_regular(file, "Arrow file")
        try:
            _refuse_compressed(file)
            with spelt(file) as name, pa.memory_map(str(name)) as opened, pa.ipc.open_stream(opened) as stream:
                for batch in stream:
                    values = batch.column(batch.schema.get_field_index(column))
                    values.validate(full=True)  # what offsets promise, before anything follows them
                    yield file, values
        except ERRORS as error:
            raise _damaged(file, error) from error


def _refuse_compressed(file):
    """Refuse packed batches, which would be unpacked as a whole before anyone can count them."""
    with spelt(file) as name, pa.memory_map(str(name)) as opened:
        for message in pa.ipc.MessageReader.open_stream(opened):
            if message.type == "record batch" and _compressed(message.metadata.to_pybytes()):
                raise FmdiagError(f"{file}: compressed Arrow: save it without compression, or as Parquet")


def _compressed(metadata):
    """Whether the header of a record batch names a compression: a field of a table in a table of flatbuffers."""
    def field(table, number):
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        size, = struct.unpack_from("<H", metadata, vtable)
        place, = struct.unpack_from("<H", metadata, vtable + 4 + 2 * number) if 4 + 2 * number < size else (0,)
        return table + place if place else None

    try:
        header = field(struct.unpack_from("<I", metadata, 0)[0], 2)
        return header is not None and field(header + struct.unpack_from("<I", metadata, header)[0], COMPRESSION
                                            ) is not None
    except struct.error as error:
        raise ValueError(str(error)) from error


def _labels(files, label, kept):
    if label is None:
        return None
    values = np.concatenate([v.to_numpy(zero_copy_only=False) for _, v in _columns(files, label)] or [np.empty(0)])
    if len(kept) and kept.max() >= len(values):
        raise FmdiagError(f"{files[0]}: damaged: {len(values)} labels for more pictures; save it again")
    return values[kept].astype(np.int64) if values.dtype.kind in "iub" else None


def _column(files, name, kept):
    """Return a column of names or numbers of the rows that were kept, shape (n,)."""
    return rows_kept([value for _, values in _columns(files, name) for value in values.to_numpy(zero_copy_only=False)],
                     kept, files[0])


def _damaged(file, error):
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return FmdiagError(f"{file}: truncated or no Arrow stream ({reason}); save the data set again")
