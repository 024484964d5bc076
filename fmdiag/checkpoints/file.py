"""Torch checkpoint files, read without running anything that they contain."""

import errno
import os
import pickle
import warnings
from pathlib import Path

import torch

from fmdiag.checkpoints.candidates import candidates
from fmdiag.checkpoints.pickles import imported_names
from fmdiag.checkpoints.plain_values import safe_values, stand_ins, unlisted
from fmdiag.errors import FmdiagError
from fmdiag.files.names import spelt
from fmdiag.files.regular import check_regular, open_regular
from fmdiag.files.torch_zip import check_records, torch_zip
from fmdiag.files.zips import is_zip
from fmdiag.results import replace_atomically


def read_torch_file(file):
    """Return the object in a file of ``torch.save``, on the CPU, by torch's restricted unpickler.

    Raises
    ------
    FmdiagError
        If the file is missing, a folder, unreadable, empty, truncated, not of torch, or a pickle that asks for code.
    """
    file = Path(file)
    if file.is_dir():
        raise FmdiagError(f"{file} is a folder: give the checkpoint file in it")
    with open_regular(file, "checkpoint file") as stream:
        empty = not stream.read(1)
    if empty:
        raise FmdiagError(f"{file} is empty (0 bytes): copy or save the checkpoint again")
    check_records(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _loaded(file)
    except Exception as error:  # torch has no error of its own for a bad file: it raises six kinds
        raise FmdiagError(f"{file} {_explain(file, error)}") from error


def _loaded(file):
    """Return the content with plain values beside the tensors; a second time with stand-ins for others' classes."""
    try:
        with torch.serialization.safe_globals(safe_values()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as first:
        further = stand_ins(imported_names(file))
        content = _stood_in(file, further) if further else None
        if not candidates(content):  # a pickled network, say: what is stood in for is what the file is
            raise first
        return content


def _stood_in(file, further):
    try:
        with torch.serialization.safe_globals(safe_values() + further):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # as in read_torch_file
        return None


def read_safetensors(file):
    """Return the tensors of a safetensors file, a dict.

    Raises
    ------
    FmdiagError
        If it is damaged.
    """
    from safetensors.torch import load_file

    check_regular(file, "safetensors file")
    try:
        with spelt(file) as name:
            return load_file(name)
    except Exception as error:  # of its own kind, or of torch for a dtype or shape that it does not have
        raise FmdiagError(f"{file} is truncated or not a safetensors file ({error}): copy it again from where it came"
                          ) from error


def write_torch_file(content, file):
    """Write `content` by ``torch.save``; an earlier file is replaced only when the new one is complete and on disk.

    Raises
    ------
    OSError
        Full disk or read-only folder; the earlier file is intact.
    """
    def write(temporary):
        with open(temporary, "wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())

    try:
        replace_atomically(file, write)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error
    except RuntimeError as error:
        # torch reports a write that failed half-way as its own error; the system's is behind it.
        cause = error.__context__ if isinstance(error.__context__, OSError) else OSError(errno.EIO, str(error))
        raise OSError(cause.errno, cause.strerror, str(file)) from error


def check_sums(file):
    """Raise FmdiagError if a byte of a file that `write_torch_file` wrote has changed: zips carry checksums."""
    if not is_zip(file):
        return
    with torch_zip(file) as archive:
        archive.check_sums()


def _explain(file, error):
    names = imported_names(file) if isinstance(error, pickle.UnpicklingError) else []
    names = unlisted(names) or names
    if names:
        return (f"asks to run code on loading ({', '.join(names[:3])}) and was not loaded: save plain tensors with "
                "torch.save(model.state_dict(), ...) where the checkpoint comes from")
    if is_zip(file):
        return _explain_zip(file)
    with open(file, "rb") as stream:
        start = stream.read(2)
    if start == b"PK":
        return "is truncated (a zip without its end): copy it again from where it came"
    if start[:1] == b"\x80":
        return "is a pickle that is truncated or not of torch: save it again with torch.save"
    return "is not a torch checkpoint: give a file written by torch.save"


def _explain_zip(file):
    try:
        with torch_zip(file) as archive:
            names = {name.rpartition("/")[2] for name in archive.names()}
    except FmdiagError:
        names = {"data.pkl"}
    if "constants.pkl" in names:
        return "is a TorchScript program, not weights: save model.state_dict() with torch.save"
    if "data.pkl" not in names:
        return "is an archive of another kind (zip, npz), not a torch checkpoint: give a file written by torch.save"
    return "is a torch file that is damaged: copy it again from where it came"
