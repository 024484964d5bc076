"""`fmdiag audit`: run folder, page, one valid document, its parts made again, and what applies to samples only."""

import json
import re

import numpy as np
import pytest
from few import thin

from fmdiag import load_dataset
from fmdiag.cli.main import run
from fmdiag.diagnostics.audit.parts import PARTS
from fmdiag.diagnostics.audit.schema import validate
from fmdiag.results import load_run, load_table

# So few rows are enough for no metric, and said to be.
pytestmark = pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
SMALL = ["--n-samples", "12", "--n-images", "6", "--n-noises", "1", "--n-steps", "4"]


def without(*names):
    """Return the words that leave parts out which a test does not look at."""
    return [word for name in names for word in ("--without", name)]


@pytest.fixture(scope="module")
def audited(checkpoint, tmp_path_factory):
    """Return the run folder of an audit with its page, only two of the figures drawn."""
    from fmdiag.figures import draw
    from fmdiag.figures import figure_cards as draw_cards

    out, kept = tmp_path_factory.mktemp("audit") / "run", ("membership_auc", "provenance_weights")
    with pytest.MonkeyPatch.context() as patch:
        thin(patch)
        patch.setattr(draw, "figure_cards", lambda: {name: draw_cards()[name] for name in kept})
        assert run(["audit", str(checkpoint), *SMALL, "--out", str(out)]) == 0
    return out


def test_the_whole_audit(audited):
    document = json.loads((audited / "audit.json").read_text())
    validate(document)
    assert {entry["id"]: entry["answer"] != "not measured" for entry in document["verdicts"]} == {
        "copies": True, "field": True, "canaries": False, "gap": False, "returns": True}
    measured = {entry["diagnostic"] for entry in document["values"]}
    assert measured >= {"memorization", "membership", "provenance", "error", "uturn", "geometry"}
    assert document["subject"]["checkpoint"]["sha256"] and document["provenance"]["versions"]["torch"]
    for name in ("memorization", "membership", "excess", "energy", "provenance", "basins", "masses", "copied"):
        assert (audited / f"tables/{name}.csv").is_file(), name
    assert set(load_table(audited, "metrics")["feature"]) == {"pca"}, "pixels are too many for Fréchet distances"
    page = (audited / "index.html").read_text()
    assert all(f'<section id="{name}"' in page for name in ("memorization", "membership", "provenance"))
    assert "What this evidence does not show" in page and page.count(document["limits"][-1][:40]) >= 1


def test_every_interval_is_there(audited):
    """Every summary value has a 95 % interval, but those that are p-values, counts or say that they have none."""
    summary = load_table(audited, "summary")
    without = summary[summary["low"].isna() | summary["high"].isna()]
    # Percentiles and metrics of so few rows have none either.
    few = without["diagnostic"] == "metrics"
    assert set(without.loc[~few, "quantity"]) <= {
        "auc_p", "excess_p", "copied_rows", "ratio", "basin_divergence", "p_value", "p_labels", "p_excess", "steps_p",
        "difference_p", "lid_p", "patches_p", "n_images", "leaves", "band_low", "band_high", "smallest_fpr",
        "above_blind_p", "attack_p", "groups", "grouped", "removable", "largest", "leaks"}
    assert set(summary["level"]) == {0.95}


def test_each_part_is_remade_by_its_command(audited, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)  # records name what lies elsewhere without its folder
    lines = {name: part["command"] for name, part in load_run(audited)["diagnostics"].items()}
    assert re.search(r"--sample \d+ --sample \d+", lines["provenance"])
    import shlex

    assert run([*shlex.split(lines["provenance"])[1:], "--out", str(tmp_path / "p")]) == 0
    assert load_table(tmp_path / "p", "provenance").equals(load_table(audited, "provenance"))
    assert load_table(tmp_path / "p", "copied").equals(load_table(audited, "copied"))
    assert run([*shlex.split(lines["membership"])[1:], "--out", str(tmp_path / "m")]) == 0
    for table in ("membership", "excess"):
        assert load_table(tmp_path / "m", table).equals(load_table(audited, table))


