"""Plain values beside the tensors of a checkpoint, which load without trust; rebuilt here, no name runs code.

Training scripts keep parsed arguments, paths, numpy scalars, dates and settings beside the weights. torch's restricted
unpickler calls only names on a list; here each name on it is bound to a function of this module or to a class whose
constructor only stores what it is given. What has a method to run (a dtype made of objects, a path that touches the
disk, a default factory) comes back as its plain counterpart. A class of another package becomes a `StandIn`, which
keeps its arguments and does nothing.
"""

import _compat_pickle
import argparse
import datetime
import enum
import math
import pathlib
import pickle
import re
import sys
import types

import numpy as np
import torch

SIMPLE = re.compile(r"[<>=|]?([biufc]\d{1,2}|[US]\d{1,4}|[?])")
NUMBERS = ("bool", "bool_", "float16", "float32", "float64", "longdouble", "int8", "int16", "int32", "int64", "uint8",
           "uint16", "uint32", "uint64", "complex64", "complex128")
TYPES = ("int", "float", "str", "bool", "list", "dict", "tuple", "bytes", "object", "type", "range")
# What torch's restricted unpickler takes by itself, besides its dtypes.
OF_TORCH = ("collections.OrderedDict", "collections.Counter", "torch.nn.parameter.Parameter", "torch.Size",
            "torch.Tensor", "torch.device", "torch.serialization._get_layout", "_codecs.encode", "builtins.bytearray",
            "builtins.set", "builtins.complex")
# A name of these is on the list below or asks for trust.
OWN_LISTS = {"torch", "numpy", "builtins", "cloudpickle", "dill", "joblib"}


class NotPlain(pickle.UnpicklingError):
    """Raised for a listed name that is asked for something that is not plain."""


class StandIn:
    """A value of a class that was not imported: its name, its arguments and its attributes, for reading only."""

    name = ""

    def __new__(cls, *arguments):
        """Keep the arguments."""
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __init__(self, *arguments):
        """Do nothing: `__new__` has kept them."""

    def __setstate__(self, state):
        """Keep a dict as attributes, anything else as `state`."""
        self.__dict__.update(state if isinstance(state, dict) else {"state": state})

    def __str__(self):
        """Return the class and what is short enough to show of its arguments."""
        shown = ", ".join(repr(a) for a in self.arguments if isinstance(a, str | int | float | bool | None))
        return f"{self.name}({shown})"

    __repr__ = __str__


def stand_in(name):
    """Return the class of the stand-ins for `name`."""
    return type("StandIn", (StandIn,), {"name": name})


class PlainArray(np.ndarray):
    """A numpy array of numbers; another kind of element is refused before any byte is looked at."""

    def __setstate__(self, state):
        """Take (version, shape, dtype, order, bytes) as numpy writes it."""
        _, shape, dtype, fortran, raw = state
        if not isinstance(dtype, PlainDtype) or not isinstance(raw, bytes):
            raise NotPlain("an array beside the tensors is not of plain numbers")
        if math.prod(shape) * dtype.dtype.itemsize != len(raw):
            raise NotPlain("an array beside the tensors has another size than its bytes")
        super().__setstate__((1, tuple(map(int, shape)), dtype.dtype, bool(fortran), raw))


class PlainDtype:
    """A dtype of numbers, by its short name such as ``f8``."""

    def __new__(cls, name, align=False, copy=False):
        """Refuse objects, and records, whose bytes numpy takes for pointers."""
        name = name.decode("latin-1") if isinstance(name, bytes) else name
        if not isinstance(name, str) or not SIMPLE.fullmatch(name):
            raise NotPlain("a dtype beside the tensors is not of plain numbers")
        made = super().__new__(cls)
        made.dtype = np.dtype(name)
        return made

    def __init__(self, *arguments):
        """Do nothing: `__new__` has read the name."""

    def __setstate__(self, state):
        """Take the byte order; the rest of numpy's state belongs to records."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", b"<", b">"):
            order = state[1] if isinstance(state[1], str) else state[1].decode()
            self.dtype = self.dtype.newbyteorder(order)

    def __str__(self):
        """Return numpy's name of it."""
        return self.dtype.name

    __repr__ = __str__


