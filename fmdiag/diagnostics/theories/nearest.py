"""Nearest theory at each time: those that are not told apart from the best one, and the sentences on them.

The lead of the best theory over another is 1 - E||u_θ - u_best||² / E||u_θ - u_other||². Its intervals hold together
for all pairs of theories and all times of a kind of state (Bonferroni), so that it does not matter that the best one
was chosen by the same data. A theory over which the lead is not shown to be above 0 is a candidate too: where there are
several it is undecided which of them is nearest. Theories that coincide at a time, as patches do with û* where they
cover the image, are one theory there and stand under one name, û* where it is among them.
"""

import numpy as np
import pandas as pd

from fmdiag.diagnostics.theories.names import KINDS, OPTIMUM, WHERE, label
from fmdiag.stats import ratio_interval, row

NAME = "theories"
LEVEL = 0.95
SAME = 1e-9    # relative difference of squared errors, at every state, within which two theories are one


def standings(table):
    """Return per kind of state, time and theory how far it is behind the best.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.theories`; fits on all training examples are used.

    Returns
    -------
    DataFrame
        Columns states, t, theory, same_as (the theory that it coincides with there, "" where with none), rank (1:
        smallest mean squared error), squared_error (mean), lead (of the best over it), low, high (simultaneous 95 %;
        NaN where the mean of its squared errors is not told from 0), candidate (whether the lead is not shown to be
        above 0; False for what stands under another name), n.
    """
    own, parts = table[~table["compared"]], []
    for _, part in own.groupby("states"):
        wide = [(keys, at.pivot(index="pair", columns="theory", values="squared_error"))
                for keys, at in part.groupby(["states", "t"])]
        names = [same_as(errors) for _, errors in wide]
        distinct = [sum(not name for name in known.values()) for known in names]
        level = 1 - (1 - LEVEL) / max(1, sum(k * (k - 1) / 2 for k in distinct))
        parts += [_standing(errors, known, level).assign(states=states, t=t, n=len(errors))
                  for ((states, t), errors), known in zip(wide, names, strict=True)]
    return pd.concat(parts, ignore_index=True)


def same_as(errors):
    """Return {theory: the theory that it coincides with, or ""} of squared errors per initial noise and theory."""
    known = {}
    for name in sorted(errors, key=lambda name: (name != OPTIMUM, name)):
        equal = [other for other, alias in known.items() if not alias and np.allclose(
            errors[name], errors[other], rtol=SAME, atol=0)]
        known[name] = equal[0] if equal else ""
    return known


def _standing(errors, known, level):
    """Return the rows of one time."""
    means = errors[[name for name, alias in known.items() if not alias]].mean().sort_values(kind="stable")
    ratios = {name: ratio_interval(errors[means.index[0]], errors[name], level=level) for name in means.index}
    found = pd.DataFrame({"theory": means.index, "same_as": "", "rank": range(1, len(means) + 1),
                          "squared_error": means.to_numpy(), "lead": [1 - ratio for ratio, _, _ in ratios.values()],
                          "low": [1 - high for _, _, high in ratios.values()],
                          "high": [1 - low for _, low, _ in ratios.values()]})
    found["candidate"] = ~(found["low"] > 0) | (found["rank"] == 1)
    twins = [found[found["theory"] == alias].assign(theory=name, same_as=alias, candidate=False)
             for name, alias in known.items() if alias]
    return pd.concat([found, *twins], ignore_index=True)


def leads(found):
    """Return the summary rows lead of the best theory over the one that is least certainly behind it, per time.

    Parameters
    ----------
    found : DataFrame
        Of `standings`.
    """
    rows = []
    for (states, t), at in found.groupby(["states", "t"]):
        best, others = at.iloc[0], at[(at["same_as"] == "") & (at["rank"] > 1)]
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
    """Return what is decided at which times, and where û* is among those that are not told apart."""
    times, decided, unclear, among = sorted(found["t"].unique()), {}, [], []
    for t, at in found[found["candidate"]].groupby("t"):
        if len(at) == 1:
            decided.setdefault(at["theory"].iloc[0], []).append(t)
        else:
            unclear.append(t)
            among += [t] if OPTIMUM in set(at["theory"]) else []
    parts = [f"{label(name)} is nearest to the network at t = {_times(at, times)}{_share(name, at, kind, summary)}"
             for name, at in decided.items()]
    if unclear:
        where = "all of them" if among == unclear else f"t = {_times(among, times)}" if among else "none of them"
        parts.append(f"undecided at t = {_times(unclear, times)} (û* among the candidates at {where})")
    return f"{_start(kind)}: {'; '.join(parts)}."


def _start(kind):
    return WHERE[kind][:1].upper() + WHERE[kind][1:]


def _share(name, times, kind, summary):
    """Return the share explained at the time where it is largest, in brackets; nothing for û*."""
    rows = summary[(summary["quantity"] == "explained") & (summary["states"] == kind) & (summary["theory"] == name)
                   & summary["t"].isin(times)]
    if rows.empty:
        return ""
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
    sides = (("training examples than on as many held-out ones", rows[rows["low"] > 0]),
             ("held-out examples than on as many training ones", rows[rows["high"] < 0]))
    found = [_preferred(kind, part, text) for text, side in sides for kind, part in side.groupby("states", sort=False)]
    return found or ["No theory is shown to be nearer to the network when it is fitted on training examples than on as "
                     "many held-out ones."]


def _preferred(kind, rows, text):
    most = rows.loc[rows["value"].abs().idxmax()]
    return (f"{_start(kind)} these are nearer to the network when fitted on {text}: "
            f"{', '.join(map(label, rows['theory']))} (preference of {label(most['theory'])} {most['value']:.2f} "
            f"[{most['low']:.2f}, {most['high']:.2f}]).")
