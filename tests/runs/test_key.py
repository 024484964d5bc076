"""A part is named after everything that decides it: change any of it, and nothing is reused."""

import types

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.datasets import TrainingSet
from fmdiag.runs import key as keys
from fmdiag.runs.key import key_of, plain

ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def run_on(rows=ROWS, held_out=None, **options):
    held_out = None if held_out is None else TrainingSet(held_out, name="test")
    return fmdiag.Run(train=TrainingSet(rows, name="rows", held_out_source=held_out), device="cpu", **options)


def changed(array):
    array = array.copy()
    array[-1, -1] += 1e-6
    return array


def test_the_same_inputs_have_the_same_name():
    assert key_of(run_on(seed=0), "error", {"n_pairs": 4}) == key_of(run_on(seed=0), "error", {"n_pairs": 4})
    assert key_of(run_on(name="a"), "error", {}) == key_of(run_on(name="b"), "error", {}), "what it is called"


@pytest.mark.parametrize(("other", "name", "parameters"), [
    (run_on(), "alignment", {"n": 4}), (run_on(), "error", {"n": 5}), (run_on(), "error", {"n": 4.0}),
    (run_on(), "error", {"n": "4"}), (run_on(seed=1), "error", {"n": 4}),
    (run_on(changed(ROWS)), "error", {"n": 4}), (run_on(ROWS[:-1]), "error", {"n": 4}),
    (run_on(ROWS.astype(np.float64)), "error", {"n": 4})],
    ids=["name", "parameter", "float", "text", "option", "value", "row", "dtype"])
def test_another_input_has_another_name(other, name, parameters):
    assert key_of(run_on(), "error", {"n": 4}) != key_of(other, name, parameters)


def test_held_out_rows_count_where_they_are_looked_at():
    ours, others = (run_on(held_out=rows) for rows in (ROWS[:9], changed(ROWS[:9])))
    assert key_of(ours, "memorization", {}) != key_of(others, "memorization", {})
    assert key_of(ours, "alignment", {}) == key_of(others, "alignment", {})


def test_code_counts(monkeypatch):
    before = key_of(run_on(), "error", {})
    monkeypatch.setattr(keys, "code_hash", lambda: "changed")
    assert key_of(run_on(), "error", {}) != before
    monkeypatch.undo()
    assert len(keys.code_hash()) == 64


def test_a_checkpoint_counts_by_its_content_and_reading(tmp_path):
    def key(file):
        return key_of(fmdiag.Run(file, device="cpu"), "error", {})

    content = torch.load(bundled_checkpoint(), weights_only=True)
    for number, change in enumerate((0.0, 0.0, 1e-7)):
        first = next(iter(content["ema"]))
        weights = {**content["ema"], first: content["ema"][first] + change}
        torch.save({**content, "ema": weights}, tmp_path / f"{number}.pt")
    found = [key(tmp_path / f"{number}.pt") for number in range(3)]
    assert found[2] not in found[:2]


def test_a_network_of_the_users_counts_by_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"scale": torch.ones(4)}, tmp_path / "a.pt")
    (tmp_path / "card.toml").write_text('factory = "net.py:Net"\n[data]\nshape = [4]\n')
    source = ("import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
              "        self.scale = torch.nn.Parameter(torch.ones(4))\n"
              "    def forward(self, x, t):\n        return x * self.scale * 1.0\n")

    def key():
        run = fmdiag.Run(tmp_path / "a.pt", train=TrainingSet(ROWS, name="rows"), device="cpu", trust_code=True,
                         accept_reading=True, model=str(tmp_path / "card.toml"))
        return key_of(run, "error", {})

    (tmp_path / "net.py").write_text(source)
    before = key()
    assert key() == before
    (tmp_path / "net.py").write_text(source.replace("1.0", "2.00"))
    assert key() != before


def test_feature_weights_count_by_their_content(tmp_path):
    """The parameter names a file; what is in it decides the vectors."""
    found, file = [], tmp_path / "net.pt"
    for scale in (b"1", b"2"):
        file.write_bytes(scale)
        found.append(key_of(run_on(), "memorization", {"feature_weights": (f"torchscript={file}",)}))
    assert found[0] != found[1]


def test_arrays_tables_and_files_count_by_their_content(tmp_path):
    file = tmp_path / "pairs.npz"
    file.write_bytes(b"a")
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    before = plain({"pairs": file, "folder": folder})
    file.write_bytes(b"b")
    assert plain({"pairs": file, "folder": folder})["pairs"] != before["pairs"]
    (folder / "a").write_bytes(b"b")
    assert plain({"pairs": file, "folder": folder})["folder"] != before["folder"]
    big = pd.DataFrame({"x": np.arange(1000.0), "source": "model"})
    other = big.copy()
    other.loc[500, "x"] += 1e-9
    assert repr(big) == repr(other) and plain(big) != plain(other) and plain(big) == plain(big.copy())
    assert plain(torch.zeros(3)) != plain(torch.zeros(3, dtype=torch.float64))


def test_what_cannot_be_written_out_in_full_is_refused():
    with pytest.raises(TypeError, match="SimpleNamespace"):
        plain({"x": types.SimpleNamespace()})
