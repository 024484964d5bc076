"""Figure of alignment: when û* stops being an average and points at one training row. Paper [1], figures 1a and 1c.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, figure 1.
"""

import numpy as np

from fmdiag.figures.curves import draw_curve, families, family_key, family_label
from fmdiag.figures.style import COLORS, NEUTRAL, inner_legend, legend_above, new_figure, own_axes

HISTOGRAM_TIMES = np.linspace(0.01, 0.99, 6)
MAX_HISTOGRAM_ROWS = 5
SHARE = "share_above_0.9"
MARKS = {"collapse_time_fresh": ("v", "full", "collapse (fresh paths)"),
         "speciation_time": ("^", "none", "speciation time")}
POSTERIOR_PANELS = {"source_weight": "weight of the\nsource row", "max_weight": "largest weight",
                    "ess": "effective sample\nsize / n", "entropy": "posterior entropy\n/ log n"}


def histogram(table, ax=None, *, low=-1.0):
    """Draw the cosines of one time and data set, in [low, 1], as shares of the pairs; `table` has a column cosine."""
    ax = own_axes(ax)
    cosine = table["cosine"].to_numpy(float)
    ax.hist(cosine, bins=np.linspace(low, 1, 26), weights=np.full(len(cosine), 1 / len(cosine)), color=COLORS[0],
            edgecolor=COLORS[0], linewidth=0.6)
    ax.axvline(0.9, color=NEUTRAL, linewidth=0.8, linestyle="--")
    ax.set(xlabel="cosine", ylabel="share of pairs", xlim=(low - 0.03, 1.03), xticks=[0, 1] if low > -1 else [-1, 0, 1])
    return ax


def share(table, ax=None):
    """Draw the share above 0.9 against t, a curve per image size, with the transition times as marks.

    Parameters
    ----------
    table : DataFrame
        Summary rows of the alignment diagnostic: the share per t and, without t, the transition times per dim.
    """
    ax = own_axes(ax)
    drawn = list(families(table))
    for label, rows, style in drawn:
        draw_curve(ax, rows[rows["quantity"] == SHARE], "t", label=label, style=style)
        _marks(ax, rows, style["color"], lines=len(drawn) <= 2)
    _mark_legend(ax, table)
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="share of pairs with cosine > 0.9")
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.09), yticks=[0, 0.25, 0.5, 0.75, 1])
    return inner_legend(ax)


def posterior(table, quantity, ax=None, *, scale=None):
    """Draw one posterior quantity against t, a curve per image size.

    Parameters
    ----------
    table : DataFrame
        Summary rows of the quantity.
    quantity : str
        A key of POSTERIOR_PANELS.
    scale : dict, optional
        Family value (image size or dim, None for one curve) -> number that `ess` is shown as a share of.
    """
    ax = own_axes(ax)
    key, drawn = family_key(table), list(families(table))
    for label, rows, style in drawn:
        if quantity == "ess":
            _marks(ax, rows[rows["quantity"] == "collapse_time_fresh"], style["color"], lines=len(drawn) <= 2)
            fresh = _scaled(rows[rows["quantity"] == "ess_fresh"].sort_values("t"), key, scale)
            ax.plot(fresh["t"], fresh["value"], color=NEUTRAL, linestyle="--", linewidth=1.0, zorder=3)
        draw_curve(ax, _scaled(rows[rows["quantity"] == quantity], key, scale), "t", label=label, style=style)
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel=POSTERIOR_PANELS[quantity])
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.09))
    return ax


def _scaled(rows, key, scale):
    if not scale or rows.empty:
        return rows
    divisor = scale[rows[key].iloc[0] if key else None]
    return rows.assign(**{name: rows[name] / divisor for name in ("value", "low", "high")})


def histograms_figure(run):
    """Return figure 1a: a row of panels per image size, a panel per time; None without the alignment table."""
    table = run.table("alignment")
    if table is None or table.empty:
        return None
    key = family_key(table)
    rows = [(None, table)] if key is None else list(table.groupby(key))[-MAX_HISTOGRAM_ROWS:]
    times = nearest_times(table["t"].unique())
    low = min(0.0, np.floor(2 * table["cosine"].min()) / 2)
    figure, axes = new_figure(1.1 * len(rows) + 0.6, nrows=len(rows), ncols=len(times), sharex=True, sharey=True)
    for line, (value, group) in zip(axes, rows, strict=True):
        for ax, t in zip(line, times, strict=True):
            histogram(group[group["t"] == t], ax, low=low).label_outer()
        if len(rows) > 1:
            line[0].set_ylabel(family_label(key, value, group).replace(", ", "\n"))
    if len(rows) > 1:
        figure.supylabel("share of pairs", fontsize=9)
    for ax, t in zip(axes[0], times, strict=True):
        ax.set_title(f"t={t:.2f}")
    return figure


def share_figure(run):
    """Return figure 1c, or None where the summary has no share per time."""
    rows = run.summary("alignment", SHARE, *MARKS)
    return legend_above(share(rows)).figure if (rows["quantity"] == SHARE).any() else None


def posterior_figure(run):
    """Return the posterior's panels against t, or None where the summary has none of them."""
    rows = run.summary("alignment", *POSTERIOR_PANELS, "collapse_time_fresh", "ess_fresh")
    if not rows["quantity"].isin(POSTERIOR_PANELS).any():
        return None
    present = [name for name in POSTERIOR_PANELS if (rows["quantity"] == name).any()]
    figure, axes = new_figure(2.2 * ((len(present) + 1) // 2), nrows=(len(present) + 1) // 2, ncols=2)
    for name, ax in zip(present, axes.flat, strict=False):
        posterior(rows, name, ax, scale=_training_sizes(run, rows) if name == "ess" else None)
    for ax in axes.flat[len(present):]:
        ax.remove()
    _mark_legend(axes[0, 0], rows)
    legend_above(axes[0, 0])
    return figure


def nearest_times(available):
    """Return the times among `available` nearest to the paper's six, each once and in order."""
    available = np.sort(np.asarray(available, dtype=float))
    return sorted({float(available[np.abs(available - t).argmin()]) for t in HISTOGRAM_TIMES})


def _marks(ax, rows, color, *, lines):
    for quantity, (marker, fill, _) in MARKS.items():
        for t in rows.loc[rows["quantity"] == quantity, "value"].dropna():
            ax.plot([t], [1.05], marker=marker, fillstyle=fill, color=color, linestyle="none", markersize=6)
            if lines:
                ax.axvline(t, ymax=0.95, color=color, linewidth=0.9, linestyle=":" if fill == "full" else "--")


def _mark_legend(ax, table):
    for quantity, (marker, fill, label) in MARKS.items():
        if table.loc[table["quantity"] == quantity, "value"].notna().any():
            ax.plot([], [], marker=marker, fillstyle=fill, color=NEUTRAL, markersize=6, label=label,
                    linestyle="none")


def _training_sizes(run, rows):
    key, table = family_key(rows), run.table("alignment")
    if table is None or (key is not None and key not in table):
        n = (run.run.get("dataset") or {}).get("n") or 1
        return {value: n for value in (rows[key].unique() if key else [None])}
    return {None: int(table["n"].iloc[0])} if key is None else table.groupby(key)["n"].first().to_dict()
