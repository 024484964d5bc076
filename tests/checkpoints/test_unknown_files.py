"""Files and folders of no known family: what they are is said, the way on names what exists, and it works."""

import json

import diffusers
import oracle
import pytest
import safetensors.torch
import torch
from test_conformance import EVEN, ROWS, WRONG, agrees, card, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import load_checkpoint


def hub_folder(folder, name, config=None):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "my-flow", "width": 8} if config is None else config))
    if name.endswith("safetensors"):
        safetensors.torch.save_file(state(ROWS), folder / name)
    else:
        torch.save(state(ROWS), folder / name)
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_fault_1_14_a_hub_folder_without_diffusers_config(name, tmp_path):
    folder = hub_folder(tmp_path / "hub", name)
    refused(f"has {name} and a config.json that names no class of diffusers .model_type my-flow.*--model card.toml",
            folder)
    found = load_checkpoint(folder, model=card(tmp_path))
    agrees(found, EVEN[:3])
    assert found.sha256 != load_checkpoint(folder / name, model=card(tmp_path)).sha256
    agrees(load_checkpoint(folder / name, model=card(tmp_path)), EVEN[:3])


def test_fault_1_14_parts_with_an_index(tmp_path):
    folder = hub_folder(tmp_path / "hub", "model-00001-of-00001.safetensors")
    index = {"weight_map": {"points": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    agrees(load_checkpoint(folder, model=card(tmp_path)), EVEN[:3])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"points": "../x.safetensors"}}))
    refused("outside its folder", folder, model=card(tmp_path))


@pytest.mark.parametrize("content, said", [
    ({"model_state_dict": state(ROWS), "epoch": 3}, r"state dicts at model_state_dict .1 tensors."),
    ({"state_dict": state(ROWS, "net.")}, r"state dicts at state_dict .1 tensors."),
    ([state(ROWS), {"lr": 1}], r"a list of 2 .dict.; state dicts at 0 .1 tensors."),
    ({"model": state(WRONG), "ema": [ROWS]}, r"model .1 tensors., ema .1 tensors, averages."),
])
def test_fault_1_14_what_holds_a_network_is_said_and_read_by_a_card(content, said, tmp_path):
    file = save(content, tmp_path)
    refused(f"no known family.*{said}.*--model card.toml with factory", file)
    agrees(load_checkpoint(file, model=card(tmp_path)), EVEN[:3])


@pytest.mark.parametrize("content", [[ROWS, WRONG], {"loss": 1.0}, [], "text"])
def test_fault_1_14_what_holds_none_is_said(content, tmp_path):
    refused("no state dict in it: save model.state_dict()", save(content, tmp_path))


def unet():
    torch.manual_seed(0)
    return diffusers.UNet2DModel(sample_size=8, block_out_channels=(32, 32), down_block_types=("DownBlock2D",) * 2,
                                 up_block_types=("UpBlock2D",) * 2, norm_num_groups=8)


WRAPPER = """import diffusers, torch
class Wrapped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = diffusers.UNet2DModel(sample_size=8, block_out_channels=(32, 32), norm_num_groups=8,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2)
        self.register_buffer("condition", torch.full((1,), 2.0))
    def forward(self, x, t):
        return self.net(x, t).sample * self.condition
"""


@pytest.mark.parametrize("scheduler", [diffusers.DDPMScheduler(prediction_type="v_prediction"),
                                       diffusers.FlowMatchEulerDiscreteScheduler()])
def test_fault_1_11_a_cards_factory_leads_for_folders_too(scheduler, tmp_path):
    """The wrapper's network, in the convention of the folder's scheduler, twice the output of the folder's own."""
    unet().save_pretrained(tmp_path / "theirs" / "unet")
    scheduler.save_pretrained(tmp_path / "theirs" / "scheduler")
    (tmp_path / "weights_wrapped.py").write_text(WRAPPER)
    (tmp_path / "card.toml").write_text('factory = "weights_wrapped.py:Wrapped"\n')
    own, plain = (load_checkpoint(tmp_path / "theirs", model=model) for model in (tmp_path / "card.toml", None))
    assert own.description["network"]["name"] == "weights_wrapped.py:Wrapped"
    assert own.field.convention == plain.field.convention or (
        own.field.convention.describe() == plain.field.convention.describe())
    assert "condition from the factory" in own.description["weights_at"]
    doubled, x = plain.field.module.conv_out, torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for parameter in (doubled.weight, doubled.bias):
        parameter.data *= 2
    torch.testing.assert_close(own.field(x, 0.4), plain.field(x, 0.4), rtol=1e-5, atol=1e-6)
    (tmp_path / "card.toml").write_text('factory = "weights_wrapped.py:Wrapped"\nfamily = "module"\n')
    alone = load_checkpoint(tmp_path / "theirs", model=tmp_path / "card.toml")
    assert alone.description["family"] == "module" and alone.description["parameterisation"] == "velocity"


@pytest.mark.parametrize("family", ["torchcfm", "flow_matching", "rectified_flow"])
def test_fault_1_11_call_in_a_card_holds_for_every_family(family, tmp_path):
    """A network that takes x before t where its family's call has t before x."""
    schedule = "999" if family == "rectified_flow" else "linear"
    model = card(tmp_path, family=family, extra='call = "x, second=t"', schedule=schedule)
    found = load_checkpoint(save({"model": state(ROWS), "ema_model": state(ROWS)}, tmp_path), model=model)
    agrees(found, EVEN[:5])
    assert found.description["call"] == "x, second=t" and oracle.SHAPE


def test_fault_1_11_an_unknown_class_of_diffusers(tmp_path):
    folder = hub_folder(tmp_path / "hub", "diffusion_pytorch_model.safetensors", {"_class_name": "MyFlow"})
    refused("names the class 'MyFlow'.*--model card.toml with family = \"module\" and factory", folder)
    model = card(tmp_path, family="module")
    agrees(load_checkpoint(folder, model=model), EVEN[:3])


@pytest.mark.parametrize("outputs, said", [(11, "discrete flow matching or masked diffusion"), (12, "tokens"), (8, "no "
                                           "known family")])
def test_a_network_over_tokens_is_refused_by_name(outputs, said, tmp_path):
    """One that takes tokens and returns something else, as a text-conditional one does, is not taken for one."""
    weights = {"backbone.vocab_embed.embedding": torch.zeros(11, 4), "backbone.sigma_map.mlp.0.weight": ROWS[0, 0],
               "backbone.output_layer.linear.weight": torch.zeros(outputs, 4)}
    refused(said, save({"state_dict": weights}, tmp_path))
