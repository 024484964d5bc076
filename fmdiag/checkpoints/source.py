"""Source of a checkpoint: a folder, tensors, a program, or a pickle that wants to run code."""

import io
import json
import pickle
import pickletools
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from fmdiag.checkpoints.container import PROGRAMS, program_in
from fmdiag.checkpoints.distributed import is_distributed, read_distributed
from fmdiag.checkpoints.file import check_sums, read_safetensors, read_torch_file
from fmdiag.checkpoints.folders import distributed_part, is_diffusers, model_of_mlflow, tensors_of, what_is
from fmdiag.checkpoints.pickles import LONGEST
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256, folder_sha256
from fmdiag.files.names import spelt
from fmdiag.files.regular import check_regular
from fmdiag.files.torch_zip import check_records, torch_zip
from fmdiag.files.trust import TRUST, check_trust
from fmdiag.files.zips import is_zip

PICKLE = "a pickle"
# How torch.save began before torch 1.6: a pickle of a number, before that of the content.
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


@dataclass(frozen=True)
class Source:
    """A checkpoint as found: kind is ``tensors``, ``folder``, ``script``, ``export`` or ``pickle``."""

    file: Path
    kind: str
    content: object

    @cached_property
    def sha256(self):
        """Hash of the file, or of the names and hashes of a folder's files."""
        return folder_sha256(self.file) if self.file.is_dir() else file_sha256(self.file)

    @property
    def trusted(self):
        """Fact for descriptions: what ran its code when it was loaded; empty for data."""
        code = {**PROGRAMS, "pickle": PICKLE}.get(self.kind)
        return {} if code is None else {"code": f"{code}: run as --trust-code allows"}

    def keys(self):
        """Return the keys of the content as a set; empty where it is no dict."""
        return set(self.content) if isinstance(self.content, dict) else set()


def open_checkpoint(file, *, trust_code=False, own_class=False, family=None):
    """Return the Source at a path.

    Parameters
    ----------
    file : path
        A file; a folder of diffusers, of torch's distributed checkpoints, of MLflow or of accelerate.
    trust_code : bool
        Whether a program or a pickle may run its code, which loading it does.
    own_class : bool
        Whether the user names the network's class: then a folder may hold any class's tensors.
    family : str, optional
        The family that is given: a folder of diffusers is taken for its tensors where that is another one.

    Raises
    ------
    FmdiagError
        If it cannot be read, or would have to run code and `trust_code` is False.
    """
    file = distributed_part(file) or model_of_mlflow(file) or Path(file)
    if file.is_dir():
        if is_distributed(file):
            return Source(file, "tensors", read_distributed(file))
        if is_diffusers(file) and not (own_class and family not in (None, "diffusers")):
            return Source(file, "folder", None)
        if own_class:
            return Source(file, "tensors", tensors_of(file))
        raise FmdiagError(f"{file} {what_is(file)}")
    check_regular(file, "checkpoint file")
    kind = program_in(file)
    if kind is not None:
        check_trust(file, PROGRAMS[kind], trust_code)
        return Source(file, kind, _program(file, kind))
    if _is_safetensors(file):
        return Source(file, "tensors", read_safetensors(file))
    try:
        return Source(file, "tensors", read_torch_file(file))
    except FmdiagError as error:
        if "asks to run code" not in str(error):
            raise
        if not trust_code:
            raise FmdiagError(f"{error}; {TRUST}") from error
        check_trust(file, PICKLE, trust_code)
        return Source(file, "pickle", _unpickled(file))


class _OnCPU(pickle.Unpickler):
    """Unpickler that puts tensors saved on a GPU on the CPU."""

    def find_class(self, module, name):
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda data: torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)
        return super().find_class(module, name)


def _unpickled(file):
    check_records(file)
    try:
        with open(file, "rb") as stream:
            if is_zip(file) or stream.read(len(OLD_TORCH)) == OLD_TORCH:
                return torch.load(file, map_location="cpu", weights_only=False)
            stream.seek(0)
            return _OnCPU(stream).load()
    except ModuleNotFoundError as error:
        raise FmdiagError(f"{file} needs the package {error.name}, which is not installed: install it, or put the "
                          "repository that the checkpoint comes from on PYTHONPATH") from error
    except Exception as error:
        raise FmdiagError(f"{file} fails while it is unpickled ({type(error).__name__}: {error})") from error


def _check_pickles(file):
    """Refuse a program whose pickles say that texts are longer than they are: torch would allocate what they say."""
    try:
        with torch_zip(file) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's remarks on escapes in texts of the pickle
            for name, member in archive.by_name().items():
                if name.lower().endswith(".pkl"):
                    for _ in pickletools.genops(archive.read(member, at_most=LONGEST)):
                        pass
    except FmdiagError:
        raise
    except Exception as error:
        raise FmdiagError(f"{file} is damaged ({error}): copy it again from where it came") from error


def _program(file, kind):
    check_records(file)
    check_sums(file)
    _check_pickles(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with spelt(file) as name:
                return LOADERS[kind](str(name))
    except Exception as error:  # whatever the program's own code raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FmdiagError(f"{file} is {PROGRAMS[kind]} that this torch cannot load ({reason})") from error


def _package(file):
    raise FmdiagError("fmdiag does not run packages: save the network's state_dict")


LOADERS = {"script": lambda file: torch.jit.load(file, map_location="cpu"),
           "export": lambda file: torch.export.load(file).module(), "package": _package}


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
