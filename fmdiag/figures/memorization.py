"""Figure of memorization: samples that are copies by the d1/d2 rule, with its controls.

References
----------
Yoon et al. 2023; Gu et al. 2023; Bonnaire et al. 2025: a sample is memorised if d1/d2 < 1/3.
"""

import numpy as np

from fmdiag.figures.pictures import show_image, show_pairs
from fmdiag.figures.style import (
    COLORS,
    DASHES,
    MARKERS,
    NEUTRAL,
    SOURCES,
    inner_legend,
    legend_above,
    new_figure,
    own_axes,
)

THRESHOLD = 1 / 3
MAX_PICTURES, PER_LINE = 12, 6
SHOWN = ("samples", "neighbors", "d1", "ratio")


def ratio(table, ax=None):
    """Draw the cumulative share of d1/d2 per source; `table`: raw rows source, ratio."""
    ax = own_axes(ax)
    for index, (source, label) in enumerate(SOURCES.items()):
        values = table.loc[table["source"] == source, "ratio"].dropna().to_numpy(float)
        if values.size:
            ax.ecdf(values, label=f"{label}\n({values.size} samples)", color=COLORS[index], linestyle=DASHES[index])
    ax.axvline(threshold(table), color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="d1/d2", ylabel="share of samples", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    return inner_legend(ax)


def threshold(table):
    """Return the bound on d1/d2 that a memorisation table was made with; 1/3 where it names none."""
    return float(table["threshold"].iloc[0]) if table is not None and "threshold" in table else THRESHOLD


def rates(table, ax=None):
    """Draw f_mem per source: exact (thin), bootstrap (thick), over training rows (dotted); `table`: summary rows."""
    ax = own_axes(ax)
    sources = [source for source in SOURCES if (table["source"] == source).any()]
    for place, source in enumerate(sources):
        index = list(SOURCES).index(source)
        for row in table[table["source"] == source].itertuples():
            thick, rows = row.interval == "bootstrap", row.interval == "cluster_bootstrap"
            ax.plot([row.low, row.high], [place + 0.15 * rows] * 2, color=COLORS[index], linewidth=5 if thick else 1.3,
                    alpha=0.35 if thick else 1, solid_capstyle="butt", marker=None if thick else "|",
                    markersize=4 if rows else 9, linestyle=":" if rows else "-")
            ax.plot([row.value], [place], color=COLORS[index], marker=MARKERS[index], markersize=6)
    ax.set(xlabel="memorised fraction f_mem", xlim=(-0.02, 1.02), ylabel="source", ylim=(len(sources) - 0.4, -0.6))
    counts = table.groupby("source")["n"].first()
    ax.set_yticks(range(len(sources)), [f"{SOURCES[source]}\n(n = {counts[source]:.0f})" for source in sources])
    return ax


def gallery(arrays, axes):
    """Show samples above their neighbours on `axes` of shape (2 lines, PER_LINE); arrays as in memorization.npz."""
    for number in range(min(len(arrays["samples"]), axes.size // 2)):
        upper, lower = (axes[2 * (number // PER_LINE) + part, number % PER_LINE] for part in (0, 1))
        show_image(upper, arrays["samples"][number])
        show_image(lower, arrays["neighbors"][number])
        upper.set_title(f"d1={arrays['d1'][number]:.3g}\nr={arrays['ratio'][number]:.2f}", fontsize=8, pad=2)
    return axes


def ratio_figure(run):
    """Return the cumulative ratios, a panel per feature, or None without the table."""
    table = run.table("memorization")
    if table is None or table.empty:
        return None
    parts = _by_feature(table)
    figure, axes = new_figure(2.7 * len(parts), nrows=len(parts))
    for (feature, part), ax in zip(parts, axes[:, 0], strict=True):
        ratio(part, ax).set_title(f"feature: {feature}" if len(parts) > 1 else "")
    legend_above(axes[0, 0])
    for ax in axes[1:, 0]:
        ax.get_legend().remove()
    return figure


def rates_figure(run):
    """Return f_mem per source, a panel per feature, or None without a summary of it."""
    rows = run.summary("memorization", "f_mem")
    if rows.empty:
        return None
    parts = _by_feature(rows)
    figure, axes = new_figure(1.7 * len(parts), nrows=len(parts))
    for (feature, part), ax in zip(parts, axes[:, 0], strict=True):
        rates(part, ax).set_title(f"feature: {feature}" if len(parts) > 1 else "")
    return figure


def gallery_figure(run):
    """Return the gallery of pictures, a block per feature; for points one scatter; or None without the arrays."""
    arrays = run.arrays("memorization")
    if arrays is None:
        return None
    if "points" in arrays:
        return _points_figure(arrays) if arrays["points"].shape[-1] == 2 else None
    names = [str(name) for name in arrays.get("features", ["pixels"])]
    shown = min(len(arrays["samples"]), MAX_PICTURES if len(names) == 1 else PER_LINE)
    lines = len(names) * -(-shown // PER_LINE)
    height, width = arrays["samples"].shape[-2:]
    figure, axes = new_figure(lines * (2 * 0.78 * height / width + 0.35), nrows=2 * lines, ncols=PER_LINE)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.01)
    for k, (name, block) in enumerate(zip(names, np.split(axes, len(names)), strict=True)):
        gallery({key: arrays[f"{key}_{k}" if k else key] for key in SHOWN}, block)
        block[0, 0].set_ylabel(name if len(names) > 1 else "")
    for ax in [ax for ax in axes.flat if not ax.images]:
        ax.set_axis_off()
    return figure


def _points_figure(arrays):
    figure, axes = new_figure(3.4)
    legend_above(show_pairs(axes[0, 0], arrays["points"], arrays["neighbors"]))
    return figure


def _by_feature(rows):
    if "feature" not in rows or rows["feature"].isna().all():
        return [(None, rows)]
    return list(rows.groupby("feature", sort=False))
