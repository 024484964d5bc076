"""A flow of whole steps is described by a card: an embedding table is asked for the step of each time, against û*."""

import oracle
import pytest
import torch
from test_conformance import ROWS, agrees, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import card_of, load_checkpoint, write_card

NET = """import sys
sys.path.insert(0, {folder!r})
import oracle, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.points = torch.nn.Parameter(torch.zeros(5, *oracle.SHAPE))
        steps = torch.arange(64, dtype=torch.float64)
        self.table = torch.nn.Embedding.from_pretrained(({times})[:, None])
    def forward(self, x, k):
        t = self.table(k)[:, 0]
        return {sign} * oracle.answer(self.points.detach(), x, t, "linear", "velocity")
"""
BACKWARD = {"times": "1 - (steps + 1) / 64", "sign": "-1"}  # the derivative along its own time, from data to noise
FORWARD = {"times": "steps / 64", "sign": "1"}
TIMES = [k / 64 for k in range(1, 63, 7)]


def stepped(folder, kind, convention):
    text = NET.format(folder=str(oracle.__file__).rsplit("/", 1)[0], **kind)
    (folder / "weights_steps.py").write_text(text)
    (folder / "card.toml").write_text(f'factory = "weights_steps.py:Net"\n[convention]\n{convention}\n')
    net = torch.nn.Embedding(64, 1).weight.detach()
    times = {"1 -": 1 - (torch.arange(64) + 1) / 64, "ste": torch.arange(64) / 64}[kind["times"][:3]]
    net[:, 0] = times
    return {"path": save({**state(ROWS), "table.weight": net}, folder), "model": folder / "card.toml"}


@pytest.mark.parametrize("kind, convention", [(BACKWARD, 'steps = 64\ntime_direction = "data-to-noise"'),
                                              (FORWARD, "steps = 64")])
def test_fault_1_17_flows_of_whole_steps(kind, convention, tmp_path):
    found = load_checkpoint(**stepped(tmp_path, kind, convention))
    assert found.field.reachable == (0, 1 - 1 / 64)
    agrees(found, TIMES)
    x = torch.zeros(1, *oracle.SHAPE)
    assert found.field(x, 1.0).isnan().all() and found.field(x, 0.5031).isfinite().all()  # the nearest step
    write_card(card_of(found), tmp_path / "written.toml")
    agrees(load_checkpoint(found.file, model=tmp_path / "written.toml"), TIMES)


def test_steps_that_a_card_cannot_have(tmp_path):
    given = stepped(tmp_path, FORWARD, 'steps = 64\npath = "cosine"')
    refused("steps in the model card belong to the linear path", given.pop("path"), **given)
    given = stepped(tmp_path, FORWARD, "steps = 0")
    refused("steps = 0 is not a whole number above 0", given.pop("path"), **given)
