"""Tiny inputs: forty digits, twelve held out, and a network of one layer."""

import shutil

import pytest
import torch
from tiny import TINY

import fmdiag
from fmdiag.cli.main import run


class Small(torch.nn.Module):
    """A network whose answer depends on whether it is in training mode."""

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(0.05 * torch.randn(64, 64, generator=generator))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x, t):
        return self.dropout(x.flatten(1) @ self.weight).reshape(x.shape)


@pytest.fixture(scope="session")
def digits():
    return fmdiag.load_dataset("digits", n=40)


@pytest.fixture(scope="session")
def held_out():
    return fmdiag.load_dataset("digits", split="test", n=12)


@pytest.fixture
def network():
    return Small().eval()


@pytest.fixture
def inputs(digits, held_out, network):
    return {"field": network, "train": digits, "held_out": held_out, "device": "cpu"}


@pytest.fixture(autouse=True)
def _quick(few_times):
    """Runs take few times where they are told none."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a folder with two checkpoints of few steps, a.pt and b.pt, and one trained on planted canaries, c.pt."""
    folder = tmp_path_factory.mktemp("trained")
    assert run(["canaries", "--dataset", "digits", "--n", "40", "--multiplicities", "1,2", "--each", "2", "--out",
                str(folder / "planted")]) == 0
    for name, seed, data in (("a", 0, ["digits", "--n", "40"]), ("b", 1, ["digits", "--n", "40"]),
                             ("c", 0, [str(folder / "planted")])):
        assert run(["train", "--dataset", *data, "--network", "mlp", "--width", "16", "--depth", "1", "--steps", "20",
                    "--batch-size", "8", "--precision", "fp32", "--seed", str(seed), "--out", str(folder / "run")]) == 0
        (folder / "run/checkpoint.pt").rename(folder / f"{name}.pt")
        shutil.rmtree(folder / "run")
    return folder


@pytest.fixture
def tiny(trained, monkeypatch):
    """Return a function (name of a diagnostic) -> (checkpoint, parameters), from within the folder of checkpoints."""
    monkeypatch.chdir(trained)

    def inputs(name):
        further = {"agreement": {"other": "b.pt"}, "canaries": {"folder": "planted"}}
        return "c.pt" if name == "canaries" else "a.pt", TINY[name] | further.get(name, {})

    return inputs
