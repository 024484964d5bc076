"""Figure of hybrids: how long û* must lead before the sample becomes a training row. Paper [1], figure 3.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, figure 3.
"""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.pictures import show_image, show_pairs
from fmdiag.figures.style import COLORS, MARKERS, inner_legend, legend_above, new_figure, own_axes

SINGLE_COLORS = [COLORS[0], COLORS[1], COLORS[4], COLORS[3]]
MEAN_STYLE = {"color": "black", "linestyle": "--", "linewidth": 2.0}
MAX_ROWS, MAX_COLUMNS = 8, 11


def distance(table, ax=None, *, singles=None):
    """Draw the mean distance against τ and up to four single noises.

    Parameters
    ----------
    table : DataFrame
        Summary rows: quantity "distance" per tau.
    singles : DataFrame, optional
        Raw rows tau, sample, distance.
    """
    ax = own_axes(ax)
    for index, (number, rows) in enumerate([] if singles is None else list(singles.groupby("sample"))[:4]):
        rows = rows.sort_values("tau")
        ax.plot(rows["tau"].to_numpy(), rows["distance"].to_numpy(), color=SINGLE_COLORS[index], linewidth=1.1,
                marker=MARKERS[index], label=f"noise {number}")
    draw_curve(ax, table[table["quantity"] == "distance"], "tau", label="mean", style=MEAN_STYLE)
    ax.set(xlabel="τ (û* leads until τ)", ylabel="distance to nearest\ntraining row", xlim=(-0.02, 1.02))
    ax.set_ylim(bottom=0)
    return inner_legend(ax)


def memorized_share(table, ax=None):
    """Draw the memorised share against τ; `table`: summary rows, quantity "memorized" per tau."""
    ax = own_axes(ax)
    draw_curve(ax, table[table["quantity"] == "memorized"], "tau", style={"color": "black", "marker": "o"})
    ax.set(xlabel="τ (û* leads until τ)", ylabel="memorised\nshare", xlim=(-0.02, 1.02), ylim=(-0.05, 1.05))
    return ax


def distance_figure(run):
    """Return the distance and memorised share against τ, a column per feature; None without a summary of them."""
    rows = run.summary("hybrid", "distance", "memorized")
    if not (rows["quantity"] == "distance").any():
        return None
    columns = [(None, rows)] if "feature" not in rows or rows["feature"].isna().all() else list(rows.groupby("feature"))
    figure, axes = new_figure(3.8, nrows=2, ncols=len(columns), sharex=True, height_ratios=[2, 1])
    for (feature, part), (upper, lower) in zip(columns, axes.T, strict=True):
        distance(part, upper, singles=_singles(run, feature)).label_outer()
        memorized_share(part, lower)
        upper.set_title(f"feature: {feature}" if len(columns) > 1 else "")
    legend_above(axes[0, 0], ncols=5)
    return figure


def strips(arrays, axes):
    """Show pictures of shape (k, m, c, h, w) on `axes` of shape (m, k + 1), the nearest training rows last."""
    chosen = column_numbers(len(arrays["taus"]))
    for row, line in enumerate(axes):
        for ax, column in zip(line, chosen, strict=False):
            show_image(ax, arrays["images"][column, row])
        show_image(line[-1], arrays["nearest"][-1, row])
        line[0].set_ylabel(f"{row}", rotation=0, ha="right", va="center")
    for ax, column in zip(axes[0], chosen, strict=False):
        ax.set_title(f"{'τ=' if ax is axes[0, 0] else ''}{arrays['taus'][column]:.2g}", fontsize=8)
    axes[0, -1].set_title("train", fontsize=8)
    return axes


def column_numbers(n_taus):
    """Return at most MAX_COLUMNS of the columns 0..n_taus-1, evenly spread, first and last included."""
    return sorted({round(i) for i in np.linspace(0, n_taus - 1, min(n_taus, MAX_COLUMNS))})


def strips_figure(run):
    """Return the strips of pictures, for points in the plane a panel per τ, or None without the arrays."""
    arrays = run.arrays("hybrid")
    if arrays is None:
        return None
    if "points" in arrays:
        return _points_figure(arrays) if arrays["points"].shape[-1] == 2 else None
    n_rows, n_columns = min(arrays["images"].shape[1], MAX_ROWS), len(column_numbers(len(arrays["taus"]))) + 1
    height, width = arrays["images"].shape[-2:]
    figure, axes = new_figure(4.7 / n_columns * n_rows * height / width + 0.3, nrows=n_rows, ncols=n_columns)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    strips(arrays, axes)
    return figure


def _points_figure(arrays):
    chosen = column_numbers(len(arrays["taus"]))
    n_rows = -(-len(chosen) // 4)
    n_columns = min(4, len(chosen))
    figure, axes = new_figure(1.25 * n_rows + 0.7, nrows=n_rows, ncols=n_columns, sharex=True, sharey=True)
    for ax, column in zip(axes.flat, chosen, strict=False):
        show_pairs(ax, arrays["points"][column], arrays["nearest"][column]).set(xlabel="", ylabel="")
        ax.set_title(f"τ = {arrays['taus'][column]:.2g}")
    for ax in axes.flat[max(0, len(chosen) - n_columns):len(chosen)]:
        ax.tick_params(labelbottom=True)
    for ax in axes.flat[len(chosen):]:
        ax.remove()
    figure.supxlabel("coordinate 1", fontsize=9)
    figure.supylabel("coordinate 2", fontsize=9)
    legend_above(axes[0, 0])
    return figure


def _singles(run, feature):
    table = run.table("hybrid")
    if table is None or feature is None or "feature" not in table:
        return table
    return table[table["feature"] == feature]
