"""Checkpoints of small networks on the digits, each of a step of its own."""

import pytest
import torch

import fmdiag
from fmdiag.checkpoints import save_checkpoint
from fmdiag.checkpoints.recorded import source_record
from fmdiag.fields import build_network

SPEC = {"name": "mlp", "shape": [1, 8, 8], "width": 8, "depth": 1}


@pytest.fixture(autouse=True)
def _undrawn(undrawn, request, monkeypatch):
    """A watch draws in tests that are marked `drawn`."""
    if request.node.get_closest_marker("drawn") is None:
        monkeypatch.setattr("fmdiag.monitoring.kept._draw", lambda staged: None)


@pytest.fixture
def save():
    """Return save(file, step, n=16, change=lambda weights: None), which writes a native checkpoint."""
    return saved


def saved(file, step, n=16, change=lambda weights: None):
    torch.manual_seed(step)
    weights = build_network(SPEC).state_dict()
    change(weights)
    rows = fmdiag.load_dataset("digits", n=n)
    dataset = {**rows.describe(), **source_record("digits", rows, n=n)}
    save_checkpoint({"network": SPEC, "path": {"name": "linear"}, "ema": weights, "dataset": dataset, "steps": step,
                     "loss": "cfm", "seed": 0}, file)
    return file
