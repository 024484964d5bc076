"""Some containers with code in them, by some commands; all of them by `python -m checks.hostile.programs`."""

import json

import pytest

from checks.hostile.programs import RESULTS, check

ONLY = ("torchscript", "torch.export pickle", "torch.export guards", "pickle stack global", "torch old", "npy objects",
        "parquet metadata", "CIFAR batches", "diffusers folder", "card file", "card exec", "card YAML tags",
        "checkpoint beside a card", "onnx library")


@pytest.fixture
def configuration(monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "replaced by the check")  # and put back


def test_fault_5_2_containers_run_nothing_without_trust(tmp_path, configuration):
    rows = check(tmp_path, ("checkpoint", "called", "data set", "decoder", "dinov2", "card"), ONLY)
    assert len(rows) == len(ONLY)
    assert not [row for row in rows if row["wrong"]]
    assert sum(row["ran_with_trust"] is True for row in rows) == 6


def test_the_committed_results_are_clean():
    found = json.loads(RESULTS.read_text())
    assert found["containers"] >= 60 and found["wrong"] == 0 and len(found["rows"]) == found["containers"]