def plain_array(cls, shape, kind):
    """Return an empty array, for ``numpy.core.multiarray._reconstruct``."""
    return np.ndarray.__new__(PlainArray, (0,), np.uint8)


def plain_scalar(dtype, raw):
    """Return a Python number, for ``numpy.core.multiarray.scalar``."""
    if not isinstance(dtype, PlainDtype) or not isinstance(raw, bytes) or len(raw) != dtype.dtype.itemsize:
        raise NotPlain("a scalar beside the tensors is not a plain number")
    return np.frombuffer(raw, dtype.dtype)[0].item()


def plain_path(*parts):
    """Return a path that cannot touch the disk."""
    return pathlib.PurePosixPath(*parts)


def windows_path(*parts):
    """Return a Windows path on any system."""
    return pathlib.PureWindowsPath(*parts)


def plain_dict(factory=None):
    """Return a dict in place of a defaultdict, whose factory would be called."""
    return {}


def plain_list(items=(), longest=None):
    """Return a list in place of a deque."""
    return list(items) if isinstance(items, tuple | list) else []


def plain_set(items=()):
    """Return a frozenset of listed items."""
    return frozenset(items if isinstance(items, tuple | list) else ())


class PlainText(str):
    """A text in place of another subclass of str."""

    def __new__(cls, text=""):
        """Take a text only: that of a nest of lists can be exponentially long."""
        if not isinstance(text, str):
            raise NotPlain("a text beside the tensors is none")
        return super().__new__(cls, text)


PATHS = {**dict.fromkeys(("PurePath", "PurePosixPath", "Path", "PosixPath"), plain_path),
         **dict.fromkeys(("PureWindowsPath", "WindowsPath"), windows_path)}
LISTED = {
    "argparse.Namespace": argparse.Namespace, "types.SimpleNamespace": types.SimpleNamespace,
    **{f"{module}.{name}": made for module in ("pathlib", "pathlib._local") for name, made in PATHS.items()},
    **{f"datetime.{name}": getattr(datetime, name) for name in ("datetime", "date", "time", "timedelta", "timezone")},
    "collections.defaultdict": plain_dict, "collections.deque": plain_list, "builtins.frozenset": plain_set,
    "builtins.slice": slice,
    **{f"numpy.{place}.multiarray.scalar": plain_scalar for place in ("core", "_core")},
    **{f"numpy.{place}.multiarray._reconstruct": plain_array for place in ("core", "_core")},
    "numpy.ndarray": PlainArray, "numpy.dtype": PlainDtype,
    **{f"numpy.{name}": stand_in(f"numpy.{name}") for name in NUMBERS},
    **{f"builtins.{name}": stand_in(name) for name in TYPES},
    "torch.torch_version.TorchVersion": PlainText,
}


def safe_values():
    """Return the list for ``torch.serialization.safe_globals``."""
    return [(made, name) for name, made in LISTED.items()]


def unlisted(names):
    """Return those of the names that a pickle would import which are on neither torch's list nor ours."""
    names = map(_of_python_3, names)
    return [name for name in names if name not in LISTED and name not in OF_TORCH and not _is_dtype(name)]


def stand_ins(names):
    """Return the further list for classes that other packages define; empty where one of the names asks for trust.

    Parameters
    ----------
    names : iterable of str
        What the pickle would import, as `fmdiag.checkpoints.pickles.imported_names` returns it.
    """
    further = unlisted(names)
    return [(stand_in(name), name) for name in further] if all(map(_is_foreign, further)) else []


def _is_foreign(name):
    """Return whether a name is of neither Python, torch nor numpy, or is an enumeration of theirs."""
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names and top not in OWN_LISTS:
        return True
    module, _, last = name.rpartition(".")
    return isinstance(getattr(sys.modules.get(module), last, None), enum.EnumType)


def _of_python_3(name):
    """Return the name that a pickle of protocol 2 means, whose modules are Python 2's: ``__builtin__.set``."""
    module, _, last = name.rpartition(".")
    if (module, last) in _compat_pickle.NAME_MAPPING:
        return ".".join(_compat_pickle.NAME_MAPPING[module, last])
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{last}"


def _is_dtype(name):
    return name.startswith("torch.") and isinstance(getattr(torch, name.removeprefix("torch."), None), torch.dtype)
