"""Distributed checkpoints of torch: a folder of .distcp parts and .metadata, read without running a pickle.

``torch.distributed.checkpoint`` cuts tensors into pieces. Each piece lies in a part as a file of ``torch.save``, at a
place that .metadata, a pickle, says. It is read with stand-ins for torch's classes; pieces are read as other files are,
and put together where they cover a tensor exactly. Entries of optimisers and the like are left unread.
"""

import math
import pickle
import tempfile
from pathlib import Path

import torch

from fmdiag.checkpoints.candidates import is_beside
from fmdiag.checkpoints.file import read_torch_file
from fmdiag.checkpoints.plain_values import LISTED, StandIn, stand_in
from fmdiag.errors import FmdiagError
from fmdiag.files.regular import open_regular

METADATA = ".metadata"
LONGEST = 1 << 28  # bytes of .metadata
KNOWN = {"collections.OrderedDict": dict, "torch.Size": torch.Size,
         "torch.serialization._get_layout": lambda name: name}


def is_distributed(folder):
    """Return whether a folder is a distributed checkpoint."""
    return (Path(folder) / METADATA).is_file()


def read_distributed(folder):
    """Return the content of a distributed checkpoint, nested as it was saved, without optimisers.

    Raises
    ------
    FmdiagError
        If it is damaged, incomplete, or asks for code.
    """
    folder = Path(folder)
    metadata = _metadata(folder)
    try:
        paths = getattr(metadata, "planner_data", None) or {}
        pieces, content = _pieces(metadata), {}
        for name, about in metadata.state_dict_metadata.items():
            path = list(paths.get(name) or [name])
            # A state dict of one level keeps all names in one: what lies beside the network is known by their start.
            if not any(is_beside(part) for part in path[:-1] or [name.partition(".")[0]]):
                _put(content, path, _entry(folder, name, about, pieces.get(name, [])))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise FmdiagError(f"{folder} is a distributed checkpoint whose .metadata is not as torch writes it "
                          f"({type(error).__name__}: {error}): copy it again from where it came") from error
    return content


class _Unpickler(pickle.Unpickler):
    """Unpickler that imports nothing: torch's classes of metadata become stand-ins, any other name is refused."""

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if full in KNOWN or full in LISTED:
            return KNOWN.get(full) or LISTED[full]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module.startswith("torch.distributed."):
            return stand_in(full)
        raise FmdiagError(f"asks to run code on loading ({full}) and was not loaded")


def _metadata(folder):
    file = folder / METADATA
    with open_regular(file, "file of metadata") as stream:
        if file.stat().st_size > LONGEST:
            raise FmdiagError(f"{file} has {file.stat().st_size} bytes, more than metadata need: copy it again")
        try:
            found = _Unpickler(stream).load()
        except FmdiagError as error:
            raise FmdiagError(f"{file} {error}: copy it again from where it came") from error
        except Exception as error:  # whatever damaged bytes spell
            raise FmdiagError(f"{file} is damaged ({type(error).__name__}): copy it again from where it came"
                              ) from error
    if not isinstance(found, StandIn) or not isinstance(getattr(found, "storage_data", None), dict):
        raise FmdiagError(f"{file} is no metadata of a distributed checkpoint: copy it again from where it came")
    return found


def _pieces(metadata):
    """Return {name: [(offset or None, place)]} of all pieces."""
    pieces = {}
    for index, place in metadata.storage_data.items():
        pieces.setdefault(index.fqn, []).append((getattr(index, "offset", None), place))
    return pieces


def _put(content, path, value):
    """Put a value at the path of its keys; lists become dicts by index."""
    if value is None:
        return
    for part in path[:-1]:
        content = content.setdefault(part, {})
    content[path[-1]] = value


def _entry(folder, name, about, pieces):
    """Return a tensor, or a plain value; None for a value that only trust could read."""
    if not hasattr(about, "chunks"):
        try:
            return _read(folder, name, pieces[0][1]) if pieces else None
        except FmdiagError:
            return None
    size, dtype = tuple(about.size), about.properties.dtype if hasattr(about.properties, "dtype") else (
        about.properties.state[0])
    held = sum(place.length for _, place in pieces)
    if math.prod(size) * dtype.itemsize > held or sum(math.prod(c.sizes) for c in about.chunks) != math.prod(size):
        raise ValueError(f"the pieces of {name} do not make its shape {size}")
    whole, covered = torch.zeros(size, dtype=dtype), {tuple(chunk.offsets): tuple(chunk.sizes)
                                                      for chunk in about.chunks}
    for offset, place in pieces:
        piece, offset = _read(folder, name, place), tuple(offset or [0] * len(size))
        if not isinstance(piece, torch.Tensor) or covered.pop(offset, None) != tuple(piece.shape):
            raise ValueError(f"a piece of {name} has not the shape that is said of it")
        whole[tuple(slice(a, a + n) for a, n in zip(offset, piece.shape, strict=True))] = piece
    if covered:
        raise ValueError(f"{len(covered)} pieces of {name} are missing")
    return whole


def _read(folder, name, place):
    """Return what lies at a place of a part, read as a torch file of its own."""
    part = folder / place.relative_path
    if Path(place.relative_path).name != place.relative_path or getattr(place, "transform_descriptors", None):
        raise FmdiagError(f"{folder}: {name} lies in {place.relative_path}, outside the folder or packed: save it "
                          "again without compression")
    with open_regular(part, "part of a distributed checkpoint") as stream:
        if not 0 <= place.offset <= place.offset + place.length <= part.stat().st_size:
            raise FmdiagError(f"{part} is truncated: it ends before {name}; copy it again from where it came")
        stream.seek(place.offset)
        content = stream.read(place.length)
    with tempfile.TemporaryDirectory() as scratch:
        piece = Path(scratch) / "piece.pt"
        piece.write_bytes(content)
        try:
            return read_torch_file(piece)
        except FmdiagError as error:
            raise FmdiagError(f"{part}: {name} in it {str(error).removeprefix(f'{piece} ')}") from error
