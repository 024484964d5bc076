"""A flow of whole steps is described by a card: an embedding table is asked for the step of each time, against û*."""

import numpy as np
import oracle
import pytest
import torch
from test_conformance import ROWS, agrees, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import card_of, load_checkpoint, write_card
from fmdiag.errors import FmdiagError, FmdiagWarning

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
    times = {"1 -": 1 - (torch.arange(64) + 1) / 64, "ste": torch.arange(64) / 64,
             "(st": (torch.arange(64) + 1) / 64}[kind["times"][:3]]
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


def test_an_offset_of_steps_is_described(tmp_path):
    """Steps 1 ... 64 in a table of 64 rows: t = (k + 1) / 64."""
    kind = {"times": "(steps + 1) / 64", "sign": "1"}
    given = stepped(tmp_path, kind, "steps = 64\nstep_offset = 1")
    found = load_checkpoint(**given)
    assert found.field.reachable == (1 / 64, 1) and "64 t - 1" in found.description["time"]
    agrees(found, TIMES)
    write_card(card_of(found), tmp_path / "written.toml")
    assert load_checkpoint(found.file, model=tmp_path / "written.toml").field.convention.step_offset == 1
    given = stepped(tmp_path, kind, "step_offset = 1")
    refused("step_offset in the model card belongs to steps", given.pop("path"), **given)


@pytest.fixture
def rows(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS.numpy())
    return tmp_path / "rows.npy"


@pytest.mark.parametrize("kind, words", [(FORWARD, "steps = 64 in the card's"),
                                         (BACKWARD, "--time-direction data-to-noise steps = 64 in the card's")])
def test_fault_1_17_the_search_for_a_reading_finds_whole_steps(kind, words, rows, tmp_path):
    """A network that is asked at t where it wants a step answers a table's row 0: worse than nothing."""
    text = NET.replace("self.table(k)", "self.table(k.long())")
    given = stepped(tmp_path, kind, "")
    (tmp_path / "weights_steps.py").write_text(text.format(folder=str(oracle.__file__).rsplit("/", 1)[0], **kind))
    with pytest.raises((FmdiagError, FmdiagWarning), match=words):
        load_checkpoint(**given).training_set(rows)


DIFFUSION = """import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(1000, 1)
    def forward(self, x, step):
        return self.table(step)[:, :, None, None] * x
"""


def test_a_diffusion_network_with_a_table_is_given_whole_steps(tmp_path):
    """Most small implementations of DDPM have an embedding of steps, which knows nothing between them."""
    (tmp_path / "weights_ddpm.py").write_text(DIFFUSION)
    (tmp_path / "card.toml").write_text('factory = "weights_ddpm.py:Net"\n[convention]\npath = "ddpm"\n')
    file = save({"table.weight": torch.arange(1000.0)[:, None]}, tmp_path)
    found = load_checkpoint(file, model=tmp_path / "card.toml")
    assert found.description["time"] == "model time = whole step of equal noise level"
    t, x = torch.tensor([0.3001], dtype=torch.float64), torch.ones(1, *oracle.SHAPE, dtype=torch.float64)
    step = found.field.convention.schedule.at(t).time
    scale = (t**2 + (1 - t) ** 2).sqrt()
    expected = (1 - step.round() / scale) / t  # u = (x - epsilon) / t, epsilon = step x / n
    assert step != step.round() and found.field(x, t).flatten()[0].item() == pytest.approx(expected.item(), rel=1e-5)
