"""From a foreign file to the page, by the command line: `fmdiag report their.pt --dataset theirs`, once per family."""

import diffusers
import numpy as np
import oracle
import pytest
import torch
from test_conformance import CASES, ROWS, card, save, state
from test_diffusers import ideal_unet, transformer, unet
from test_labels import own

from fmdiag.cli.main import run
from fmdiag.results import load_run, load_table

SMALL = ["--n-pairs", "8", "--n-samples", "16", "--n-noises", "4", "--n-gradients", "4", "--n-steps", "10", "--device",
         "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    np.save(folder / "rows.npy", ROWS.numpy())
    np.save(folder / "held_out.npy", oracle.points(seed=9).numpy())
    return ["--dataset", str(folder / "rows.npy"), "--held-out", str(folder / "held_out.npy"), "--no-hflip"]


def ddpm(folder, monkeypatch):
    diffusers.DDPMPipeline(unet(), diffusers.DDPMScheduler()).save_pretrained(folder / "theirs")
    ideal_unet(monkeypatch, "ddpm", "epsilon")
    return folder / "theirs", {}, None


def flow_match(folder, monkeypatch):
    unet().save_pretrained(folder / "unet")
    diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    ideal_unet(monkeypatch, "sigma1000", "velocity")
    return folder, {}, None


FAMILIES = {name: CASES[name] for name in ("torchcfm", "flow_matching example", "flow_matching CondOT", "RectifiedFlow",
                                           "SiT linear velocity", "DiT", "EDM", "TorchScript", "torch.export",
                                           "own class, time backward")} | {"DDPM": ddpm, "flow match": flow_match}

# Where the network is a program, is given by a convention of its own, or is wrapped: the audit asks for derivatives.
AUDITED = ("DDPM", "EDM", "TorchScript")
# What is left out looks at the field's samples alone, or at no field; for most only what is asserted is measured.
UNASKED = ("duplicates", "alignment", "metrics", "provenance", "patches", "quality")
UNAUDITED = (*UNASKED, "hybrid", "gradient-variance", "membership", "uturn", "geometry", "symmetry")


def as_options(options):
    names = {"model": "--model", "path_name": "--path"}
    words = [word for name, value in options.items() if name in names for word in (names[name], str(value))]
    return words + (["--trust-code"] if options.get("trust_code") else [])


@pytest.mark.drawn
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_report_of_a_foreign_checkpoint(name, data, tmp_path, monkeypatch, capsys):
    """The page is written for all, without the figures, which are made from tables alone; three are audited."""
    for place in ("fmdiag.figures.draw_all", "fmdiag.report.page.draw_all"):
        monkeypatch.setattr(place, lambda run, ahead=None: [])
    file, options, _ = FAMILIES[name](tmp_path, monkeypatch)
    out = tmp_path / "run"
    left_out = UNASKED if name in AUDITED else UNAUDITED
    unasked = [word for part in left_out for word in ("--without", part)]
    assert run(["report", str(file), *data, *SMALL, *as_options(options), *unasked, "--out", str(out)]) == 0, \
        capsys.readouterr()
    page = (out / "index.html").read_text()
    assert "Error" in page or "û*" in page
    checkpoint = load_run(out)["checkpoint"]
    for caution in checkpoint["warnings"]:
        assert caution.partition(":")[0] in page
        assert load_table(out, "error")["caution"].str.contains(caution.partition(":")[0]).all()
    summary = load_table(out, "summary")
    errors = summary[(summary["diagnostic"] == "error") & (summary["quantity"] == "squared_error")]
    floor = summary[(summary["diagnostic"] == "error") & (summary["quantity"] == "conditional_variance")]
    # The networks are û*: what is left is float32.
    assert errors["value"].max() < 1e-4 * floor["value"].max()
    low, high = checkpoint["reachable"]
    assert errors["t"].between(low, high).all() and len(errors) >= 4
    rates = summary[(summary["quantity"] == "f_mem") & (summary["source"] == "model")]
    assert (rates["value"] == 1).all()  # û* ends on training rows


def test_a_real_transformer_pipeline(data, tmp_path, capsys):
    transformer().save_pretrained(tmp_path / "transformer")
    diffusers.DDPMScheduler().save_pretrained(tmp_path / "scheduler")
    assert run(["checkpoint", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "DiTTransformer2DModel" in said and "linear betas" in said and "[read from the file]" in said
    assert "unreachable-times" in said and "[assumed]" in said


@pytest.mark.parametrize("schedule, given, right", [("backward", [], "--time-direction data-to-noise"),
                                                    ("linear", ["--parameterisation=-velocity"],
                                                     "--parameterisation=velocity")])
def test_a_wrong_time_direction_or_sign_is_refused(data, tmp_path, capsys, schedule, given, right):
    file = save(state(ROWS), tmp_path)
    words = ["error", str(file), *data, "--n-pairs", "8", "--times", "0.1:0.9:5", "--model",
             str(card(tmp_path, schedule=schedule)), *given]
    assert run([*words, "--out", str(tmp_path / "wrong")]) == 2
    assert f"{right} fits better" in capsys.readouterr().err and not (tmp_path / "wrong").exists()
    assert run([*words, *right.split(), "--out", str(tmp_path / "right")]) == 0
    assert load_run(tmp_path / "right")["checkpoint"]["warnings"] == []


def test_labels_choose_the_rows_of_the_class(tmp_path):
    from fmdiag.checkpoints import load_checkpoint

    np.savez(tmp_path / "rows.npz", images=ROWS.numpy(), labels=np.array([0, 1, 1, 2, 2]))
    given = own(tmp_path, "x, t, y", "y", extra='call = "x, t, y"\nn_classes = 3')
    checkpoint = load_checkpoint(**given, class_label=1, coupling="ot")
    assert checkpoint.training_set(tmp_path / "rows.npz").n == 2
    assert checkpoint.training_set(tmp_path / "rows.npz", held_out=tmp_path / "rows.npz").held_out.n == 2
    assert [text.partition(":")[0] for text in checkpoint.description["warnings"]] == [
        "ot-coupling", "class-conditional"]
    assert torch.isfinite(checkpoint.field(torch.zeros(1, *oracle.SHAPE), 0.5)).all()
