"""Lower bound on the privacy parameter ε from one training run and the number of fair coins guessed right.

Each of m canaries went into the training set, or not, by a fair coin of its own. An attacker who sees the model guesses
r of the m coins, and v guesses are right. If training is (ε, δ)-differentially private with respect to adding or
removing one canary, then whatever the attacker does

    P(right >= v) <= P(W >= v) + 2 m delta max_i (1/i) P(v > W >= v - i),      W ~ Binomial(r, e^ε / (1 + e^ε)),

so that the largest ε whose bound is at most 1 - level is exceeded by the true one with probability `level`. Which coins
are guessed, and how many, must be fixed before the coins are known.

References
----------
Steinke, Nasr and Jagielski, "Privacy auditing with one (1) training run", arXiv 2305.08846, theorems 2.1 and 3.1.
"""

import numpy as np
from scipy import optimize, stats

from fmdiag.errors import FmdiagError

LARGEST = 40.0   # of ε: e^-40 is below what any number of guesses resolves


def p_value(n_coins, n_guesses, n_right, epsilon, delta=0.0):
    """Return the bound on the probability of so many right guesses, or more, under (ε, δ)-differential privacy.

    Parameters
    ----------
    n_coins : int
        Canaries with a coin of their own, guessed or not.
    n_guesses : int
        Coins guessed.
    n_right : int
        Right guesses.
    epsilon : float
        At least 0.
    delta : float
        In [0, 1).

    Returns
    -------
    float
        In [0, 1].
    """
    if not 0 <= n_right <= n_guesses <= n_coins or not 0 <= delta < 1 or epsilon < 0:
        raise FmdiagError(f"one-run audit: needs 0 <= right <= guesses <= coins, delta in [0, 1) and epsilon >= 0, got "
                          f"{n_right}, {n_guesses}, {n_coins}, {delta} and {epsilon}")
    right = 1 / (1 + np.exp(-epsilon))
    pure = stats.binom.sf(n_right - 1, n_guesses, right)
    if not delta or not n_right:
        return float(min(1.0, pure))
    below = np.cumsum(stats.binom.pmf(n_right - np.arange(1, n_right + 1), n_guesses, right))
    return float(min(1.0, pure + 2 * n_coins * delta * (below / np.arange(1, n_right + 1)).max()))


def epsilon_lower_bound(n_coins, n_guesses, n_right, delta=0.0, level=0.95):
    """Return the largest ε that so many right guesses exclude, in [0, 40]; 0 where they exclude none.

    Parameters
    ----------
    n_coins, n_guesses, n_right, delta
        As in `p_value`.
    level : float
        Confidence in (0, 1).

    Returns
    -------
    float
        The true ε lies above it in at least `level` of training runs.

    Examples
    --------
    >>> round(epsilon_lower_bound(100, 100, 100), 2)      # 100 of 100: log(p / (1 - p)), p = .05^(1/100)
    3.49
    >>> epsilon_lower_bound(100, 100, 55)
    0.0
    """
    def excess(epsilon):
        return p_value(n_coins, n_guesses, n_right, epsilon, delta) - (1 - level)

    if not n_guesses or excess(0.0) > 0:
        return 0.0
    if excess(LARGEST) <= 0:
        return LARGEST
    # P(W >= v) rises with ε; the term of delta need not, so that the first crossing is sought on a grid.
    grid = np.linspace(0, LARGEST, 2001)
    first = int(np.argmax([excess(epsilon) > 0 for epsilon in grid]))
    return float(optimize.root_scalar(excess, bracket=(grid[first - 1], grid[first]), xtol=1e-9).root)
