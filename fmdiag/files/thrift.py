"""Thrift's compact protocol, in which Parquet writes its footer and page headers: structs walked, not held.

Places are offsets into `data`. What is not readable raises IndexError or ValueError.
"""

from collections import deque

VARINTS = (4, 5, 6)       # 16, 32 and 64 bits
BINARY, LIST, SET, MAP, STRUCT = 8, 9, 10, 11, 12
FIXED = {1: 0, 2: 0, 3: 1, 7: 8}    # bytes of true, false, a byte and a double, as a field of a struct
DEEPEST = 8               # structs in structs


def fields(data, place, depth=0):
    """Yield (field, kind, place of the value) of the struct at a place."""
    if depth > DEEPEST:
        raise ValueError("structs without an end")
    field = 0
    while (head := data[place]) != 0:
        kind, step, place = head & 15, head >> 4, place + 1
        if step:
            field += step
        else:
            field, place = _zigzag(data, place)
        yield field, kind, place
        place = _after(data, place, kind, depth)
    yield None, None, place + 1  # where the struct ends


def numbers(data, place=0):
    """Return (whole numbers by field, end of the struct) of the struct at a place."""
    found, end = {}, place
    for field, kind, end in fields(data, place):
        if kind in VARINTS:
            found[field] = _zigzag(data, end)[0]
    return found, end


def elements(data, place):
    """Yield (kind, place) of the elements of the list at a place."""
    kind, count, place = _list(data, place)
    for _ in range(count):
        yield kind, place
        place = _after_element(data, place, kind, 0)


def text(data, place):
    """Return the string at a place."""
    length, place = _varint(data, place)
    return bytes(data[place : place + length]).decode("utf-8", "replace")


def _list(data, place):
    count, kind, place = data[place] >> 4, data[place] & 15, place + 1
    if count == 15:
        count, place = _varint(data, place)
    if count > len(data) - place:
        raise ValueError("a list longer than the file")
    return kind, count, place


def _after(data, place, kind, depth):
    """Return where a value of a kind ends."""
    if kind in FIXED:
        return place + FIXED[kind]
    if kind in VARINTS:
        return _varint(data, place)[1]
    if kind == BINARY:
        length, place = _varint(data, place)
        return place + length
    if kind in (LIST, SET):
        kind, count, place = _list(data, place)
        for _ in range(count):
            place = _after_element(data, place, kind, depth + 1)
        return place
    if kind == STRUCT:
        return deque(fields(data, place, depth + 1), maxlen=1)[0][2]
    raise ValueError(f"kind {kind}")


def _after_element(data, place, kind, depth):
    if depth > DEEPEST:
        raise ValueError("lists without an end")
    return place + 1 if kind in (1, 2) else _after(data, place, kind, depth)


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
