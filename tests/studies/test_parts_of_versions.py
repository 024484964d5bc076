"""Parts of a study that other code made, or that were changed, are never used; nor is training continued unsaid."""

import json
import shutil
import warnings

import pandas as pd
import pytest
from small_studies import SMALL

from fmdiag.cli.main import run
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagWarning
from fmdiag.features import load_feature
from fmdiag.studies import parts, training_part
from fmdiag.studies.data import StudyData
from fmdiag.studies.parts import PartStore
from fmdiag.studies.plan import Measures, Plan
from fmdiag.studies.run import run_parts
from fmdiag.training import make_objective


@pytest.fixture(scope="module")
def data():
    return StudyData(load_dataset("digits"), load_feature("pixels"), {"source": "digits"})


@pytest.fixture(scope="module")
def plan(data):
    training = {"network": {"name": "mlp", "shape": [1, 8, 8], "width": 8, "depth": 1}, "warmup": 1, "clip": 1.0,
                "batch_size": 8, "lr": 1e-3, "ema_decay": 0.99, "precision": "fp32"}
    return Plan("size", (10,), (make_objective("cfm"),), (0,), training, (10,),
                Measures(n_samples=65, n_nearest=20, n_steps=2, n_pairs=8, n_closed_form=2, times=(0.0, 0.5)),
                data.describe(), "pixels")


@pytest.fixture
def study(plan, data):
    """Return a function that makes the parts that are missing in a folder, and returns what it warned of."""
    def made(out):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", FmdiagWarning)
            run_parts(plan.parts(), data, PartStore(out / "parts"))
        return [str(warning.message) for warning in caught if issubclass(warning.category, FmdiagWarning)]

    return made


def records(out):
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("parts/*/part.json")}


@pytest.fixture
def out(study, tmp_path):
    assert study(tmp_path / "study") == []
    return tmp_path / "study"


def test_fault_5_9_parts_of_another_version_are_kept_and_not_used(study, out, monkeypatch):
    before = records(out)
    monkeypatch.setattr(parts, "made_by", lambda: "9.9 (other)", raising=False)
    said = study(out)
    assert len(said) == 1 and "2 parts were made by another fmdiag (0." in said[0]
    after = records(out)
    assert len(before) == 2 and len(after) == 4 and {name: after[name] for name in before} == before
    assert study(out) == []
    # Back to the first version: its own parts are there.
    monkeypatch.undo()
    assert study(out) == [] and len(records(out)) == 4


def test_fault_5_9_gathering_parts_of_another_version_is_refused(tmp_path, monkeypatch, capsys):
    words = ["study", "size", *SMALL, "--width", "8", "--depth", "1", "--steps", "10", "--sizes", "10", "--seeds", "1",
             "--out", str(tmp_path / "study")]
    assert run(words) == 0
    tables = (tmp_path / "study" / "run.json").read_bytes()
    monkeypatch.setattr(parts, "made_by", lambda: "9.9 (other)", raising=False)
    with pytest.warns(FmdiagWarning, match="2 parts were made by another fmdiag"):
        assert run([*words, "--gather"]) == 2
    assert "no model of this study is finished" in capsys.readouterr().err
    assert (tmp_path / "study" / "run.json").read_bytes() == tables


def test_fault_5_9_parts_of_0_1_which_had_no_version_are_said_and_made_again(study, out):
    for number, (name, record) in enumerate(records(out).items()):
        older = out / "parts" / f"{number:020x}"
        (out / "parts" / name).rename(older)
        place = older / "part.json"
        place.write_text(json.dumps({key: record[key] for key in ("kind", "inputs", "seconds")}))
    said = study(out)
    assert len(said) == 1 and "of an earlier version" in said[0] and len(records(out)) == 4


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def empty(path):
    path.write_bytes(b"")


def edit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [cut, empty, edit, lambda path: path.unlink()],
                         ids=["cut", "empty", "edited", "missing"])
