"""A training run from Python is that of the command line, bit for bit, and goes on as that does."""

import contextlib

import pytest
import torch

from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError
from fmdiag.results import load_run
from fmdiag.runs.training import train_into

TINY = {"dataset": "digits", "n": 12, "network": "mlp", "width": 4, "depth": 1, "batch_size": 4, "precision": "fp32"}
WORDS = ["--dataset", "digits", "--n", "12", "--network", "mlp", "--width", "4", "--depth", "1", "--batch-size", "4",
         "--precision", "fp32", "--loss", "efm", "--pool-size", "6"]


def equal(one, other):
    """Return whether two states are the same bits."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_the_same_from_python_and_from_the_shell(tmp_path):
    steps = []

    @contextlib.contextmanager
    def progress():
        yield lambda step, loss, total: steps.append((step, total))

    record = train_into(tmp_path / "python", device="cpu", steps=6, loss="efm", pool_size=6, progress=progress(),
                        **TINY)
    assert run(["train", *WORDS, "--steps", "6", "--device", "cpu", "--out", str(tmp_path / "shell")]) == 0
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("python", "shell")]
    assert equal(*states) and steps[-1] == (6, 6)
    of_shell, differing = load_run(tmp_path / "shell"), {"command", "started", "seconds"}
    assert {key: of_shell[key] for key in of_shell if key not in differing} == {
        key: load_run(tmp_path / "python")[key] for key in record if key not in differing}
    record = train_into(tmp_path / "python", resume=True, device="cpu", steps=8)
    assert run(["train", "--resume", "--steps", "8", "--device", "cpu", "--out", str(tmp_path / "shell")]) == 0
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("python", "shell")]
    assert equal(*states) and record["steps"] == 8


@pytest.mark.parametrize("asked, message", [
    ({"stepps": 3}, "did you mean 'steps'"), ({"resume": True}, "holds no run to resume"),
    ({"dataset": "digitz"}, "did you mean 'digits'"),
])
def test_what_is_asked_wrongly_leaves_nothing(tmp_path, asked, message):
    with pytest.raises(FmdiagError, match=message):
        train_into(tmp_path / "out", **TINY | asked)
    assert not list(tmp_path.iterdir())
