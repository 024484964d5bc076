"""Duplicates and leaks: planted ones are found by name, whatever blocks and flips; chance is counted beside them."""

import numpy as np
import pytest
from PIL import Image

import fmdiag
from fmdiag.cli.main import run
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.audit.schema import validate
from fmdiag.diagnostics.duplicates import measure, nearest, summary
from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature
from fmdiag.neighbors.plan import SearchPlan
from fmdiag.runs.composed import audit

SIDE = 8


def pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 1, SIDE, SIDE)).astype(np.uint8)


def altered(picture, seed=0):
    noise = np.random.default_rng(seed).integers(-6, 7, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A folder of 60 pictures with equal (3 of them), near and mirrored copies, and held-out ones with three leaks."""
    folder, rows = tmp_path_factory.mktemp("planted"), pictures(80)
    train = {f"picture-{k:02}": rows[k] for k in range(60)} | {
        "copy-a": rows[3], "copy-b": rows[3], "near": altered(rows[7]), "turned": rows[9][..., ::-1]}
    test = {f"picture-{k:02}": rows[k] for k in range(60, 80)} | {
        "leak": rows[5], "leak-near": altered(rows[6]), "leak-turned": rows[8][..., ::-1]}
    for part, named in (("train", train), ("test", test)):
        (folder / part).mkdir()
        for name, row in named.items():
            Image.fromarray(row[0]).save(folder / part / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMDIAG_DATA_ROOT", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.mark.parametrize("hflip", [False, True])
def test_what_was_planted_is_found_by_name_and_nothing_else(planted, cached, hflip):
    found = measure.find(fmdiag.load_dataset(planted, hflip=hflip))
    groups = {frozenset(part["file"]): set(part["kind"]) for _, part in found.members.groupby("group")}
    assert groups == {frozenset({"copy-a.png", "copy-b.png", "picture-03.png"}): {"exact"},
                      frozenset({"near.png", "picture-07.png"}): {"near"}} | (
                          {frozenset({"turned.png", "picture-09.png"}): {"mirrored"}} if hflip else {})
    assert found.members["group"].iloc[:3].tolist() == [0, 0, 0]
    pairs = set(zip(found.members["file"], found.members["nearest_file"], strict=True))
    assert ("near.png", "picture-07.png") in pairs and ("picture-07.png", "near.png") in pairs
    assert set(zip(found.leaks["held_out_file"], found.leaks["file"], found.leaks["kind"], strict=True)) == {
        ("leak.png", "picture-05.png", "exact"), ("leak-near.png", "picture-06.png", "near"),
        ("leak-turned.png", "picture-08.png", "mirrored")}
    # Distances are those of float64 differences.
    near = found.members[found.members["file"] == "near.png"].iloc[0]
    rows = fmdiag.load_dataset(planted)[[int(near["row"]), int(near["nearest"])]].double()
    assert near["distance"] == pytest.approx((rows[0] - rows[1]).norm().item(), rel=1e-12)


def test_distances_are_those_of_brute_force_whatever_the_blocks(monkeypatch):
    training_set = TrainingSet(pictures(50, 1), hflip=True)
    rows = training_set[:].double().flatten(1).numpy()
    d = np.linalg.norm(rows[:50, None] - rows[None], axis=2)
    d[np.arange(50), np.arange(50)] = d[np.arange(50), np.arange(50) + 50] = np.inf   # itself and its mirror image
    rule = nearest.Rule(neighbor=4)
    whole = nearest.among_training_rows(training_set, np.arange(50), rule, plan=SearchPlan())
    np.testing.assert_allclose(whole.distances, np.sort(d, axis=1)[:, :4], rtol=1e-12)
    np.testing.assert_array_equal(whole.rows, np.argsort(d, axis=1, kind="stable")[:, :4])
    monkeypatch.setattr(nearest, "BLOCK_BYTES", 7 * 4 * SIDE**2)
    parts = nearest.among_training_rows(training_set, np.arange(50), rule, plan=SearchPlan())
    np.testing.assert_array_equal(parts.distances, whole.distances)
    np.testing.assert_array_equal(parts.rows, whole.rows)


def test_a_chain_is_one_group_and_a_tolerance_decides_alone():
    points = TrainingSet(np.float32([[0, 0], [1, 0], [2, 0], [3, 0], [50, 0], [51.5, 0], [90, 0]]))
    found = measure.measure(points, tolerance=1.0)
    assert found[["row", "group", "size"]].values.tolist() == [[0, 0, 4], [1, 0, 4], [2, 0, 4], [3, 0, 4]]
    assert measure.measure(points, tolerance=1.5)["size"].tolist() == [4] * 4 + [2] * 2
    # One content only: equal rows are named, and no distance is.
    equal = measure.find(TrainingSet(np.zeros((3, 4), np.float32)))
    assert equal.members["kind"].tolist() == ["exact"] * 3 and equal.nearest["duplicated"].all()
    # Vectors of one value: pictures that differ are near, not exact.
    blind = load_feature("pixels")
    object.__setattr__(blind, "network", lambda x: 0 * x.flatten(1))
    object.__setattr__(blind, "identity", False)
    found = measure.find(TrainingSet(pictures(14)), feature=blind).members
    assert set(found["kind"]) == {"near"} and found["size"].tolist() == [14] * 14


def test_shares_are_beside_chance():
    """Of 400 training rows 40 are near copies of 40 others (20 %), of 300 held-out rows 30 of training rows (10 %).

    The excess of .1 has clusters of two, so that n is halved: Newcombe's interval of 40/200 and 30/300, by hand from
    Wilson's limits (.150, .261) and (.0708, .1391).
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(360, 30)).astype(np.float32)
    train = np.concatenate([rows, rows[:40] + 1e-3])
    held_out = np.concatenate([rng.normal(size=(270, 30)).astype(np.float32), rows[100:130] + 1e-3])
    found = measure.find(TrainingSet(train, held_out_source=TrainingSet(held_out, split="test")))
    values = summary.summarise(found).set_index(["quantity", "source"])
    assert values.loc[("duplicated", "train"), "value"] == 0.2 and values.loc[("duplicated", "heldout"), "value"] == 0.1
    excess = values.xs("excess").iloc[0]
    low = 0.1 - np.hypot(0.2 - 0.150, 0.1391 - 0.1)
    high = 0.1 + np.hypot(0.261 - 0.2, 0.1 - 0.0708)
    assert (excess["value"], excess["low"], excess["high"]) == pytest.approx((0.1, low, high), abs=2e-3)
    assert values.xs("removable").iloc[0]["value"] == 40 and values.xs("leaks").iloc[0]["value"] == 30
    assert values.xs("expected").iloc[0]["value"] == pytest.approx(40)
    assert "80 of 400 training examples have an equal or near one, in 40 groups" in summary.sentences(
        summary.summarise(found))[0]


