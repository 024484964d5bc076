"""`--feature` and what goes with it: spaces side by side, caches, indexes, wrong choices."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from fmdiag import load_dataset
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagWarning
from fmdiag.results import load_array, load_run, load_table


class Spectrum(nn.Module):
    """Magnitudes of the Fourier transform: a picture shifted around its edges has the same."""

    def forward(self, x):
        return torch.fft.rfft2(x).abs().flatten(1)


@pytest.fixture(scope="module")
def spectrum(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "spectrum.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Spectrum()).save(str(path))
    return path


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return a file of 30 samples: 6 training digits shifted by two pixels, 24 held-out ones."""
    digits = load_dataset("digits")
    path = tmp_path_factory.mktemp("samples") / "samples.npy"
    np.save(path, np.concatenate([digits[:6].roll(2, -1).numpy(), digits.held_out[:24].numpy()]))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FMDIAG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.drawn
def test_shifted_copies_are_seen_by_the_feature_that_ignores_shifts(samples, spectrum, tmp_path, cache, capsys):
    out = tmp_path / "run"
    command = ["memorization", "--samples", str(samples), "--dataset", "digits", "--out", str(out), "--json",
               "--feature", "pixels", "--feature", "torchscript", "--feature-weights", f"torchscript={spectrum}"]
    assert run(command) == 2 and "--trust-code" in capsys.readouterr().err
    with pytest.warns(FmdiagWarning, match="spectrum.pt is a TorchScript program"):
        assert run([*command, "--trust-code"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"]["text"].startswith("Copies found: in pixels 0.0%")
    assert "; in torchscript 20.0%" in printed["verdict"]["text"]
    table = load_table(out, "memorization")
    assert table["feature"].unique().tolist() == ["pixels", "torchscript"]
    model = table[(table["source"] == "model") & (table["feature"] == "torchscript")]
    assert list(model.loc[model["memorized"], "nearest"]) == list(range(6))
    recorded = load_run(out)["diagnostics"]["memorization"]
    assert recorded["features"][1]["weights"] and recorded["feature"] == ["pixels", "torchscript"]
    gallery = load_array(out, "memorization")
    assert list(gallery["features"]) == ["pixels", "torchscript"]
    np.testing.assert_array_equal(np.roll(gallery["neighbors_1"][:6], 2, -1), gallery["samples_1"][:6])
    assert (out / "figures" / "memorization_gallery.png").is_file() and any(cache.iterdir())


@pytest.mark.parametrize("index", ["ivf:1", "hnsw"])
def test_recall_of_an_index_is_in_the_summary(samples, tmp_path, capsys, index):
    assert run(["memorization", "--samples", str(samples), "--dataset", "digits", "--out", str(tmp_path / "run"),
                "--index", index, "--verbose"]) == 0
    assert "recall" in capsys.readouterr().out
    recall = load_table(tmp_path / "run", "summary").query("quantity == 'recall'").set_index("source")
    # Fewer than are checked at most: all of them are.
    assert recall["n"].to_dict() == {"model": 30, "heldout": 30, "closed_form": 64}
    assert (recall["interval"] == "exact").all() and (recall["low"] < recall["value"]).all()
    least = recall["value"].min()
    assert (0.1 < least < 1) if index == "ivf:1" else least > 0.9


def test_hybrid_in_two_spaces(checkpoint, tmp_path, cache):
    out = tmp_path / "run"
    assert run(["hybrid", str(checkpoint), "--tau", "0,1", "--n-samples", "4", "--out", str(out), "--no-cache",
                "--feature", "pixels", "--feature", "pca", "--pca-components", "5"]) == 0
    table = load_table(out, "hybrid")
    assert table.groupby("feature").size().to_dict() == {"pca": 8, "pixels": 8}
    pixels, pca = (table[table["feature"] == name].reset_index() for name in ("pixels", "pca"))
    assert (pca["distance"] <= pixels["distance"] + 1e-5).all()  # a projection shortens
    assert (table.loc[table["tau"] == 1, "distance"] < 1e-5).all()
    assert not cache.exists()


@pytest.mark.parametrize(("options", "parts"), [
    (["--feature", "dinov3"], ["unknown feature 'dinov3'", "did you mean 'dinov2'"]),
    (["--feature", "pixels", "--feature", "pixels"], ["each feature can be given once"]),
    (["--feature", "torchscript"], ["needs a file", "--feature-weights torchscript=FILE"]),
    (["--feature", "torchscript", "--feature-weights", "x.pt"], ["give NAME=PATH"]),
    (["--feature", "sscd", "--feature-weights", "dinov2=x"], ["add --feature dinov2"]),
    (["--feature", "torchscript", "--feature-weights", "torchscript=x.pt"], ["x.pt: no such file"]),
    (["--feature-size", "32"], ["--feature-size is for torchscript, onnx, efficientnet-lite0"]),
    (["--feature", "pca", "--pca-components", "65"], ["n_components must be in [1, 40]", "got 65"]),
    (["--index", "lsh"], ["unknown index 'lsh'"]),
    (["--duplicate-tolerance", "99"], ["are copies of one within the tolerance 99"]),
    (["--feature", "sscd", "--offline", "--data-root", "nowhere"],
     ["place it at nowhere/weights/sscd_disc_mixup.torchscript.pt", "downloads are off"]),
])
def test_wrong_choices_are_one_line(checkpoint, options, parts, fails_cleanly):
    fails_cleanly(["memorization", checkpoint, "--n-samples", "4", *options], *parts)


def test_vectors_have_pixels_and_pca_only(fails_cleanly, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2), np.float32))
    fails_cleanly(["memorization", "--samples", tmp_path / "x.npy", "--dataset", "two-moons", "--n", "50", "--feature",
                   "dinov2"], "shape (2,)", "only pixels and pca")


def test_few_held_out_rows_are_said(tmp_path, samples):
    rows = tmp_path / "rows.npy"
    np.save(rows, load_dataset("digits").rows[:100] * 15)
    with pytest.warns(FmdiagWarning, match="only 5 held-out examples for 30 samples.*may be 52%.*72 by 5%"):
        assert run(["memorization", "--samples", str(samples), "--dataset", str(rows), "--held-out", "0.05", "--out",
                    str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(("change", "parts"), [
    (lambda x: (x + 1) * 127.5, ["samples lie in [0, 255]", "digits in [-1, 1]", "--sample-range"]),
    (lambda x: (x + 1) / 2, ["samples lie in [0, 1]", "--sample-range"]),
    (lambda x: np.full_like(x, np.nan), ["all 30 samples", "NaN"]),
    (lambda x: np.zeros_like(x), ["all 30 samples are constant images"]),
    (lambda x: x[..., :7], ["must have shape (1, 8, 8)", "got (1, 8, 7)"]),
], ids=["bytes", "unit", "nan", "constant", "size"])
def test_samples_that_cannot_be_compared_are_one_line(samples, tmp_path, change, parts, fails_cleanly):
    file = tmp_path / "changed.npy"
    np.save(file, change(np.load(samples)).astype(np.float32))
    fails_cleanly(["memorization", "--samples", file, "--dataset", "digits", "--feature", "pca"], *parts)


def test_held_out_fractions_that_leave_no_row_are_one_line(samples, fails_cleanly):
    fails_cleanly(["memorization", "--samples", samples, "--dataset", "digits", "--n", "50", "--held-out", "0.0001"],
                  "held-out fraction of 0.0001 leaves 0")
