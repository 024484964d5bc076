"""Values beside the tensors: plain ones load without trust, none runs code; hostile spellings of them are refused."""

import argparse
import collections
import datetime
import enum
import pathlib
import types

import numpy as np
import oracle
import pytest
import torch
from test_conformance import ROWS, card, state

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.file import read_torch_file
from fmdiag.errors import FmdiagError


class Mode(enum.Enum):
    FLOW = "flow"


class Settings:
    def __init__(self):
        self.width = 64


VALUES = {
    "path": pathlib.Path("runs/7"), "windows path": pathlib.PureWindowsPath("c:/runs"), "float64": np.float64(0.5),
    "float32": np.float32(0.25), "int": np.int64(7), "bool": np.bool_(True), "dtype": np.dtype("float32"),
    "type": np.float32, "array": np.arange(6, dtype=np.float32).reshape(2, 3), "random state": np.random.RandomState(
        0).get_state(), "namespace": argparse.Namespace(lr=1e-4, out=pathlib.Path("x")),
    "simple namespace": types.SimpleNamespace(lr=1e-4), "enum": Mode.FLOW, "settings": Settings(),
    "device": torch.device("cpu"), "size": torch.Size([3, 8]), "torch dtype": torch.float16,
    "defaultdict": collections.defaultdict(list, {"loss": [1.0]}), "deque": collections.deque([1, 2], maxlen=3),
    "ordered": collections.OrderedDict(a=1), "counter": collections.Counter("aab"), "set": {1, 2},
    "frozenset": frozenset({1}), "complex": 1j, "slice": slice(1, 2), "range": range(3),
    "datetime": datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC), "timedelta": datetime.timedelta(hours=1),
    "version": torch.__version__, "text": np.str_("two"),
}


@pytest.mark.parametrize("name", VALUES)
def test_fault_1_12_plain_values_beside_the_tensors_load_without_trust(name, tmp_path):
    torch.save({"model": state(ROWS), "args": {"value": VALUES[name]}, name: VALUES[name]}, tmp_path / "their.pt")
    field = load_checkpoint(tmp_path / "their.pt", model=card(tmp_path)).field
    assert torch.equal(field.module.points, ROWS)


def test_plain_values_keep_what_they_say(tmp_path):
    torch.save({"model": state(ROWS), **VALUES}, tmp_path / "their.pt")
    found = read_torch_file(tmp_path / "their.pt")
    assert found["path"] == pathlib.PurePosixPath("runs/7") and found["float64"] == 0.5 and found["int"] == 7
    assert np.array_equal(found["array"], VALUES["array"]) and found["array"].dtype == np.float32
    assert found["deque"] == [1, 2] and found["defaultdict"] == {"loss": [1.0]} and str(found["dtype"]) == "float32"
    assert found["datetime"] == VALUES["datetime"] and found["namespace"].lr == 1e-4
    assert "Mode" in str(found["enum"]) and "flow" in str(found["enum"]) and found["settings"].width == 64


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


HOSTILE = {
    "partial": Calls(__import__("functools").partial, print, "x"),
    "getattr": Calls(getattr, "x", "upper"),
    "eval": Calls(eval, "1"), "import": Calls(__import__, "os"), "open": Calls(open, "witness", "w"),
    "operator": Calls(__import__("operator").attrgetter, "x"),
    "object scalar": Calls(np.core.multiarray.scalar if not hasattr(np, "_core") else np._core.multiarray.scalar,
                           np.dtype("O"), b"x"),
    "object array": np.array([Mode], dtype=object), "record": np.zeros(2, dtype=[("a", "f4"), ("b", "O")]),
    "record of bytes": np.zeros(2, dtype=[("a", "f4")]),
    "numpy load": Calls(np.load, "x.npy"), "void": Calls(np.void, 1 << 40),
    "torch load": Calls(torch.load, "x.pt"), "zone": Calls(__import__("zoneinfo").ZoneInfo, "UTC"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_fault_1_12_what_could_run_code_or_take_memory_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": state(ROWS), "value": HOSTILE[name]}, tmp_path / "their.pt")
    with pytest.raises(FmdiagError, match="their.pt asks to run code"):
        load_checkpoint(tmp_path / "their.pt", model=card(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.toml", "their.pt"]


def test_a_stand_in_runs_nothing(tmp_path):
    """A function of this module, asked for by a file, would make a folder: it is stood in for."""
    torch.save({"model": state(ROWS), "value": Calls(witness, str(tmp_path / "made"))}, tmp_path / "their.pt")
    content = read_torch_file(tmp_path / "their.pt")
    assert content["value"].arguments == (str(tmp_path / "made"),) and not (tmp_path / "made").exists()


def witness(folder):
    pathlib.Path(folder).mkdir()


def test_an_array_whose_dtype_lies_about_its_bytes(tmp_path):
    """Numpy believes the flags in a record's state, and would take bytes for pointers: that state is never read."""
    from fmdiag.checkpoints.plain_values import NotPlain, PlainArray, PlainDtype, plain_array, plain_scalar

    made = plain_array(PlainArray, (0,), b"b")
    with pytest.raises(NotPlain, match="plain numbers"):
        made.__setstate__((1, (1,), np.dtype("O"), False, b"12345678"))
    with pytest.raises(NotPlain, match="another size"):
        made.__setstate__((1, (1 << 40,), PlainDtype("f8"), False, b"12345678"))
    for name in ("O", "V8", "f4,O", "O8", "M8[s]"):
        with pytest.raises(NotPlain, match="plain numbers"):
            PlainDtype(name)
    odd = PlainDtype("f8")
    odd.__setstate__((3, ">", None, ("f",), {"f": (np.dtype("O"), 0)}, 8, 1, 0))
    assert plain_scalar(odd, np.array([2.5], ">f8").tobytes()) == 2.5


def test_a_pickled_network_still_asks_for_trust(tmp_path):
    torch.save({"ema": oracle.EDMNetwork("edm", "x1")}, tmp_path / "their.pt")
    with pytest.raises(FmdiagError, match="asks to run code.*oracle.EDMNetwork"):
        load_checkpoint(tmp_path / "their.pt")
