"""What kind of thing is a checkpoint: a folder, tensors, a program, or a pickle that wants to run code?"""

import contextlib
import io
import json
import os
import pickle
import pickletools
import warnings
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from fmdiag.checkpoints.file import check_sums, file_sha256, is_zip, read_safetensors, read_torch_file
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.bounded import check_unpacked

FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
TRUST = ("--trust-pickle runs the code that this file names, with your rights; do it only if you trust where the file "
         "comes from")


@dataclass(frozen=True)
class Source:
    """A checkpoint as found: kind is ``tensors``, ``folder``, ``script``, ``export`` or ``pickle``."""

    file: Path
    kind: str
    content: object

    @cached_property
    def sha256(self):
        """Hash of the file, or of the names and hashes of a folder's files."""
        if self.kind != "folder":
            return file_sha256(self.file)
        import hashlib

        digest = hashlib.sha256()
        for path in sorted(p for p in self.file.rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(self.file)} {file_sha256(path)}\n".encode())
        return digest.hexdigest()

    def keys(self):
        """Return the keys of the content as a set; empty where it is no dict."""
        return set(self.content) if isinstance(self.content, dict) else set()


def open_checkpoint(file, *, trust_pickle=False):
    """Return the Source at a path.

    Raises
    ------
    FmdiagError
        If it cannot be read, or would have to run code and `trust_pickle` is False.
    """
    file = Path(file)
    if file.is_dir():
        if any((file / name).exists() for name in ("config.json", "model_index.json", "unet", "transformer")):
            return Source(file, "folder", None)
        raise FmdiagError(f"{file} is a folder: give the checkpoint file in it, or a diffusers folder with config.json "
                          "or model_index.json")
    if file.is_file() and is_zip(file):
        members = _members(file)
        if "constants.pkl" in members:
            return Source(file, "script", _script(file))
        if "archive_format" in members:
            return Source(file, "export", _exported(file, trust_pickle))
    if _is_safetensors(file):
        return Source(file, "tensors", read_safetensors(file))
    try:
        return Source(file, "tensors", read_torch_file(file))
    except FmdiagError as error:
        if "asks to run code" not in str(error):
            raise
        if not trust_pickle:
            raise FmdiagError(f"{error}; {TRUST}") from error
        return Source(file, "pickle", _unpickled(file))


class _OnCPU(pickle.Unpickler):
    """Unpickler that puts tensors saved on a GPU on the CPU."""

    def find_class(self, module, name):
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda data: torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
        return super().find_class(module, name)


def _unpickled(file):
    warnings.warn(f"{file}: {TRUST}", FmdiagWarning, stacklevel=2)
    try:
        if is_zip(file):
            return torch.load(file, map_location="cpu", weights_only=False)
        with open(file, "rb") as stream:
            return _OnCPU(stream).load()
    except ModuleNotFoundError as error:
        raise FmdiagError(f"{file} needs the package {error.name}, which is not installed: install it, or put the "
                          "repository that the checkpoint comes from on PYTHONPATH") from error
    except Exception as error:
        raise FmdiagError(f"{file} fails while it is unpickled ({type(error).__name__}: {error})") from error


def _check_pickles(file):
    """Refuse a program whose pickles say that texts are longer than they are: torch would allocate what they say."""
    try:
        with zipfile.ZipFile(file) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's remarks on escapes in texts of the pickle
            check_unpacked(file, sum(info.file_size for info in archive.infolist()), file.stat().st_size)
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    for _ in pickletools.genops(archive.read(name)):
                        pass
    except FmdiagError:
        raise
    except Exception as error:
        raise FmdiagError(f"{file} is damaged ({error}): copy it again from where it came") from error


def _script(file):
    check_sums(file)
    _check_pickles(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.jit.load(str(file), map_location="cpu")
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise FmdiagError(f"{file} is a TorchScript file that this torch cannot load ({reason})") from error


def _exported(file, trust_pickle):
    check_sums(file)
    _check_pickles(file)
    try:
        with warnings.catch_warnings(), _tensors_only(not trust_pickle):
            warnings.simplefilter("ignore")
            return torch.export.load(str(file)).module()
    except pickle.UnpicklingError as error:
        raise FmdiagError(f"{file} asks to run code on loading and was not loaded; {TRUST}") from error
    except Exception as error:
        raise FmdiagError(f"{file} is a torch.export file that this torch cannot load ({type(error).__name__})"
                          ) from error


@contextlib.contextmanager
def _tensors_only(wanted):
    """Make every torch.load within refuse code: torch.export.load asks for pickles without that restriction."""
    before = os.environ.get(FORCED)
    if wanted:
        os.environ[FORCED] = "1"
    try:
        yield
    finally:
        os.environ.pop(FORCED, None)
        if before is not None:
            os.environ[FORCED] = before


def _members(file):
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.rpartition("/")[2] for name in archive.namelist()}
    except Exception as error:  # zipfile raises nearly anything on a damaged archive
        raise FmdiagError(f"{file} is damaged ({error}): copy it again from where it came") from error


def _is_safetensors(file):
    try:
        with open(file, "rb") as stream:
            length, start = int.from_bytes(stream.read(8), "little"), stream.read(1)
            if start != b"{" or length > file.stat().st_size:
                return False
            json.loads(start + stream.read(length - 1))
            return True
    except (OSError, ValueError, RecursionError, MemoryError):
        return False
