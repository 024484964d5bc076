"""Pages of a Parquet column: what they become, read from their own headers, which the reader allocates by.

A column chunk is a row of pages, each a header in Thrift's compact protocol and its packed bytes. What the file's
footer says of a chunk need not be true of them. Fields 1 to 3 of a header are its kind, unpacked and packed size.
"""

import pyarrow.parquet as pq

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import Budget, damaged
from fmdiag.files.names import spelt

DICTIONARY = 2            # kind of the page that others refer to
LONGEST_HEADER = 1 << 16  # with the least and greatest value of the page
DEEPEST = 8               # structs in structs
FREE_PAGE = 1 << 26       # bytes that any page may become; beyond them twice the file: pictures are packed already
VARINTS = (4, 5, 6)       # 16, 32 and 64 bits


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
    pyarrow.ArrowException
        If the footer is damaged.
    """
    with spelt(path) as name:
        facts, largest = pq.read_metadata(name), 0
    packed = path.stat().st_size
    rows = Budget(path, packed)
    with open(path, "rb") as file:
        for k in range(facts.num_row_groups):
            group = facts.row_group(k)
            for j in range(group.num_columns):
                chunk = group.column(j)
                if chunk.path_in_schema.split(".")[0] in columns:
                    rows.spend(chunk.num_values)
                    largest = max(largest, _check_chunk(file, chunk, path, packed))
    return largest


def _check_chunk(file, chunk, path, packed):
    """Return the size of a chunk's dictionary; each row group is unpacked by itself."""
    start = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    budget, place, end, largest = Budget(path, packed), start, start + chunk.total_compressed_size, 0
    while place < end:
        file.seek(place)
        header = file.read(LONGEST_HEADER)
        try:
            sizes, length = _fields(header, 0, 0)
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


def _fields(data, place, depth):
    """Return (whole numbers by field, where the struct ends) of a Thrift struct."""
    if depth > DEEPEST:
        raise ValueError("structs without an end")
    found, field = {}, 0
    while (head := data[place]) != 0:
        place += 1
        kind, step = head & 15, head >> 4
        if step:
            field += step
        else:
            field, place = _zigzag(data, place)
        if kind in VARINTS:
            found[field], place = _zigzag(data, place)
        else:
            place = _after(data, place, kind, depth)
    return found, place + 1


def _after(data, place, kind, depth):
    """Return where a value of a kind that is of no interest ends."""
    if kind in (1, 2):
        return place
    if kind == 3:
        return place + 1
    if kind == 7:
        return place + 8
    if kind == 8:
        length, place = _varint(data, place)
        return place + length
    if kind == 12:
        return _fields(data, place, depth + 1)[1]
    raise ValueError(f"kind {kind} in a page's header")


def _zigzag(data, place):
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def _varint(data, place):
    value = 0
    for shift in range(0, 70, 7):
        byte, place = data[place], place + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number without an end")
