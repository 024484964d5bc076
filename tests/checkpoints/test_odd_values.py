"""A native checkpoint that records odd values: shown or refused in one line, as text and as JSON that all can read."""

import json

import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import run

ODD = [torch.zeros(3), {(1, 2): {1: float("nan")}}]


@pytest.mark.parametrize("place", ["dataset/name", "dataset/hflip", "dataset/fingerprint", "training/timing", "loss",
                                   "ema_decay", "steps"])
def test_fault_5_low_odd_values_of_a_checkpoint_are_shown_or_refused(tmp_path, capsys, place):
    for value in ODD:
        content = torch.load(bundled_checkpoint(), weights_only=True)
        entries, _, name = place.rpartition("/")
        (content[entries] if entries else content)[name] = value
        torch.save(content, tmp_path / "c.pt")
        for words in ([], ["--json"]):
            code = run(["checkpoint", str(tmp_path / "c.pt"), *words])
            said = capsys.readouterr()
            assert code == 0 or (code == 2 and len(said.err.splitlines()) == 1), (value, said)
            if words and code == 0:
                json.loads(said.out, parse_constant=pytest.fail)


def test_fault_5_low_a_record_without_its_entries_is_shown(tmp_path, capsys):
    content = torch.load(bundled_checkpoint(), weights_only=True)
    content["dataset"] = {"fingerprint": "ab" * 32}
    torch.save(content, tmp_path / "c.pt")
    assert run(["checkpoint", str(tmp_path / "c.pt")]) == 0
    assert "unknown" in capsys.readouterr().out
