"""A part is named after everything that decides it: change any of it, and nothing is reused."""

import types

import numpy as np
import pandas as pd
import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint
from fmdiag.cli import part_key
from fmdiag.cli.part_key import key_of, plain
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagWarning

ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def session(rows=ROWS, held_out=None, checkpoint=None, **options):
    held_out = None if held_out is None else TrainingSet(held_out, name="test")
    return types.SimpleNamespace(
        name="error", training_set=TrainingSet(rows, name="rows", held_out_source=held_out), options=options,
        checkpoint=checkpoint, checkpoint_facts=None, device=torch.device("cpu"), group=types.SimpleNamespace(size=1))


def changed(array):
    array = array.copy()
    array[-1, -1] += 1e-6
    return array


def test_the_same_inputs_have_the_same_name():
    assert key_of(session(seed=0), "error", {"n_pairs": 4}) == key_of(session(seed=0), "error", {"n_pairs": 4})
    assert key_of(session(out="a"), "error", {}) == key_of(session(out="b"), "error", {}), "where it is written"


@pytest.mark.parametrize(("other", "name", "parameters"), [
    (session(), "alignment", {"n": 4}), (session(), "error", {"n": 5}), (session(), "error", {"n": 4.0}),
    (session(), "error", {"n": "4"}), (session(seed=1), "error", {"n": 4}),
    (session(changed(ROWS)), "error", {"n": 4}), (session(ROWS[:-1]), "error", {"n": 4}),
    (session(ROWS.astype(np.float64)), "error", {"n": 4})],
    ids=["name", "parameter", "float", "text", "option", "value", "row", "dtype"])
def test_another_input_has_another_name(other, name, parameters):
    assert key_of(session(), "error", {"n": 4}) != key_of(other, name, parameters)


def test_held_out_rows_count_where_they_are_looked_at():
    ours, others = (session(held_out=rows) for rows in (ROWS[:9], changed(ROWS[:9])))
    assert key_of(ours, "memorization", {}) != key_of(others, "memorization", {})
    assert key_of(ours, "alignment", {}) == key_of(others, "alignment", {})


def test_code_counts(monkeypatch):
    before = key_of(session(), "error", {})
    monkeypatch.setattr(part_key, "code", lambda: "changed")
    assert key_of(session(), "error", {}) != before
    monkeypatch.undo()
    assert len(part_key.code()) == 64


def test_a_checkpoint_counts_by_its_content_and_reading(tmp_path):
    def key(file):
        return key_of(session(checkpoint=load_checkpoint(file)), "error", {})

    content = torch.load(bundled_checkpoint(), weights_only=True)
    for number, change in enumerate((0.0, 0.0, 1e-7)):
        first = next(iter(content["ema"]))
        weights = {**content["ema"], first: content["ema"][first] + change}
        torch.save({**content, "ema": weights}, tmp_path / f"{number}.pt")
    keys = [key(tmp_path / f"{number}.pt") for number in range(3)]
    assert keys[2] not in keys[:2]


def test_a_network_of_the_users_counts_by_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"scale": torch.ones(4)}, tmp_path / "a.pt")
    (tmp_path / "card.toml").write_text('factory = "net.py:Net"\n[data]\nshape = [4]\n')
    source = ("import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
              "        self.scale = torch.nn.Parameter(torch.ones(4))\n"
              "    def forward(self, x, t):\n        return x * self.scale * 1.0\n")

    def key():
        checkpoint = load_checkpoint(tmp_path / "a.pt", model=tmp_path / "card.toml")
        return key_of(session(checkpoint=checkpoint, model=str(tmp_path / "card.toml")), "error", {})

    (tmp_path / "net.py").write_text(source)
    before = key()
    assert key() == before
    (tmp_path / "net.py").write_text(source.replace("1.0", "2.00"))
    assert key() != before


class Scaled(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.full((4,), scale))

    def forward(self, x):
        return x * self.scale


def test_feature_weights_count_by_their_content(tmp_path):
    """The option names a file; what is in it decides the vectors."""
    keys = []
    for scale in (1.0, 2.0):
        with pytest.warns(DeprecationWarning):  # torch.jit
            torch.jit.save(torch.jit.script(Scaled(scale)), tmp_path / "net.pt")
        ours = session(ROWS[:28].reshape(28, 1, 2, 2), data_root=None, offline=True, memory=None, trust_code=True)
        ours.found_spaces, ours.progress = {}, iter
        chosen = {"features": ("torchscript",), "feature_weights": (f"torchscript={tmp_path / 'net.pt'}",),
                  "feature_size": None, "feature_normalisation": None, "pca_components": None, "index": "flat",
                  "duplicate_tolerance": 0.0, "no_cache": True}
        with pytest.warns(FmdiagWarning, match="runs the code"):
            keys.append(key_of(ours, "memorization", {"chosen": chosen}))
    assert keys[0] != keys[1]


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
