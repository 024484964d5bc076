"""Privacy from canaries: how many coins the model's loss tells, a lower bound on ε from it, and a trend over copies.

The score is the CFM loss, and the number of guesses was fixed when the coins were thrown: of m canaries of one
multiplicity k the guessed / 2 of least loss are said to be in the training set, as many of largest loss to be held out.
The bound of `fmdiag.stats.one_run` is then of k copies, added or removed together: by group privacy an ε-private
training is k ε-private for them, so that the bound of one example is that of k copies divided by k (for δ = 0).

References
----------
Steinke, Nasr and Jagielski, arXiv 2305.08846. Dwork and Roth 2014, theorem 2.2 (group privacy).
"""

import numpy as np
import pandas as pd
from scipy import stats

from fmdiag.stats import row, summary_row
from fmdiag.stats.one_run import epsilon_lower_bound

PERMUTATIONS = 20_000


def guesses(loss, guessed):
    """Return the guess of each coin, shape (m,): 1 in, 0 held out, -1 not guessed.

    Parameters
    ----------
    loss : array_like, shape (m,)
        Score of each canary; the least is most likely in the training set. Ties are broken by their order.
    guessed : float
        Share of the coins that are guessed, in [0, 1].
    """
    order, each = np.argsort(np.asarray(loss), kind="stable"), int(guessed * len(loss)) // 2
    guess = np.full(len(order), -1)
    guess[order[:each]], guess[order[len(order) - each:]] = 1, 0
    return guess


def guess(table, guessed):
    """Return the table with the column guess, made among the canaries of one multiplicity at a time."""
    parts = [group.assign(guess=guesses(group["cfm_loss"], guessed)) for _, group in table.groupby("coin")]
    return pd.concat(parts).sort_index()


def summarise(name, table, delta, seed=0):
    """Return the summary rows of a table with coins, losses and guesses.

    Per multiplicity of the coins: guessed_right (share of right guesses, exact interval), epsilon_at_least (lower bound
    at 95 %, of all copies together), epsilon_per_example (divided by the multiplicity) and epsilon_delta_at_least (of
    all copies, for `delta`). Over all: loss_trend_p, one-sided, of Spearman's correlation between the number of planted
    copies and the loss, under permutations of the numbers, which were handed out at random.
    """
    rows = []
    for copies, group in table.groupby("coin"):
        made = group[group["guess"] >= 0]
        right = made["guess"] == (made["multiplicity"] > 0)
        counts, keys = (len(group), len(made), int(right.sum())), {"multiplicity": copies}
        pure, approximate = (epsilon_lower_bound(*counts, delta=d) for d in (0.0, delta))
        rows.append(summary_row(name, "guessed_right", right, interval="exact", **keys))
        rows += [row(name, quantity, bound, n=len(made), interval="lower bound at 95 %", **keys)
                 for quantity, bound in (("epsilon_at_least", pure), ("epsilon_per_example", pure / copies),
                                         ("epsilon_delta_at_least", approximate))]
    rows.append(row(name, "loss_trend_p", trend_p(table["multiplicity"], table["cfm_loss"], seed), multiplicity=np.nan,
                    n=len(table), interval="permutation"))
    return rows


def trend_p(multiplicity, loss, seed=0, n=PERMUTATIONS):
    """Return the one-sided p-value of a loss that falls with the number of copies, under random permutations."""
    copies, ranks = (stats.rankdata(values) for values in (multiplicity, -np.asarray(loss)))
    copies -= copies.mean()
    rng = np.random.default_rng(seed)
    null = np.array([copies[rng.permutation(len(copies))] @ ranks for _ in range(n)])
    return (1 + (null >= copies @ ranks - 1e-9).sum()) / (1 + n)
