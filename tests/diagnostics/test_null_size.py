"""Too few held-out rows: how many bound the null, against the exact interval itself."""

import pytest
import torch

from fmdiag import TrainingSet
from fmdiag.diagnostics.memorization import null_size
from fmdiag.errors import FmdiagError
from fmdiag.stats import proportion_interval


@pytest.mark.parametrize("bound", [0.5, 0.1, 0.05, 0.01])
def test_the_least_number_of_rows_that_bounds_the_null(bound):
    n = null_size.rows_for(bound)
    assert proportion_interval(0, n)[2] <= bound < proportion_interval(0, n - 1)[2]


def test_the_warning_begins_below_forty_and_names_what_is_needed():
    assert null_size.warning(40, 1000) is None and null_size.warning(12, 12) is None and null_size.warning(0, 9) is None
    text = null_size.warning(39, 1000)
    assert text.startswith("only 39 held-out examples for 1000 samples") and "may be 9%" in text
    assert "36 rows bound it by 10%, 72 by 5%, 368 by 1%" in text and "--held-out" in text


@pytest.mark.parametrize(("n", "required", "said"), [
    (None, True, "no held-out examples"), (1, True, "only 1 held-out example,"), (1, False, "only 1 held-out example,"),
    (None, False, None), (2, True, None)])
def test_without_an_interval_there_is_no_null(n, required, said):
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).numpy()
    held_out = None if n is None else TrainingSet(rows[:n] + 9)
    training_set = TrainingSet(rows, name="rows", held_out_source=held_out)
    if said is None:
        return null_size.check_held_out(training_set, required=required)
    with pytest.raises(FmdiagError, match=f"rows has {said}.*at least 2.*36 rows bound it by 10%"):
        null_size.check_held_out(training_set, required=required)
