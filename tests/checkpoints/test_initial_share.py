"""Averages that hold a part of the initial network: the share is that of averaging step by step, and is said."""

import argparse

import pytest
import torch
from test_conformance import ROWS, WRONG, card, save, state
from test_foreign_bad_files import refused, unet

from fmdiag.checkpoints import load_checkpoint, save_checkpoint
from fmdiag.checkpoints.initial_share import initial_share, steps_of
from fmdiag.fields import build_network
from fmdiag.training.ema import ema_decay_at, update_ema


@pytest.mark.parametrize("decay, steps, first", [(0.9999, 3000, None), (0.9, 7, None), (0.9999, 50, 0), (0.99, 2000, 0),
                                                 (0.5, 30, 1), (0.999, 12_000, 1), (0.05, 4, 0), (1.0, 20, 0)])
def test_share_is_the_product_of_the_decays(decay, steps, first):
    """Brute force: an average of a network that jumps from 1 to 0 at once keeps exactly this share."""
    expected = 1.0
    for k in range(steps):
        expected *= decay if first is None else ema_decay_at(first + k, decay)
    assert initial_share(decay, steps, first) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_share_of_fmdiags_own_average():
    module = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.zeros_(module.weight)
    ema = {"weight": torch.ones(1, 1, dtype=torch.float64)}
    for step in range(5):
        update_ema(ema, module, step, 0.9999)
    assert initial_share(0.9999, 5, 0) == pytest.approx(ema["weight"].item(), rel=1e-12)
    assert initial_share(0.9999, 0) == 1 and initial_share(0.0, 3) == 0 and initial_share(0.9999, 10**12, 0) == 0


def caution(checkpoint):
    found = [text for text in checkpoint.description["warnings"] if text.startswith("initial-weights")]
    return found[0] if found else None


def test_fault_2_24_torchcfm_files_with_few_steps(tmp_path):
    content = {"net_model": unet().state_dict(), "ema_model": unet().state_dict(), "step": 3000}
    text = caution(load_checkpoint(save(content, tmp_path)))
    assert "0.741 of the initial network (decay 0.9999, assumed, over 3000 steps)" in text and "--weights raw" in text
    assert caution(load_checkpoint(save(content, tmp_path), weights="raw")) is None
    assert caution(load_checkpoint(save(content | {"step": 60_000}, tmp_path))) is None
    del content["net_model"]
    assert "has no raw weights to compare" in caution(load_checkpoint(save(content, tmp_path)))


def test_fault_2_24_decay_and_steps_are_read_wherever_they_are_kept(tmp_path):
    for kept, share in [({"args": argparse.Namespace(ema_decay=0.999), "global_step": 500}, "0.606"),
                        ({"ema_decay": 0.9999, "optimizer": {"state": {0: {"step": torch.tensor(1000.0)}}}}, "0.905"),
                        ({"hyper_parameters": {"ema_decay": 0.99}, "step": 100}, "0.366")]:
        content = {"model": state(WRONG), "ema": state(ROWS), **kept}
        text = caution(load_checkpoint(save(content, tmp_path), model=card(tmp_path)))
        assert f"hold {share} of the initial network" in text and "assumed" not in text
    warm = {"model": state(WRONG), "ema": {"decay": 0.9999, "num_updates": 300, "shadow_params": [ROWS]}}
    assert caution(load_checkpoint(save(warm, tmp_path), model=card(tmp_path))) is None
    unknown = {"model": state(WRONG), "ema": state(ROWS), "step": 10}
    assert caution(load_checkpoint(save(unknown, tmp_path), model=card(tmp_path))) is None


def test_fault_2_24_native_checkpoints_know_theirs(tmp_path):
    network = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}
    weights = build_network(network).state_dict()
    content = {"network": network, "path": {"name": "linear"}, "weights": weights, "ema": weights, "ema_decay": 0.9999}
    for steps, expected in [(1, "0.1 of the initial network"), (2000, None)]:
        save_checkpoint({**content, "steps": steps}, tmp_path / "own.pt")
        found = caution(load_checkpoint(tmp_path / "own.pt"))
        assert expected is None and found is None or expected in found


def test_steps_that_are_no_numbers():
    assert steps_of({"step": "9", "iteration": torch.tensor(4)}) == 4
    assert steps_of([1, 2]) is None and steps_of({"step": float("nan")}) is None and steps_of({"step": True}) is None


def test_fault_1_7_folders_of_diffusers(tmp_path):
    import diffusers

    def network(value):
        made = diffusers.UNet2DModel(sample_size=8, block_out_channels=(32, 32), down_block_types=("DownBlock2D",) * 2,
                                     up_block_types=("UpBlock2D",) * 2, norm_num_groups=8)
        torch.nn.init.constant_(made.conv_out.bias, value)
        return made

    network(1.0).save_pretrained(tmp_path / "a" / "unet_ema")
    refused(r"only averaged weights .unet_ema.*leave out --weights raw", tmp_path / "a", weights="raw")
    network(2.0).save_pretrained(tmp_path / "a" / "unet")
    bias = {kind: load_checkpoint(tmp_path / "a", weights=kind).field.module.conv_out.bias[0].item()
            for kind in ("ema", "raw")}
    assert bias == {"ema": 1.0, "raw": 2.0}
    network(2.0).save_pretrained(tmp_path / "b" / "unet")
    refused("only raw weights .unet.*leave out --weights ema", tmp_path / "b", weights="ema")
    assert load_checkpoint(tmp_path / "b").description["weights"] == "raw"
    refused("does not say that its weights are ema: leave out --weights ema", tmp_path / "b" / "unet", weights="ema")
