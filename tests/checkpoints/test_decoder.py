"""A decoder serves pictures only: they are those of its autoencoder, and no number passes through it."""

import json
import warnings

import diffusers
import numpy as np
import pytest
import torch

from fmdiag.checkpoints import load_decoder
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError
from fmdiag.results import load_array, load_run, load_table

pytestmark = pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")  # programs

LATENT = (4, 4, 4)
SMALL = ["--n-samples", "6", "--n-steps", "4", "--device", "cpu"]


def autoencoder(**changes):
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(**{
        "latent_channels": 4, "block_out_channels": (8, 8), "norm_num_groups": 4, "sample_size": 8,
        "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
        "scaling_factor": 0.5, "shift_factor": 0.25, **changes}).eval()


class Flow(torch.nn.Module):
    def forward(self, x, t):
        return 0 * x  # no worse than the zero field


class ToPicture(torch.nn.Module):
    def forward(self, z):
        return torch.nn.functional.interpolate(z[:, :3], scale_factor=2.0)


def scripted(module, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(str(file))
    return file


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    rows = np.random.default_rng(0).normal(size=(12, *LATENT)).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "wide.npy", np.repeat(rows, 2, axis=1))
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    autoencoder().save_pretrained(folder)
    return folder


def pictures_of(images):
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("changes, unscaled", [
    ({}, lambda z: z / 0.5 + 0.25), ({"shift_factor": None}, lambda z: z / 0.5),
    ({"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0]},
     lambda z: 2 * z * torch.tensor([1.0, 2, 3, 4]).reshape(4, 1, 1) + torch.tensor([0.1, 0.2, 0.3, 0.4]).reshape(
         4, 1, 1))])
def test_an_autoencoder_decodes_what_it_scaled(changes, unscaled, tmp_path):
    network = autoencoder(**changes)
    network.save_pretrained(tmp_path / "vae")
    z = torch.randn(9, *LATENT, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = pictures_of(network.decode(unscaled(z)).sample)
    # A whole pipeline's folder will do; of a float32 value next to a half the last digit may round the other way.
    assert (load_decoder(tmp_path)(z).int() - expected.int()).abs().max() <= 1
    assert expected.float().std() > 10  # else every decoder would pass


def test_a_tiny_autoencoder_decodes(tmp_path):
    torch.manual_seed(0)
    network = diffusers.AutoencoderTiny(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
                                        num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).eval()
    network.save_pretrained(tmp_path)
    z = torch.randn(2, *LATENT, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = pictures_of(network.decode(z).sample)
    assert (load_decoder(tmp_path)(z).int() - expected.int()).abs().max() <= 1


def test_weights_with_the_names_of_the_first_diffusers_are_read(vae, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(vae / "diffusion_pytorch_model.safetensors")
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    for name in list(state):
        for later, earlier in old.items():
            if later in name:
                state[name.replace(later, earlier)] = state.pop(name)
    assert any(".query." in name for name in state)
    save_file(state, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text((vae / "config.json").read_text())
    z = torch.randn(2, *LATENT, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_decoder(tmp_path)(z), load_decoder(vae)(z))


def test_programs_decode(tmp_path):
    z = torch.linspace(-1, 1, 2 * 64).reshape(2, *LATENT)
    expected = pictures_of(ToPicture()(z))
    assert torch.equal(load_decoder(scripted(ToPicture(), tmp_path / "decoder.ts"), trust_code=True)(z), expected)
    torch.export.save(torch.export.export(ToPicture(), (z[:1],)), str(tmp_path / "decoder.pt2"))
    assert torch.equal(load_decoder(tmp_path / "decoder.pt2", trust_code=True)(z), expected)


@pytest.fixture
def looked_at(monkeypatch):
    """Draw the figures whose captions are looked at, and no others."""
    from fmdiag.figures import draw

    cards = draw.figure_cards()
    monkeypatch.setattr(draw, "figure_cards", lambda: {name: cards[name] for name in (
        "error", "hybrid_strips", "memorization_gallery")})


def captions_of(folder):
    return json.loads((folder / "figures" / "captions.json").read_text())


@pytest.mark.drawn
@pytest.mark.filterwarnings("ignore:only 3 held-out examples", "ignore:--held-out 0.25 takes rows out")
@pytest.mark.parametrize("command", ["hybrid", "memorization"])
def test_numbers_are_the_same_with_and_without_a_decoder(command, looked_at, latents, vae, tmp_path, capsys):
    flow = scripted(Flow(), tmp_path / "flow.ts")
    words = [command, str(flow), "--trust-code", "--dataset", str(latents / "rows.npy"), "--held-out", "0.25", *SMALL]
    words += ["--tau", "0.5"] if command == "hybrid" else []
    assert run([*words, "--out", str(tmp_path / "plain")]) == 0
    assert "latents as they are (4 channels" in capsys.readouterr().out
    assert run([*words, "--decoder", str(vae), "--out", str(tmp_path / "decoded")]) == 0
    plain, decoded = tmp_path / "plain", tmp_path / "decoded"
    assert load_table(plain, command).equals(load_table(decoded, command))
    assert load_table(plain, "summary").equals(load_table(decoded, "summary"))
    figure = {"hybrid": "hybrid_strips", "memorization": "memorization_gallery"}[command]
    assert "latents as they are (4 channels, the first three as colours)" in captions_of(plain)[figure]["caption"]
    key = {"hybrid": "images", "memorization": "samples"}[command]
    assert load_array(plain, command)[key].shape[-3:] == LATENT
    assert load_array(decoded, command)[key].shape[-3:] == (3, 8, 8)
    assert load_run(decoded)["decoder"]["scaling_factor"] == 0.5


@pytest.mark.drawn
def test_figures_and_page_say_what_the_pictures_are(looked_at, latents, vae, tmp_path, capsys):
    flow = scripted(Flow(), tmp_path / "flow.ts")
    words = ["report", str(flow), "--trust-code", "--dataset", str(latents / "rows.npy"), "--n-pairs", "4",
             "--n-noises", "4", *SMALL]
    words += [word for part in ("duplicates", "gradient-variance", "quality") for word in ("--without", part)]
    assert run([*words, "--decoder", str(vae), "--out", str(tmp_path / "run")]) == 0
    captions, said = captions_of(tmp_path / "run"), f"latents decoded by {vae.name}"
    assert all(said in captions[figure]["caption"] for figure in ("hybrid_strips", "memorization_gallery"))
    assert said not in captions["error"]["caption"]
    assert said in (tmp_path / "run" / "index.html").read_text()
    commands = [facts["command"] for facts in load_run(tmp_path / "run")["diagnostics"].values()]
    assert [f"--decoder {vae.name}" in command for command in commands] == [True] * len(commands) and len(commands) > 3


@pytest.mark.drawn
def test_rows_that_are_no_pictures_have_none(looked_at, tmp_path, capsys):
    flow = scripted(Flow(), tmp_path / "flow.ts")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32))
    words = ["memorization", str(flow), "--trust-code", "--dataset", str(tmp_path / "rows.npy"), *SMALL,
             "--out", str(tmp_path / "run")]
    assert run(words) == 0
    assert "pictures: left out: rows of shape 16 are no images" in capsys.readouterr().out
    assert not (tmp_path / "run" / "figures" / "memorization_gallery.png").exists()


def test_wrong_decoders_are_refused_in_one_line(latents, vae, tmp_path, capsys):
    flow, rows = scripted(Flow(), tmp_path / "flow.ts"), latents / "rows.npy"
    (tmp_path / "empty").mkdir()
    torch.manual_seed(0)
    diffusers.UNet2DModel(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
                          down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
                          ).save_pretrained(tmp_path / "unet")
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pt")
    for decoder, data, message in [
            (vae, latents / "wide.npy", "takes latents of 4 channels, the rows have shape (8, 4, 4)"),
            (tmp_path / "empty", rows, "has no config.json"), (tmp_path / "none", rows, "no such file or folder"),
            (tmp_path / "unet", rows, "is a UNet2DModel, no autoencoder"),
            (tmp_path / "weights.pt", rows, "is no decoder"),
            (scripted(torch.nn.Linear(3, 3), tmp_path / "linear.ts"), rows, "does not take latents"),
            (scripted(torch.nn.Identity(), tmp_path / "same.ts"), rows, "must return pictures of shape")]:
        capsys.readouterr()
        assert run(["hybrid", str(flow), "--trust-code", "--dataset", str(data), "--decoder", str(decoder), *SMALL,
                    "--out", str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1, said
        assert not (tmp_path / "run").exists()


def test_a_decoder_that_returns_nan_is_refused(vae):
    with pytest.raises(FmdiagError, match="NaN or infinity"):
        load_decoder(vae)(torch.full((1, *LATENT), float("nan")))
