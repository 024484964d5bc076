"""U-turns: û* returns where its posterior has committed, one example always, a population field to both kinds alike."""

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField, TrainingSet
from fmdiag.diagnostics.uturn.judged import class_of
from fmdiag.diagnostics.uturn.measure import measure
from fmdiag.diagnostics.uturn.starts import draw_starts
from fmdiag.diagnostics.uturn.summary import difference_test, reading, summarise, time_reached
from fmdiag.errors import FmdiagError, FmdiagWarning

DIGITS = fmdiag.load_dataset("digits", n=100)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian_set(seed=0, n=40, d=4, n_held_out=40, **changes):
    rng = np.random.default_rng(seed)
    held_out = TrainingSet(rng.normal(size=(n_held_out, d)).astype(np.float32)) if n_held_out else None
    return TrainingSet(rng.normal(size=(n, d)).astype(np.float32), held_out_source=held_out, **changes)


def population(x, t):
    """Return the optimal field of N(0, I) data on the linear path."""
    t = t.reshape(-1, *[1] * (x.ndim - 1)).to(x)
    return x * (2 * t - 1) / ((1 - t) ** 2 + t**2)


def still(x, t):
    return torch.zeros_like(x)


def test_u_star_returns_where_its_posterior_has_committed():
    """The source holds all the weight but 1e-6 at x_t: the trajectory ends on it, exactly."""
    table = measure(ClosedFormField(DIGITS), DIGITS, times=[0.3, 0.5, 0.7, 0.9], n_starts=30, fields=("model",))
    starts = draw_starts(DIGITS, n_starts=30, generator=generator())
    x0 = fmdiag.sampling.draw_noise(30, DIGITS.shape, generator=_after_starts(30))
    train = table[table["source"] == "train"]
    committed = 0
    for t, part in train.groupby("t"):
        found = ClosedFormField(DIGITS).posterior(t * starts.images["train"] + (1 - t) * x0, t,
                                                  source_rows=torch.from_numpy(starts.rows["train"]))
        sure = (found.source_weight > 1 - 1e-6).numpy()
        home = part.sort_values("pair")[sure]
        assert home["returned"].all() and (home["distance"] < 1e-5).all()
        assert (home["nearest"] == home["start"]).all()
        committed += sure.sum()
    assert committed > 40
    # û* ends on training examples; but for one that ends on its partner, which does not compete, none returns.
    assert table[table["source"] == "heldout"].groupby("pair")["returned"].any().sum() <= 1


def _after_starts(n):
    made = generator()
    draw_starts(DIGITS, n_starts=n, generator=made)
    return made


def test_one_training_example_is_returned_to_at_every_time():
    one = DIGITS.chosen([3], held_out_source=None)
    table = measure(still, one, times=[0.0, 0.5, 0.9], n_starts=2)
    assert table["returned"].all() and (table["nearest"] == 0).all() and np.isinf(table["distance_other"]).all()
    assert set(table["source"]) == {"train"} and set(table["field"]) == {"model", "closed_form", "wiener"}


@pytest.mark.parametrize("field", [population, still])
def test_late_turns_return_whatever_the_field(field):
    table = measure(field, gaussian_set(), times=[0.999], n_starts=30)
    assert table.loc[table["field"] == "model", "returned"].all()


def test_at_t_0_nothing_is_left_of_the_start():
    """All that is left is the noise, which the two of a pair share: their ends are equal."""
    table = measure(population, gaussian_set(), times=[0.0], n_starts=20, fields=("model", "wiener"))
    again = measure(population, gaussian_set(), times=[0.0, 0.6], n_starts=20, fields=("model",))
    for field, part in table.groupby("field"):
        near = part.pivot(index="pair", columns="source", values="distance_other")
        np.testing.assert_allclose(near["train"], near["heldout"], rtol=1e-5, err_msg=field)
    first = again[again["t"] == 0].reset_index(drop=True)
    pd.testing.assert_series_equal(first["distance"], table.loc[table["field"] == "model", "distance"].reset_index(
        drop=True), rtol=1e-5)


