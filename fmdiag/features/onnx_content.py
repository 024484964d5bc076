"""Operators and outside files of an ONNX model, read from its protocol buffers before onnxruntime sees it.

A model of standard operators is data: onnxruntime brings their code. Operators of another domain are code in a library,
and weights may lie in further files, which are read only where they lie beside or below the model.
"""

from pathlib import Path, PurePosixPath

from fmdiag.errors import FmdiagError
from fmdiag.files.regular import open_regular
from fmdiag.files.trust import check_trust

# Message -> {number of a field: the message that it holds}, where operators and tensors may be.
MESSAGES = {"model": {7: "graph", 20: "training", 25: "function"},
            "graph": {1: "node", 5: "tensor", 15: "sparse"}, "training": {1: "graph", 2: "graph"},
            "function": {7: "node", 11: "attribute"}, "node": {5: "attribute"},
            "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
            "sparse": {1: "tensor", 2: "tensor"}, "tensor": {13: "entry"}, "entry": {}}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
STANDARD = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training",
            "com.microsoft", "com.microsoft.nchwc")
PROGRAMS = ("PythonOp", "PythonOpGrad", "EPContext", "ATen")  # run what is outside the model, in whatever domain
MOST_FIELDS = 5_000_000


def check_onnx(file, *, trust_code=False):
    """Return the outside files of an ONNX model, sorted paths.

    Parameters
    ----------
    file : path
        The model.
    trust_code : bool
        Whether operators that are no standard ones may run.

    Raises
    ------
    FmdiagError
        If it is no ONNX model, needs operators of another domain and `trust_code` is False, or an outside file is not
        there, lies elsewhere than beside or below the model, or is reached by a link.
    """
    with open_regular(file, "ONNX model") as stream:
        data = memoryview(stream.read())
    try:
        operators, defined, locations = _content(data)
    except (ValueError, IndexError) as error:
        raise FmdiagError(f"{file}: onnxruntime cannot run this file, which is no ONNX model or is damaged ({error}): "
                          "export the network again") from error
    others = sorted({domain or name for domain, name in operators if name in PROGRAMS or (
        domain not in STANDARD and (domain, name) not in defined)})
    if others:
        check_trust(file, f"an ONNX model with operators of {', '.join(others[:3])}, a library of code", trust_code)
    return sorted({_outside(Path(file), location) for location in locations})


def _content(data):
    """Return (domain, name) of operators in use and of functions that the model defines, and outside locations."""
    operators, defined, locations = set(), set(), set()
    pending, left = [("model", data)], MOST_FIELDS
    while pending:
        kind, message = pending.pop()
        found = {}
        for number, value in fields(message):
            left -= 1
            if left < 0:
                raise ValueError(f"more than {MOST_FIELDS} fields")
            if number in MESSAGES[kind] and isinstance(value, memoryview):
                pending.append((MESSAGES[kind][number], value))
            elif kind in ("node", "function", "entry"):
                found[number] = value
        if kind == "node":
            operators.add((_text(found, 7), _text(found, 4)))
        elif kind == "function":
            defined.add((_text(found, 10), _text(found, 1)))
        elif kind == "entry" and _text(found, 1) == "location":
            locations.add(_text(found, 2))
    return operators, defined, locations


def fields(data):
    """Yield (number, value) of a message's fields: ints, and memoryviews for texts, bytes and messages.

    Raises
    ------
    ValueError, IndexError
        If the bytes are no message.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, place = _varint(data, place)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
            value, place = int.from_bytes(data[place : place + size], "little"), place + size
        elif wire == BYTES:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        else:
            raise ValueError(f"no field of type {wire}")
        if place > len(data) or number == 0:
            raise ValueError("it ends within a field")
        yield number, value


def _varint(data, place):
    value = 0
    for shift in range(0, 70, 7):
        value |= (data[place] & 127) << shift
        place += 1
        if data[place - 1] < 128:
            return value, place
    raise ValueError("a number of more than ten bytes")


def _text(found, number):
    value = found.get(number, b"")
    return bytes(value).decode("utf-8", "surrogateescape") if not isinstance(value, int) else ""


def _outside(file, location):
    """Return the path of an outside file, which lies beside or below the model and is reached without a link."""
    parts = PurePosixPath(location).parts
    wrong = not parts or PurePosixPath(location).is_absolute() or ".." in parts or set(location) & set("*\\\0")
    places = [file.parent.joinpath(*parts[: k + 1]) for k in range(len(parts))]
    if wrong or any(place.is_symlink() for place in places):
        raise FmdiagError(f"{file} keeps weights in {location!r}: outside files must lie beside the model or in a "
                          "folder below it, without links; copy them there, or export the network as one file")
    if not places[-1].is_file():
        raise FmdiagError(f"{places[-1]}: no such file, in which {file} keeps weights; copy it there too")
    return places[-1]
