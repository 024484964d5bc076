"""diffusers folders written by save_pretrained: real classes and schedulers, û* behind the real call."""

import json

import diffusers
import oracle
import pytest
import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.unets.unet_2d import UNet2DOutput
from test_conformance import EVEN, ROWS, agrees, steps_as_times

from fmdiag.checkpoints import load_checkpoint
from fmdiag.errors import FmdiagError


def unet(**changes):
    torch.manual_seed(0)
    return diffusers.UNet2DModel(**{
        "sample_size": 8, "in_channels": 3, "out_channels": 3, "block_out_channels": (8, 8), "layers_per_block": 1,
        "norm_num_groups": 4, "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D"), "dropout": 0.3, **changes})


def transformer():
    torch.manual_seed(0)
    return diffusers.DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=4, in_channels=3, out_channels=6,
                                           num_layers=1, sample_size=8, patch_size=2, num_embeds_ada_norm=10,
                                           norm_num_groups=4)


def ideal_unet(monkeypatch, schedule, output):
    def forward(self, sample, timestep, class_labels=None, return_dict=True):
        assert not self.training
        return UNet2DOutput(sample=oracle.answer(ROWS, sample, timestep, schedule, output))

    monkeypatch.setattr(diffusers.UNet2DModel, "forward", forward)


BETAS = {"linear": {}, "scaled": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}}


@pytest.mark.parametrize("kind, prediction, output", [
    ("linear", "epsilon", "epsilon"), ("scaled", "epsilon", "epsilon"), ("linear", "v_prediction", "v"),
    ("linear", "sample", "x1")])
def test_ddpm_pipeline_is_u_star(tmp_path, monkeypatch, kind, prediction, output):
    scheduler = diffusers.DDPMScheduler(prediction_type=prediction, **BETAS[kind])
    diffusers.DDPMPipeline(unet(), scheduler).save_pretrained(tmp_path / "theirs")
    ideal_unet(monkeypatch, {"linear": "ddpm", "scaled": "scaled"}[kind], output)
    checkpoint = load_checkpoint(tmp_path / "theirs")
    assert checkpoint.field.reachable == pytest.approx({"linear": (0.0063, 0.9901), "scaled": (0.064, 0.972)}[kind],
                                                       abs=5e-4)
    agrees(checkpoint, steps_as_times(kind))
    assert checkpoint.description["origin"]["parameterisation"] == "read from the file"


def test_folders_of_the_first_pipelines_have_the_scheduler_beside_the_network(tmp_path, monkeypatch):
    unet().save_pretrained(tmp_path)
    diffusers.DDPMScheduler(**BETAS["scaled"], prediction_type="v_prediction").save_pretrained(tmp_path)
    ideal_unet(monkeypatch, "scaled", "v")
    agrees(load_checkpoint(tmp_path), steps_as_times("scaled"))


def test_flow_match_folder_is_u_star(tmp_path, monkeypatch):
    unet().save_pretrained(tmp_path / "unet")
    diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(tmp_path / "scheduler")
    ideal_unet(monkeypatch, "sigma1000", "velocity")
    agrees(load_checkpoint(tmp_path), EVEN)


@pytest.mark.parametrize("scheduler, schedule, output", [
    (diffusers.DDPMScheduler(), "ddpm", "epsilon+variance"),
    (diffusers.FlowMatchEulerDiscreteScheduler(), "sigma1000", "velocity")])
def test_transformer_pipeline_is_u_star(tmp_path, monkeypatch, scheduler, schedule, output):
    transformer().save_pretrained(tmp_path / "transformer")
    scheduler.save_pretrained(tmp_path / "scheduler")
    seen = []

    def forward(self, hidden_states, timestep=None, class_labels=None, cross_attention_kwargs=None, return_dict=True):
        seen.append(class_labels)
        return Transformer2DModelOutput(sample=oracle.answer(ROWS, hidden_states, timestep, schedule, output))

    monkeypatch.setattr(diffusers.DiTTransformer2DModel, "forward", forward)
    agrees(load_checkpoint(tmp_path), steps_as_times("linear") if schedule == "ddpm" else EVEN)
    assert all((labels == 10).all() for labels in seen)  # no class
    load_checkpoint(tmp_path, class_label=3).field(torch.zeros(2, *oracle.SHAPE), 0.5 if schedule != "ddpm" else
                                                   steps_as_times("linear")[9])
    assert (seen[-1] == 3).all()


def test_real_networks_agree_with_a_conversion_by_hand(tmp_path):
    network = unet().eval()
    network.save_pretrained(tmp_path / "unet")
    diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(tmp_path / "scheduler")
    x = torch.randn(2, *oracle.SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = -network(x, torch.full((2,), 630.0)).sample
    torch.testing.assert_close(load_checkpoint(tmp_path).field(x, 0.37), expected, rtol=1e-4, atol=1e-5)


def test_averaged_folder_is_preferred(tmp_path):
    unet().save_pretrained(tmp_path / "unet")
    other = unet()
    for parameter in other.parameters():
        parameter.data += 0.1
    other.save_pretrained(tmp_path / "unet_ema")
    x = torch.zeros(1, *oracle.SHAPE)
    averaged, raw = load_checkpoint(tmp_path), load_checkpoint(tmp_path, weights="raw")
    assert (averaged.description["weights"], raw.description["weights"]) == ("ema", "raw")
    assert not torch.allclose(averaged.field(x, 0.5), raw.field(x, 0.5))


@pytest.mark.parametrize("cls, message", [("UNet2DConditionModel", "needs encoder_hidden_states"),
                                          ("NoSuchModel", "this diffusers does not have")])
def test_networks_that_cannot_be_measured_are_named(tmp_path, cls, message):
    unet().save_pretrained(tmp_path / "unet")
    config = json.loads((tmp_path / "unet" / "config.json").read_text())
    (tmp_path / "unet" / "config.json").write_text(json.dumps({**config, "_class_name": cls}))
    with pytest.raises(FmdiagError, match=message):
        load_checkpoint(tmp_path)


def test_class_conditional_unet_asks_for_a_class(tmp_path):
    unet(num_class_embeds=4).save_pretrained(tmp_path)
    with pytest.raises(FmdiagError, match="class-conditional model of 4 classes.*give --class-label"):
        load_checkpoint(tmp_path)
    with pytest.raises(FmdiagError, match="--class-label 4"):
        load_checkpoint(tmp_path, class_label=4)
    assert "class-conditional" in load_checkpoint(tmp_path, class_label=2).description["warnings"][0]