def test_ends_are_those_of_the_field():
    """v = a (x_t's own direction) has a known end: dx/dt = -x from t to 1 takes x_t to x_t e^(t - 1)."""
    train, t = gaussian_set(n_held_out=0), 0.5
    table = measure(lambda x, t: -x, train, times=[t], n_starts=10, fields=("model",), n_steps=400, method="rk4")
    made = generator()
    starts = draw_starts(train, n_starts=10, generator=made)
    x0 = fmdiag.sampling.draw_noise(10, train.shape, generator=made)
    own = starts.images["train"]
    expected = ((t * own + (1 - t) * x0) * np.exp(t - 1) - own).norm(dim=1)
    np.testing.assert_allclose(table["distance"], expected.numpy(), rtol=1e-5)
    assert table["start"].tolist() == starts.rows["train"].tolist()


def test_returns_are_by_content():
    """Every example is stored twice: the copy is as near as the start, which has returned all the same."""
    rows = gaussian_set(n=20, n_held_out=0).rows
    doubled = TrainingSet(np.concatenate([rows, rows]))
    table = measure(ClosedFormField(doubled), doubled, times=[0.97], n_starts=40, fields=("model",))
    assert table["returned"].all() and np.allclose(table["distance_other"], 0)


def test_a_pair_has_one_pool():
    """Every other start of either kind competes, the partner does not; rows of a start's group are left out."""
    groups = np.repeat(np.arange(20), 2)
    names = tuple(map(str, range(20)))
    held_out = TrainingSet(gaussian_set(1).rows, groups=groups, group_names=tuple(f"h{name}" for name in names))
    train = TrainingSet(gaussian_set().rows, groups=groups, group_names=names, held_out_source=held_out)
    starts = draw_starts(train, n_starts=12, generator=generator())
    assert len(set(groups[starts.rows["train"]])) == starts.n == 12
    assert not set(groups[starts.rest]) & set(groups[starts.rows["train"]]) and len(starts.rest) == 16
    plain = gaussian_set()
    table = measure(still, plain, times=[0.5], n_starts=8, fields=("model",))
    made = generator()
    starts = draw_starts(plain, n_starts=8, generator=made)
    x0 = fmdiag.sampling.draw_noise(8, plain.shape, generator=made)
    for source in starts.sources:
        ends = 0.5 * starts.images[source] + 0.5 * x0
        own = table[table["source"] == source].sort_values("pair")
        for pair, end in enumerate(ends):
            others = torch.cat([plain[starts.rest], *(starts.images[kind][np.arange(8) != pair]
                                                      for kind in starts.sources)])
            least = float((others - end).norm(dim=1).min())
            assert own["distance_other"].iloc[pair] == pytest.approx(least, rel=1e-5)
            assert own["returned"].iloc[pair] == (own["distance"].iloc[pair] <= least)


def test_the_class_is_that_of_the_nearest_label_or_of_the_classifier():
    table = measure(ClosedFormField(DIGITS), DIGITS, times=[0.2, 0.9], n_starts=20, fields=("model",))
    labels = np.asarray(DIGITS.labels)
    train = table[table["source"] == "train"]
    near = labels[train["nearest"]] == labels[train["start"]]
    # û* ends on a training example, whose label counts; starts are among them, the rest is too.
    assert (train["same_class"] == near).all() and table.attrs["classes"].startswith("class by the label")
    unlabelled = measure(still, gaussian_set(), times=[0.5], n_starts=8, fields=("model",))
    assert unlabelled["same_class"].isna().all() and unlabelled.attrs["classes"] is None
    assert "same_class" not in set(summarise(unlabelled)["quantity"])


