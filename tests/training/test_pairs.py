"""Training on fixed pairs: resumes bit for bit, and refuses what does not fit."""

import pytest
import torch

from fmdiag.checkpoints import load_checkpoint, save_checkpoint
from fmdiag.checkpoints.file import read_torch_file, write_torch_file
from fmdiag.errors import FmdiagError
from fmdiag.training import restore
from fmdiag.training.interpolants import Interpolant
from fmdiag.training.pairs import checkpoint_of, learning_rate, train_pairs

SPEC = {"name": "mlp", "shape": [2], "width": 8, "depth": 1}
X0, X1 = torch.randn(2, 12, 2, generator=torch.Generator().manual_seed(0))
SETTINGS = {"steps": 25, "batch_size": 4, "warmup": 5}


class Stop(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("interpolant", [Interpolant(), Interpolant(0.05), Interpolant(0.3, "bridge")])
def test_resumed_run_is_bit_identical(tmp_path, interpolant):
    file = tmp_path / "state.pt"

    def save(state):
        write_torch_file(state.content(), file)
        if state.step == 10:
            raise Stop

    whole = train_pairs(X0, X1, SPEC, interpolant=interpolant, **SETTINGS)
    with pytest.raises(Stop):
        train_pairs(X0, X1, SPEC, interpolant=interpolant, save=save, save_seconds=0, **SETTINGS)
    state = restore(read_torch_file(file))
    assert state.step == 10
    continued = train_pairs(X0, X1, SPEC, interpolant=interpolant, state=state, **SETTINGS)
    assert continued.step == 25 and continued.log == whole.log
    for a, b in zip(continued.module.state_dict().values(), whole.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(continued.ema.values(), whole.ema.values(), strict=True))


def test_another_run_is_not_continued():
    state = train_pairs(X0, X1, SPEC, **SETTINGS)
    with pytest.raises(FmdiagError, match="another pairs"):
        train_pairs(X0, X1 + 1, SPEC, state=state, **SETTINGS)
    with pytest.raises(FmdiagError, match="another"):
        train_pairs(X0, X1, SPEC, interpolant=Interpolant(0.1), state=state, **SETTINGS)


def test_its_checkpoint_is_read_and_carries_a_caution(tmp_path):
    state = train_pairs(X0, X1, SPEC, interpolant=Interpolant(0.05), **SETTINGS)
    save_checkpoint(checkpoint_of(state), tmp_path / "pairs.pt")
    found = load_checkpoint(tmp_path / "pairs.pt")
    assert found.description["loss"] == "pairs sigma=0.05"
    assert [text.partition(":")[0] for text in found.description["warnings"]] == ["fixed-pairs"]


def test_the_learning_rate_rises_and_falls_to_zero():
    settings = {"lr": 1.0, "warmup": 4, "steps": 24}
    assert [learning_rate(k, settings) for k in (0, 3, 4, 14)] == pytest.approx([0.25, 1, 1, 0.5])
    assert learning_rate(24, settings) == pytest.approx(0)


@pytest.mark.parametrize(("x1", "changes", "words"), [
    (X1[:5], {}, "one shape"), (X1, {"lr": 0.0}, "lr must be positive"),
    (X1, {"steps": 0}, "steps must be at least 1")])
def test_bad_settings(x1, changes, words):
    with pytest.raises(FmdiagError, match=words):
        train_pairs(X0, x1, SPEC, **{**SETTINGS, **changes})
