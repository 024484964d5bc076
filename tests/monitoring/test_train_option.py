"""`fmdiag train --monitor`: looks in the training folder, the same checkpoint, and a run that goes on."""

import pandas as pd
import torch

from fmdiag.cli.main import run
from fmdiag.files.marker import read_marker

SMALL = ["train", "--dataset", "digits", "--n", "16", "--network", "mlp", "--width", "16", "--depth", "1",
         "--batch-size", "8", "--precision", "fp32"]
LOOKS = ["--monitor", "10", "--monitor-budget", "0"]


def test_training_folder_has_the_looks_and_the_same_weights(tmp_path, capsys):
    """Ten steps with looks, ten more with --resume, against twenty without."""
    plain, seen = tmp_path / "plain", tmp_path / "seen"
    assert run([*SMALL, "--steps", "20", "--out", str(plain)]) == 0
    assert run([*SMALL, "--steps", "10", *LOOKS, "--out", str(seen)]) == 0
    assert run(["train", "--resume", "--steps", "20", *LOOKS, "--out", str(seen)]) == 0
    assert "tau_mem      not by step 20\n" in capsys.readouterr().out
    assert set(pd.read_parquet(seen / "tables/monitor_onsets.parquet")["quantity"]) == {"tau_gap", "tau_mem", "tau_auc"}
    table = pd.read_parquet(seen / "tables/monitor.parquet")
    assert table["step"].unique().tolist() == [10, 20]
    assert {"error_model", "gap", "f_mem_excess", "auc"} <= set(table["quantity"]) and not table["note"].any()
    ours, others = (torch.load(folder / "state.pt", weights_only=True) for folder in (seen, plain))
    assert all(torch.equal(value, others["ema"][name]) for name, value in ours["ema"].items())
    listed = read_marker(seen).files
    assert {"tables/monitor.csv", "figures/monitor.png"} <= set(listed)
    assert not (plain / "looks").exists() and len([name for name in listed if name.startswith("looks/")]) == 4
