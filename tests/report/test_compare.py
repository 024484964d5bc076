"""Runs side by side: what is refused, what is warned of, and what the comparison's folder holds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic_run import error_tables, run_json

from fmdiag.cli.compare import command
from fmdiag.cli.main import run as fmdiag
from fmdiag.errors import FmdiagError
from fmdiag.report import compare
from fmdiag.report.comparison import write_comparison
from fmdiag.report.differences import differences
from fmdiag.results import load_run, load_table, save_table
from fmdiag.stats import summary_row


def write(path, *, noise=0, scale=1.0, diagnostic="error", **changes):
    """Write a run of one diagnostic whose errors are `scale` times those of the same noises."""
    (path / "tables").mkdir(parents=True)
    raw, summary = error_tables(np.random.default_rng(noise), n_pairs=8)
    raw["squared_error"] *= scale
    squared = summary["quantity"] == "squared_error"
    summary.loc[squared, ["value", "low", "high"]] *= scale
    rates = [summary_row(diagnostic, "f_mem", np.arange(50) < 40 * scale, interval="exact", source="model")]
    save_table(path, diagnostic, raw)
    summary = pd.concat([summary.assign(diagnostic=diagnostic), pd.DataFrame(rates)], ignore_index=True)
    save_table(path, "summary", summary)
    (path / "run.json").write_text(json.dumps(run_json(diagnostics={diagnostic: {"n_steps": 100}}) | changes))
    return path


@pytest.fixture
def runs(tmp_path):
    return [write(tmp_path / "early"), write(tmp_path / "late", scale=0.5)]


def refused(arguments, *parts):
    with pytest.raises(FmdiagError) as caught:
        compare.read_runs(*arguments)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    refused([runs[:1]], "two or more")
    refused([[runs[0], runs[0].parent / "." / "early"]], "given 2 times")
    refused([[runs[0], tmp_path / "nothing"]], "not a run folder")
    (tmp_path / "pictures").mkdir()
    refused([[runs[0], tmp_path / "pictures"]], "pictures", "not a run folder")
    refused([runs, ["a"]], "as many different labels")
    refused([runs, ["a", "a"]], "as many different labels")
    other = write(tmp_path / "other", diagnostic="sharpness")
    refused([[runs[0], other]], "no diagnostic", "early: error", "other: sharpness")


def test_unfinished_and_damaged_runs_are_refused(runs, tmp_path):
    half = tmp_path / "half"
    (half / "tables").mkdir(parents=True)
    refused([[runs[0], half]], "half", "not finished")
    (half / "run.json").write_text(json.dumps(run_json(diagnostics={"error": {}})))
    refused([[runs[0], half]], "summary.parquet is missing")
    partial = shutil.copytree(runs[1], tmp_path / ".late.abc.partial")
    refused([[runs[0], partial]], "not finished")


def test_folders_of_the_same_name_are_told_apart(tmp_path):
    pair = [write(tmp_path / part / "report") for part in ("a", "b")]
    assert list(compare.read_runs(pair)) == ["a/report", "b/report"]
    assert list(compare.read_runs(pair, ["one", "two"])) == ["one", "two"]


def test_what_differs_beside_the_measurement_is_said(runs, tmp_path):
    assert compare.warnings(compare.read_runs(runs)) == []
    other = run_json(diagnostics={"error": {"n_steps": 50}, "hybrid": {}}, seed=3)
    other["dataset"]["fingerprint"] = "ee" * 32
    other["checkpoint"]["steps"] = 5
    found = "\n".join(compare.warnings(compare.read_runs([runs[0], write(tmp_path / "x", **other)])))
    for words in ("data set fingerprints differ: early abababababab…, x eeeeeeeeeeee…", "seeds differ: early 0, x 3",
                  "training steps differ: early 20000, x 5", "error: values of n_steps differ: early 100, x 50",
                  "left out: hybrid"):
        assert words in found


def on_paths(runs):
    """Return the differences at states on training paths, which the raw tables of `write` have, and of shares."""
    _, table = compare.compared(compare.read_runs(runs))
    return table[((table["states"] == "train") & (table["quantity"] != "shell")) | (table["quantity"] == "f_mem")]


def test_the_same_seed_is_paired_and_another_is_not(runs, tmp_path):
    table = on_paths(runs)
    kinds = table.groupby("quantity")["interval"].unique().map(list).to_dict()
    # A share that is no raw column cannot be paired.
    assert kinds == {"squared_error": ["paired student"], "conditional_variance": ["paired student"],
                     "cfm_loss": ["paired student"], "cosine": ["paired student"], "f_mem": ["newcombe"]}
    first = table[table["quantity"] == "squared_error"].iloc[0]
    assert first["value"] == pytest.approx(first["other"] - first["first"]) == pytest.approx(-first["first"] / 2)
    other = write(tmp_path / "elsewhere", noise=1, **run_json(diagnostics={"error": {}}, seed=1))
    table = on_paths([runs[0], other])
    assert set(table["interval"]) == {"welch", "newcombe"}


def test_the_command_writes_a_run_folder_with_everything(runs, tmp_path, capsys):
    third = write(tmp_path / "last", scale=0.1)
    out = tmp_path / "comparison"
    assert fmdiag(["compare", *map(str, [*runs, third]), "--labels", "1k,<b>5k</b>,20k", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "20k minus 1k: " in printed.out and printed.out.count("\n") <= 15 and "wrote" in printed.err
    assert set(load_table(out, "summary")["run"]) == {"1k", "<b>5k</b>", "20k"}
    table = load_table(out, "differences")
    assert set(table["run"]) == {"<b>5k</b>", "20k"} and set(table["against"]) == {"1k"}
    assert {path.suffix for path in (out / "figures").glob("error_comparison.*")} >= {".png", ".svg"}
    assert {path.stem for path in (out / "figures").glob("*.png")} == {"error_comparison"}
    page = (out / "index.html").read_text(encoding="utf-8")
    for words in ("3 runs side by side", "Differences from 1k (paired student", "&lt;b&gt;5k&lt;/b&gt;",
                  "The memorised fraction of 20k differs from that of 1k by -72 points", "more than chance"):
        assert words in page
    assert "<b>5k" not in page
    record = load_run(out)
    assert record["diagnostics"]["error"]["runs"] == ["1k", "<b>5k</b>", "20k"]
    assert fmdiag(["compare", *map(str, runs), "--out", str(out)]) == 2, "an earlier comparison is not replaced unasked"


def test_fault_3_12_runs_of_one_distribution_rarely_differ_by_more_than_chance():
    """Nine runs against the first, 30 % copies of 100 samples each, seeds as different as the noises.

    Some sentence says "more than chance" in at most 5 %, less by discreteness: of 60 comparisons more than 10 with
    probability 2e-4 at most. Without a correction they were 29 %.
    """
    wrong = 0
    for k in range(60):
        rng = np.random.default_rng([5, k])
        first, *others = (summary_row("memorization", "f_mem", rng.random(100) < 0.3, interval="exact", source="model")
                          for _ in range(10))
        rows = [pd.DataFrame([row | {"run": k} for k, row in enumerate(part)]) for part in ([first] * 9, others)]
        table = compare.judged(differences(*rows).assign(against="first"))
        sentences = compare.headline(table)["details"]
        assert len(sentences) == 9 and "corrected for 9 comparisons (Holm)" in sentences[0]
        wrong += any(": more than chance explains" in sentence for sentence in sentences)
    assert wrong <= 10


def test_figures_of_a_comparison_show_every_run(runs, tmp_path):
    from fmdiag.figures.comparison import comparison

    summary, _ = compare.compared(compare.read_runs(runs))
    figure = comparison(summary)
    panel = next(ax for ax in figure.axes if ax.get_ylabel() == "squared error")
    early, late = (line.get_ydata() for line in panel.lines)
    assert late == pytest.approx(early / 2) and len(panel.collections) == 2
    counts = comparison(summary[summary["quantity"] == "f_mem"].dropna(axis=1, how="all")).axes[0]
    assert [text.get_text() for text in counts.get_yticklabels()] == ["early", "late"]
    assert counts.lines[0].get_xdata() == pytest.approx([0.8, 0.4])


def test_json_holds_the_differences(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("fmdiag.figures.draw_all", lambda run: [])
    monkeypatch.setattr("fmdiag.report.write_report", lambda run: run)
    result = CliRunner().invoke(command, [*map(str, runs), "--out", str(tmp_path / "c"), "--json"])
    document = json.loads(result.stdout)
    assert document["details"]["warnings"] == [] and document["run"] == str(tmp_path / "c")
    assert len(document["details"]["differences"]) == len(load_table(tmp_path / "c", "differences"))


def test_python_writes_the_comparison_that_the_command_writes(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fmdiag.figures.draw_all", lambda run: [])
    monkeypatch.setattr("fmdiag.report.write_report", lambda run: run)
    assert fmdiag(["compare", *map(str, runs), "--labels", "a,b", "--out", "shell"]) == 0
    found = write_comparison(runs, labels=["a", "b"])
    assert found.folder == Path("reports/compare-1") and found.cautions == []
    for name in ("summary", "differences"):
        pd.testing.assert_frame_equal(load_table(found.folder, name), load_table("shell", name), check_exact=True)
    by_time = {"command", "started", "diagnostics"}
    python, shell = load_run(found.folder), load_run("shell")
    assert {key: value for key, value in python.items() if key not in by_time} == {
        key: value for key, value in shell.items() if key not in by_time}


def test_fault_2_9_a_source_has_one_colour_in_all_panels():
    """The AUC has no held-out rows of its own: û* is drawn as everywhere, and named in the legend."""
    from fmdiag.figures.comparison import comparison
    from fmdiag.figures.style import SOURCES

    rows = [summary_row("memorization", name, [0.4, 0.5], source=source, run=run) for run in ("a", "b")
            for name, sources in (("auc", ("model", "closed_form")), ("f_mem", SOURCES)) for source in sources]
    figure = comparison(pd.DataFrame(rows))
    colours = [{bars.get_label(): bars.lines[0].get_color() for bars in ax.containers} for ax in figure.axes]
    assert len(colours[0]) == 2 and len(set(colours[1].values())) == 3
    assert all(colours[1][label] == colour for label, colour in colours[0].items())
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(SOURCES.values())
