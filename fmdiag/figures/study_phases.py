"""Figures of a study's widths: where models memorise over n and width, and when, against n.

References
----------
Gu et al., arXiv 2310.02664 (EMM); Bonnaire et al., arXiv 2505.17638 (tau_gen, tau_mem).
"""

import math

import numpy as np
from matplotlib import ticker

from fmdiag.figures.style import BAND_ALPHA, NEUTRAL, curve_style, legend_above, new_figure, ordered_colors
from fmdiag.studies.widths import widths_of

BEYOND = 2      # times the last step: up to where times beyond it are drawn
DARK = 0.55     # memorised share from which on a cell is dark
TIMES = {"tau_gen": "good samples from step\n(tau_gen)", "tau_mem": "copies from step\n(tau_mem)"}
# What Bonnaire et al. find: tau_gen does not depend on n, tau_mem grows as n.
PUBLISHED = {"tau_gen": 0, "tau_mem": 1}


def size_phases_figure(run):
    """Return the phase diagram of a study of size, or None where it has one width."""
    return _phases_figure(run.summary("study_size"))


def time_phases_figure(run):
    """Return the phase diagram of a study of time at its last step, or None where it has one width."""
    return _phases_figure(run.summary("study_time"))


def _phases_figure(rows):
    shares = rows[rows["quantity"] == "f_mem"] if len(rows) else rows
    if len(widths_of(shares)) < 2:
        return None
    if "step" in shares and shares["step"].notna().any():
        shares = shares[shares["step"] == shares["step"].max()]
    objectives = sorted(shares["objective"].unique())
    figure, axes = new_figure(0.5 + 0.55 * len(widths_of(shares)) + 0.6, ncols=len(objectives), sharey=True)
    for ax, objective in zip(axes[0], objectives, strict=True):
        phase_diagram(shares[shares["objective"] == objective],
                      rows[(rows["quantity"] == "emm") & (rows["objective"] == objective)], ax)
        if len(objectives) > 1:
            ax.set_title(objective)
    axes[0, 0].set_ylabel("width of the network")
    legend_above(axes[0, 0])
    return figure


def phase_diagram(shares, emm, ax):
    """Draw the memorised share as a map over n and width, with EMM and its limits on each width's line.

    Parameters
    ----------
    shares, emm : DataFrame
        Summary rows of f_mem and of emm, of one objective.
    """
    cells = shares.pivot_table(index="width", columns="n_train", values="value")
    ax.imshow(cells.to_numpy(float), cmap="cividis_r", vmin=0, vmax=1, aspect="auto", origin="lower")
    for (i, j), share in np.ndenumerate(cells.to_numpy(float)):
        if share == share:
            # Above the middle, where the line of EMM runs.
            ax.text(j, i + 0.3, f"{share:.2g}", ha="center", va="center", fontsize=8,
                    color="white" if share > DARK else "black")
    place = _places(cells.columns.to_numpy(float))
    for i, width in enumerate(cells.index):
        for r in emm[emm["width"] == width].itertuples():
            ax.plot([place(r.low), place(r.high)], [i - 0.15] * 2, color="#D55E00", linewidth=1.8,
                    solid_capstyle="butt", marker="|", markersize=8, label="95 % limits" if not i else None)
            ax.plot(place(r.value), i - 0.15, linestyle="none", marker="D", markersize=6, clip_on=False,
                    color="#D55E00", markeredgecolor="white", label="EMM" if not i else None)
    ax.set_xticks(range(len(cells.columns)), [f"{n:,.0f}".replace(",", " ") for n in cells.columns])
    ax.set_yticks(range(len(cells.index)), [f"{width:.0f}" for width in cells.index])
    ax.set(xlabel="training examples n", xlim=(-0.5, len(cells.columns) - 0.5), ylim=(-0.5, len(cells.index) - 0.5))
    ax.grid(False)
    return ax


def _places(sizes):
    """Return the function that maps n to the axis of cells, between sizes by log n, beyond them to the edge."""
    def place(n):
        if n < sizes[0]:
            return -0.5
        return len(sizes) - 0.5 if math.isinf(n) else float(np.interp(math.log(n), np.log(sizes), range(len(sizes))))
    return place


def turning_figure(run):
    """Return tau_gen and tau_mem against n, a curve per width, or None where the run has no two sizes."""
    rows = run.summary("study_time")
    found = rows[rows["quantity"].isin(TIMES)] if len(rows) else rows
    if not len(found) or found["n_train"].nunique() < 2:
        return None
    figure, axes = new_figure(3.3, width=7.2, ncols=2, sharey=True)
    for ax, (time, text) in zip(axes[0], TIMES.items(), strict=True):
        time_by_size(rows, time, ax).set_ylabel(text)
    legend_above(axes[0, 0], [axes[0, 1]], ncols=4)
    return figure


def time_by_size(rows, time, ax):
    """Draw a time against n with its bars per width, a line of the published slope, and who has not reached it."""
    last = rows["step"].max()
    groups = list(rows[rows["quantity"].isin([time, "memorising_models"])].groupby(_curve(rows), dropna=False))
    for index, (width, group) in enumerate(groups):
        color = ordered_colors(len(groups))[index]
        own, share = (group[group["quantity"] == name].sort_values("n_train") for name in (time, "memorising_models"))
        style = curve_style(index, 1, color=color)
        label = f"width {width:.0f}" if len(groups) > 1 else None
        ax.plot(own["n_train"], own["value"], label=label, **style)
        ax.vlines(own["n_train"], own["low"], own["high"], color=color, linewidth=1.2)
        missing = share[share["value"] < 1]
        if time == "tau_mem" and last == last:
            level = last * BEYOND ** ((index + 1) / (len(groups) + 1))
            ax.plot(missing["n_train"], [level] * len(missing), linestyle="none", marker="^", color=color,
                    markerfacecolor="none")
    start = rows[rows["quantity"] == time].dropna(subset="value")
    if len(start):
        n = np.array([start["n_train"].min(), start["n_train"].max()], dtype=float)
        level = np.exp(np.log(start["value"]).mean() - PUBLISHED[time] * np.log(start["n_train"]).mean())
        ax.plot(n, level * n ** PUBLISHED[time], color=NEUTRAL, linestyle="--", linewidth=1.0, zorder=0,
                label="published slope")
    if time == "tau_mem" and last == last:
        ax.axhspan(last, last * BEYOND, color=NEUTRAL, alpha=BAND_ALPHA / 2, linewidth=0)
    ax.set(xscale="log", yscale="log", xlabel="training examples n")
    sizes = sorted(rows.loc[rows["quantity"].isin(TIMES), "n_train"].unique())
    ax.set_xticks(sizes, [f"{n:,.0f}".replace(",", " ") for n in sizes])
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    return ax


def _curve(rows):
    return "width" if "width" in rows else "objective"
