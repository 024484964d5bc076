"""ε against mechanisms of known ε: the committed result, and the command in little."""

import json
import math

import numpy as np

from checks import privacy


def test_the_committed_result_exceeds_no_known_epsilon_and_bounds_a_memorising_model():
    found = json.loads(privacy.RESULTS.read_text())
    assert [(one["epsilon"], one["copies"], one["coins"], one["delta"]) for one in found["mechanisms"]] == [
        tuple(one) for one in privacy.MECHANISMS]
    assert all(one["runs"] >= 500 and one["low"] <= 0.05 and not one["fails"] for one in found["mechanisms"])
    # A bound that is always 0 would never exceed anything: with 400 coins and ε = 2 it must find most of it.
    known = [one["median_bound"] for one in found["mechanisms"]
             if (one["epsilon"], one["coins"], one["delta"]) == (2.0, 400, 0)]
    assert min(known) > 0.4
    assert found["memorising"]["positive"] == found["memorising"]["runs"] > 0


def test_a_mechanism_that_leaks_more_than_it_says_is_caught(tmp_path, monkeypatch):
    """Coins told with ε = 3 and called ε = .5: all of 20 bounds exceed it."""
    truth = privacy.told
    monkeypatch.setattr(privacy, "told", lambda epsilon, *rest: truth(3.0, *rest))
    found = privacy.of_mechanism(0.5, 1, 200, 0.0, 20)
    assert found["exceeded"] == 20
    monkeypatch.undo()
    table = privacy.told(math.log(3), 1, 4000, 0.0, np.random.default_rng(0))
    # Told truly with probability 3/4: standard error .007.
    assert abs(((table["cfm_loss"] < 0.75) == (table["multiplicity"] > 0)).mean() - 0.75) < 0.035
