"""Pictures of the gallery: of the right samples, within the budget, reduced by means."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.memorization import gallery

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def _the_same_draws_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state



def training_set(n=40, side=8, **options):
    return TrainingSet(RNG.integers(0, 256, (n, 1, side, side), dtype=np.uint8), divisor=127.5, shift=-1.0, **options)


def table_of(n, sources=("model", "heldout", "closed_form"), n_rows=40, feature="pixels"):
    return pd.concat([pd.DataFrame({"source": source, "sample": np.arange(n), "nearest": np.arange(n) % n_rows,
                                    "ratio": RNG.permutation(n) / n, "feature": feature}) for source in sources],
                     ignore_index=True)


def points_of(train, table):
    n = int(table["sample"].max()) + 1
    rows = train[(np.arange(n) % train.n).tolist()]
    return {"model": rows, "heldout": rows}


def test_every_sample_is_shown_where_they_fit_with_its_own_picture():
    train = training_set()
    table = table_of(30)
    found = gallery.pictures(table, points_of(train, table), train)
    assert found["source"].tolist() == ["model"] * 30 + ["heldout"] * 30 + ["closed_form"] * 30
    assert found["picture"].tolist() == [*range(60), *[-1] * 30]
    for k in (0, 17, 45):
        np.testing.assert_array_equal(found["images"][found["picture"][k]], train.rows[found["sample"][k]])
    np.testing.assert_array_equal(found["row_images"], train.rows[found["rows"]])


def test_copies_of_a_row_are_counted():
    train = training_set()
    train.rows[[7, 9, 11]] = train.rows[7]
    table = table_of(30)
    found = gallery.pictures(table, points_of(train, table), train)
    counts = dict(zip(found["rows"].tolist(), found["copies"].tolist(), strict=True))
    assert {row for row, count in counts.items() if count == 3} == {7, 9, 11} and counts[0] == 1


def test_of_many_samples_the_nearest_and_ordinary_ones_are_shown_within_the_budget():
    train = training_set()
    table = table_of(1000)
    budget = 64 * 2 * 100
    found = gallery.pictures(table, points_of(train, table), train, budget=budget)
    assert found["images"].nbytes + found["row_images"].nbytes <= budget
    chosen = table.merge(pd.DataFrame({"source": found["source"], "sample": found["sample"]}))
    model = np.sort(chosen.loc[chosen["source"] == "model", "ratio"])
    assert len(model) == 70 and (model[:35] == np.arange(35) / 1000).all()
    assert model[-1] == 0.999 and np.diff(model[35:]).max() < 0.04, "the others are spread over all ratios"
    assert set(chosen["source"]) == {"model", "heldout", "closed_form"}


def test_two_feature_spaces_show_the_nearest_of_both():
    train = training_set()
    table = table_of(1000, sources=("model",))
    other = table.assign(feature="other", ratio=1 - table["ratio"], nearest=(table["nearest"] + 1) % 40)
    both = pd.concat([table, other])
    found = gallery.pictures(both, points_of(train, table), train, budget=64 * 3 * 100)
    least = both.groupby("sample")["ratio"].min()
    assert set(least.nsmallest(30).index) <= set(found["sample"].tolist())
    assert set(found["rows"]) >= set(both[both["sample"].isin(found["sample"])]["nearest"])


@pytest.mark.parametrize(("side", "reduced"), [(64, 64), (65, 33), (128, 64), (200, 50)])
def test_large_pictures_are_reduced_by_means(side, reduced):
    train = training_set(n=3, side=side)
    table = table_of(3, sources=("model",), n_rows=3)
    images = gallery.pictures(table, points_of(train, table), train)["images"]
    assert images.shape[-2:] == (reduced, reduced) and images.dtype == np.uint8
    stride = -(-side // 64)
    corner = train.rows[0, 0, :stride, :stride].mean()
    assert images[0, 0, 0, 0] == pytest.approx(corner, abs=0.5)


def test_vectors_have_no_pictures():
    train = TrainingSet(RNG.normal(size=(10, 2)).astype(np.float32))
    assert gallery.pictures(table_of(5), {"model": torch.zeros(5, 2)}, train) == {}


def test_latents_are_shown_decoded():
    train = TrainingSet(RNG.normal(size=(10, 4)).astype(np.float32))

    def decoder(points):
        return (points[:, :1, None, None].expand(-1, 3, 6, 6) * 0 + 9).to(torch.uint8)

    found = gallery.pictures(table_of(5, n_rows=10), points_of(train, table_of(5)), train, decoder=decoder)
    assert found["images"].shape == (10, 3, 6, 6) and (found["row_images"] == 9).all()
