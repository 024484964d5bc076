"""A resumed run gives the same bits as one that never stopped."""

import numpy as np
import pytest
import torch

from fmdiag.checkpoints.file import read_torch_file, write_torch_file
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.training import check_unchanged, restore, resume, train

ROWS = np.random.default_rng(0).integers(0, 255, (6, 1, 8, 8), dtype=np.uint8)
IMAGES = TrainingSet(ROWS, divisor=127.5, shift=-1.0, hflip=True, name="images")
MLP = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 2}
UNET = {"name": "unet2d", "shape": [1, 8, 8], "channels": [8, 8], "layers": 1, "attention": [], "dropout": 0.3}


class Stop(Exception):
    """Stands for whatever ends a process."""


def interrupted(spec, at, file, **settings):
    """Train until step `at` was saved to `file`, then stop as a crash would."""
    def save(state):
        write_torch_file(state.content(), file)
        if state.step == at:
            raise Stop

    with pytest.raises(Stop):
        train(IMAGES, spec, save=save, save_seconds=0, **settings)


def tensors(state):
    optimizer = [v for slots in state.optimizer.state_dict()["state"].values() for v in slots.values()]
    return [*state.module.state_dict().values(), *state.ema.values(), *optimizer]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("spec", [MLP, UNET], ids=["mlp", "unet2d with dropout"])
def test_resumed_run_is_bit_identical(tmp_path, spec, precision):
    settings = {"steps": 25, "batch_size": 4, "warmup": 15, "precision": precision}
    whole = train(IMAGES, spec, **settings)
    interrupted(spec, 10, tmp_path / "state.pt", **settings)
    state = restore(read_torch_file(tmp_path / "state.pt"))
    assert state.step == 10
    continued = resume(state, IMAGES)
    assert continued.step == 25 and continued.log == whole.log
    assert all(torch.equal(a, b) for a, b in zip(tensors(continued), tensors(whole), strict=True))


def test_a_longer_run_may_be_asked_for_on_resuming():
    settings = {"batch_size": 4, "warmup": 3, "precision": "fp32"}
    longer = resume(restore(train(IMAGES, MLP, steps=10, **settings).content()), IMAGES, steps=20)
    whole = train(IMAGES, MLP, steps=20, **settings)
    assert all(torch.equal(a, b) for a, b in zip(tensors(longer), tensors(whole), strict=True))
    with pytest.raises(FmdiagError, match="taken 20 steps, more than the 15"):
        resume(longer, IMAGES, steps=15)


def test_measured_precision_is_kept_on_resuming():
    state = train(IMAGES, MLP, steps=1, batch_size=4, precision="auto")
    kept = restore(state.content()).settings
    assert kept["precision"] in ("fp32", "bf16") and set(kept["timing"]) == {"fp32_seconds", "bf16_seconds"}
    check_unchanged(kept, {"precision": "auto", "lr": None, "steps": 7})


def test_resuming_on_other_rows_is_refused():
    state = train(IMAGES, MLP, steps=1, batch_size=4, precision="fp32")
    with pytest.raises(FmdiagError, match=r"other data.*images.*fingerprint.*fingerprint"):
        resume(state, IMAGES.with_hflip(False))


def test_resuming_with_other_settings_is_refused():
    settings = train(IMAGES, MLP, steps=1, batch_size=4, precision="fp32").settings
    with pytest.raises(FmdiagError, match="another lr: the run has 0.0002, got 0.1"):
        check_unchanged(settings, {"lr": 0.1})


@pytest.mark.parametrize("content, message", [([1], "not a training state"), ({"format": "x"}, "not a training state"),
                                              ({"format": "fmdiag-training-state", "version": 9}, "version 9")])
def test_what_is_no_training_state_is_refused(content, message):
    with pytest.raises(FmdiagError, match=message):
        restore(content)
