"""kill -9 at random moments: the command started again comes to the same tables; `kill.py` does it more often."""

import pandas as pd
import pytest
from kill import COMMANDS, compare, kill_at_random


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_comes_to_the_same_tables(name, tmp_path):
    killed, runs, _ = kill_at_random(name, 2, tmp_path)
    assert killed == 2 and runs >= 1


def test_a_difference_would_be_seen():
    table = {"a": pd.DataFrame({"x": [1.0, 2.0]})}
    compare(table, {"a": pd.DataFrame({"x": [1.0, 2.0]})})
    with pytest.raises(AssertionError):
        compare(table, {"a": pd.DataFrame({"x": [1.0, 2.0 + 1e-15]})})
    with pytest.raises(AssertionError):
        compare(table, {})
