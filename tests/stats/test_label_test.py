"""The label test against enumeration, its level, and what bounds its p-value; effective counts of clustered values."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmdiag.stats.clustered import clustered_difference, clustered_p, effective_counts
from fmdiag.stats.differences import difference_interval
from fmdiag.stats.label_test import Hits, label_p_values, label_test, largest, scan
from fmdiag.stats.shares import fisher_p


def hits(trained, scores=None, units=None):
    trained = np.asarray(trained, bool)
    scores = np.arange(len(trained)) / 10 if scores is None else np.asarray(scores)
    return Hits(np.arange(len(trained)) if units is None else np.asarray(units), trained, scores)


def enumerated_p(spaces, n_train, n_held_out):
    """Return the exact p-value: all ways to label n_train of the examples 0, 1, ... as training ones."""
    n, chance = n_train + n_held_out, n_train / (n_train + n_held_out)
    observed, reached, count = largest(spaces, chance), 0, 0
    for chosen in combinations(range(n), n_train):
        trained = np.isin(np.arange(n), chosen)
        labelled = [Hits(one.units, trained[one.units], one.scores) for one in spaces]
        reached, count = reached + (largest(labelled, chance) >= observed * (1 - 1e-12)), count + 1
    return reached / count


@pytest.mark.parametrize("spaces", [
    [hits([1, 1, 1, 1, 0])],
    [hits([1, 1, 0, 1, 1, 1], [0, 0, 0, 0.2, 0.2, 0.3])],                      # ties are one threshold
    [hits([1, 1, 1, 0]), hits([1, 1, 1, 1, 1], units=[0, 4, 5, 1, 2])],        # the same labels in both spaces
])
def test_the_p_value_is_that_of_all_labellings(spaces):
    """4000 permutations: a standard error of at most 0.008, and 4 of them."""
    found = label_test(spaces, 6, 5, rng=np.random.default_rng(0), n_permutations=4000)
    assert found.p == pytest.approx(enumerated_p(spaces, 6, 5), abs=0.032)


def test_the_statistic_is_a_divergence_above_chance_and_ties_count_together():
    values = scan(np.array([True, True, False])[:, None], np.array([1, 2, 3]), 0.5)[0]
    third = 3 * (2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3))
    np.testing.assert_allclose(values, [np.log(2), 2 * np.log(2), third])
    assert scan(np.array([False, True])[:, None], np.array([1, 2]), 0.5)[0].tolist() == [0, 0]
    assert hits([1, 1, 1], [0.0, 0.0, 0.1]).ends.tolist() == [2, 3]


def test_many_copies_have_a_p_value_below_what_permutations_can_show():
    """40 copied examples of equal halves: 2^-40 = 9e-13 at best; Chernoff's bound over the thresholds is 40 of it."""
    found = label_test([hits(np.ones(40))], 500, 500, rng=np.random.default_rng(0), n_permutations=99)
    assert found.p == pytest.approx(40 * 2.0**-40) and (found.n_hit, found.n_trained) == (40, 40)
    exact = stats.hypergeom.sf(39, 1000, 500, 40)
    assert exact < found.p < 1e-10


def test_no_hits_are_no_evidence():
    found = label_test([hits([])], 5, 5, rng=np.random.default_rng(0))
    assert (found.p, found.n_hit, found.space) == (1.0, 0, -1)


@pytest.mark.parametrize(("n_train", "n_held_out"), [(50, 50), (200, 40), (40, 200)])
def test_the_level_is_kept(n_train, n_held_out):
    """400 nulls at 5 %: more than 34 rejections have a probability below 0.001 (binomial)."""
    rng, rejected = np.random.default_rng(1), 0
    for _ in range(400):
        labels = np.arange(n_train + n_held_out) < n_train
        chosen = rng.permutation(len(labels))[:30]
        rejected += label_test([Hits(chosen, labels[chosen], np.arange(30))], n_train, n_held_out, rng=rng,
                               n_permutations=99).p <= 0.05
    assert rejected <= 34


def test_values_without_clusters_count_as_they_are():
    for k, n in ((0, 9), (3, 9), (9, 9)):
        assert effective_counts(np.arange(n) < k, np.arange(n)) == pytest.approx((k, n))


def test_repeated_values_count_once():
    """Each of 20 values five times counts as 20 values; one example copied twice and one once, as (4 + 1) / 3 each."""
    flags = np.repeat(np.arange(20) < 8, 5)
    assert effective_counts(flags, np.repeat(np.arange(20), 5)) == (8.0, 20.0)
    assert effective_counts([True, True, True, False], [0, 0, 1, 1]) == pytest.approx((9 / 5, 12 / 5))
    assert effective_counts(np.ones(15), np.repeat(np.arange(3), 5)) == (3.0, 3.0)


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_whole_counts_have_fishers_p_and_newcombes_interval(n, n0, data):
    k, k0 = data.draw(st.integers(0, n)), data.draw(st.integers(0, n0))
    assert clustered_p((k, n), (k0, n0)) == pytest.approx(fisher_p(k, n, k0, n0), rel=1e-9)
    assert clustered_difference((k, n), (k0, n0)) == pytest.approx(difference_interval(k, n, k0, n0))


def test_between_whole_counts_p_falls():
    p = [clustered_p((k, 20), (1, 20)) for k in np.arange(2, 8, 0.25)]
    assert (np.diff(p) < 0).all()


def test_p_values_of_many_measurements_are_those_of_each():
    """Ties and lengths differ; 4000 permutations either way: errors of .008 each, and 4 of their difference."""
    many = [[hits([1] * 4, [0.0] * 4)], [hits([1] * 4)], [hits([1, 1, 0, 1, 1, 1])], [hits([])], [hits([0, 0])]]
    found = list(label_p_values(many, 40, 30, np.random.default_rng(0), 4000))
    each = [label_test(spaces, 40, 30, rng=np.random.default_rng(1), n_permutations=4000).p for spaces in many]
    assert found == pytest.approx(each, abs=0.046) and found[3:] == [1.0, 1.0]
    assert found[0] == pytest.approx(stats.hypergeom.pmf(4, 70, 40, 4), abs=0.032)   # one threshold: all four
