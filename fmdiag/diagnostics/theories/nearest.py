"""Nearest theory at each time, decided where its lead over every other one is beyond doubt, and the sentence on it.

The lead over another theory is 1 - E||u_θ - u_T||² / E||u_θ - u_other||². Its intervals hold together for all pairs of
theories and all times of a kind of state (Bonferroni), so that it does not matter that the nearest one was chosen by
the same data.
"""

import numpy as np
import pandas as pd

from fmdiag.diagnostics.theories.names import KINDS, OPTIMUM, WHERE, label
from fmdiag.stats import ratio_interval, row

NAME = "theories"
LEVEL = 0.95


def leads(table):
    """Return the summary rows lead: per kind of state and time the nearest theory and its lead over the runner-up.

    The runner-up is the theory over which the lead is least certain; where the interval's lower limit is not above 0,
    nothing is decided. NaN limits: the mean of the other's squared errors is not told from 0.
    """
    rows, own = [], table[~table["compared"]]
    for states, part in own.groupby("states", sort=False):
        k, n_times = part["theory"].nunique(), part["t"].nunique()
        if k < 2:
            continue
        level = 1 - (1 - LEVEL) / (n_times * k * (k - 1) / 2)
        for t, at in part.groupby("t"):
            errors = at.pivot(index="pair", columns="theory", values="squared_error")
            best, found = _lead(errors, level)
            rows.append(row(NAME, "lead", found, n=len(errors), interval="simultaneous", level=LEVEL, theory=best,
                            states=states, t=t))
    return pd.DataFrame(rows)


def _lead(errors, level):
    """Return (the nearest theory, (lead, low, high) over the runner-up) of squared errors per noise and theory."""
    best = errors.mean().idxmin()
    found = []
    for other in errors.columns.drop(best):
        ratio, low, high = ratio_interval(errors[best], errors[other], level=level)
        found.append((1 - ratio, 1 - high, 1 - low))
    return best, tuple(map(float, min(found, key=lambda ends: -np.inf if np.isnan(ends[1]) else ends[1])))


def reading(summary):
    """Return {"text", "details"}: which theory is nearest at which times, and whether fits on training examples are."""
    kinds = [kind for kind in reversed(KINDS) if ((summary["quantity"] == "lead") & (summary["states"] == kind)).any()]
    sentences = [*(_sentence(kind, summary) for kind in kinds), *_preference(summary)]
    text, *details = sentences or ["No theory was compared with û*."]
    return {"text": text, "details": details}


def _sentence(kind, summary):
    rows = summary[(summary["quantity"] == "lead") & (summary["states"] == kind)].sort_values("t")
    decided = rows[rows["low"] > 0]
    parts = [f"{label(name)} is nearest at t = {_times(part['t'], rows['t'])}{_share(name, part['t'], kind, summary)}"
             for name, part in decided.groupby("theory", sort=False)]
    open_ = rows[~(rows["low"] > 0)]
    parts += [f"undecided at t = {_times(open_['t'], rows['t'])}"] if len(open_) else []
    return f"{WHERE[kind][:1].upper()}{WHERE[kind][1:]}: {'; '.join(parts)}."


def _share(name, times, kind, summary):
    """Return the share explained at the time where it is largest, in brackets; nothing for û*."""
    if name == OPTIMUM:
        return ""
    rows = summary[(summary["quantity"] == "explained") & (summary["states"] == kind) & (summary["theory"] == name)
                   & summary["t"].isin(times)]
    best = rows.loc[rows["value"].idxmax()]
    return f" (explains {best['value']:.2f} [{best['low']:.2f}, {best['high']:.2f}] at t = {best['t']:g})"


def _times(some, all_):
    """Return times as text, neighbours joined: "0.05 to 0.35, 0.75"."""
    order, runs = list(all_), []
    for t in sorted(some):
        if runs and order.index(t) == order.index(runs[-1][1]) + 1:
            runs[-1] = runs[-1][0], t
        else:
            runs.append((t, t))
    return ", ".join(f"{a:g}" if a == b else f"{a:g} to {b:g}" for a, b in runs)


def _preference(summary):
    """Return the sentence on fits on training and on held-out examples, by intervals that hold together."""
    rows = summary[(summary["quantity"] == "train_preference_overall") & (summary["interval"] == "simultaneous")]
    if rows.empty:
        return []
    found = [f"{label(row.theory)} ({row.states} states: {row.value:.2f} [{row.low:.2f}, {row.high:.2f}])"
             for row in rows.itertuples() if row.low > 0]
    against = [f"{label(row.theory)} ({row.states} states)" for row in rows.itertuples() if row.high < 0]
    text = ("The network is nearer to theories fitted on training examples than on as many held-out ones: "
            + ", ".join(found) + "." if found else
            "No theory is shown to be nearer to the network when fitted on training examples than on as many held-out "
            "ones.")
    return [text, *(["Nearer when fitted on held-out examples: " + ", ".join(against) + "."] if against else [])]
