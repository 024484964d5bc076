"""Figure 2's story in small, and what else the same models tell: a study of ten digits against all of them."""

import json
import re

import pandas as pd
import pytest
from small_studies import STORY, TWO

from fmdiag.cli.main import run
from fmdiag.results import load_table


@pytest.fixture
def summary(digits_study):
    return load_table(digits_study, "summary")


def per_seed(table, column):
    """Return {n: {seed: value}} of the last evaluation."""
    last = table[table["step"] == table["step"].max()]
    return {n: dict(zip(group["seed"], group[column], strict=True)) for n, group in last.groupby("n_train")}


def test_the_memorised_share_falls_with_the_training_set(digits_study):
    share = per_seed(load_table(digits_study, "study_size"), "f_mem")
    # Ten rows are learnt by heart, 1500 not at all; each seed by itself.
    assert min(share[10].values()) > 0.5 and max(share[1500].values()) < 0.05


def test_the_early_error_rises_with_the_training_set(digits_study):
    curves = load_table(digits_study, "error_curves")
    early = curves[curves["t"].between(0.3, 0.6)].groupby(["n_train", "seed"])["squared_error"].max().unstack(0)
    assert (early[1500] > 4 * early[10]).all()


def test_samples_move_away_and_references_stand_beside(digits_study, summary):
    distance = per_seed(load_table(digits_study, "study_size"), "d1")
    assert max(distance[10].values()) < min(distance[1500].values())
    reference = load_table(digits_study, "reference")
    assert (reference["f_mem_control"] == 1).all() and (reference["f_mem_null"] < 0.1).all()
    # A set's own distances shrink as it fills its space; copies of ten rows are no test set.
    means = reference.groupby("n_train").mean()
    assert means.loc[10, "d1_train"] > means.loc[1500, "d1_train"]
    assert means.loc[10, "frechet_copies"] > means.loc[1500, "frechet_copies"]
    # The whole set is one set whatever the seed: one unit, no interval.
    whole = summary[(summary["quantity"] == "d1_train") & (summary["n_train"] == 1500)].iloc[0]
    assert whole["n"] == 1 and pd.isna(whole["low"])


def test_intervals_are_over_seeds(digits_study, summary):
    from scipy import stats

    values = list(per_seed(load_table(digits_study, "study_size"), "frechet_test")[10].values())
    row = summary[(summary["quantity"] == "frechet_test") & (summary["n_train"] == 10)].iloc[0]
    half = stats.t.ppf(0.975, 1) * abs(values[0] - values[1]) / 2
    assert row["n"] == 2 and row["high"] - row["value"] == pytest.approx(half, rel=1e-9)


def test_the_page_says_what_agrees_and_what_is_not_decided(digits_study):
    record = json.loads((digits_study / "run.json").read_text())
    details = record["verdict"]["details"]
    assert sum("the error against û* at early times (t <= 0.6) rises" in text for text in details) == 1
    assert "not decided here" in details[-1] and "2 seeds" in details[-1] and "600 steps" in details[-1]
    page = (digits_study / "index.html").read_text()
    assert page.count("<figure>") == 3 and "test FD of copies" in page and "is not decided here" in page
    assert (digits_study / "figures" / "study_size.svg").is_file()


def test_the_same_parts_serve_the_study_of_time(digits_study, tmp_path, capsys):
    kept = {path: path.stat().st_mtime_ns for path in (digits_study / "parts").glob("*/part.json")}
    arguments = ["study", "time", *STORY, *TWO, "--evaluations", "4", "--parts", str(digits_study / "parts"), "--out",
                 str(tmp_path / "time"), "--json"]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)["details"]
    assert found["finished"] == found["parts"] == len(kept)
    assert {path: path.stat().st_mtime_ns for path in (digits_study / "parts").glob("*/part.json")} == kept
    rows = pd.DataFrame(found["summary"])
    reached = rows[rows["quantity"] == "memorising_models"].set_index("n_train")["value"]
    assert reached[10] == 1 and reached[1500] == 0
    assert (rows.loc[rows["quantity"] == "tau_gen", "value"] >= 80).all()


def test_a_models_checkpoint_knows_its_rows(digits_study):
    from fmdiag.checkpoints import load_checkpoint
    from fmdiag.datasets import load_dataset

    for file in (digits_study / "parts").glob("*/checkpoint.pt"):
        data = json.loads((file.parent / "part.json").read_text())["inputs"]["data"]
        rows = load_checkpoint(file).training_set()
        expected = load_dataset("digits")
        expected = expected if data["n"] == 1500 else expected.subset(data["n"], seed=data["subset_seed"])
        assert rows.fingerprint == expected.fingerprint


def test_help_shows_examples_that_parse(capsys):
    from fmdiag.cli.study import command

    for kind in ("size", "losses", "time"):
        assert run(["study", kind, "--help"]) == 0
        examples = re.findall(r"^\s+fmdiag study (\w+) (.*)$", capsys.readouterr().out, re.MULTILINE)
        assert len(examples) == 2
        for name, words in examples:
            assert name == kind
            command.commands[kind].make_context(kind, words.split())
