"""ε from one run: by Clopper and Pearson's limit where delta is 0, and never above the truth too often."""

import math

import numpy as np
import pytest
from scipy import stats

from fmdiag.errors import FmdiagError
from fmdiag.stats.intervals import proportion_interval
from fmdiag.stats.one_run import epsilon_lower_bound, p_value


@pytest.mark.parametrize(("guesses", "right"), [(20, 20), (40, 31), (100, 70), (1000, 612)])
def test_without_delta_it_is_the_logit_of_the_exact_limit_of_the_share(guesses, right):
    low = proportion_interval(right, guesses, level=0.9)[-2]     # one-sided 95 %
    assert epsilon_lower_bound(guesses, guesses, right) == pytest.approx(math.log(low / (1 - low)), abs=1e-6)


def test_delta_by_enumeration():
    m, r, v, epsilon, delta = 12, 9, 8, 0.7, 1e-3
    right = math.exp(epsilon) / (1 + math.exp(epsilon))
    pmf = [math.comb(r, k) * right**k * (1 - right) ** (r - k) for k in range(r + 1)]
    largest = max(sum(pmf[v - i : v]) / i for i in range(1, v + 1))
    assert p_value(m, r, v, epsilon, delta) == pytest.approx(sum(pmf[v:]) + 2 * m * delta * largest, rel=1e-12)
    assert epsilon_lower_bound(m, r, v, delta) < epsilon_lower_bound(m, r, v)


@pytest.mark.parametrize("truth", [0.0, 0.5, 2.0, 4.0])
def test_randomised_response_of_known_epsilon_is_exceeded_in_at_most_5_percent(truth):
    # A canary's coin is told truly with probability e^ε / (1 + e^ε), which is ε-private: by enumeration of all counts.
    r = 60
    counts = np.arange(r + 1)
    exceeded = np.array([epsilon_lower_bound(r, r, int(v)) > truth + 1e-9 for v in counts])
    assert stats.binom.pmf(counts, r, 1 / (1 + math.exp(-truth)))[exceeded].sum() <= 0.05


def test_a_leak_is_bounded_from_below_and_chance_is_not():
    assert epsilon_lower_bound(30, 20, 20) > 1.5
    assert epsilon_lower_bound(30, 20, 10) == 0
    assert epsilon_lower_bound(30, 0, 0) == 0
    with pytest.raises(FmdiagError, match="right <= guesses <= coins"):
        epsilon_lower_bound(10, 20, 5)
