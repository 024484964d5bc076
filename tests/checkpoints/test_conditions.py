"""Fixed conditions from a file reach the network as the card's call says, or are refused in one line.

The network is û* of its rows moved by the sum of the embeddings that the mask keeps: every condition has its own
closed form.
"""

import numpy as np
import oracle
import pytest
import torch
from safetensors.torch import save_file
from test_conformance import ROWS, save
from test_foreign_bad_files import refused

from fmdiag.checkpoints import card_of, load_checkpoint, write_card
from fmdiag.checkpoints.conditions import for_batch
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError

TEXT = torch.tensor([[0.1, 0.2], [0.3, -0.1], [5.0, 7.0]])
MASK = torch.tensor([True, True, False])
MOVED = 0.5   # the sum of what the mask keeps
NET = """import sys
sys.path.insert(0, {folder!r})
import oracle, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.points = torch.nn.Parameter(torch.zeros(5, *oracle.SHAPE))
    def forward(self, {signature}):
        assert text.shape == (len(x), 3, 2) and mask.shape == (len(x), 3), "text must be 3 x 2"
        moved = (text * mask[..., None]).sum((1, 2))[0]
        return oracle.answer(self.points.detach() + moved, x, t, "linear", "velocity")
"""


def own(folder, signature="x, t, text, mask", card='condition = "given.safetensors"', **tensors):
    text = NET.format(folder=str(oracle.__file__).rsplit("/", 1)[0], signature=signature)
    (folder / "weights_given.py").write_text(text)
    (folder / "card.toml").write_text(f'factory = "weights_given.py:Net"\n{card}\n')
    save_file(tensors or {"text": TEXT, "mask": MASK, "null_text": 0 * TEXT}, folder / "given.safetensors")
    return {"file": save({"model": {"points": ROWS}}, folder), "model": folder / "card.toml"}


def opened(given, **options):
    return load_checkpoint(given["file"], model=given["model"], **options)


