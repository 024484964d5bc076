"""Nearest theory at each time: those that are not told apart from the best one, and the sentences on them.

The lead of the best theory over another is 1 - E||u_θ - u_best||² / E||u_θ - u_other||². Its intervals hold together
for all pairs of theories and all times of a kind of state (Bonferroni), so that it does not matter that the best one
was chosen by the same data. A theory over which the lead is not shown to be above 0 is a candidate too: where there are
several it is undecided which of them is nearest. Theories that coincide, as patches do with û* where they cover the
image, are never told apart.
"""

import numpy as np
import pandas as pd

from fmdiag.diagnostics.theories.names import KINDS, OPTIMUM, WHERE, label
from fmdiag.stats import ratio_interval, row

NAME = "theories"
LEVEL = 0.95


def standings(table):
    """Return per kind of state, time and theory how far it is behind the best.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.theories`; fits on all training examples are used.

    Returns
    -------
    DataFrame
        Columns states, t, theory, rank (1: smallest mean squared error), squared_error (mean), lead (of the best over
        it), low, high (simultaneous 95 %; NaN where the mean of its squared errors is not told from 0), candidate
        (whether the lead is not shown to be above 0), n.
    """
    parts, own = [], table[~table["compared"]]
    for (states, t), at in own.groupby(["states", "t"]):
        errors = at.pivot(index="pair", columns="theory", values="squared_error")
        k, n_times = errors.shape[1], own.loc[own["states"] == states, "t"].nunique()
        level = 1 - (1 - LEVEL) / max(1, n_times * k * (k - 1) / 2)
        parts.append(_standing(errors, level).assign(states=states, t=t, n=len(errors)))
    return pd.concat(parts, ignore_index=True)


def _standing(errors, level):
    """Return the rows of one time of squared errors per initial noise and theory."""
    means = errors.mean().sort_values(kind="stable")
    ratios = [ratio_interval(errors[means.index[0]], errors[name], level=level) for name in means.index]
    found = pd.DataFrame({"theory": means.index, "rank": means.rank(method="min").astype(int).to_numpy(),
                          "squared_error": means.to_numpy(), "lead": [1 - ratio for ratio, _, _ in ratios],
                          "low": [1 - high for _, _, high in ratios], "high": [1 - low for _, low, _ in ratios]})
    return found.assign(candidate=~(found["low"] > 0) | (found["rank"] == 1))


def leads(found):
    """Return the summary rows lead of the best theory over the one that is least certainly behind it, per time.

    Parameters
    ----------
    found : DataFrame
        Of `standings`.
    """
    rows = []
    for (states, t), at in found.groupby(["states", "t"]):
        best, others = at.iloc[0], at.iloc[1:]
        if len(others):
            other = others.iloc[int(np.argmin(others["low"].fillna(-np.inf)))]
            rows.append(row(NAME, "lead", tuple(map(float, other[["lead", "low", "high"]])), n=int(best["n"]),
                            interval="simultaneous", level=LEVEL, theory=best["theory"], states=states, t=t))
    return pd.DataFrame(rows)


def reading(found, summary):
    """Return {"text", "details"}: which theories are nearest at which times, and of which fit.

    Parameters
    ----------
    found : DataFrame
        Of `standings`.
    summary : DataFrame
        With the rows explained and train_preference_overall.
    """
    kinds = [kind for kind in reversed(KINDS) if (found["states"] == kind).any()]
    text, *details = [*(_sentence(kind, found[found["states"] == kind], summary) for kind in kinds),
                      *_preference(summary)]
    return {"text": text, "details": details}


def _sentence(kind, found, summary):
    times, sets = sorted(found["t"].unique()), {}
    for t, at in found[found["candidate"]].groupby("t"):
        sets.setdefault(tuple(sorted(at["theory"], key=lambda name: (name != OPTIMUM, name))), []).append(t)
    # What is decided comes first.
    n = found["theory"].nunique()
    parts = [f"{_names(names, n)} at t = {_times(at, times)}{_share(names, at, kind, summary)}"
             for names, at in sorted(sets.items(), key=lambda item: len(item[0]) > 1)]
    return f"{WHERE[kind][:1].upper()}{WHERE[kind][1:]} the network is nearest to {'; '.join(parts)}."


def _names(names, n):
    if len(names) == n > 1:
        return "any of them, undecided which,"
    first = ", ".join(map(label, names[:-1]))
    return f"{first} or {label(names[-1])}, undecided which," if len(names) > 1 else label(names[0])


def _share(names, times, kind, summary):
    """Return the share explained at the time where it is largest, in brackets; nothing where it is open or û*."""
    if len(names) > 1 or names == (OPTIMUM,):
        return ""
    rows = summary[(summary["quantity"] == "explained") & (summary["states"] == kind)
                   & (summary["theory"] == names[0]) & summary["t"].isin(times)]
    best = rows.loc[rows["value"].idxmax()]
    return f" (explains {best['value']:.2f} [{best['low']:.2f}, {best['high']:.2f}] at t = {best['t']:g})"


def _times(some, all_):
    """Return times as text, neighbours joined: "0.05 to 0.35, 0.75"."""
    runs = []
    for t in sorted(some):
        if runs and all_.index(t) == all_.index(runs[-1][1]) + 1:
            runs[-1] = runs[-1][0], t
        else:
            runs.append((t, t))
    return ", ".join(f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in runs)


def _preference(summary):
    """Return the sentences on fits on training and on held-out examples, by intervals that hold together."""
    rows = summary[(summary["quantity"] == "train_preference_overall") & (summary["interval"] == "simultaneous")]
    if rows.empty:
        return []
    kinds = ("closer fitted on training than on as many held-out examples", rows[rows["low"] > 0]), (
        "closer fitted on held-out than on as many training examples", rows[rows["high"] < 0])
    found = [f"{_listed(part)} {'is' if len(part) == 1 else 'are'} {text}." for text, part in kinds if len(part)]
    return found or ["No theory is shown to be closer to the network when it is fitted on training examples than on as "
                     "many held-out ones."]


def _listed(rows):
    return "; ".join(f"{label(row.theory)} {WHERE[row.states]} ({row.value:.2f} [{row.low:.2f}, {row.high:.2f}])"
                     for row in rows.itertuples())
