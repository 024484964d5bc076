"""Tiny inputs: forty digits, twelve held out, and a network of one layer."""

import pytest
import torch

import fmdiag


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


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out figures and page, which take most of a small run's time."""
    monkeypatch.setattr("fmdiag.figures.draw_all", lambda run: [])
    monkeypatch.setattr("fmdiag.report.write_report", lambda run: run)
