"""kill -9 at random moments: the command started again comes to the same tables."""

import json
from pathlib import Path

import pandas as pd
import pytest

from checks.kills.__main__ import compare, kill_often

RESULTS = Path(__file__).parents[2] / "checks/results/kills.json"


@pytest.mark.slow
def test_a_killed_command_comes_to_the_same_tables(tmp_path):
    """Training and studies are killed in tests of theirs."""
    found = kill_often("memorization", 1, tmp_path)
    assert found["kills"] == 1 and found["runs completed"] >= 1 and found["tables"] >= 4


@pytest.mark.parametrize("name", ["train", "study", "memorization", "report", "audit"])
def test_twenty_kills_of_each_were_made_and_compared(name):
    made = json.loads(RESULTS.read_text())[name].values()
    assert sum(found["kills"] for found in made) >= 20 and sum(found["different"] for found in made) == 0
    assert sum(found["processes that found finished work"] for found in made) >= 5, "kills too early show nothing"


def test_a_difference_would_be_seen():
    table = {"a": pd.DataFrame({"x": [1.0, 2.0]})}
    compare(table, {"a": pd.DataFrame({"x": [1.0, 2.0]})})
    with pytest.raises(AssertionError):
        compare(table, {"a": pd.DataFrame({"x": [1.0, 2.0 + 1e-15]})})
    with pytest.raises(AssertionError):
        compare(table, {})
