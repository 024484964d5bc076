"""Quality: a perfect sampler scores like the reference, copies score too well against train only, bad input."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.quality.measure import measure, summarise
from fmdiag.errors import FmdiagError
from fmdiag.features import embed, load_feature
from fmdiag.metrics import METRICS
from fmdiag.metrics.frechet import frechet_distance
from fmdiag.metrics.prdc import prdc


def gaussian(n, dim, seed):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


@pytest.fixture(scope="module")
def points():
    """Return a training set of 300 rows in 6 dimensions with 200 held-out ones."""
    return TrainingSet(gaussian(300, 6, 0), held_out_source=TrainingSet(gaussian(200, 6, 1), split="test"))


def measured(samples, training_set, **options):
    table = measure(samples, training_set, generator=torch.Generator().manual_seed(0), **options)
    return table.drop_duplicates(["metric", "source"]).set_index(["metric", "source"])


def test_a_perfect_sampler_scores_like_the_reference(points):
    table = measured(gaussian(200, 6, 2), points)
    for metric in ("frechet_train", "frechet_test", "kid_train", "precision_test", "coverage_train"):
        model, reference = table.loc[(metric, "model")], table.loc[(metric, "heldout")]
        assert model["low"] < reference["high"] and reference["low"] < model["high"], metric
        assert model["n"] == reference["n"] == 200


def test_copies_are_closer_to_train_than_a_perfect_sampler_and_not_to_the_held_out_rows(points):
    table = measured(points[:200], points, metrics=["frechet"])
    assert table.loc[("frechet_train", "model"), "high"] < table.loc[("frechet_train", "heldout"), "value"]
    assert table.loc[("frechet_test", "model"), "value"] > 0.5 * table.loc[("frechet_test", "heldout"), "value"]


def test_values_are_those_of_the_metrics_on_the_right_sets(points):
    """Whichever is real: precision is judged by the manifold of the reference rows."""
    samples = 0.3 * gaussian(200, 6, 3)
    table = measured(samples, points, features=["pixels"], metrics=["frechet", "prdc"])["value"]
    rows, held_out = points[:].numpy(), points.held_out[:].numpy()
    assert table[("frechet_train", "model")] == pytest.approx(frechet_distance(samples, rows), rel=1e-10)
    assert table[("frechet_test", "model")] == pytest.approx(frechet_distance(samples, held_out), rel=1e-10)
    assert table[("frechet_train", "heldout")] == pytest.approx(frechet_distance(held_out, rows), rel=1e-10)
    assert table[("precision_test", "model")] == pytest.approx(prdc(held_out, samples)["precision"])
    assert table[("recall_test", "model")] == pytest.approx(prdc(held_out, samples)["recall"])
    assert table[("precision_test", "model")] > 0.9 > 0.5 > table[("recall_test", "model")]


def test_sets_are_compared_at_equal_n(points):
    table = measured(gaussian(50, 6, 2), points, metrics=["frechet"])
    assert (table["n"] == 50).all()
    assert table["n_reference"].to_dict()[("frechet_train", "model")] == 300
    assert (measured(gaussian(90, 6, 2), points, metrics=["frechet"], most=40)["n_reference"] == 40).all()


def test_without_held_out_rows_there_is_no_reference(points):
    table = measured(gaussian(50, 6, 2), points, held_out=False, metrics=["frechet"])
    assert set(table.reset_index()["metric"]) == {"frechet_train", "frechet_infinity_train"}
    assert set(table.reset_index()["source"]) == {"model"}


def test_principal_components_equal_scikit_learns():
    train = fmdiag.load_dataset("digits", n=300)
    ours = embed(train[:], load_feature("pca", training_set=train))
    theirs = PCA(64, svd_solver="full").fit_transform(train[:].reshape(300, -1).double().numpy())
    np.testing.assert_allclose(np.abs(ours[:, :20]), np.abs(theirs[:, :20]), atol=1e-4)
    assert ours.dtype == np.float32 and ours.shape == (300, 64)


def test_summary_keeps_the_definition(points):
    table = measure(gaussian(50, 6, 2), points, generator=torch.Generator().manual_seed(0))
    summary = summarise(table)
    assert len(summary) == len(table) and set(summary["diagnostic"]) == {"quality"}
    assert summary["definition"].str.contains("/").all()


@pytest.mark.parametrize(("samples", "options", "message"), [
    (gaussian(6, 6, 0), {}, "at least 7 samples and held-out examples, got 6 and 200"),
    (gaussian(20, 6, 0), {"held_out": gaussian(3, 6, 9)}, "got 20 and 3"),
    (gaussian(20, 5, 0), {}, r"must have shape \(6,\)"),
    (np.full((20, 6), np.nan), {}, "NaN"),
    (gaussian(20, 6, 0), {"features": ["pixel"]}, "did you mean 'pixels'"),
])
def test_bad_input(points, samples, options, message):
    with pytest.raises(FmdiagError, match=message):
        measure(samples, points, generator=torch.Generator().manual_seed(0), **options)


def test_fault_2_12_the_feature_space_stands_in_the_metrics_name(points):
    """Where all rows have one definition too: on the terminal, in the summary, on the page, at the figure's axis."""
    from fmdiag.figures.quality import panel
    from fmdiag.report.tables import summary_tables
    from fmdiag.results.short_table import short_table

    table = measure(gaussian(50, 6, 2), points, features=["pixels"], metrics=["prdc"],
                    generator=torch.Generator().manual_seed(0))
    summary = summarise(table)
    assert summary["definition"].nunique() == 1 and summary["definition"].iloc[0].endswith(" in pixels-6")
    assert "in pixels-6" in short_table(summary)
    page = summary_tables(summary)
    assert any(cell["text"].endswith("in pixels-6") for part in page for row in part["rows"] for cell in row)
    assert panel(table, "KID, in pixels-6", ("kid",)).get_xlabel().endswith("in pixels-6")


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_can_be_asked_for(points, metric):
    table = measure(gaussian(60, 6, 2), points, metrics=[metric], generator=torch.Generator().manual_seed(0))
    assert "model" in set(table["source"]) and (METRICS[metric].NEEDS_TEST or "heldout" in set(table["source"]))
