"""`fmdiag pairing`: its folder, resuming after kill -9, and what it refuses in one line."""

import signal
import time

import numpy as np
import pytest
import torch

from fmdiag.cli.main import run
from fmdiag.results import load_array, load_run, load_table

QUICK = ["--steps", "12", "--width", "8", "--depth", "1", "--n-steps", "5"]


@pytest.mark.drawn
def test_vectors_with_figures_and_page(tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["pairing", "--dataset", "mixture-3-60", *QUICK, "--n-pairs", "20", "--out", str(out)]) == 0
    table, summary = load_table(out, "pairing"), load_table(out, "summary")
    assert len(table) == 4 * 20 and set(table["kind"]) == {"permuted"}
    assert {"mmd_law", "mmd_pairs", "mmd_ot", "nearer_memorised"} <= set(summary["quantity"])
    assert load_run(out)["reading"].startswith("Trained at σ = 0, the network's ends lie nearer")
    page = (out / "index.html").read_text()
    assert "Memorised pairings" in page and "1.758e-6" in page
    assert not (tmp_path / ".run.parts").exists()
    assert {file.name for file in out.glob("*.pt")} == {"sigma-0.pt", "sigma-0.05.pt"}
    # What it trained is measured by the other commands, on the pairs that it kept.
    assert run(["gradient-variance", str(out / "sigma-0.pt"), "--dataset", "mixture-3-60", "--pairs",
                str(out / "pairs.npz"), "--times", "0.5", "--n-samples", "4", "--out", str(tmp_path / "g")]) == 0


def test_pictures_and_a_simulated_reflow(checkpoint, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["pairing", "--from", str(checkpoint), *QUICK, "--n-pairs", "6", "--sigmas", "0", "--no-closed-form",
                "--out", str(out)]) == 0
    assert set(load_table(out, "pairing")["kind"]) == {"reflow"}
    arrays = load_array(out, "pairing")
    assert arrays["images"].shape == (3, 6, 1, 8, 8) and list(arrays["names"]) == ["memorised", "ot", "network_0"]


def test_own_pairs_are_trained_on_as_they_are(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x0, x1 = rng.normal(size=(2, 9, 4)).astype(np.float32)
    np.savez(tmp_path / "pairs.npz", x0=x0, x1=x1)
    assert run(["pairing", "--pairs", str(tmp_path / "pairs.npz"), *QUICK, "--out", str(tmp_path / "run")]) == 0
    with np.load(tmp_path / "run" / "pairs.npz") as kept:
        assert (kept["x0"] == x0).all() and (kept["x1"] == x1).all()


def test_killed_and_run_again_it_gives_the_same_bits(tmp_path, fmdiag_process, capsys):
    arguments = ["pairing", "--crossing", "2", *QUICK, "--n-pairs", "10", "--save-seconds", "0", "--sigmas", "0.05"]
    long = [*arguments, "--steps", "250"]
    assert run([*long, "--out", str(tmp_path / "whole")]) == 0
    process = fmdiag_process(*long, "--out", tmp_path / "killed")
    deadline = time.monotonic() + 60
    states = []
    while not states and process.poll() is None and time.monotonic() < deadline:
        states = list(tmp_path.glob(".killed.parts/work-*/sigma-0.05.state.pt"))
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(states) == 1 and not (tmp_path / "killed").exists()
    assert run([*long, "--out", str(tmp_path / "killed")]) == 0
    a, b = (torch.load(tmp_path / run / "sigma-0.05.pt", weights_only=True) for run in ("whole", "killed"))
    assert all(torch.equal(a["ema"][name], b["ema"][name]) for name in a["ema"])
    assert load_table(tmp_path / "whole", "pairing").equals(load_table(tmp_path / "killed", "pairing"))


@pytest.mark.parametrize(("arguments", "words"), [
    (["--pairs", "missing.npz"], "missing.npz: no such .npz file"),
    (["--pairs", "PAIRS"], "x1 holds NaN"),
    (["--pairs", "PAIRS", "--crossing", "2"], "give one of"),
    (["--sigmas", "0,-0.05"], "at least 0"),
    (["--dataset", "mixture-3-20", "--n-pairs", "21"], "n_pairs must be 2 to 20"),
    (["--from", "missing.pt"], "no such checkpoint file"),
    (["--lr", "nan", "--dataset", "mixture-3-20"], "lr must be finite"),
])
def test_bad_input(tmp_path, fails_cleanly, arguments, words):
    x = np.zeros((3, 2))
    np.savez(tmp_path / "pairs.npz", x0=x, x1=x * np.nan)
    arguments = [tmp_path / "pairs.npz" if word == "PAIRS" else word for word in arguments]
    fails_cleanly(["pairing", *arguments, *QUICK], words)


def test_it_is_a_kind_of_study_by_another_name(tmp_path):
    words = ["pairing", "--crossing", "2", *QUICK, "--n-pairs", "10", "--sigmas", "0.05", "--steps", "10"]
    assert run([*words, "--out", str(tmp_path / "a")]) == run(["study", *words, "--out", str(tmp_path / "b")]) == 0
    assert load_table(tmp_path / "a", "pairing").equals(load_table(tmp_path / "b", "pairing"))
