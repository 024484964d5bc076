"""Two ranks train what one process trains: same batches, averaged gradients, one folder."""

import pandas as pd
import pytest
import torch

from fmdiag.cli.main import run

TRAIN = ["train", "--dataset", "digits", "--n", "40", "--network", "mlp", "--width", "16", "--depth", "1",
         "--batch-size", "9", "--steps", "40", "--precision", "fp32", "--loss", "efm", "--pool-size", "8"]


@pytest.mark.slow
def test_two_ranks_train_the_model_of_one(ranks, tmp_path):
    # 9 rows on 2 ranks: shares of 4 and 5.
    ended = ranks(2, "-m", "fmdiag.cli.main", *TRAIN, "--out", str(tmp_path / "two"))
    assert run([*TRAIN, "--out", str(tmp_path / "one")]) == 0
    ended()
    losses = [pd.read_parquet(tmp_path / name / "tables" / "loss.parquet") for name in ("one", "two")]
    assert losses[0]["step"].tolist() == losses[1]["step"].tolist() == [10, 20, 30, 40]
    # Sums in another order: float32 rounding, 6e-8, grown over 40 steps of Adam.
    assert losses[0]["loss"].to_numpy() == pytest.approx(losses[1]["loss"].to_numpy(), rel=1e-4)
    weights = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["weights"] for name in ("one", "two")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-2, atol=1e-4)


STUDY = ["study", "size", "--dataset", "digits", "--network", "mlp", "--width", "8", "--depth", "1", "--steps", "20",
         "--sizes", "10,20", "--seeds", "1", "--feature", "pixels", "--n-samples", "40", "--n-nearest", "20",
         "--n-steps", "4", "--n-pairs", "4"]


@pytest.mark.slow
def test_ranks_share_the_parts_of_a_study(ranks, tmp_path):
    output, errors = ranks(2, "-m", "fmdiag.cli.main", *STUDY, "--out", str(tmp_path / "study"))()
    assert output.count("Growing training set") == 1  # rank 0 alone prints
    made = [line for line in errors.splitlines() if "parts finished (" in line]
    assert len(made) == 4 and len(list((tmp_path / "study" / "parts").glob("*/part.json"))) == 4
    assert (tmp_path / "study" / "index.html").is_file()
