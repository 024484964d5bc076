"""Tests of onsets along training: a table of looks by hand."""

import math

import numpy as np
import pandas as pd

from fmdiag.monitoring.onset import onsets, with_corrected, with_tests
from fmdiag.report.tables import summary_tables

NAN = math.nan


def looks(**columns):
    """Return a table of looks at steps 100, 200, 400 and 800 of quantities given as (values, p-values)."""
    return pd.concat([pd.DataFrame({"step": [100, 200, 400, 800], "quantity": name, "value": values, "low": NAN,
                                    "high": NAN, "p": p}) for name, (values, p) in columns.items()], ignore_index=True)


TABLE = looks(f_mem_excess=([0, 0, 0.3, 0.9], [1, 0.5, 1e-3, 1e-9]), auc=([0.5, 0.6, 0.9, 1], [0.6, 5e-3, 1e-4, 5e-5]),
              frechet_test=([9, 1.05, 1, 1.2], NAN))


def test_each_test_has_its_onset_and_two_share_the_level():
    found = onsets(TABLE).set_index(["quantity", "of"])[["value", "low", "high", "n"]]
    # Two tests at look 3: 24 * .001 = .024; at look 2: 12 * .005 = .06 > .05, at look 3: 24 * 1e-4.
    assert found.loc["tau_mem", "f_mem_excess"].tolist() == [400, 200, 400, 4]
    assert found.loc["tau_auc", "auc"].tolist() == [400, 200, 400, 4]
    assert found.loc["tau_gen", "frechet_test"].tolist() == [200, 100, 200, 4]
    alone = onsets(TABLE, tests=["auc"]).iloc[0]
    assert (alone["of"], alone["value"], alone["low"]) == ("auc", 200, 100)            # 6 * .005 = .03


def test_the_correction_counts_looks_in_the_order_in_which_they_were_made():
    table = TABLE[TABLE["quantity"] == "auc"].iloc[::-1]
    np.testing.assert_allclose(with_corrected(table)["p_corrected"], np.minimum(1, table["p"] * [2, 6, 12, 20]))
    # Two looks reject, whatever the order: the one of the smaller step is the onset.
    assert onsets(table.assign(p=[0.001, 1.0, 0.001, 1.0]))["value"].item() == 200


def test_no_onset_where_nothing_rejects_and_none_where_nothing_was_measured():
    row = onsets(looks(f_mem_excess=([0] * 4, [1, 0.5, 0.2, 0.9]))).iloc[0]
    assert math.isnan(row["value"]) and (row["low"], row["high"], row["n"]) == (800, math.inf, 4)
    empty = looks(f_mem_excess=([NAN] * 4, NAN), frechet_test=([NAN] * 4, NAN))
    assert with_tests(empty) == [] and len(onsets(empty)) == 0
    assert math.isnan(onsets(empty, tests=["f_mem_excess"])["value"].item())


def test_what_was_not_reached_is_shown_until_when():
    table, = summary_tables(onsets(looks(f_mem_excess=([0] * 4, [1, 0.5, 0.2, 0.9]), auc=([NAN] * 4, NAN)),
                                   tests=["f_mem_excess", "auc"]))
    shown = [row[table["columns"].index("value")]["text"] for row in table["rows"]]
    assert shown == ["not by step 800", "not tested"]
