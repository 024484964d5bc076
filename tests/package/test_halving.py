"""Where memory does not suffice, work goes on in smaller pieces, says so, and comes to the same result."""

import weakref

import numpy as np
import pytest
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagWarning
from fmdiag.features import embed
from fmdiag.features.feature import Feature
from fmdiag.fields import ClosedFormField, NetworkField
from fmdiag.memory import in_pieces, is_out_of_memory
from fmdiag.neighbors import nearest, search
from fmdiag.neighbors.search import Search
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

    shrunk = []
    with pytest.warns(FmdiagWarning) as said:
        assert in_pieces(work, 10, 100, "things", lambda: shrunk.append(len(tried))) == 2
    assert [str(w.message) for w in said] == ["out of memory: going on with 2 things"], "once, however often it failed"
    assert seen == list(range(10)) and shrunk == [1, 2]


def test_what_the_failure_held_is_free_before_the_next_attempt():
    """The frames of an exception hold its tensors: tried again inside `except`, they would still be there."""
    held, alive = [], []

    class Tensor:
        pass

    def work(rows):
        alive.append([one for one in held if one() is not None])
        if rows.stop - rows.start > 1:
            tensor = Tensor()
            held.append(weakref.ref(tensor))
            raise MemoryError

    with pytest.warns(FmdiagWarning):
        in_pieces(work, 4, 4, "things")
    assert len(held) == 2 and not any(alive)


def test_other_errors_and_single_items_are_raised():
    def fails(error):
        def work(rows):
            raise error
        return work

    with pytest.raises(RuntimeError, match="shape"):
        in_pieces(fails(RuntimeError("wrong shape")), 4, 4, "things")
    with pytest.raises(MemoryError):
        in_pieces(fails(MemoryError()), 4, 4, "things")
    for other in (ValueError("CUDA out of memory"), RuntimeError("the student ran out of memory tokens"),
                  RuntimeError("cannot allocate output of shape (2, 3)"), OSError(12, "Cannot allocate memory")):
        assert not is_out_of_memory(other), other


def test_what_torch_says_of_memory_is_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"))


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
    assert field.batch_size == 5 and len(said) == 1, "40 -> 20 -> 10 -> 5"
    field(POINTS, 0.5)  # it remembers: no further warning, which would be an error here


def test_the_posterior_goes_on_with_less_memory(monkeypatch):
    expected, memory = ClosedFormField(ROWS).posterior(POINTS, 0.5), 1 << 30
    chunk, failures = empirical.EmpiricalPosterior._chunk, [ERRORS[0], ERRORS[1]]

    def hungry(self, *arguments):
        if failures:
            raise failures.pop()
        return chunk(self, *arguments)

    monkeypatch.setattr(empirical.EmpiricalPosterior, "_chunk", hungry)
    with pytest.warns(FmdiagWarning, match="bytes of memory for û") as said:
        found = ClosedFormField(ROWS, memory=memory).posterior(POINTS, 0.5)
    assert len(said) == 1 and str(said[0].message).startswith(f"out of memory: going on with {1 << 28} ")
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
    with pytest.warns(FmdiagWarning, match="bytes of memory") as said:
        for k, pairs, _ in ClosedFormField(ROWS).posterior.curve(POINTS, ROWS[:][rows].double(), rows, times):
            seen += [(k, int(pair)) for pair in pairs]
    assert sorted(seen) == sorted(expected) and len(calls) == 2 and len(said) == 1


def test_a_search_goes_on_in_smaller_passes(monkeypatch):
    expected, search_pass = nearest(POINTS, ROWS, n_neighbors=3), Search._pass

    def hungry(self, queries, part, *arguments):
        if len(part) > 10:
            raise ERRORS[0]
        return search_pass(self, queries, part, *arguments)

    monkeypatch.setattr(Search, "_pass", hungry)
    with pytest.warns(FmdiagWarning, match="10 queries per search") as said:
        found = nearest(POINTS, ROWS, n_neighbors=3)
    assert len(said) == 1
    assert (found.rows == expected.rows).all() and (found.distances == expected.distances).all()


def test_a_search_whose_block_of_rows_does_not_fit_takes_smaller_ones(monkeypatch):
    expected, knn = nearest(POINTS, ROWS, n_neighbors=3), search.knn

    def hungry(queries, block, count):
        if len(block) > 40:
            raise ERRORS[0]
        return knn(queries, block, count)

    monkeypatch.setattr(search, "knn", hungry)
    monkeypatch.setattr(search, "BLOCK_BYTES", 300 * 24)
    with pytest.warns(FmdiagWarning, match="queries per search") as said:
        found = nearest(POINTS, ROWS, n_neighbors=3)
    assert len(said) == 1
    assert (found.rows == expected.rows).all() and (found.distances == expected.distances).all()


def test_a_feature_that_does_not_fit_sees_fewer_images():
    seen = []

    def hungry(images):
        if len(images) > 16:
            raise ERRORS[2]
        seen.append(len(images))
        return images.reshape(len(images), -1) * 2

    feature = Feature("pixels", hungry, batch_size=64)
    with pytest.warns(FmdiagWarning, match="going on with 16 images per pass") as said:
        found = embed(ROWS, feature)
    assert len(said) == 1 and max(seen) == 16 and sum(seen) == 300, "it remembers"
    np.testing.assert_array_equal(found, 2 * ROWS[:].numpy())
