"""`fmdiag gradient-variance`: what it records, and what it refuses in one line."""

import numpy as np
import pytest

from fmdiag.cli.main import run
from fmdiag.results import load_run, load_table

QUICK = ["--n-samples", "6", "--times", "0.3,0.7"]


def test_integrated_points_given_pairs_and_layers(checkpoint, tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pairs.npz", x0=rng.normal(size=(5, 1, 8, 8)), x1=rng.normal(size=(5, 1, 8, 8)))
    assert run(["gradient-variance", str(checkpoint), *QUICK, "--pairs", str(tmp_path / "pairs.npz"), "--target",
                "forward", "--sigma", "0.05", "--points", "integrated", "--layers", "blocks.*", "--layers", "enter.*",
                "--n-steps", "4", "--out", str(tmp_path / "run")]) == 0
    table = load_table(tmp_path / "run", "gradient-variance")
    assert set(table["t"]) == {0.3, 0.7} and table["sample"].nunique() == 5
    assert set(table["coupling"]) == {"fixed"} and set(table["points"]) == {"integrated"}
    # The MLP of 16 units: one block of two norms' worth, three linear layers, and the entrance.
    assert table["n_parameters"].iloc[0] == (2 * 16 + 3 * (16 * 16 + 16)) + (64 * 16 + 16)
    summary = load_table(tmp_path / "run", "summary")
    assert set(summary["quantity"]) == {"variance", "squared_mean", "relative_variance"}
    assert "--layers 'blocks.*'" in load_run(tmp_path / "run")["diagnostics"]["gradient-variance"]["command"]


@pytest.mark.drawn
def test_gaussian(tmp_path, capsys):
    assert run(["gradient-variance", "--gaussian", "--covariance", "4,1,0.25", "--mean", "1,0,2", "--angles", "0,180",
                "--sigmas", "0", "--n-gaussian", "50", "--out", str(tmp_path / "run")]) == 0
    summary = load_table(tmp_path / "run", "summary")
    exact = summary[summary["quantity"] == "exact_variance"].set_index(["coupling", "field"])["value"]
    assert exact["ot", "ot"] == exact["180°", "180°"] == 0 and np.isinf(exact["ot", "180°"])
    assert (tmp_path / "run" / "index.html").is_file()
    assert (tmp_path / "run" / "figures" / "gradient-variance_table.png").is_file()


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "needs a checkpoint or a network, or --gaussian"),
    (["CKPT", "--gaussian"], "leave CHECKPOINT and --dataset out"),
    (["CKPT", "--sigma", "-0.1"], "sigma must be 0 or more"),
    (["CKPT", "--sigma", "nan"], "sigma must be finite"),
    (["CKPT", "--times", "1.5"], "values must be in [0, 1]"),
    (["CKPT", "--times", "1.0", "--target", "forward"], "must be in [0, 1)"),
    (["CKPT", "--times", "0", "--target", "backward"], "must be in (0, 1]"),
    (["CKPT", "--pairing", "fixed"], "--pairs FILE"),
    (["CKPT", "--pairs", "missing.npz"], "missing.npz: no such .npz file"),
    (["CKPT", "--layers", "nothing*"], "no parameter matches --layers nothing*"),
    (["--gaussian", "--covariance", "1,-1"], "must be finite and above 0"),
    (["--gaussian", "--mean", "1"], "--mean has 1 numbers"),
    (["--gaussian", "--sigmas", "0,-1"], "at least 0"),
])
def test_bad_input(checkpoint, fails_cleanly, arguments, words):
    fails_cleanly(["gradient-variance", *[checkpoint if word == "CKPT" else word for word in arguments]], words)
