"""Differences of runs against scipy's intervals, and which rows and units are compared."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmdiag.report.differences import differences
from fmdiag.stats import difference_interval, mean_interval, summary_row


def raw_and_summary(values, **keys):
    """Return the raw table of units and its summary row."""
    table = pd.DataFrame({"pair": np.arange(len(values)), "x": values, **keys})
    kind = "exact" if np.asarray(values).dtype == bool else "student"
    return table, pd.DataFrame([summary_row("d", "x", values, interval=kind, **keys)])


@pytest.fixture
def two():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40)
    return noise + 1, 1.1 * noise + 1.5 + 0.1 * rng.normal(size=40)


def test_unpaired_means_are_welchs(two):
    (_, first), (_, other) = raw_and_summary(two[0]), raw_and_summary(two[1][:25])
    row = differences(first, other).iloc[0]
    expected = stats.ttest_ind(two[1][:25], two[0], equal_var=False).confidence_interval(0.95)
    assert row["interval"] == "welch" and row["n"] == 25
    assert row[["low", "high"]].astype(float).to_numpy() == pytest.approx(expected, rel=1e-10)


def test_means_of_the_same_noises_are_paired_and_far_narrower(two):
    (raw, first), (other_raw, other) = raw_and_summary(two[0]), raw_and_summary(two[1])
    row = differences(first, other, (raw, other_raw), paired=True).iloc[0]
    expected = stats.ttest_rel(two[1], two[0]).confidence_interval(0.95)
    assert row["interval"] == "paired student"
    assert row[["low", "high"]].astype(float).to_numpy() == pytest.approx(expected, rel=1e-10)
    free = differences(first, other).iloc[0]
    assert row["high"] - row["low"] < 0.3 * (free["high"] - free["low"])


def test_units_in_another_order_are_matched_by_their_number(two):
    (raw, first), (other_raw, other) = raw_and_summary(two[0]), raw_and_summary(two[1])
    shuffled = other_raw.sample(frac=1, random_state=0)
    expected = differences(first, other, (raw, other_raw), paired=True)
    pd.testing.assert_frame_equal(differences(first, other, (raw, shuffled), paired=True), expected)


def test_raw_tables_of_other_units_are_not_paired(two):
    """Where a raw table lacks a unit, or its mean is not the summary's, the runs count as independent."""
    (raw, first), (other_raw, other) = raw_and_summary(two[0]), raw_and_summary(two[1])
    for changed in (other_raw.iloc[:-1], other_raw.assign(x=other_raw["x"] + 1), other_raw.drop(columns="pair"), None):
        assert differences(first, other, (raw, changed), paired=True)["interval"].tolist() == ["welch"]


def test_a_run_minus_itself_is_exactly_zero(two):
    raw, summary = raw_and_summary(two[0])
    row = differences(summary, summary, (raw, raw), paired=True).iloc[0]
    assert row["value"] == row["low"] == row["high"] == 0


def test_shares_of_independent_samples_are_newcombes():
    first, other = np.arange(50) < 10, np.arange(80) < 40
    row = differences(raw_and_summary(first)[1], raw_and_summary(other)[1]).iloc[0]
    assert row["interval"] == "newcombe"
    assert tuple(row[["value", "low", "high"]]) == pytest.approx(difference_interval(40, 80, 10, 50))


def test_medians_take_their_own_intervals_and_numbers_without_one_get_none():
    rows = pd.DataFrame([summary_row("d", "median", np.arange(30.0), interval="median"),
                         summary_row("d", "count", [3.0], interval="student")])
    other = rows.assign(value=rows["value"] + 2, low=rows["low"] + 2, high=rows["high"] + 2)
    found = differences(rows, other).set_index("quantity")
    assert found["interval"].to_dict() == {"median": "mover", "count": "none"}
    assert found["value"].tolist() == [2.0, 2.0] and np.isnan(found.loc["count", "low"])


def test_rows_are_matched_by_their_keys_and_what_one_run_lacks_is_left_out():
    """Times that differ by rounding only are the same; a key that is missing in both rows matches."""
    rows = [summary_row("d", "x", [1.0, 2.0, 3.0], t=t, dim=64) for t in (0.1 + 0.2, 0.7)]
    rows.append(summary_row("d", "total", [5.0, 5.5, 6.0], dim=64))
    others = [summary_row("d", "x", [4.0, 5.0, 6.5], t=t, dim=64) for t in (0.3, 0.9)]
    others.append(summary_row("d", "total", [6.0, 6.5, 7.0], dim=64))
    found = differences(pd.DataFrame(rows), pd.DataFrame(others))
    assert found[["quantity", "t"]].round(6).fillna(-1).values.tolist() == [["x", 0.3], ["total", -1.0]]
    assert found["value"].tolist() == pytest.approx([mean_interval([4, 5, 6.5])[0] - 2, 1.0])


def test_runs_without_a_common_row_give_an_empty_table_with_its_columns():
    first, other = (pd.DataFrame([summary_row("d", "x", [1.0, 2.0], dim=dim)]) for dim in (64, 128))
    found = differences(first, other)
    assert found.empty and {"value", "low", "high", "interval", "first", "other"} <= set(found)


@pytest.mark.parametrize("quantity", ["p_value", "f_mem_p_value", "auc_p", "excess_p", "p_sweep", "p",
                                      "resolvable_excess", "samples_needed_0.01", "n_images"])
def test_fault_2_9_p_values_and_sizes_are_not_subtracted(quantity):
    rows = [summary_row("d", name, [0.4, 0.5]) for name in (quantity, "nndr", "precision", "spread", "mean")]
    found = differences(pd.DataFrame(rows), pd.DataFrame(rows))
    assert found["quantity"].tolist() == ["nndr", "precision", "spread", "mean"]


def test_shares_have_the_p_values_of_scipys_exact_tests():
    first, other = np.arange(50) < 10, np.arange(80) < 30
    row = differences(raw_and_summary(first)[1], raw_and_summary(other)[1]).iloc[0]
    one_sided = stats.fisher_exact([[30, 50], [10, 40]], alternative="greater").pvalue
    assert row["p"] == pytest.approx(2 * one_sided, rel=1e-10)
    (raw, summary), (other_raw, other_summary) = (raw_and_summary(part[:50]) for part in (first, other))
    paired = differences(summary, other_summary, (raw, other_raw), paired=True).iloc[0]
    assert paired["p"] == pytest.approx(stats.binomtest(20, 20).pvalue, rel=1e-10)
    assert np.isnan(differences(*[raw_and_summary(np.arange(9.0))[1]] * 2).iloc[0]["p"])


def test_memorised_fractions_of_the_same_noises_are_paired():
    """Their raw column is memorized: 3 samples of 40 that only the other run copies, McNemar's 2 · 2^-3."""
    copied = np.arange(40) < 20
    runs = [(pd.DataFrame({"sample": np.arange(40), "memorized": values, "source": "model"}),
             pd.DataFrame([summary_row("memorization", "f_mem", values, interval="exact", source="model")]))
            for values in (copied, np.arange(40) < 23)]
    row = differences(runs[0][1], runs[1][1], (runs[0][0], runs[1][0]), paired=True).iloc[0]
    assert row["interval"] == "paired newcombe" and row["p"] == pytest.approx(0.25)
