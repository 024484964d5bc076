"""The field at states on training and held-out paths and on trajectories: shells, the band, the gap of the loss."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.error import bands
from fmdiag.diagnostics.error import measure as error
from fmdiag.diagnostics.error.gap import gap_test
from fmdiag.diagnostics.error.states import chosen_kinds, partners
from fmdiag.diagnostics.error.trajectories import closed_form_walk, grid_through
from fmdiag.diagnostics.points.pairs import draw_pairs
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import ClosedFormField
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.sampling import closed_form_states

TIMES = [0.0, 0.3, 0.7, 0.95]
BY_KIND = ("train", "heldout", "model", "closed_form")


def gaussian(n, dim=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def make_set(n=40, n_held_out=30, dim=6):
    rows = gaussian(n + n_held_out, dim)
    return TrainingSet(rows[:n], held_out_source=TrainingSet(rows[n:]))


def population(x, t):
    """Return the velocity of N(0, I) carried to N(0, I): of the distribution, whichever rows were drawn."""
    t = t.reshape(-1, *[1] * (x.ndim - 1))
    return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x


def by_kind(table):
    return {kind: part for kind, part in table.groupby("states")}


def brute_force(x, t, rows):
    """Return (nearest distance over sigma sqrt(d), largest weight, û*) of states x, float64 of shape (b, d)."""
    square = (x[:, None] - t * rows).square().sum(2)
    weights = torch.softmax(-square / (2 * (1 - t) ** 2), 1)
    return square.min(1).values.sqrt() / (1 - t) / x.shape[1] ** 0.5, weights.max(1).values, (weights @ rows - x) / (
        1 - t)


def test_the_closed_form_has_no_error_at_any_kind_of_states():
    data = make_set()
    table = error.measure(ClosedFormField(data), data, n_pairs=16)
    assert set(table["states"]) == set(BY_KIND)
    assert table["squared_error"].max() < 1e-9
    np.testing.assert_allclose(table["cosine"], 1, rtol=1e-9)
    # From the same noise on the same grid, its own trajectories are those of û*.
    own, star = (by_kind(table)[kind] for kind in ("model", "closed_form"))
    np.testing.assert_allclose(own["shell"], star["shell"], rtol=1e-4)


def test_training_states_are_the_same_whatever_else_is_asked_for():
    data = make_set()
    alone, among = (error.measure(population, data, times=TIMES, n_pairs=9, states=states)
                    for states in ("train", None))
    columns = [name for name in alone if name not in ("unit", "shell_low", "shell_high", "n_band")]
    pd.testing.assert_frame_equal(alone[columns], among.loc[among["states"] == "train", columns], check_exact=True)


@pytest.mark.parametrize("t", [0.0, 0.5, 0.9, 1 - 1e-6])
def test_held_out_states_against_brute_force(t):
    data, n_pairs = make_set(), 12
    found = by_kind(error.measure(population, data, times=[t], n_pairs=n_pairs, states="train,heldout"))
    rows, seen = data[:].double(), float(np.float32(t))
    pairs = draw_pairs(data, n_pairs, generator=torch.Generator().manual_seed(0))
    part = found["heldout"]
    x1 = data.unseen[part["source_row"].tolist()].double()
    x = seen * x1 + (1 - seen) * pairs.x0[part["pair"].tolist()].double()
    shell, top, optimum = brute_force(x, seen, rows)
    velocity = population(x.float(), torch.full((len(x),), seen)).double()
    np.testing.assert_allclose(part["shell"], shell, rtol=1e-9)
    np.testing.assert_allclose(part["top_weight"], top, rtol=1e-7)
    np.testing.assert_allclose(part["squared_error"], (velocity - optimum).square().mean(1), rtol=1e-6)
    loss = (velocity - (x1 - pairs.x0[part["pair"].tolist()].double())).square().mean(1)
    np.testing.assert_allclose(part["cfm_loss"], loss, rtol=1e-9)


@pytest.mark.parametrize("dim", [6, 80])
@pytest.mark.parametrize("path", [LinearPath(), CosinePath()], ids=lambda path: path.name)
def test_shells_are_exact_near_the_data_and_in_every_engine(dim, path):
    """`curve`, `shells` and the plain posterior name one number; float32 products from 65 dimensions on."""
    data, times = make_set(dim=dim), [0.2, 0.6, 0.99, 1 - 1e-6]
    posterior = ClosedFormField(data, path).posterior
    pairs = draw_pairs(data, 7, generator=torch.Generator().manual_seed(1))
    alone, rows = posterior.shells(pairs.x0, pairs.x1, pairs.rows, times), data[:].double()
    away = posterior.shells(pairs.x0, pairs.x1 + 0.5, torch.full_like(pairs.rows, -1), times)
    for k, chosen, found in posterior.curve(pairs.x0, pairs.x1, pairs.rows, times):
        t = torch.tensor(times[k], dtype=torch.float64)
        alpha, sigma = path.alpha(t), path.sigma(t)
        for shift, shells in ((0.0, alone[k]), (0.5, away[k])):
            # x0 + s (x1 - X), which does not cancel, as x_t - alpha X does at t -> 1.
            difference = pairs.x0.double()[:, None] + alpha / sigma * ((pairs.x1 + shift).double()[:, None] - rows)
            np.testing.assert_allclose(shells, difference.norm(dim=2).min(1).values / dim**0.5, rtol=1e-9)
        np.testing.assert_allclose(found.shell, alone[k][chosen], rtol=1e-6)
        np.testing.assert_allclose(posterior(pairs.at(path, times[k])[0], times[k]).shell, alone[k], rtol=1e-6)


def test_one_training_row_leaves_the_norm_of_the_noise():
    data = TrainingSet(gaussian(1))
    table = error.measure(population, data, times=TIMES, n_pairs=10, states="train")
    noise = draw_pairs(data, 10, generator=torch.Generator().manual_seed(0)).x0.double().norm(dim=1) / 6**0.5
    np.testing.assert_allclose(table["shell"], np.tile(noise, len(TIMES)), rtol=1e-14)
    np.testing.assert_allclose(table["source_shell"], table["shell"], rtol=1e-14)
    assert (table["top_weight"] == 1).all()


def test_the_source_shell_is_a_chi_and_the_minimum_is_never_above_it():
    """|x0| / sqrt(d) has mean 1 - 1 / (4 d) + O(d^-2) and deviation 1 / sqrt(2 d) (1 + O(1 / d)).

    Of 4000 pairs in d = 50: the mean is off by at most 5 / sqrt(2 d) / sqrt(4000) = 0.0079 and 1 / (32 d²) = 1e-5; the
    deviation by 5 / sqrt(2 * 4000) = 5.6 % and a share 1 / (8 d) = 0.25 % of itself.
    """
    data = make_set(n=500, dim=50)
    table = error.measure(population, data, times=[0.2, 0.9], n_pairs=4000, states=("train",))
    shells = table.loc[table["t"] == 0.2, "source_shell"]
    assert abs(shells.mean() - (1 - 1 / 200)) < 0.008
    assert abs(shells.std() * 100**0.5 - 1) < 0.06
    # Equal where the source is the nearest, but for the rounding of float64.
    assert (table["shell"] <= table["source_shell"] * (1 + 1e-12)).all()
    assert (table.loc[table["t"] == 0.2, "shell"] < shells).mean() > 0.1


def test_trajectories_pass_through_the_times_that_are_measured():
    assert grid_through([0.25, 0.7], 4) == [0.0, 0.25, 0.5, 0.7]
    # In float32 0.02 is another number: no step of 1e-9 stands beside it.
    assert grid_through([float(np.float32(0.02))], 100) == [0.0, 0.01, float(np.float32(0.02))]
    data = make_set()
    u_star, x0 = ClosedFormField(data), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    grid, times = grid_through([0.3, 0.8], 20), [0.3, 0.8]
    expected = closed_form_states(u_star, x0, [*grid, 1.0], times)
    for t, x, _ in closed_form_walk(u_star, x0, times, 20):
        np.testing.assert_allclose(x, expected[t], rtol=1e-9, atol=1e-11)


def test_the_model_is_seen_on_its_own_trajectories():
    """v = a constant carries x0 to x0 + t: the shell is that state's, the error that of the constant."""
    data, c = make_set(), 0.7
    table = error.measure(lambda x, t: torch.full_like(x, c), data, times=[0.5], n_pairs=8, states="model")
    x0 = draw_pairs(data, 8, generator=torch.Generator().manual_seed(0)).x0.double()
    shell, _, optimum = brute_force(x0 + 0.5 * c, 0.5, data[:].double())
    np.testing.assert_allclose(table["shell"], shell, rtol=1e-5)
    np.testing.assert_allclose(table["squared_error"], (c - optimum).square().mean(1), rtol=1e-4)
    assert table["cfm_loss"].isna().all() and table["source_shell"].isna().all()


