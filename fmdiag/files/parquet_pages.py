"""Pages of a Parquet column: what they become, read from their own headers, which the reader allocates by.

A column chunk is a row of pages, each a header in Thrift's compact protocol and its packed bytes. What the file's
footer says of a chunk need not be true of them. Fields 1 to 3 of a header are its kind, unpacked and packed size.
The footer is read here too: pyarrow ends the process where statistics of a chunk are not those of its column's type.
"""

import struct
from typing import NamedTuple

from fmdiag.errors import FmdiagError
from fmdiag.files import thrift
from fmdiag.files.bounded import Budget, damaged

DICTIONARY = 2            # kind of the page that others refer to
LONGEST_HEADER = 1 << 16  # with the least and greatest value of the page
# Fields of the footer, of a row group, of a column chunk, of its metadata and of its statistics.
ROW_GROUPS, COLUMNS, META, STATISTICS, NULL_COUNT = 4, 1, 3, 12, 3
PATH, N_VALUES, PACKED, DATA_PAGE, DICTIONARY_PAGE = 3, 5, 7, 9, 11
FREE_PAGE = 1 << 26       # bytes that any page may become; beyond them twice the file: pictures are packed already


class Chunk(NamedTuple):
    """What the footer says of one column in one row group; places and sizes in bytes, None where it does not say."""

    path: str
    n_values: int
    packed: int
    start: int
    n_null: int | None


def check_pages(path, columns):
    """Return the size of the largest dictionary that a Parquet file's columns refer to, 0 without one.

    Parameters
    ----------
    path : path
        A Parquet file.
    columns : list of str
        Top-level columns that are to be read.

    Raises
    ------
    FmdiagError
        If pages are damaged, or a column or its number of rows is far more than the file.
    """
    largest, packed = 0, path.stat().st_size
    rows = Budget(path, packed)
    with open(path, "rb") as file:
        for chunk in chunks(path):
            if chunk.path.split(".")[0] in columns:
                rows.spend(chunk.n_values)
                largest = max(largest, _check_chunk(file, chunk, path, packed))
    return largest


def chunks(path):
    """Yield the Chunk of every column in every row group of a Parquet file.

    Raises
    ------
    FmdiagError
        If the footer is damaged.
    """
    try:
        footer = _footer(path)
        for field, kind, place in thrift.fields(footer, 0):
            if (field, kind) == (ROW_GROUPS, thrift.LIST):
                for _, group in thrift.elements(footer, place):
                    yield from _of_group(footer, group)
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise damaged(path, "its footer is not readable") from error


def _footer(path):
    with open(path, "rb") as file:
        file.seek(-8, 2)
        length, magic = struct.unpack("<I4s", file.read(8))
        if magic != b"PAR1" or length + 12 > path.stat().st_size:
            raise ValueError("no footer")
        file.seek(-8 - length, 2)
        return file.read(length)


def _of_group(footer, group):
    for field, kind, place in thrift.fields(footer, group):
        if (field, kind) == (COLUMNS, thrift.LIST):
            for _, column in thrift.elements(footer, place):
                yield from (_chunk(footer, at) for f, k, at in thrift.fields(footer, column)
                            if (f, k) == (META, thrift.STRUCT))


def _chunk(footer, place):
    found, _ = thrift.numbers(footer, place)
    path, n_null = [], None
    for field, kind, at in thrift.fields(footer, place):
        if (field, kind) == (PATH, thrift.LIST):
            path = [thrift.text(footer, element) for _, element in thrift.elements(footer, at)]
        elif (field, kind) == (STATISTICS, thrift.STRUCT):
            n_null = thrift.numbers(footer, at)[0].get(NULL_COUNT)
    start, dictionary = found[DATA_PAGE], found.get(DICTIONARY_PAGE)
    start = dictionary if dictionary is not None and 0 < dictionary < start else start
    return Chunk(".".join(path), found[N_VALUES], found[PACKED], start, n_null)


def _check_chunk(file, chunk, path, packed):
    """Return the size of a chunk's dictionary; each row group is unpacked by itself."""
    budget, place, end, largest = Budget(path, packed), chunk.start, chunk.start + chunk.packed, 0
    if place < 0:
        raise damaged(path, "a page before its beginning")
    while place < end:
        file.seek(place)
        header = file.read(LONGEST_HEADER)
        try:
            sizes, length = thrift.numbers(header)
            kind, unpacked, in_file = (sizes[k] for k in (1, 2, 3))
        except (IndexError, KeyError, ValueError) as error:
            raise damaged(path, "a page's header is not readable") from error
        if unpacked < 0 or in_file < 0:
            raise damaged(path, "a page of less than nothing")
        if unpacked > max(FREE_PAGE, 2 * packed):
            raise FmdiagError(f"{path}: {packed} bytes hold a page that would unpack to {unpacked} "
                              f"({unpacked / 2**30:.1f} GiB): refused as a decompression bomb; write it again")
        budget.spend(unpacked)
        largest = max(largest, unpacked if kind == DICTIONARY else 0)
        place += length + in_file
    return largest