def test_with_a_classifier_the_class_is_what_it_says_of_both():
    """Named after the set of a bundled classifier; the still field ends near its start late, on the noise at t = 0."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
    train = TrainingSet(rows[:15], name="fashion-mnist", held_out_source=TrainingSet(rows[15:]))
    table = measure(still, train, times=[0.0, 0.999], n_starts=8, fields=("model",))
    assert table.attrs["classes"].startswith("class by the classifier of fashion-mnist")
    assert table.loc[table["t"] == 0.999, "same_class"].all()
    classes = class_of(train)[0]
    made = generator()
    starts = draw_starts(train, n_starts=8, generator=made)
    x0 = fmdiag.sampling.draw_noise(8, train.shape, generator=made)
    first = table[(table["t"] == 0) & (table["source"] == "train")].sort_values("pair")
    assert first["same_class"].tolist() == (classes(x0) == classes(starts.images["train"])).float().tolist()


def test_every_feature_has_its_own_distances():
    table = measure(ClosedFormField(DIGITS), DIGITS, times=[0.6], n_starts=8, fields=("model",),
                    feature=["pixels", "pca"])
    pixels, pca = (table[table["feature"] == name].reset_index(drop=True) for name in ("pixels", "pca"))
    assert (pixels[["start", "pair"]] == pca[["start", "pair"]]).all(axis=None)
    # All of the variance of 100 digits of 64 values is in 64 directions: distances are those of pixels.
    np.testing.assert_allclose(pixels["distance"], pca["distance"], rtol=1e-4, atol=1e-5)
    assert set(summarise(table)["feature"]) == {"pixels", "pca"} and reading(summarise(table))


def test_mirror_images_of_starts_do_not_compete():
    flipped = DIGITS.with_hflip()
    starts = draw_starts(flipped, n_starts=20, generator=generator())
    assert len(starts.rest) == 2 * (100 - 20)
    assert not set(starts.rest % 100) & set(starts.rows["train"])


def test_a_wiener_field_that_takes_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr("fmdiag.diagnostics.uturn.measure.LARGEST", 3)
    table = measure(still, gaussian_set(), times=[0.5], n_starts=8)
    assert set(table["field"]) == {"model", "closed_form"}
    assert table.attrs["remarks"] == ["uturn leaves the Wiener field out: its covariance of 4 values and 40 examples "
                                      "is larger than 3 x 3"]


def test_batches_change_nothing(monkeypatch):
    table = measure(population, gaussian_set(), times=[0.2, 0.6], n_starts=20)
    monkeypatch.setattr("fmdiag.diagnostics.uturn.ways_back.STATES_AT_ONCE", 6)
    pd.testing.assert_frame_equal(table, measure(population, gaussian_set(), times=[0.2, 0.6], n_starts=20), rtol=1e-5)


def test_the_test_finds_u_star_and_no_population_field():
    train = gaussian_set(d=8)
    table = measure(population, train, times=[0.3, 0.6, 0.9], n_starts=30)
    p, rows = difference_test(table)
    assert p > 0.05 and {row["interval"] for row in rows} == {"paired", "simultaneous"}
    assert all(row["low"] <= 0 <= row["high"] for row in rows if row["interval"] == "simultaneous")
    found, rows = difference_test(measure(ClosedFormField(train), train, times=[0.3, 0.6, 0.9], n_starts=30))
    assert found < 1e-3 and max(row["value"] for row in rows) > 0.9


def test_exchanging_pairs_mirrors_the_difference():
    table = measure(ClosedFormField(DIGITS), DIGITS, times=[0.5, 0.8], n_starts=20, fields=("model",))
    other = table.assign(source=table["source"].map({"train": "heldout", "heldout": "train"}))
    values = [[row["value"] for row in difference_test(t)[1]] for t in (table, other)]
    np.testing.assert_allclose(values[0], np.negative(values[1]), atol=1e-12)
    assert difference_test(other)[0] > 0.9


def test_time_reached():
    """A line between the times; from the last time below; 1 at t = 1; wider limits of the share, wider times."""
    counts = pd.Series([0, 2, 1, 10], index=[0.0, 0.2, 0.4, 0.6])
    assert time_reached(counts, 10, 0.5)[0] == pytest.approx(0.4 + 0.2 * 4 / 9)
    assert time_reached(counts, 10, 0.15)[0] == pytest.approx(0.4 + 0.2 * 0.5 / 9)
    value, low, high = time_reached(pd.Series([10, 10], index=[0.1, 0.5]), 10, 0.5)
    assert (value, low, high) == (0.1, 0.0, 0.1)   # reached at or before the first time
    value, low, high = time_reached(pd.Series([5], index=[0.6]), 10, 0.9)
    assert value == pytest.approx(0.6 + 0.4 * 0.8) and low < value < high <= 1


def test_without_held_out_examples_it_is_said():
    alone = gaussian_set(n_held_out=0)
    starts = draw_starts(alone, n_starts=5, generator=generator())
    assert starts.sources == ("train",) and "no held-out examples" in starts.remarks[0]
    summary = summarise(measure(still, alone, times=[0.5], n_starts=5))
    assert "difference_p" not in set(summary["quantity"]) and reading(summary).startswith("There are no held-out")
    few = draw_starts(gaussian_set(n_held_out=5), n_starts=5, generator=generator())
    assert few.sources == ("train",) and "needs 8 images of each kind" in few.remarks[0]


def exploding(x, t):
    """Leave for infinity from the right half of the first coordinate, at t = 0.5."""
    v = torch.zeros_like(x)
    v[(t >= 0.5) & (x[:, 0] > 1)] = torch.nan
    return v


def test_lost_trajectories_are_named_with_their_time():
    table = measure(exploding, gaussian_set(), times=[0.2, 0.8], n_starts=30)
    remark, = table.attrs["remarks"]
    assert remark.startswith("uturn, model: ") and "diverged, the first at t = 0.5" in remark
    model, other = (table[table["field"] == field] for field in ("model", "wiener"))
    assert 0 < model["pair"].nunique() < 30 == other["pair"].nunique()
    assert f"({30 - model['pair'].nunique()} of 30 pairs of starts are left out)" in remark
    assert set(model.groupby("pair").size()) == {4}
    with pytest.raises(FmdiagError, match="uturn, model: all 120 trajectories diverged, the first at t = 0.2"):
        measure(lambda x, t: x * torch.nan, gaussian_set(), times=[0.2, 0.8], n_starts=30)


def test_times_outside_the_schedule_are_masked():
    class Scheduled:
        reachable = (0.1, 0.9)

        def __call__(self, x, t):
            assert 0.1 - 1e-6 <= float(t.min()) and float(t.max()) <= 0.9 + 1e-6
            return population(x, t)

    with pytest.warns(FmdiagWarning, match="2 of 4 times left out"):
        table = measure(Scheduled(), gaussian_set(), times=[0.0, 0.2, 0.8, 0.95], n_starts=10)
    assert sorted(table["t"].unique()) == [0.2, 0.8]


@pytest.mark.parametrize(("keywords", "words"), [
    ({"times": [1.0]}, r"times must be in \[0, 1\)"), ({"n_starts": 1}, "n_starts must be .* of at least 2, got 1"),
    ({"fields": ("models",)}, "field 'models'"), ({"fields": ()}, "uturn needs a field of model"),
    ({"method": "eulr"}, "eulr"), ({"n_steps": 0}, "n_steps must be a whole number of at least 1"),
    ({"held_out": torch.zeros(9, 3)}, "held-out examples have shape"), ({"feature": "inceptio"}, "inceptio")])
def test_bad_input_is_refused_in_one_line(keywords, words):
    with pytest.raises(FmdiagError, match=words) as error:
        measure(still, gaussian_set(), **keywords)
    assert "\n" not in str(error.value)