def test_partners_stand_in_the_places_of_training_rows():
    images = np.random.default_rng(0).normal(size=(30, 1, 4, 4)).astype(np.float32)
    data = TrainingSet(images[:8], hflip=True, held_out_source=TrainingSet(images[8:14]))
    pairs = draw_pairs(data, 60, generator=torch.Generator().manual_seed(0))
    found = partners(data, pairs, generator=torch.Generator().manual_seed(1))
    stored = pairs.rows[found.numbers].numpy() % 8
    linked = {row: set(found.pairs.rows[stored == row].tolist()) for row in set(stored.tolist())}
    # Six held-out rows for eight training rows: one each, never shared, mirrored where the training row is.
    assert len(linked) == 6 and all(len(rows) == 1 for rows in linked.values())
    assert len(set.union(*linked.values())) == 6
    for k, pair in enumerate(found.numbers.tolist()):
        plain = torch.as_tensor(images[8 + found.pairs.rows[k]])
        mirrored = int(pairs.rows[pair]) >= 8
        assert torch.equal(found.pairs.x1[k], plain.flip(-1) if mirrored else plain)
        assert torch.equal(found.pairs.x0[k], pairs.x0[pair])
    assert set(found.units[found.numbers]) == set(stored.tolist()) and (found.units == -1).any()


