"""Guesses of coins from losses and bounds on ε that follow, by hand, for a model that memorises and under chance."""

import json

import numpy as np
import pandas as pd

from fmdiag import ClosedFormField, load_dataset
from fmdiag.datasets.canaries import load_canaries, plant
from fmdiag.diagnostics.canaries import privacy
from fmdiag.diagnostics.canaries.measure import measure, summarise
from fmdiag.stats.one_run import epsilon_lower_bound


def test_the_least_losses_are_guessed_in_and_the_largest_out():
    assert privacy.guesses([0.3, 0.1, 0.9, 0.2, 0.5, 0.4], 0.7).tolist() == [-1, 1, 0, 1, 0, -1]
    assert privacy.guesses([1.0, 1.0, 1.0, 1.0], 1.0).tolist() == [1, 1, 0, 0]   # ties: in their order
    assert (privacy.guesses([0.3, 0.1], 0.5) == -1).all()


def test_what_is_guessed_does_not_depend_on_the_coins():
    table = pd.DataFrame({"coin": [1, 1, 4, 4] * 5, "multiplicity": 0, "cfm_loss": np.arange(20.0)})
    other = table.assign(multiplicity=table["coin"])
    assert privacy.guess(table, 0.5)["guess"].tolist() == privacy.guess(other, 0.5)["guess"].tolist()


def test_u_star_gives_its_coins_away(tmp_path):
    base = load_dataset("digits", n=60)
    manifest = plant(tmp_path, base, base.held_out, multiplicities=(1, 2), n_each=24, seed=1)
    (tmp_path / "canaries.json").write_text(json.dumps(manifest))
    train = load_dataset(tmp_path)
    table = measure(base.held_out[250:254], train, canaries=load_canaries(tmp_path, train),
                    field=ClosedFormField(train), n_noises=2)
    rows = summarise(table).set_index("quantity")
    right = rows.loc["guessed_right"]
    assert (right["n"] == 12).all() and (right["value"] == 1).all()
    bounds, each = rows.loc["epsilon_at_least"], rows.loc["epsilon_per_example"]
    assert np.allclose(bounds["value"], epsilon_lower_bound(24, 12, 12)) and (bounds["value"] > 1).all()
    assert np.allclose(each["value"] * each["multiplicity"], bounds["value"])
    assert (rows.loc["epsilon_delta_at_least", "value"] <= bounds["value"].to_numpy() + 1e-9).all()
    assert rows.loc["loss_trend_p", "value"] < 1e-3


def test_losses_of_chance_bound_nothing_too_often():
    # 200 draws of coins that losses know nothing of: a bound above 0 at most 5 % of the time, 19 or fewer of 200 with
    # probability .998; likewise the trend.
    rng, above, trends = np.random.default_rng(0), 0, 0
    for _ in range(200):
        table = pd.DataFrame({"coin": 1, "multiplicity": rng.integers(0, 2, 40), "cfm_loss": rng.normal(size=40)})
        made = privacy.guess(table, 0.5)
        made = made[made["guess"] >= 0]
        above += epsilon_lower_bound(40, len(made), int((made["guess"] == made["multiplicity"]).sum())) > 0
        trends += privacy.trend_p(table["multiplicity"], table["cfm_loss"], n=200) <= 0.05
    assert above <= 19 and trends <= 19
