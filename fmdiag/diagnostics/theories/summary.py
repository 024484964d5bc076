"""Summary of theories: means and medians over initial noises with their intervals, and the preference for a fit.

Share explained: Fieller's interval of a ratio of means over initial noises. The two are paired, positive, and the
denominator is a mean of squares that is far from 0 in units of its error wherever there is anything to explain: where
it is not, the interval is not bounded and none is given. Its lower limit is above 0 exactly where a paired t-test finds
the theory nearer to the network than û* is.

Preference for training examples, (E_heldout - E_train) / (E_heldout + E_train) of the squared errors of one theory
fitted on equally many examples of either kind: in [-1, 1], 0 in expectation for a network that knows nothing of which
examples are which. Its interval is a jackknife's over initial noises, over groups of training and over groups of
held-out examples: their variances add up.
"""

import numpy as np
import pandas as pd

from fmdiag.diagnostics.theories.names import OPTIMUM, ROUNDING
from fmdiag.stats import from_left_out, median_interval, ratio_interval, row, summary_row

NAME = "theories"
KEYS = ["theory", "states", "t"]
PREFERENCE = ["theory", "states"]


def summarise(table):
    """Return the summary rows of fits on all training examples, per theory, kind of states and time.

    explained: 1 - the ratio of means of squared_error and optimum_error, with Fieller's interval; not given for û*, nor
    where the network is û* but for rounding.
    squared_error and optimum_error: means (Student). cosine: mean (Gaffke, in [-1, 1]). r2 and squared_correlation:
    medians with exact intervals of order statistics, as in publications.
    """
    rows = []
    for keys, part in table[~table["compared"]].groupby(KEYS, sort=True):
        named = dict(zip(KEYS, keys, strict=True))
        if named["theory"] == OPTIMUM:
            rows.append(summary_row(NAME, "optimum_error", part["optimum_error"],
                                    **{key: named[key] for key in KEYS if key != "theory"}))
        elif part["optimum_error"].mean() > ROUNDING * part["squared_norm"].mean():
            rows.append(_explained(part, named))
        rows += [summary_row(NAME, "squared_error", part["squared_error"], **named),
                 summary_row(NAME, "cosine", part["cosine"].dropna(), within=(-1.0, 1.0), **named)]
        rows += _medians(part, named)
    return pd.DataFrame(rows).sort_values("quantity", key=lambda names: names != "explained", kind="stable",
                                          ignore_index=True)


def of_samples(samples):
    """Return the summary rows of samples: median r2 and squared_correlation per theory, exact intervals."""
    rows = []
    for (name, fitted_on), part in samples.groupby(["theory", "fitted_on"], sort=True):
        rows += _medians(part, {"theory": name, "fitted_on": fitted_on}, "sample_")
    return pd.DataFrame(rows)


def _explained(part, named, level=0.95):
    ratio, low, high = ratio_interval(part["squared_error"], part["optimum_error"], level=level)
    return row(NAME, "explained", (1 - ratio, 1 - high, 1 - low), n=len(part), interval="fieller", level=level, **named)


def _medians(part, named, prefix=""):
    rows = []
    for name in ("r2", "squared_correlation"):
        values = part[name].dropna()
        if len(values):
            rows.append(row(NAME, prefix + name, tuple(map(float, median_interval(values))), n=len(values),
                            interval="median", **named))
    return rows


def preferences(table, left_out, *, level=0.95):
    """Return the summary rows train_preference: per theory and kind of states, per t and as the mean over times.

    The latter is train_preference_overall, once more with intervals that hold together for all theories and kinds of
    states, "simultaneous" (Bonferroni).

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.theories`; only what is `compared` is used.
    left_out : DataFrame
        Squared errors of fits with a group left out, means over states.
    level : float
    """
    rows = []
    if left_out.empty:
        return pd.DataFrame(rows)
    fitted = table[table["compared"]]
    together = 1 - (1 - level) / fitted.groupby(PREFERENCE).ngroups
    for keys, part in fitted.groupby(PREFERENCE, sort=True):
        named = dict(zip(PREFERENCE, keys, strict=True))
        others = left_out[(left_out["theory"] == keys[0]) & (left_out["states"] == keys[1])]
        errors = [part[part["fitted_on"] == fitted_on].pivot(index="t", columns="pair", values="squared_error")
                  for fitted_on in ("train", "heldout")]
        without = [others[others["fitted_on"] == fitted_on].pivot(index="t", columns="group", values="squared_error")
                   for fitted_on in ("train", "heldout")]
        found = estimate([e.to_numpy() for e in errors], [w.to_numpy() for w in without])
        n = errors[0].shape[1]
        ends = np.clip(found.interval(level), -1, 1)
        rows += [row(NAME, "train_preference", tuple(float(end[k]) for end in ends), n=n, interval="jackknife",
                     level=level, **named, t=t) for k, t in enumerate(errors[0].index)]
        rows += [row(NAME, "train_preference_overall", tuple(float(end[-1]) for end in its), n=n, interval=kind,
                     level=level, **named)
                 for kind, its in (("jackknife", ends), ("simultaneous", np.clip(found.interval(together), -1, 1)))]
    return pd.DataFrame(rows)


def estimate(errors, without):
    """Return the Estimate of the preference per time and, last, of its mean over times; shape (times + 1,).

    Parameters
    ----------
    errors : pair of ndarray, shape (times, m)
        Squared errors of the fits on training and on held-out examples at m states.
    without : pair of ndarray, shape (times, groups)
        Mean squared errors with each group of examples left out of the fit.
    """
    train, heldout = (e.mean(1) for e in errors)
    m = errors[0].shape[1]
    states = [preference((train * m - errors[0][:, s]) / (m - 1), (heldout * m - errors[1][:, s]) / (m - 1))
              for s in range(m)]
    return from_left_out(preference(train, heldout), [
        states, [preference(lacking, heldout) for lacking in without[0].T],
        [preference(train, lacking) for lacking in without[1].T]])


def preference(train, heldout):
    """Return (heldout - train) / (heldout + train) per time, 0 where both are 0, and last the mean over times."""
    total = train + heldout
    values = np.where(total > 0, (heldout - train) / np.where(total > 0, total, 1), 0.0)
    return np.append(values, values.mean())
