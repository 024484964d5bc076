"""JSON documents: checked against a type when they are read, whatever a file claims to be; written as plain values."""

import json
import math
from typing import Any

import msgspec

from fmdiag.errors import FmdiagError, printable
from fmdiag.files.hashing import text_sha256
from fmdiag.files.regular import open_regular

LARGEST, DEEPEST = 256 << 20, 60  # bytes of a document, and levels of nesting, that are read
AGAIN = "make the run again"


def read_document(file, kind: Any, *, finite: bool = False, then: str = AGAIN) -> Any:
    """Return the content of a JSON file, plain values, whose entries are of the types that `kind` says.

    Parameters
    ----------
    file : Path
    kind : type
        What `msgspec.convert` takes: a TypedDict, whose further entries are kept as they are; ``dict[str, int]``; ...
    finite : bool
        Whether NaN and infinity, which Python writes into JSON, are refused.
    then : str
        What to do about a file that is not of this type.

    Raises
    ------
    FmdiagError
        If the file cannot be read, is no JSON, or its content is not of this type.
    """
    try:
        with open_regular(file) as stream:
            text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"more than {LARGEST >> 20} MiB")
        content = _printable(json.loads(text), 0, finite)
        msgspec.convert(content, kind)
    except OSError as error:
        raise FmdiagError(f"{file}: cannot be read ({error.strerror}); {then}") from error
    except FmdiagError:
        raise
    except (ValueError, RecursionError) as error:  # among them json's, msgspec's and UnicodeDecodeError
        raise FmdiagError(f"{file}: cannot be read ({error}); {then}") from error
    return content


def as_json(content, *, finite: bool = False, **layout) -> str:
    """Return any value as JSON text: what JSON has no form for is written as text, and texts are printable.

    With `finite`, NaN and infinity, which standard JSON lacks, become null.
    """
    return json.dumps(_finite(_plain(content)) if finite else _plain(content), **layout)


def sealed(content: dict) -> dict:
    """Return a dict with the SHA-256 of its content added, for `is_sealed`."""
    content = _plain(content)
    return {**content, "sha256": _hash(content)}


def is_sealed(content: dict) -> bool:
    """Return whether a dict that was read is as `sealed` returned it."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return content.get("sha256") == _hash(rest)


def _hash(content):
    return text_sha256(json.dumps(content, sort_keys=True))


def _printable(value, depth, finite):
    """Return parsed JSON with lone surrogates, which no text file can hold, written as escapes."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_printable(one, depth + 1, finite) for one in value]
    if isinstance(value, dict):
        return {_printable(key, depth, finite): _printable(one, depth + 1, finite) for key, one in value.items()}
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value}")
    return value


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return printable(value)
    if depth < DEEPEST and isinstance(value, dict):
        return {printable(str(key)): _plain(one, depth + 1) for key, one in value.items()}
    if depth < DEEPEST and isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    if hasattr(value, "item") and getattr(value, "size", 0) == 1:
        return _plain(value.item(), depth + 1)
    return printable(str(value))


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
