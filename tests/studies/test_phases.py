"""EMM and exponents of made-up studies, and what a study of several widths accepts."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fmdiag.errors import FmdiagError
from fmdiag.studies.judgement import AGREES, CONTRADICTS, OPEN
from fmdiag.studies.phases import emm_rows, emm_sentences, emm_text, judge_exponent, slope_rows, slope_sentences
from fmdiag.studies.settings import load_data, make_plan
from fmdiag.studies.widths import widest

SIZES, WIDTHS, STEPS = (16, 32, 64, 128), (8, 16, 32), 100 * np.sqrt(2) ** np.arange(12)


def cell(tau):
    """Return (low, high) of a time between the evaluations."""
    index = np.searchsorted(STEPS, tau)
    return (STEPS[index - 1] if index else 0.0), (STEPS[index] if index < len(STEPS) else math.inf)


@pytest.fixture(scope="module")
def slopes():
    """Rows of models whose tau_mem is 300 n / width and whose tau_gen is 8000 / width, to within a tenth."""
    rng, rows = np.random.default_rng(0), []
    for n in SIZES:
        for width in WIDTHS:
            for seed in range(2):
                times = {"tau_mem": 300 * n / width, "tau_gen": 8000 / width}
                found = {name: cell(tau * math.exp(0.1 * rng.normal())) for name, tau in times.items()}
                rows.append({"n_train": n, "width": width, "objective": "cfm", "seed": seed} | {
                    f"{name}_{end}": value for name, ends in found.items()
                    for end, value in zip(("low", "high"), ends, strict=True)})
    points = pd.DataFrame(rows)
    assert np.isinf(points["tau_mem_high"]).any() and (points["tau_gen_low"] == 800 / np.sqrt(2)).sum() == 0
    return pd.DataFrame(slope_rows(points)).assign(diagnostic="study_time")


@pytest.mark.parametrize("quantity, exponent", [("tau_mem_joint_slope_n", 1), ("tau_mem_joint_slope_width", -1),
                                                ("tau_gen_joint_slope_n", 0), ("tau_gen_joint_slope_width", -1)])
def test_exponents_of_a_made_up_study(slopes, quantity, exponent):
    row = slopes[slopes["quantity"] == quantity].squeeze()
    assert row["low"] < exponent < row["high"] < row["low"] + 0.6 and row["n"] == 24
    own = slopes[slopes["quantity"] == quantity.replace("_joint", "")]
    axis, fixed = ("width", SIZES) if quantity.endswith("width") else ("n", WIDTHS)
    assert set(own["n_train" if axis == "width" else "width"]) <= set(fixed) and len(own) >= 2
    assert (own["value"] - exponent).abs().max() < 0.4


def test_verdicts_on_exponents(slopes):
    assert all(text.startswith(AGREES) for text in slope_sentences(slopes)) and len(list(slope_sentences(slopes))) == 4
    assert judge_exponent((1, 0.4, 1.2), 1) == OPEN and judge_exponent((1.3, 1.1, 1.5), 1) == CONTRADICTS


def test_emm_is_of_the_mean_over_seeds_and_of_each():
    curves = ((8, (1.0, 0.6, 0)), (16, (1.0, 0.96, 0.1)), (32, (1, 1, 1)))
    final = pd.DataFrame([{"n_train": n, "width": width, "objective": "cfm", "seed": seed, "n_nearest": 500,
                           "f_mem": share} for width, curve in curves
                          for n, share in zip((16, 64, 256), curve, strict=True) for seed in range(2)])
    rows = pd.DataFrame(emm_rows(final))
    emm = rows[rows["quantity"] == "emm"].set_index("width")
    assert emm.loc[8, ["value", "low", "high"]].tolist() == pytest.approx([16 * 4**0.25, 16, 64])
    assert emm.loc[16, ["low", "high"]].tolist() == [64, 256] and (emm["n"] == 3000).all()
    assert emm.loc[32, ["value", "low", "high"]].tolist() == [math.inf, 256, math.inf]
    # The seeds agree here; where one lies outside the sizes they have no mean.
    own = rows[rows["quantity"] == "emm_of_seeds"].set_index("width")
    assert own["value"].to_dict() == pytest.approx({8: 16 * 4**0.25, 16: emm.loc[16, "value"]})
    assert emm_rows(final[final["n_train"] == 16]) == []


@pytest.mark.parametrize("limits, verdict", [
    (((30, 60), (60, 120)), AGREES), (((30, 120), (60, 240)), OPEN), (((60, 120), (0, 60)), CONTRADICTS),
    (((30, 60), (120, math.inf)), AGREES), (((0, 60), (0, 60)), OPEN)])
def test_disjoint_limits_decide_whether_emm_grows(limits, verdict):
    rows = pd.DataFrame([{"quantity": "emm", "objective": "cfm", "width": width, "value": low, "low": low, "high": high}
                         for width, (low, high) in zip((8, 32), limits, strict=True)])
    sentence, = emm_sentences(rows, SimpleNamespace(sizes=(30, 60, 120, 240)))
    assert sentence.startswith(verdict + ":")


@pytest.mark.parametrize("found, text", [
    ((152.4, 100, 300), "152 [100, 300)"), ((0, 0, 300), "below 100 [below 100, 300)"),
    ((0, 0, 100), "below 100"), ((math.inf, 300, math.inf), "900 or above [300, 900 or above]"),
    ((math.inf, 900, math.inf), "900 or above"), ((math.nan,) * 3, "")])
def test_emm_outside_the_sizes_is_said(found, text):
    assert emm_text(found, (100, 300, 900)) == text


def test_only_the_widest_network_is_shown_as_figure_2():
    table = pd.DataFrame({"width": [8, 16, math.nan]})
    assert widest(table).index.tolist() == [1, 2] and widest(table[[]]).index.tolist() == [0, 1, 2]


@pytest.fixture(scope="module")
def data():
    return load_data("digits", feature="pixels")


def test_a_model_is_the_same_part_in_a_study_of_its_width_alone(data):
    settings = {"sizes": (16, 64), "seeds": 1, "network": "mlp", "depth": 1}
    both, one = (make_plan("time", data, **settings, **width) for width in ({"widths": (8, 16)}, {"width": 16}))
    keys = {part.key for _, part in one.cells()}
    assert keys == {part.key for cell, part in both.cells() if cell["width"] == 16} and len(list(both.cells())) == 4
    assert both.inputs()["widths"] == [8, 16] and "widths" not in one.inputs()
    levels = make_plan("size", data, **settings | {"network": "unet2d"}, widths=(4, 8), channels=(8, 12)).networks
    assert [network["channels"] for network in levels] == [[4, 6], [8, 12]]


@pytest.mark.parametrize("kind, settings, message", [
    ("losses", {}, "leave --widths out"), ("size", {"width": 8}, "give one"),
    ("size", {"widths": (16, 8)}, "increasing"), ("time", {"widths": (8, 8)}, "increasing"),
    ("time", {"sizes": (16,)}, "at least two --sizes, got 16"),
    ("size", {"sizes": (16, 5000)}, "digits has 1500 rows"), ("size", {"channels": (8, 16)}, "the mlp has none"),
    ("size", {"network": "unet2d", "channels": (8, 9), "widths": (4,)}, "no whole numbers"),
    ("size", {"network": "unet2d", "channels": (8, 10), "widths": (4,)}, "--widths 4: unet2d needs even"),
    ("time", {"spacing": 1.0}, "factor above 1")])
def test_bad_widths_are_refused(data, kind, settings, message):
    with pytest.raises(FmdiagError, match=message):
        make_plan(kind, data, **{"sizes": (16, 64), "network": "mlp", "widths": (8, 16)} | settings)
