"""Phases of memorisation over training-set size n and network width: EMM, and exponents of tau_gen and tau_mem.

EMM (effective model memorisation): the largest n whose models memorise at least 1 - epsilon of their samples, epsilon =
0.1, at the end of training (the authors take the largest share over snapshots, which chance would raise here). The
exponents are slopes in logarithms. A time is known to lie between two evaluations; one that was not reached, only to
lie beyond the last. The joint exponents are of one fit to all models, log tau = a + b log n + c log width.

References
----------
Gu et al., arXiv 2310.02664, definition 1 (EMM, which grows with the width of the network).
Bonnaire et al., arXiv 2505.17638 (tau_mem grows as n, tau_gen does not depend on n, both fall as 1 / width).
"""

import math

import numpy as np

from fmdiag.stats import censored_slope, falling_crossing, row
from fmdiag.studies.judgement import AGREES, CONTRADICTS, OPEN, number, seeds_row

EMM_SHARE = 0.9
# (time, axis) -> published exponent. An interval agrees that holds it and nothing further away than NEAR.
EXPONENTS = {("tau_mem", "n"): 1, ("tau_mem", "width"): -1, ("tau_gen", "n"): 0, ("tau_gen", "width"): -1}
NEAR = 0.5
COLUMNS = {"n": "n_train", "width": "width"}


def emm_rows(final):
    """Return the summary rows emm (of the mean share over seeds) and emm_of_seeds, per width and objective.

    Parameters
    ----------
    final : DataFrame
        The last evaluation of each model: n_train, width, objective, seed, f_mem, n_nearest.
    """
    rows = []
    for (width, objective), group in final.groupby(["width", "objective"]):
        keys = {"width": width, "objective": objective}
        if group["n_train"].nunique() > 1:
            rows.append(_row("emm", _emm(group), n=int(group["n_nearest"].sum()), interval="exact_inverted", **keys))
            own = np.array([_emm(models)[0] for _, models in group.groupby("seed")])
            if np.isfinite(own).all() and own.min() > 0:
                rows.append(seeds_row("emm_of_seeds", own, **keys))
    return rows


def _emm(models):
    counts = models.assign(copies=(models["f_mem"] * models["n_nearest"]).round())
    sums = counts.groupby("n_train")[["copies", "n_nearest"]].sum().astype(int)
    return falling_crossing(sums.index, sums["copies"], sums["n_nearest"], threshold=EMM_SHARE)


def slope_rows(points):
    """Return the summary rows TIME_slope_AXIS along each axis, and TIME_joint_slope_AXIS where there are both.

    Parameters
    ----------
    points : DataFrame
        A row per model: n_train, width, objective, seed, and TIME_low, TIME_high, between which each time lies.
    """
    rows = []
    for (time, axis), objective in ((key, name) for key in EXPONENTS for name in points["objective"].unique()):
        models, column = points[points["objective"] == objective], COLUMNS[axis]
        other = next(name for name in COLUMNS.values() if name != column)
        for at, group in models.groupby(other):
            rows += _slope(f"{time}_slope_{axis}", group, time, [column], objective=objective, **{other: at})
        if models[other].nunique() > 1:
            rows += _slope(f"{time}_joint_slope_{axis}", models, time, [column, other], objective=objective)
    return rows


def _slope(quantity, models, time, columns, **keys):
    """Return a row in a list, empty where the models do not determine it."""
    x = np.log(models[columns].to_numpy(float))
    with np.errstate(divide="ignore"):
        low, high = np.log(models[[f"{time}_low", f"{time}_high"]].to_numpy(float)).T
    found = censored_slope(x[:, 0], low, high, others=x[:, 1:])
    return [] if math.isnan(found[0]) else [_row(quantity, found, n=len(models), interval="profile", **keys)]


def _row(quantity, found, **keys):
    return {name: value for name, value in row(None, quantity, found, **keys).items() if name != "diagnostic"}


def emm_text(found, sizes):
    """Return e.g. "152 [100, 300)" or "120 [below 100, 300)"; the upper limit is the smallest size above EMM."""
    value, low, high = found
    if value != value:
        return ""
    ends = [{0: f"below {min(sizes)}", math.inf: f"{max(sizes)} or above"}.get(end, f"{end:.0f}")
            for end in (value, low, high)]
    if high == min(sizes) or low == max(sizes):   # the limits say no more
        return ends[0]
    return f"{ends[0]} [{ends[1]}, {ends[2]}{']' if high == math.inf else ')'}"


def emm_sentences(summary, plan):
    """Yield what EMM is per width, and whether it grows with the width."""
    found = summary[summary["quantity"] == "emm"].sort_values("width")
    for objective, rows in found.groupby("objective"):
        values = ", ".join(f"{emm_text((r.value, r.low, r.high), plan.sizes)} at width {r.width:.0f}"
                           for r in rows.itertuples())
        text = (f"the largest n with a memorised share of at least {EMM_SHARE} at the end (EMM; {objective}; of the "
                f"models trained, limits by sizes tried): {values}.")
        if len(rows) == 1:
            yield text[0].upper() + text[1:]
            continue
        narrow, wide = rows.iloc[0], rows.iloc[-1]
        # Upper limits are excluded: 60 or more is above less than 60.
        verdict = AGREES if wide["low"] >= narrow["high"] else CONTRADICTS if narrow["low"] >= wide["high"] else OPEN
        yield f"{verdict}: EMM grows with the width (Gu et al.): {text}"


def slope_sentences(summary):
    """Yield the verdict on each exponent, of the joint fit where there is one."""
    for (time, axis), published in EXPONENTS.items():
        joint = summary[summary["quantity"] == f"{time}_joint_slope_{axis}"]
        rows = joint if len(joint) else summary[summary["quantity"] == f"{time}_slope_{axis}"]
        for r in rows.itertuples():
            found = (r.value, r.low, r.high)
            where = f"{r.n} models of all sizes and widths" if len(joint) else f"{r.n} models"
            yield (f"{judge_exponent(found, published)}: {time} goes as {axis} to the power {number(found)} "
                   f"({r.objective}; {where}; Bonnaire et al.: {published}).")


def judge_exponent(found, published):
    """Return which of three verdicts an interval (value, low, high) supports for a published exponent."""
    _, low, high = found
    if not low <= published <= high:
        return CONTRADICTS
    return AGREES if published - low <= NEAR and high - published <= NEAR else OPEN