@pytest.mark.parametrize("file", ["part.json", "quality.parquet", "pictures.npz", "checkpoint.pt"])
def test_fault_5_9_a_part_that_was_damaged_is_made_again(study, study_of_session, tmp_path, harm, file):
    out = shutil.copytree(study_of_session, tmp_path / "study")
    damaged = next(path.parent for path in out.glob("parts/*/quality.parquet"))
    harm(damaged / file)
    said = study(out)
    assert len(said) == 1 and "1 parts are damaged or were changed" in said[0] and damaged.name in said[0]
    assert study(out) == []
    for name in ("quality", "loss", "error", "memorization"):
        again, before = (pd.read_parquet(path / "parts" / damaged.name / f"{name}.parquet")
                         for path in (out, study_of_session))
        pd.testing.assert_frame_equal(again, before, check_exact=True)


@pytest.fixture(scope="module")
def study_of_session(plan, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "study"
    run_parts(plan.parts(), data, PartStore(out / "parts"))
    return out


def test_fault_5_9_a_record_that_was_edited_is_found(study_of_session, tmp_path):
    """Every entry of part.json, replaced by values of other kinds: made again, no traceback."""
    out = shutil.copytree(study_of_session, tmp_path / "study")
    name, record = next((name, record) for name, record in records(out).items() if record["kind"] == "reference")
    place = out / "parts" / name / "part.json"
    for entry in record:
        for value in (None, [], {}, "x", 1e308):
            place.write_text(json.dumps(record | {entry: value}))
            store = parts.PartStore(out / "parts")
            part = parts.Part(record["kind"], record["inputs"])
            assert not store.finished(part), entry
            with pytest.warns(FmdiagWarning, match="damaged or were changed"):
                store.warn_of_others([part])


def test_fault_5_9_a_state_that_was_cut_short_begins_its_model_again(study, tmp_path, monkeypatch):
    def stops(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_part, "error_curve", stops)
        study(tmp_path)
    cut(next((tmp_path / "parts").glob(".work-*/state.pt")))
    said = study(tmp_path)
    assert len(said) == 1 and "trained from the start" in said[0]


def test_fault_5_9_training_that_goes_on_under_another_version_says_so_and_records_it(tmp_path, monkeypatch):
    from fmdiag.training import loop

    words = ["train", "--dataset", "digits", "--n", "40", "--network", "mlp", "--width", "8", "--depth", "1",
             "--batch-size", "8", "--precision", "fp32", "--out", str(tmp_path / "run")]
    assert run([*words, "--steps", "10"]) == 0
    first = json.loads((tmp_path / "run" / "run.json").read_text())["training"]["fmdiag"]
    monkeypatch.setattr(loop, "made_by", lambda: "9.9 (other)")
    with pytest.warns(FmdiagWarning, match="trained up to step 10 by fmdiag"):
        assert run(["train", "--resume", "--out", str(tmp_path / "run"), "--steps", "20"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())["training"]["fmdiag"]
    assert record == f"{first}, from step 10 on 9.9 (other)"
    assert run(["train", "--resume", "--out", str(tmp_path / "run"), "--steps", "30"]) == 0


@pytest.mark.parametrize("entry", ["settings", "weights", "optimizer", "ema", "step", "log"])
def test_fault_5_9_a_training_state_with_odd_entries_is_one_line(entry):
    from fmdiag.errors import FmdiagError
    from fmdiag.training.state import initial_state, restore

    settings = {"network": {"name": "mlp", "shape": [2], "width": 4, "depth": 1}, "seed": 0, "lr": 1e-3}
    content = initial_state(settings, "cpu").content()
    for value in (None, [1], {}, "x", float("nan")):
        with pytest.raises(FmdiagError):
            restore(content | {entry: value})
    with pytest.raises(FmdiagError):
        restore({key: content[key] for key in content if key != entry})
