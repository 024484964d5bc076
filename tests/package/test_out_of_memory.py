"""Where memory does not suffice, work goes on in smaller pieces, says so, and comes to the same result."""

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagWarning
from fmdiag.fields import ClosedFormField, NetworkField
from fmdiag.neighbors import nearest
from fmdiag.neighbors.search import Search
from fmdiag.out_of_memory import in_pieces, is_out_of_memory
from fmdiag.posterior import empirical

ERRORS = [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), MemoryError(),
          RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")]
ROWS = TrainingSet(np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32), name="rows")
POINTS = torch.from_numpy(np.random.default_rng(1).normal(size=(40, 6)))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_pieces_are_halved_until_they_fit(error):
    seen, tried = [], []

    def work(rows):
        tried.append(rows)
        if rows.stop - rows.start > 3:
            raise error
        seen.extend(range(10)[rows])

    with pytest.warns(FmdiagWarning, match="out of memory: going on with . things") as said:
        assert in_pieces(work, 10, 100, "things") == 2
    assert seen == list(range(10)) and [str(w.message)[-8:] for w in said] == ["5 things", "2 things"]


def test_other_errors_and_single_items_are_raised():
    def fails(error):
        def work(rows):
            raise error
        return work

    with pytest.raises(RuntimeError, match="shape"):
        in_pieces(fails(RuntimeError("wrong shape")), 4, 4, "things")
    with pytest.warns(FmdiagWarning), pytest.raises(MemoryError):
        in_pieces(fails(MemoryError()), 4, 4, "things")
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_network_that_does_not_fit_is_asked_about_fewer_points():
    class Hungry(torch.nn.Module):
        def forward(self, x, t):
            if len(x) > 7:
                raise ERRORS[0]
            return 2 * x + t[:, None]

    field = NetworkField(Hungry())
    with pytest.warns(FmdiagWarning, match="going on with .* samples per pass of the network") as said:
        found = field(POINTS, 0.5)
    torch.testing.assert_close(found, 2 * POINTS + 0.5, rtol=0, atol=0)
    assert field.batch_size == 5 and len(said) == 3, "40 -> 20 -> 10 -> 5"
    field(POINTS, 0.5)  # it remembers: no further warning, which would be an error here


def test_the_posterior_goes_on_with_less_memory(monkeypatch):
    expected = ClosedFormField(ROWS).posterior(POINTS, 0.5)
    chunk, failures = empirical.EmpiricalPosterior._chunk, [ERRORS[0], ERRORS[1]]

    def hungry(self, *arguments):
        if failures:
            raise failures.pop()
        return chunk(self, *arguments)

    monkeypatch.setattr(empirical.EmpiricalPosterior, "_chunk", hungry)
    with pytest.warns(FmdiagWarning, match="bytes of memory for û") as said:
        found = ClosedFormField(ROWS).posterior(POINTS, 0.5)
    assert len(said) == 2
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-12, atol=1e-12)


def test_a_curve_yields_every_time_and_pair_once_after_a_lack_of_memory(monkeypatch):
    rows = torch.arange(40)
    times = [0.1, 0.5, 0.9]

    def curve():
        parts = ClosedFormField(ROWS).posterior.curve(POINTS, ROWS[:][rows].double(), rows, times)
        return {(k, int(pair)): mean for k, pairs, found in parts for pair, mean in zip(pairs, found.mean, strict=True)}

    expected, whole, calls = curve(), empirical.posterior_curve, []

    def hungry(*arguments):
        calls.append(arguments)
        for part in whole(*arguments):
            yield part
            if len(calls) == 1:
                raise ERRORS[0]

    monkeypatch.setattr(empirical, "posterior_curve", hungry)
    seen = []
    with pytest.warns(FmdiagWarning, match="bytes of memory"):
        for k, pairs, _ in ClosedFormField(ROWS).posterior.curve(POINTS, ROWS[:][rows].double(), rows, times):
            seen += [(k, int(pair)) for pair in pairs]
    assert sorted(seen) == sorted(expected) and len(calls) == 2


def test_a_search_goes_on_in_smaller_passes(monkeypatch):
    expected, search_pass = nearest(POINTS, ROWS, n_neighbors=3), Search._pass

    def hungry(self, queries, part, *arguments):
        if len(part) > 10:
            raise ERRORS[0]
        return search_pass(self, queries, part, *arguments)

    monkeypatch.setattr(Search, "_pass", hungry)
    with pytest.warns(FmdiagWarning, match="(20|10) queries per search"):
        found = nearest(POINTS, ROWS, n_neighbors=3)
    assert (found.rows == expected.rows).all() and (found.distances == expected.distances).all()
