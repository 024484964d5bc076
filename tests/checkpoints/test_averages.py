"""Averaged and raw weights are compared on the training rows: their losses are those of the closed form, and said."""

import numpy as np
import pytest
import torch
from test_conformance import ROWS, WRONG, card, save, state

from fmdiag.checkpoints import averages, load_checkpoint, save_checkpoint
from fmdiag.datasets import TrainingSet
from fmdiag.fields import build_network


def codes(checkpoint):
    return [text.partition(":")[0] for text in checkpoint.description["warnings"]]


def compared(folder, ema, raw, **options):
    """Return the checkpoint of û* over `ema` beside û* over `raw`, after its rows, ROWS, were opened."""
    np.save(folder / "rows.npy", ROWS.numpy())
    file = save({"model": state(raw), "ema": state(ema)}, folder)
    found = load_checkpoint(file, model=card(folder), **options)
    found.training_set(folder / "rows.npy")
    return found


def test_fault_2_21_averages_that_differ_from_the_raw_weights_are_cautioned(tmp_path):
    """û* of the rows themselves beside an average that holds .74 of another network, as after 3000 steps at .9999."""
    found = compared(tmp_path, 0.74 * WRONG + 0.26 * ROWS, ROWS)
    assert codes(found) == ["averages-differ"]
    known = found.description["averages"]
    assert known["compared"] and known["loss"][3] > 1.1 * known["raw_loss"][3]
    assert "--weights raw" in found.description["warnings"][0]
    assert codes(compared(tmp_path, ROWS, 0.74 * WRONG + 0.26 * ROWS)) == ["averages-differ"]


@pytest.mark.parametrize("change", [0.0, 1e-3])
def test_averages_like_the_raw_weights_pass(change, tmp_path):
    noise = torch.randn(ROWS.shape, generator=torch.Generator().manual_seed(5))
    found = compared(tmp_path, ROWS + change * noise, ROWS)
    assert codes(found) == [] and found.description["averages"]["differs"] is None
    if change == 0:
        assert found.description["averages"]["difference"] == [0.0] * 4


def test_losses_are_those_of_a_constant_field():
    """||c - (x1 - x0)||² for c = 2: in each quarter the mean over pairs of 4 - 4 (x1 - x0) + (x1 - x0)²."""
    train = TrainingSet(np.full((3, 2), 0.5, np.float32))
    x0, x1, t = averages._points(train, (0.0, 1.0), 0)
    assert len(t) == 256 and t.reshape(4, -1).min(1).values.tolist() == sorted(t.reshape(4, -1).min(1).values.tolist())
    found = averages._losses(lambda x, t: torch.full_like(x, 2.0), x0, x1, t)
    expected = (4 - 4 * (x1 - x0) + (x1 - x0) ** 2).mean(1).reshape(4, -1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # E (1.5 + x0)² = 3.25; its standard error over 512 coordinates a quarter is below .25.
    assert abs(found.mean() - 3.25) < 0.5


def test_the_rule_needs_both_significance_and_size():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(4, 64))
    raw = 1 + 0.1 * noise
    zero = np.ones(4)
    assert averages.differences(raw + 0.05, raw, zero)["differs"] is None  # certain, but a twentieth of the loss
    assert averages.differences(raw + 2 * generator.normal(size=(4, 64)), raw, zero)["differs"] is None  # but noise
    tiny = 1e-4 * raw
    assert averages.differences(9 * tiny, tiny, zero)["differs"] is None  # ninefold, but both are near 0
    shifted = raw.copy()
    shifted[2] += 0.3
    assert averages.differences(shifted, raw, zero)["differs"] == 2
    # 500 comparisons of equal networks whose losses have independent noise: none is called different.
    wrong = [averages.differences(*(1 + generator.exponential(size=(4, 64)) for _ in range(2)), zero)
             for _ in range(500)]
    assert sum(one["differs"] is not None for one in wrong) <= 1


def test_fault_2_21_native_checkpoints_are_compared(tmp_path):
    network = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}
    ema = build_network(network).state_dict()
    raw = {name: w + 1.0 for name, w in ema.items()}
    rows = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    save_checkpoint({"network": network, "path": {"name": "linear"}, "weights": raw, "ema": ema}, tmp_path / "own.pt")
    found = load_checkpoint(tmp_path / "own.pt")
    found.training_set(tmp_path / "rows.npy")
    assert codes(found) == ["averages-differ"] and found.description["averages"]["raw_loss"][0] > 2
    alone = load_checkpoint(tmp_path / "own.pt", weights="raw")
    assert alone.raw is None and "averages" not in alone.description


def test_memory_that_does_not_suffice_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(averages, "available_memory", lambda: 100)
    found = compared(tmp_path, 0.74 * WRONG + 0.26 * ROWS, ROWS)
    assert found.description["averages"] == {"compared": False,
                                             "reason": "memory for a second network does not suffice"}
    assert averages.available_memory() == 100


def test_raw_weights_that_cannot_be_read_are_said(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS.numpy())
    bad = ROWS.clone()
    bad[0, 0, 0, 0] = float("nan")
    found = load_checkpoint(save({"model": state(bad), "ema": state(ROWS)}, tmp_path), model=card(tmp_path))
    found.training_set(tmp_path / "rows.npy")
    assert "NaN" in found.description["averages"]["reason"]


def test_the_caution_stands_on_every_table(tmp_path, capsys):
    from fmdiag.cli.main import run
    from fmdiag.results import load_table

    np.save(tmp_path / "rows.npy", ROWS.numpy())
    file = save({"model": state(ROWS), "ema": state(0.5 * WRONG + 0.5 * ROWS)}, tmp_path)
    words = ["--dataset", str(tmp_path / "rows.npy"), "--n-pairs", "4", "--times", "0.5"]
    words += ["--model", str(card(tmp_path))]
    assert run(["error", str(file), *words, "--out", str(tmp_path / "run")]) == 0, capsys.readouterr()
    assert "averages-differ" in str(load_table(tmp_path / "run", "error")["caution"])
