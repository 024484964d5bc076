"""Verdicts against the paper, and the numbers they rest on."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.stats import mean_interval
from fmdiag.studies.judgement import (
    AGREES,
    CONTRADICTS,
    OPEN,
    compare,
    number,
    paired,
    seeds_row,
    sign_verdict,
    student_p,
)
from fmdiag.studies.plan import evaluation_steps, parse_objective
from fmdiag.studies.published import APPENDIX_C, published
from fmdiag.studies.time import turning_points


@pytest.mark.parametrize("before, after, expected, verdict", [
    ((1, 0.9, 1.1), (2, 1.9, 2.1), +1, AGREES), ((1, 0.9, 1.1), (2, 1.9, 2.1), -1, CONTRADICTS),
    ((2, 1.9, 2.1), (1, 0.9, 1.1), -1, AGREES), ((1, 0, 2), (2, 1, 3), +1, OPEN),
    ((1, math.nan, math.nan), (2, 1.9, 2.1), +1, OPEN),
])
def test_only_disjoint_intervals_decide(before, after, expected, verdict):
    assert compare(before, after, expected) == verdict


def test_differences_are_paired_by_seed():
    # The seeds differ by 100, the objectives by 1 in each: a paired interval has no width, an unpaired one is wide.
    frame = pd.DataFrame({"seed": [0, 0, 1, 1], "objective": ["cfm", "efm"] * 2, "fd": [0.0, 1.0, 100.0, 101.0]})
    assert paired(frame, "fd", "objective", "efm", "cfm") == (1, 1, 1)


def test_turning_points_of_a_made_up_run():
    quality = pd.DataFrame({"n_train": 10, "width": 8, "objective": "cfm", "seed": 0, "step": [100, 200, 400, 800],
                            "frechet_test": [50.0, 10.5, 10.0, 12.0], "f_mem": [0.0, 0.02, 0.3, 0.9],
                            "n_nearest": 100})
    reference = pd.DataFrame({"n_train": [10], "f_mem_null": [0.02], "n_null": [100]})
    found = turning_points(quality, reference).iloc[0]
    assert (found["tau_gen"], found["tau_mem"]) == (200, 400)
    never = turning_points(quality.assign(f_mem=0.02), reference).iloc[0]
    assert math.isnan(never["tau_mem"])


def test_p_values_of_paired_differences_are_scipys():
    values = np.random.default_rng(0).normal(size=7) + 0.5
    assert student_p(mean_interval(values), 7) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-10)
    assert student_p((1.0, 1.0, 1.0), 3) == 0 and student_p((0.0, 0.0, 0.0), 3) == 1
    assert math.isnan(student_p((1.0, math.nan, math.nan), 1))
    assert [sign_verdict(-1.0, p, -1) for p in (0.01, 0.06, math.nan)] == [AGREES, OPEN, OPEN]
    assert sign_verdict(1.0, 0.01, -1) == CONTRADICTS


def test_a_series_of_evaluations_without_copies_rarely_has_a_tau_mem():
    """Twenty evaluations of 1000 samples, 20 % of which look like copies, as the held-out rows do.

    A tau_mem in at most 5 %: of 200 runs more than 22 with probability 2e-4 at most. Uncorrected they were 28 %.
    """
    rng = np.random.default_rng(0)
    runs, found = 200, 0
    shares = rng.binomial(1000, 0.2, (runs, 20)) / 1000
    quality = pd.DataFrame({"n_train": 10, "width": 8, "objective": "cfm", "seed": 0, "step": range(20),
                            "n_nearest": 1000, "frechet_test": 1.0})
    for run, null in zip(shares, rng.binomial(1000, 0.2, runs) / 1000, strict=True):
        reference = pd.DataFrame({"n_train": [10], "f_mem_null": [null], "n_null": [1000]})
        found += turning_points(quality.assign(f_mem=run), reference)["tau_mem"].notna().iloc[0]
    assert found <= 22


@pytest.mark.parametrize("name", ["tau_gen", "tau_mem", "f_mem"])
def test_intervals_over_two_seeds_stay_in_the_range_of_the_quantity(name):
    assert mean_interval([0.1, 0.9])[1] < 0 == seeds_row(name, [0.1, 0.9])["low"]


def test_evaluations_halve_back_from_the_end():
    assert evaluation_steps(3200, 6) == (100, 200, 400, 800, 1600, 3200)
    assert evaluation_steps(25, 3) == (10, 25) and evaluation_steps(5, 3) == (5,)


def test_the_papers_printed_values():
    rows = published("fashion-mnist").set_index(["objective", "epoch"])
    assert rows.loc[("efm n_samples_mean=512", 200.0), "test FD"] == "16.85"
    assert rows.loc[("cfm", 5.0), "ratio to cfm"] == "1.000"
    assert rows.loc[("efm n_samples_mean=128", 5.0), "ratio to cfm"] == f"{206.3 / 253.6:.3f}"
    assert set(APPENDIX_C) == {"mnist", "fashion-mnist"} and published("digits").empty


@pytest.mark.parametrize("text, expected", [
    ("efm:64:replacement", {"pool_size": 64, "replacement": True}), ("efm:all", {"pool_size": "all"}),
    ("otcfm:assignment", {"coupling": "assignment"}), ("noised:0.1:bridge", {"sigma": 0.1, "noise": "bridge"}),
])
def test_short_names_of_objectives(text, expected):
    assert expected.items() <= parse_objective(text).items()


@pytest.mark.parametrize("text", ["efm:64:again", "cfm:3", "noised:x", "efm:-3", "otcfm:ot"])
def test_other_names_are_refused(text):
    with pytest.raises(FmdiagError):
        parse_objective(text)


def test_the_committed_examples_are_whole_studies():
    from pathlib import Path

    for folder in Path(__file__).parents[2].glob("reports/example/study-*-fashion-mnist"):
        record = json.loads((folder / "run.json").read_text())
        assert record["verdict"]["details"] and (folder / "index.html").is_file()


EXAMPLES = Path(__file__).parents[2] / "reports" / "example"
QUOTED = re.compile(r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+[\])]")    # 0.97 [0.95, 0.99], and 33 [30, 60)


def test_numbers_in_sentences_are_those_of_the_tables():
    """Of the examples' verdicts, and of the page that sets them beside the papers."""
    every = set()
    for folder in [*sorted(EXAMPLES.glob("study-*")), EXAMPLES / "hybrid-fashion-mnist"]:
        rows = pd.read_parquet(folder / "tables" / "summary.parquet")
        numbers = {number(row) for row in rows[["value", "low", "high"]].itertuples(index=False)}
        sizes = rows[rows["quantity"] == "emm"]    # numbers of examples, in whole numbers
        numbers |= {f"{row.value:.0f} [{row.low:.0f}, {row.high:.0f})" for row in sizes.itertuples()}
        verdict = json.loads((folder / "run.json").read_text()).get("verdict") or {"details": []}
        said = [quoted for text in verdict["details"] for quoted in QUOTED.findall(text)]
        assert set(said) <= numbers, folder.name
        assert len(said) >= 3 or folder.name.startswith("hybrid")
        every |= numbers
    beside = (EXAMPLES / "README.md").read_text(encoding="utf-8").partition("## Beside the papers")[2]
    quoted = QUOTED.findall(beside.replace("\n", " "))
    assert len(quoted) > 20 and set(quoted) <= every, set(quoted) - every
