"""Two ranks train what one process trains: same batches, averaged gradients, one folder; and share a study's parts."""

import contextlib
import socket
from pathlib import Path

import pandas as pd
import pytest
import torch
from train_by_ranks import TRAIN

from fmdiag.cli.main import run


def free_ports(n):
    with contextlib.ExitStack() as opened:
        servers = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [server.getsockname()[1] for server in servers]


@pytest.mark.slow
def test_two_ranks_train_the_model_of_one_and_share_the_parts_of_a_study(ranks, tmp_path):
    """One start of two processes for both, as to import everything takes them most of the time."""
    # 9 rows on 2 ranks: shares of 4 and 5.
    ended = ranks(2, Path(__file__).with_name("train_by_ranks.py"), *free_ports(2))
    assert run([*TRAIN, "--out", str(tmp_path / "one")]) == 0
    output, errors = ended()
    losses = [pd.read_parquet(tmp_path / name / "tables" / "loss.parquet") for name in ("one", "two")]
    assert losses[0]["step"].tolist() == losses[1]["step"].tolist() == [10, 20, 30, 40]
    # Sums in another order: float32 rounding, 6e-8, grown over 40 steps of Adam.
    assert losses[0]["loss"].to_numpy() == pytest.approx(losses[1]["loss"].to_numpy(), rel=1e-4)
    weights = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["weights"] for name in ("one", "two")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-2, atol=1e-4)
    assert output.count("Growing training set") == 1  # rank 0 alone prints
    made = [line for line in errors.splitlines() if "parts finished (" in line]
    assert len(made) == 4 and len(list((tmp_path / "study" / "parts").glob("*/part.json"))) == 4
    assert (tmp_path / "study" / "index.html").is_file()
