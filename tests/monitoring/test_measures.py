"""Measures of one look: their exact cases are û*, which copies, and a field that knows nothing of the split."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.diagnostics.error.measure import measure as error
from fmdiag.errors import FmdiagError
from fmdiag.monitoring.measures import COLUMNS, Setting, look

TESTED = ["gap", "f_mem_excess", "auc"]


@pytest.fixture(scope="module")
def digits():
    return fmdiag.load_dataset("digits", n=40)


@pytest.fixture(scope="module")
def setting(digits):
    return Setting(digits)


@pytest.fixture(scope="module")
def copying(digits, setting):
    return look(fmdiag.ClosedFormField(digits), setting, step=7, n=24)


def test_what_copies_is_found_by_every_test(copying):
    """The optimum has error 0 where it is asked, and every sample is a training row."""
    table = copying.set_index("quantity")
    assert tuple(copying.columns) == COLUMNS and set(copying.step) == {7} and not copying.note.any()
    assert table.value[[f"error_{kind}" for kind in ("train", "heldout", "model", "closed_form")]].max() < 1e-10
    assert table.value["f_mem"] == 1 and table.value["d1"] < 1e-9
    # 1 / (exchanges + 1) is the least; Fisher's of 24 of 24 against 0 of 297 is far below.
    assert (table.p[TESTED] < 1e-3).all() and table.p.drop(TESTED).isna().all()
    assert table.value["gap"] == pytest.approx(table.value["loss_heldout"] - table.value["loss_train"])


def test_who_knows_nothing_is_not_accused(setting):
    """-x treats training and held-out examples alike: at this seed each p-value is above 1 in 100."""
    table = look(lambda x, t: -x, setting, n=24).set_index("quantity")
    assert (table.p[TESTED] > 0.01).all() and table.value["f_mem"] < 0.2


def test_a_setting_gives_the_same_look_again(digits, setting, copying):
    again = look(fmdiag.ClosedFormField(digits), setting, step=7, n=24)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), copying.drop(columns="seconds"), check_exact=True)


def test_the_error_is_that_of_its_diagnostic(digits):
    """At the same pairs and times; without a band nothing else changes."""
    settings = {"times": [0.3, 0.6], "n_pairs": 8, "n_steps": 5, "seed": 3}
    whole, bare = (error(lambda x, t: -x, digits, n_band=n_band, **settings) for n_band in (None, 0))
    band = ["shell_low", "shell_high", "n_band"]
    assert whole.drop(columns=band).equals(bare.drop(columns=band)) and set(bare.n_band) == {0}
    table = look(lambda x, t: -x, digits, n=8, times=(0.3, 0.6), n_steps=5, seed=3, measures=["error"])
    for kind, part in bare.groupby("states"):
        assert table.set_index("quantity").value[f"error_{kind}"] == pytest.approx(part.squared_error.mean())


def test_without_held_out_examples(digits):
    table = look(lambda x, t: -x, digits, n=8, held_out=False).set_index("quantity")
    assert list(table.index) == ["error_train", "error_model", "error_closed_form", "f_mem", "d1"]
    assert table.p.isna().all()


def test_a_failing_measure_is_a_row(digits):
    def broken(field, rows):
        raise ValueError("no\nluck")

    def own(field, rows):
        return {"mean": (float(field(rows[:2], 0.5).mean()), -1, 1)}

    table = look(lambda x, t: x * 0, digits, n=8, measures=[broken, own, "membership"]).set_index("quantity")
    assert table.note["broken"] == "ValueError: no" and np.isnan(table.value["broken"])
    assert table.loc["mean", ["value", "low", "high"]].tolist() == [0, -1, 1] and 0 <= table.value["auc"] <= 1
    table = look(lambda x, t: x * torch.nan, digits, n=8).set_index("quantity")
    assert all("not finite" in note or "NaN" in note for note in table.note)


@pytest.mark.parametrize(("options", "message"), [
    ({"measures": ["f-mem"]}, "unknown measure 'f-mem'"),
    ({"held_out": np.zeros((9, 1, 4, 4), np.float32)}, "shape"),
])
def test_wrong_settings_are_refused(digits, options, message):
    with pytest.raises(FmdiagError, match=message):
        Setting(digits, **options)
