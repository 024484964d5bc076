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
from fmdiag.datasets.readers.shards import by_part
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import BYTES_PER_ENTRY, FREE_ENTRIES
from fmdiag.files.names import spelt
from fmdiag.files.parquet_pages import check_pages, chunks
from fmdiag.files.regular import check_regular

PICTURES = ("image", "img", "images", "picture", "png", "jpg")
LABELS = ("label", "labels", "class", "fine_label", "y")
GROUPING = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean,
            pa.types.is_floating)
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
    return {part: partial(_part, some, path, reading) for part, some in by_part(shards(path)).items()}


def _part(files, source, reading):
    column, label, others = _columns(files[0])
    at_a_time = {file: _rows_at_a_time(file, [column, label]) for file in files}
    root = source if source.is_dir() else source.parent
    follow = FollowedPaths(root)
    lacking = any(_may_lack_bytes(file, column) for file in files)
    followed = follow.all(_columns_of(at_a_time, column)) if lacking else []
    rows, kept, n_turned = decoded_rows(lambda: pictures_of(_columns_of(at_a_time, column), follow),
                                        SourceFiles.of([*files, *followed], root, reading.verify),
                                        ("parquet", 4, column), reading, name=str(source))
    columns = {name: partial(_column, files, name, kept) for name in others}
    return Part(rows, _labels(files, label, kept), n_turned=n_turned, columns=columns)


def _columns(file):
    check_regular(file, "Parquet file")
    try:
        with spelt(file) as name:
            schema = pq.read_schema(name)
    except ERRORS as error:
        raise _damaged(file, error) from error
    return *chosen_columns(file, schema), columns_to_group_by(schema)


def columns_to_group_by(schema):
    """Return the names of the columns of an Arrow schema that hold a name or a whole number per row."""
    return [field.name for field in schema if any(test(field.type) for test in GROUPING)]


def chosen_columns(file, schema):
    """Return the names of the picture column and the label column (or None) of a file with this Arrow schema.

    Raises
    ------
    FmdiagError
        If no column holds encoded pictures.
    """
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


class FollowedPaths:
    """Pictures that lie beside a file which names them instead of holding them: inside its folder only.

    Parameters
    ----------
    root : Path
        The folder.
    """

    def __init__(self, root):
        self.root = Path(root)

    def path(self, label, name):
        """Return the picture's path.

        Raises
        ------
        FmdiagError
            If it leads out of the folder, or is not there.
        """
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        path = self.root / name
        if not inside or not path.resolve().is_relative_to(self.root.resolve()) or not path.is_file():
            why = "which is not there" if inside else "which leads out of it"
            raise FmdiagError(f"{label} holds no picture but its path {name!r}, {why}: put the pictures into "
                              f"{self.root} under such paths, or write them into the file")
        return path

    def all(self, columns):
        """Return the pictures that columns name, each once, in order."""
        return list(dict.fromkeys(source for _, source in pictures_of(columns, self) if isinstance(source, Path)))


def pictures_of(columns, follow):
    """Yield (label for messages, bytes or Path) of every row of picture columns.

    Parameters
    ----------
    columns : iterable of (Path, Array)
        Files, and a struct with bytes and perhaps path, or binary; several of one file follow one another.
    follow : FollowedPaths
        Finds what is not held.
    """
    before, number = None, 0
    for file, values in columns:
        number, before = (number if file == before else 0), file
        nested = pa.types.is_struct(values.type)
        names = values.field("path") if nested and values.type.get_field_index("path") >= 0 else None
        for k, value in enumerate(values.field("bytes") if nested else values):
            label, content = f"{file} row {number}", value.as_py()
            name = names[k].as_py() if content is None and names is not None else None
            yield label, follow.path(label, name) if name else content or b""
            number += 1


def _columns_of(at_a_time, column):
    """Yield (file, values of a column), so many rows of each file at a time."""
    for file, n_rows in at_a_time.items():
        yield from ((file, batch.column(0)) for batch in _batches(file, column, n_rows))


def _may_lack_bytes(file, column):
    """Whether rows of a Parquet file may hold no picture: its statistics count them, where it has some."""
    return any(chunk.path == f"{column}.bytes" and chunk.n_null != 0 for chunk in chunks(file))


def _batches(file, column, n_rows=BATCH):
    try:
        with spelt(file) as name, pq.ParquetFile(name) as opened:
            yield from opened.iter_batches(batch_size=n_rows, columns=[column])
    except ERRORS as error:
        raise _damaged(file, error) from error


def _labels(files, label, kept):
    if label is None:
        return None
    values = []
    for file in files:
        try:
            with spelt(file) as name:
                values.append(pq.read_table(name, columns=[label]).column(0).to_numpy())
        except ERRORS as error:
            raise _damaged(file, error) from error
    values = np.concatenate(values)
    if len(kept) and kept.max() >= len(values):
        raise FmdiagError(f"{files[0]}: damaged: {len(values)} labels for more pictures; fetch it again")
    return values[kept].astype(np.int64) if values.dtype.kind in "iub" else None


def _column(files, name, kept):
    """Return a column of names or numbers of the rows that were kept, shape (n,)."""
    values = [value for file, values in _columns_of({file: _rows_at_a_time(file, [name]) for file in files}, name)
              for value in values.to_numpy(zero_copy_only=False)]
    return rows_kept(values, kept, files[0])


def rows_kept(values, kept, file):
    """Return the values of some rows, shape (n,); names as objects."""
    if len(kept) and kept.max() >= len(values):
        raise FmdiagError(f"{file}: damaged: {len(values)} values in a column for more pictures; fetch it again")
    return np.array([values[k] for k in kept], object)


def _rows_at_a_time(file, columns):
    """Return how many rows are read together; refuse a file that becomes far more than it is.

    A page of values to which rows refer may hold one large picture that all of them repeat.
    """
    check_regular(file, "Parquet file")
    try:
        dictionary = check_pages(file, columns)
        with spelt(file) as name:
            n_rows = pq.read_metadata(name).num_rows
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
