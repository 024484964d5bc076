"""Files of guided-diffusion and improved-diffusion: their U-Net, bare, asked at whole steps of linear betas."""

import numpy as np
import pytest
import torch
from test_conformance import save, steps_as_times
from test_foreign_bad_files import refused, unet

from fmdiag.checkpoints import card_of, load_checkpoint, write_card


def network(**changes):
    """Return the U-Net of torchcfm, a copy of guided-diffusion's class called with the time first, with weights."""
    made, generator = unet(out_channels=6, **changes), torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    return made.eval()


@pytest.mark.parametrize("changes", [{}, {"use_scale_shift_norm": True, "resblock_updown": True}, {"num_classes": 5}])
def test_the_field_is_that_of_epsilon_at_twenty_steps(changes, tmp_path):
    """abar of linear betas by hand: x_t at t = a / (a + s), a^2 = abar, s^2 = 1 - abar, seen as (a + s) x_t."""
    made, label = network(**changes), 2 if "num_classes" in changes else None
    found = load_checkpoint(save(made.state_dict(), tmp_path), class_label=label)
    abar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    y = None if label is None else torch.full((2,), label)
    for t in steps_as_times("linear"):
        step = int(np.abs(np.sqrt(abar) / (np.sqrt(abar) + np.sqrt(1 - abar)) - t).argmin())
        scale = np.sqrt(abar[step]) + np.sqrt(1 - abar[step])
        with torch.no_grad():
            epsilon = made(torch.full((2,), step), (scale * x.double()).float(), y)[:, :3]
        expected = (x - epsilon) / t
        torch.testing.assert_close(found.field(x, t), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
    known = found.description
    assert known["family"] == "guided_diffusion" and known["learned_variance"]
    assert known["hflip"] is bool(changes.get("resblock_updown")) and known["origin"]["schedule"] == "assumed"
    write_card(card_of(found), tmp_path / "written.toml")
    again = load_checkpoint(found.file, model=tmp_path / "written.toml")
    assert torch.equal(again.field(x, 0.5), found.field(x, 0.5))


def test_without_a_learned_variance_the_family_is_given(tmp_path):
    made = unet().eval()
    file, x = save(made.state_dict(), tmp_path), torch.ones(2, 3, 8, 8)
    refused("guided-diffusion, improved-diffusion, torchcfm and flow_matching share.*--family guided_diffusion", file)
    assert load_checkpoint(file, family="guided_diffusion").field.reachable[0] > 0
    flow = load_checkpoint(file, family="torchcfm").field
    with torch.no_grad():
        torch.testing.assert_close(flow(x, 0.5), made(torch.full((2,), 0.5), x), rtol=1e-5, atol=1e-6)


def test_a_class_must_be_given_where_no_label_stands_for_none(tmp_path):
    file = save(network(num_classes=5).state_dict(), tmp_path)
    refused("class-conditional model of 5 classes without a label for none", file)


def test_cosine_betas_are_an_option(tmp_path):
    file = save(network().state_dict(), tmp_path)
    linear, cosine = (load_checkpoint(file, path_name=name) for name in (None, "ddpm-cosine"))
    assert cosine.field.reachable != linear.field.reachable
    assert cosine.description["parameterisation"] == "epsilon" and cosine.description["origin"]["schedule"] == "given"