def test_a_field_of_the_population_has_no_gap_and_the_closed_form_has_one():
    """Under the null p is uniform at most: below 0.01 once in a hundred seeds; this one is fixed."""
    data = make_set(n=60, n_held_out=60)
    tables = [error.measure(field, data, times=[0.2, 0.5, 0.8], n_pairs=120, states="train,heldout")
              for field in (population, ClosedFormField(data))]
    (null, rows), (p, found) = (gap_test(table) for table in tables)
    assert null > 0.05 and (rows["low"] < 0).all()
    assert p < 0.001 and found["low"].iloc[-1] > 0
    assert list(rows["t"]) == [0.2, 0.5, 0.8] and (rows["n"] == tables[0].query("unit >= 0")["unit"].nunique()).all()


def test_the_gap_is_the_mean_over_training_rows_of_their_mean_differences():
    table = pd.DataFrame({"states": ["train"] * 9 + ["heldout"] * 9, "t": 0.5, "unit": [0, 0, *range(1, 8)] * 2,
                          "cfm_loss": [1.0, 3.0, *[1.0] * 7, 5.0, 5.0, *[2.0] * 7]})
    assert gap_test(table)[1]["value"].tolist() == [(3 + 7) / 8]
    assert np.isnan(gap_test(table[table["unit"] < 6])[0])     # too few to show anything


def test_the_band_and_what_it_holds():
    """Of 2000 values the band is the 10th smallest to the 10th largest; Beta(1981 - ..., ...) by its mean r/(n + 1)."""
    shells = np.random.default_rng(0).permutation(2000)[None] + 1.0
    assert [ends.tolist() for ends in bands.band_limits(shells)] == [[10.0], [1991.0]]
    assert bands.band_content(2000)[0] == pytest.approx(1981 / 2001)
    assert bands.band_size(1000) == 2000 and bands.band_size(60_000) == 1000 == bands.band_size(10**7)


def test_when_trajectories_leave():
    """40 trajectories: all inside, 22 of 40, 10 of 40, none. The exact interval of 22 reaches below one half."""
    part = pd.DataFrame([{"t": t, "pair": pair, "source_row": -1, "inside": pair < count}
                         for t, count in ((0.1, 40), (0.4, 22), (0.6, 10), (0.8, 0)) for pair in range(40)])
    assert bands.leaving(part) == (0.6, 0.4, 0.6)
    value, low, high = bands.leaving(part[part["t"] < 0.5])
    assert np.isnan(value) and low == 0.4 and np.isnan(high)


def test_lost_trajectories_are_named_and_the_rest_is_measured():
    def field(x, t):
        bad = (x[:, 0] > 1) & (t >= 0.5)
        return torch.where(bad[:, None], torch.nan, torch.zeros_like(x))

    data = make_set()
    x0 = draw_pairs(data, 40, generator=torch.Generator().manual_seed(0)).x0
    count = int((x0[:, 0] > 1).sum())
    said = rf"own trajectories: {count} of 40 trajectories diverged, the first at t = 0.5 \({count / 40:.1%}\)"
    with pytest.warns(FmdiagWarning, match=said):
        table = error.measure(field, data, times=[0.3, 0.8], n_pairs=40, states="model")
    assert table.groupby("t").size().to_dict() == {0.3: 40, 0.8: 40 - count}
    assert table.attrs["diverged"].startswith("the model's own trajectories")


def test_kinds_of_states_by_name():
    data = make_set()
    assert chosen_kinds(None, data) == list(BY_KIND) == chosen_kinds((), data)
    assert chosen_kinds("model, closed-form", data) == ["model", "closed_form"]
    alone = TrainingSet(gaussian(5))
    assert "heldout" not in chosen_kinds(None, alone)
    with pytest.warns(FmdiagWarning, match="no held-out examples"):
        assert chosen_kinds(("train", "heldout"), alone) == ["train"]
    with pytest.raises(FmdiagError, match="no held-out examples"):
        chosen_kinds("heldout", alone)
    with pytest.raises(FmdiagError, match="kind of states 'sideways'"):
        chosen_kinds("sideways", data)


def test_times_that_the_schedule_does_not_reach_are_masked_everywhere():
    class Late:
        reachable = (0.2, 0.9)

        def __call__(self, x, t):
            assert bool((t >= 0.2 - 1e-6).all() and (t <= 0.9 + 1e-6).all())
            return -x

    with pytest.warns(FmdiagWarning, match="2 of 4 times left out"):
        table = error.measure(Late(), make_set(), times=[0.0, 0.2, 0.9, 0.95], n_pairs=4)
    assert table.groupby("states")["t"].unique().map(list).to_dict() == dict.fromkeys(BY_KIND, [0.2, 0.9])