def test_a_part_of_the_examples_is_looked_up():
    rows = np.concatenate([pictures(100, 2), pictures(100, 2)[:5]])
    found = measure.find(TrainingSet(rows), n_examples=20)
    assert (found.nearest["source"] == "train").sum() == 20
    assert len(found.members) == 10      # equal ones among all


@pytest.mark.parametrize(("rows", "options", "message"), [
    (pictures(1), [], "compares training examples with one another, and there is one only"),
    (pictures(9), ["--feature", "pixel"], "unknown feature 'pixel': did you mean 'pixels'"),
    (pictures(9), ["--neighbor", "1"], "neighbor"),
    (pictures(9), ["--feature", "onnx", "--feature-weights", "onnx={bad}"], "onnxruntime cannot run this file"),
])
def test_bad_input_is_one_line(rows, options, message, tmp_path, capsys):
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    options = [word.format(bad=tmp_path / "bad.onnx") for word in options]
    code = run(["duplicates", "--dataset", str(tmp_path / "rows.npy"), *options, "--out", str(tmp_path / "run")])
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("Error:") == 1 and not (tmp_path / "run").exists()


def test_an_unreadable_picture_is_named(planted, cached, tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bad.png").write_bytes(b"\x89PNG broken")
    assert run(["duplicates", "--dataset", str(tmp_path / "broken"), "--out", str(tmp_path / "run")]) == 2
    assert "bad.png: unreadable picture" in capsys.readouterr().err


def test_from_a_run_without_a_model(planted, cached):
    found = fmdiag.Run(train=planted, device="cpu").duplicates()
    assert {"leaks", "duplicates_nearest"} == set(found.tables) and len(found.arrays["duplicates"]["images"]) == 5
    with pytest.raises(FmdiagError, match="one only"):
        measure.find(TrainingSet(pictures(1)))


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")   # of the leaks, and of a small null
def test_an_audit_names_the_files_that_are_copied_and_the_duplicates(planted, cached):
    """Of 24 samples 12 are training pictures, one of them four times."""
    training_set = fmdiag.load_dataset(planted)
    numbers = [15, 15, 15, 15, *range(20, 28)]
    samples = np.concatenate([training_set[numbers].numpy(), pictures(12, 9) / np.float32(127.5) - 1])
    run_ = fmdiag.Run(train=training_set, device="cpu")
    document = audit(run_, samples=samples, without=("metrics",))
    names = training_set.files()
    assert document["copied"][0] == {"feature": "pixels", "row": 15, "file": names[15], "samples": 4, "held_out": 0}
    assert {one["file"] for one in document["copied"]} == {names[k] for k in numbers}
    validate(document)
    found = {value["quantity"]: value["value"] for value in document["values"] if value["diagnostic"] == "duplicates"}
    assert (found["groups"], found["largest"], found["leaks"]) == (2, 3, 3)
    table = run_.results["memorization"].tables["copied_files"]
    assert table["n_copied"].tolist() == [4, *[1] * 8] and table["file"].iloc[0] == names[15]