def answers(field, moved=MOVED, guidance=1.0):
    x, t = torch.randn(4, *oracle.SHAPE, generator=torch.Generator().manual_seed(0)), torch.full((4,), 0.5)
    with_it, without = (oracle.answer(ROWS + m, x, t, "linear", "velocity") for m in (moved, 0))
    torch.testing.assert_close(field(x, 0.5), (without + guidance * (with_it - without)).float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("signature, call", [
    ("x, t, text, mask", None), ("t, x, mask, text", None), ("x, t, *, mask, text=None", None),
    ("x, t, text, mask", "x, t, text, mask"), ("x, t, mask, text", "x, t, text=text, mask=mask"),
    ("x, t, r, text, mask", "x, t, r, text=text, mask=mask")])
def test_conditions_are_given_by_name_or_as_the_call_says(signature, call, tmp_path):
    given = own(tmp_path, signature, 'condition = "given.safetensors"' + (f'\ncall = "{call}"' if call else ""))
    found = opened(given)
    answers(found.field)
    assert found.description["condition"].startswith("mask 3, null_text 3 × 2, text 3 × 2 of given.safetensors, sha256")
    assert any(text.startswith("fixed-condition: ") for text in found.description["warnings"])
    write_card(card_of(found), tmp_path / "written.toml")
    answers(load_checkpoint(found.file, model=tmp_path / "written.toml").field)


def test_an_option_instead_of_the_card(tmp_path, capsys):
    given = own(tmp_path, card="")
    np.savez(tmp_path / "other.npz", text=-TEXT.numpy(), mask=MASK.numpy())
    answers(opened(given, condition=tmp_path / "other.npz").field, -MOVED)
    words = ["checkpoint", str(given["file"]), "--model", str(given["model"])]
    assert run([*words, "--condition", str(tmp_path / "other.npz")]) == 0
    assert "condition     mask 3, text 3 × 2 of other.npz" in capsys.readouterr().out


def test_guidance_takes_the_tensors_for_none(tmp_path):
    given = own(tmp_path)
    answers(opened(given, guidance=2.5).field, guidance=2.5)
    save_file({"text": TEXT, "mask": MASK}, tmp_path / "given.safetensors")
    refused("--guidance 2.5 needs .* a tensor null_NAME beside NAME", **given, guidance=2.5)


@pytest.mark.parametrize("shape, expected", [((3, 2), (4, 3, 2)), ((1, 3, 2), (4, 3, 2)), ((7,), (4, 7)), ((), (4,)),
                                             ((1,), (4, 1))])
def test_a_tensor_is_that_of_one_sample(shape, expected):
    given = for_batch(torch.ones(shape, dtype=torch.float64), torch.zeros(4, 1, 8, 8))
    assert given.shape == expected and given.dtype == torch.float32
    assert for_batch(torch.ones(shape, dtype=torch.bool), torch.zeros(4, 1)).dtype == torch.bool


def test_bad_conditions(tmp_path):
    wrong = opened(own(tmp_path, text=TEXT[:2], mask=MASK)).field
    with pytest.raises(FmdiagError, match=r"fails on x of shape .*, mask 3, text 2 × 2 \(text must be 3 x 2\): give "
                       "conditions of the shapes") as caught:
        wrong(torch.zeros(2, *oracle.SHAPE), 0.5)
    assert "\n" not in str(caught.value)
    for card, words in [
            ('condition = "none.safetensors"', "none.safetensors"),
            ('condition = "card.toml"', "give tensors in a file of .safetensors"),
            ('condition = "given.safetensors"\ncall = "x, t, text, nask"', "nask would be a tensor of the file "
             "condition, which has mask, null_text, text"),
            ('call = "x, t, text, mask"', "text would be a tensor of the file condition, which is not"),
            ('condition = "given.safetensors"\ncall = "x, t, text=text, mosk=mask"', "takes no argument mosk")]:
        given = own(tmp_path, card=card)
        refused(words, **given)
    for tensors, words in [({"caption": TEXT, "mask": MASK}, r"Net.forward\(x, t, text, mask\) takes no caption"),
                           ({"text": TEXT / 0, "mask": MASK}, "text has values that are not finite"),
                           ({"t": TEXT}, "a tensor is called 't'")]:
        refused(words, **own(tmp_path, **tensors))
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    refused("object.npy", **own(tmp_path, card='condition = "object.npy"'))


def test_a_second_time_that_the_class_does_not_take(tmp_path):
    """One line that shows the class's own arguments."""
    given = own(tmp_path, "x, t", 'call = "x, t, r"')
    refused(r"call 'x, t, r' in the model card: Net.forward\(x, t\) takes 2 arguments by position, not r too "
            r"\(a second time\)", **given)
    refused("takes no argument r", **own(tmp_path, "x, t", 'call = "x, t, r=r"'))


def tiny(name):
    """Return (network of diffusers, its conditions of one sample): the published classes, a few channels wide."""
    import diffusers

    if name == "UNet2DConditionModel":
        arguments = {"sample_size": 8, "block_out_channels": (8, 8), "layers_per_block": 1, "norm_num_groups": 4,
                     "attention_head_dim": 4, "cross_attention_dim": 6, "in_channels": 4, "out_channels": 4,
                     "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
                     "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")}
        return diffusers.UNet2DConditionModel(**arguments), {"encoder_hidden_states": (3, 6)}
    if name == "SD3Transformer2DModel":
        network = diffusers.SD3Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=6, caption_projection_dim=16, pooled_projection_dim=5)
        return network, {"encoder_hidden_states": (3, 6), "pooled_projections": (5,)}
    if name == "PixArtTransformer2DModel":
        network = diffusers.PixArtTransformer2DModel(
            sample_size=8, num_layers=1, attention_head_dim=8, num_attention_heads=2, in_channels=4, out_channels=8,
            cross_attention_dim=16, caption_channels=6, use_additional_conditions=False)
        return network, {"encoder_hidden_states": (3, 6), "encoder_attention_mask": (3,)}
    network = diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1, sample_size=8,
        num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=6,
        patch_size=1)
    return network, {"encoder_hidden_states": (3, 6), "encoder_attention_mask": (3,)}


@pytest.mark.parametrize("name", ["UNet2DConditionModel", "SD3Transformer2DModel", "PixArtTransformer2DModel",
                                  "SanaTransformer2DModel"])
def test_networks_of_diffusers_with_embeddings(name, tmp_path):
    """The field is the network's own output under the same embeddings, in the convention that its class has."""
    torch.manual_seed(0)
    network, shapes = tiny(name)
    network.eval().save_pretrained(tmp_path / "transformer")
    given = {key: torch.ones(shape) if key.endswith("mask") else torch.randn(shape) for key, shape in shapes.items()}
    save_file(given, tmp_path / "embeddings.safetensors")
    refused("needs .*encoder_hidden_states.*--condition embeddings.safetensors", tmp_path / "transformer")
    found = load_checkpoint(tmp_path / "transformer", condition=tmp_path / "embeddings.safetensors")
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([0.25, 0.5])
    schedule = found.field.convention.schedule.at(t.double())
    point = found.field.convention.native_point(x.double(), schedule).float()
    batched = {key: value[None].expand(2, *value.shape) for key, value in given.items()}
    with torch.no_grad():
        output = network(point, timestep=found.field.convention.model_time(schedule), **batched).sample[:, :4]
    expected = found.field.convention.velocity(output, x, t.double(), schedule).float()
    torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-4)
    first = next(iter(given))
    save_file({**given, first: torch.randn(3, 9)}, tmp_path / "wrong.safetensors")
    refused("fails on x of shape .* with .*encoder_hidden_states 3 × 9.* it needs", tmp_path / "transformer",
            condition=tmp_path / "wrong.safetensors")
    save_file({**given, "text": torch.randn(3, 9)}, tmp_path / "wrong.safetensors")
    refused(f"{name} takes no text: its conditions are encoder_hidden_states", tmp_path / "transformer",
            condition=tmp_path / "wrong.safetensors")