def test_an_audit_goes_on_from_its_finished_parts(audited, monkeypatch, checkpoint, tmp_path, capsys):
    from fmdiag.diagnostics.membership import run as membership
    from fmdiag.diagnostics.memorization import run as memorization
    from fmdiag.diagnostics.provenance import run as provenance

    class Killed(BaseException):
        pass

    def stops(*arguments, **options):
        raise Killed

    words = ["audit", str(checkpoint), *SMALL, *without("geometry", "patches", "uturn"), "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "run", stops)
        with pytest.raises(Killed):
            run(words)
    for module in (memorization, membership):
        monkeypatch.setattr(module, "run", None)  # calling it would fail
    assert run(words) == 0
    said = capsys.readouterr().err
    assert all(f"resumed: {name} from " in said for name in ("memorization", "samples", "metrics", "membership"))
    files = {file.stem for file in (tmp_path / "run/tables").glob("*.parquet")} - {"summary"}
    assert {"memorization", "metrics", "membership", "attacks", "error", "provenance"} <= files
    for name in sorted(files):
        assert load_table(tmp_path / "run", name).equals(load_table(audited, name)), name
    whole, resumed = (json.loads((out / "audit.json").read_text()) for out in (audited, tmp_path / "run"))
    left_out = ("geometry", "patches", "uturn")
    assert resumed["values"] == [value for value in whole["values"] if value["diagnostic"] not in left_out]
    assert [one for one in resumed["verdicts"] if one["id"] in ("copies", "gap")] == [
        one for one in whole["verdicts"] if one["id"] in ("copies", "gap")]


def test_samples_alone_are_audited_as_far_as_they_go(tmp_path, capsys):
    digits = load_dataset("digits")
    np.save(tmp_path / "x.npy", np.concatenate([digits[:12].numpy(), digits.held_out[:12].numpy()]))
    out = tmp_path / "run"
    assert run(["audit", "--samples", str(tmp_path / "x.npy"), "--dataset", "digits", *without("metrics"), "--out",
                str(out), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    printed = whole["details"]
    validate(printed)
    assert whole["verdict"]["answer"] == "copies found" and whole["headline"]["f_mem"]["value"] > 0
    assert printed["verdicts"][0]["answer"] == "yes" and printed["verdicts"][1]["answer"] == "not measured"
    assert any("samples alone" in sentence for sentence in printed["limits"])
    assert not (out / "tables/membership.csv").exists()


def test_neither_checkpoint_nor_samples(fails_cleanly):
    fails_cleanly(["audit"], "give a CHECKPOINT, or --samples together with the --dataset")


def test_metrics_are_recorded_under_their_definitions(monkeypatch, checkpoint, tmp_path):
    """With a registry of two metrics, one of which cannot be had from these data."""
    import types

    import pandas as pd

    from fmdiag.diagnostics.metrics import run as metrics
    from fmdiag.errors import FmdiagError

    def measure(generated, train, test, *, generator):
        assert generated.shape[1] == train.shape[1] == test.shape[1]
        return pd.DataFrame([{"metric": "mean", "definition": "mean/ours", "value": generated.mean(), "low": -1.0,
                              "high": 1.0, "level": 0.95, "n": len(generated), "interval": "none"}])

    def refuse(generated, train, test, *, generator):
        raise FmdiagError("too few rows")

    registry = {"mean": types.SimpleNamespace(DEFINITION="mean/ours", measure=measure),
                "none": types.SimpleNamespace(DEFINITION="none/ours", measure=refuse)}
    monkeypatch.setattr(metrics, "METRICS", registry)
    others = without(*(name for name in PARTS if name != "metrics"))
    assert run(["audit", str(checkpoint), *SMALL, *others, "--out", str(tmp_path / "run")]) == 0
    document = json.loads((tmp_path / "run" / "audit.json").read_text())
    validate(document)
    assert [v["definition"] for v in document["values"] if v["diagnostic"] == "metrics"] == ["mean/ours"]
    assert document["provenance"]["diagnostics"]["metrics"]["left_out"] == {"none/ours": "too few rows"}


@pytest.mark.parametrize(("name", "options"), [
    ("membership", ["--n-images", "4", "--n-noises", "1", "--times", "0.5", "--n-paths", "4", "--n-steps", "5"]),
    ("provenance", ["--sample", "1", "--n-noises", "8", "--n-steps", "5"])])
def test_the_same_seed_gives_the_same_tables(name, options, checkpoint, tmp_path, capsys):
    for k in (1, 2):
        assert run([name, str(checkpoint), *options, "--out", str(tmp_path / f"{k}")]) == 0
    for table in (name, "summary"):
        assert load_table(tmp_path / "1", table).equals(load_table(tmp_path / "2", table))


def test_canaries_from_planting_to_the_audit(tmp_path, fails_cleanly, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planted, trained = tmp_path / "planted", tmp_path / "trained"
    assert run(["canaries", "--dataset", "digits", "--n", "20", "--multiplicities", "1,3", "--each", "5", "--out",
                str(planted)]) == 0
    assert "canaries planted 3 times" in capsys.readouterr().out
    assert run(["train", "--dataset", str(planted), "--network", "mlp", "--width", "8", "--depth", "1", "--steps", "2",
                "--precision", "fp32", "--out", str(trained)]) == 0
    out = tmp_path / "run"
    assert run(["audit", str(trained / "checkpoint.pt"), *SMALL, *without(*PARTS), "--canaries", str(planted), "--out",
                str(out)]) == 0
    document = json.loads((out / "audit.json").read_text())
    validate(document)
    table = load_table(out, "canaries")
    assert table["coin"].tolist() == [1] * 5 + [3] * 5 and set(table["guess"]) == {0, 1, -1}
    assert document["verdicts"][2]["answer"] == "no evidence" and "held out" in document["verdicts"][2]["text"]
    assert "ε of differential privacy is at least 0 for an image planted once" in document["verdicts"][2]["text"]
    assert "canaries" in {test["id"] for test in document["tests"]}
    fails_cleanly(["audit", "--samples", planted / "test.npy", "--dataset", "digits", "--canaries", planted],
                  "is not in digits where it was planted")


def test_agreement_of_two_checkpoints(checkpoint, tmp_path, fails_cleanly, capsys):
    out = tmp_path / "run"
    assert run(["agreement", str(checkpoint), str(checkpoint), "--n-samples", "6", "--n-steps", "4", "--out",
                str(out)]) == 0
    assert load_table(out, "agreement")["distance"].eq(0).all()
    assert load_run(out)["diagnostics"]["agreement"]["other_sha256"] == load_run(out)["checkpoint"]["sha256"]
    assert run(["train", "--dataset", "two-moons-20", "--network", "mlp", "--width", "8", "--depth", "1",
                "--steps", "2", "--precision", "fp32", "--out", str(tmp_path / "moons")]) == 0
    fails_cleanly(["agreement", checkpoint, tmp_path / "moons/checkpoint.pt"], "only models of one shape")


def test_parts_are_left_out_where_they_are_named(checkpoint, tmp_path):
    """The rest is measured, and the document says what was left out instead of that there was no field."""
    out, named = tmp_path / "run", tuple(name for name in PARTS if name != "uturn")
    assert run(["audit", str(checkpoint), *SMALL, *without(*named), "--out", str(out)]) == 0
    document = json.loads((out / "audit.json").read_text())
    validate(document)
    assert set(load_run(out)["diagnostics"]) == {"memorization", "uturn"}
    assert {entry["answer"] for entry in document["verdicts"] if entry["id"] in ("field", "gap")} == {"not measured"}
    assert f"Left out on request, and so not known: {', '.join(named)}." in document["limits"]
    assert not any("No velocity field" in sentence for sentence in document["limits"])


def test_parts_that_cannot_be_left_out():
    from fmdiag.diagnostics.audit.parts import check_without
    from fmdiag.errors import FmdiagError

    with pytest.raises(FmdiagError, match="memorization, which cannot be left out: choose from metrics, membership"):
        check_without(["uturn", "memorization"])
    with pytest.raises(FmdiagError, match="did you mean 'provenance'"):
        check_without("provenence")
    assert check_without("uturn") == ("uturn",)
