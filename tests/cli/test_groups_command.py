"""--groups on the command line: whole groups are held out, recorded, found again, and refused in one line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fmdiag
from fmdiag.checkpoints import load_checkpoint
from fmdiag.cli.main import run

TRAIN = ["--network", "mlp", "--width", "8", "--depth", "1", "--steps", "3", "--batch-size", "4", "--precision", "fp32"]


def write(folder, patients, seed=0):
    """Write five pictures of each patient as folder/patient_NN/k.png; return the folder."""
    rng = np.random.default_rng(seed)
    for who in patients:
        (folder / f"patient_{who:02d}").mkdir(parents=True)
        for k in range(5):
            picture = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"patient_{who:02d}" / f"{k}.png")
    return folder


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(tmp_path / "data-root"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return write(tmp_path / "work" / "pictures", range(10))


@pytest.mark.filterwarnings("ignore:only .* held-out examples")
def test_a_split_by_group_is_recorded_and_made_again(pictures):
    assert run(["train", "--dataset", "pictures", "--groups", "folder", "--held-out", "0.2", "--out", "trained",
                *TRAIN]) == 0
    checkpoint = load_checkpoint("trained/checkpoint.pt")
    recorded = checkpoint.description["dataset"]
    assert (recorded["groups"], recorded["held_out"], recorded["n_groups"]) == ("folder", "0.2", 8)
    rows = checkpoint.training_set()
    assert rows.fingerprint == recorded["fingerprint"] and len(set(rows.held_out.groups)) == 2
    assert run(["memorization", "trained/checkpoint.pt", "--groups", "folder", "--n-samples", "20", "--n-steps", "2",
                "--out", "found"]) == 0
    table, held_out = pd.read_parquet("found/tables/memorization.parquet"), set(rows.held_out.groups)
    own = table["source"] == "heldout"
    assert set(table["group"][own]) == held_out and not held_out & set(table["group"][~own])
    record = json.loads(Path("found/run.json").read_text())
    assert (record["dataset"]["groups"], record["dataset"]["n_groups"]) == ("folder", 8)
    assert (record["held_out"]["n"], record["held_out"]["n_groups"]) == (10, 2)
    assert "--groups folder" in record["diagnostics"]["memorization"]["command"]


def test_a_resumed_training_holds_out_the_same_groups(pictures):
    arguments = ["train", "--dataset", "pictures", "--groups", r"(patient_\d+)", "--held-out", "0.2", "--out", "run"]
    assert run([*arguments, *TRAIN]) == 0
    before = load_checkpoint("run/checkpoint.pt").description["dataset"]["fingerprint"]
    assert run(["train", "--resume", "--steps", "5", "--out", "run"]) == 0
    after = load_checkpoint("run/checkpoint.pt").description
    assert (after["dataset"]["fingerprint"], after["steps"]) == (before, 5)


@pytest.mark.filterwarnings("ignore:only .* held-out examples", "ignore:all samples")
def test_python_and_shell_have_the_same_groups(pictures):
    with fmdiag.Run(field=lambda x, t: -x, train="pictures", held_out=0.2, groups="folder") as one:
        samples = one.training_set[:8]
        result = one.memorization(samples=samples, n_steps=2)
    np.save("samples.npy", samples.numpy())
    assert run(["memorization", "--samples", "samples.npy", "--dataset", "pictures", "--held-out", "0.2", "--groups",
                "folder", "--n-steps", "2", "--out", "shell"]) == 0
    shell = pd.read_parquet("shell/tables/memorization.parquet")
    columns = ["source", "sample", "nearest", "d1", "group"]
    pd.testing.assert_frame_equal(result.table[columns], shell[columns])


def test_arrays_of_groups_go_with_the_arrays_of_a_run():
    rng = np.random.default_rng(0)
    rows, others = (rng.normal(size=(n, 3)).astype(np.float32) for n in (40, 20))
    ours, theirs = np.repeat(np.arange(10), 4), np.repeat(np.arange(20, 25), 4)
    for train in (rows, fmdiag.load_dataset(rows)):
        made = {"field": lambda x, t: -x, "train": train, "held_out": others}
        held_out = fmdiag.Run(**made, groups=(ours, theirs)).training_set.held_out
        assert [held_out.group_names[k] for k in held_out.groups] == theirs.astype(str).tolist()
        with pytest.raises(fmdiag.FmdiagError, match="as a pair if these are arrays"):
            fmdiag.Run(**made, groups=ours).key  # noqa: B018
        with pytest.raises(fmdiag.FmdiagError, match="group '0' and 4 more are in both sets"):
            fmdiag.Run(**made, groups=(ours, ours[:20])).key  # noqa: B018


def test_other_groups_are_another_run(pictures):
    def key(**options):
        train = fmdiag.load_dataset("pictures", held_out=0.2, groups="folder")
        with fmdiag.Run(field=lambda x, t: -x, train=train, **options) as one:
            return one.key

    assert key() == key() != key(groups=(np.arange(40) % 8, np.arange(20, 30)))
    with pytest.raises(fmdiag.FmdiagError, match="found where the rows are read"):
        key(groups="folder")


@pytest.mark.parametrize(("arguments", "parts"), [
    (["--groups", "patient"], ("no column 'patient' to group by", "a folder level")),
    (["--groups", "folder:2"], ("folder:2", "below 1 folders", "give folder:1")),
    (["--groups", "(zebra)"], ("fits 0 of 50 files",)),
    (["--groups", "(patient_0[0-4])"], ("fits 25 of 50 files, not patient_05/0.png",)),
    (["--groups", "(png)"], ("all 50 rows are in one group",)),
    (["--groups", "folder", "--held-out", "0.1"], ("holds out 1 of 10 groups", "give --held-out 0.16")),
    (["--groups", "folder", "--held-out", "OVERLAP"], ("group 'patient_09' is in both sets",)),
    (["--groups", "folder", "--held-out", "ONE"], ("all 5 held-out examples are in one group",)),
    (["--groups", "folder", "--held-out", "digits"], ("digits", "no file names"))])
@pytest.mark.parametrize("command", [["train", *TRAIN], ["alignment", "--n-pairs", "4"],
                                     ["study", "size", "--sizes", "8", "--steps", "2"]], ids=lambda c: c[0])
def test_wrong_groups_are_refused_in_one_line(fails_cleanly, tmp_path, monkeypatch, command, arguments, parts):
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(tmp_path / "data-root"))
    places = {"OVERLAP": write(tmp_path / "overlap", [9, 10, 11], 1), "ONE": write(tmp_path / "one", [12], 2)}
    places["PICTURES"] = write(tmp_path / "pictures", range(10))
    for place in places.values():   # decoded once, which is said
        fmdiag.load_dataset(place)
    held_out = [] if "--held-out" in arguments or command[0] != "study" else ["--held-out", "0.2"]
    words = [*command, "--dataset", "PICTURES", *held_out, *arguments]
    fails_cleanly([str(places.get(word, word)) for word in words], *parts)
