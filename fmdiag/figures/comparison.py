"""Figure of a comparison: every quantity of one diagnostic, the runs' curves and intervals in one panel."""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import (
    COLORS,
    MARKERS,
    SOURCES,
    curve_style,
    legend_above,
    new_figure,
    ordered_colors,
    own_axes,
)
from fmdiag.results.words import OF_THE_TEST, in_words

FIXED = ("diagnostic", "quantity", "run", "value", "low", "high", "level", "n", "interval")
AXES = {"t": "time t (0 noise, 1 data)", "tau": "τ (û* leads until τ)"}
MOST_PANELS = 12
NAME = "{}_comparison"
CAPTION = ("{diagnostic} of {n} runs, in the order given: {runs}. Shaded or whiskers: {interval}. Values are those of "
           "each run's own tables/summary.")


def comparison_figures(run):
    """Return {figure name: function (RunData) -> Figure} of a comparison: one per diagnostic; empty for other runs."""
    table = run.table("summary")
    if table is None or "run" not in table:
        return {}
    return {NAME.format(name): lambda run, name=name: comparison(run.summary(name))
            for name in table["diagnostic"].unique()}


def comparison(table):
    """Return the figure of one diagnostic's rows, a panel per quantity: curves against time, or whiskers."""
    axis = next((axis for axis in AXES if axis in table and table[axis].nunique() > 1), None)
    table = table[~table["quantity"].astype(str).str.contains(OF_THE_TEST)]
    rows = table[table[axis].notna()] if axis else table[table["value"].notna()]
    parts = list(_panels(rows, axis))[:MOST_PANELS]
    runs = list(table["run"].unique())
    columns = min(2, len(parts))
    lines = -(-len(parts) // columns)
    height = 2.0 if axis else 0.6 + 0.26 * len(runs)
    figure, axes = new_figure(height * lines + 0.5, nrows=lines, ncols=columns)
    for (label, part), ax in zip(parts, axes.flat, strict=False):
        (curves(part, axis, ax, runs=runs) if axis else whiskers(part, ax, runs=runs)).set_title(label)
    for ax in axes.flat[len(parts):]:
        ax.remove()
    legend_above(axes[0, 0], figure.axes, ncols=2)
    return figure


def curves(table, axis, ax=None, *, runs):
    """Draw one quantity against time, a curve per run; `table`: summary rows with a column run."""
    ax, colors = own_axes(ax), ordered_colors(len(runs))   # those of sources keep their meaning
    for index, run in enumerate(runs):
        rows = table[table["run"] == run]
        if len(rows):
            draw_curve(ax, rows, axis, label=run, style=curve_style(index, len(rows), color=colors[index]))
    ax.set(xlabel=AXES[axis], ylabel=in_words(table["quantity"].iloc[0]), xlim=(0, 1))
    return ax


def whiskers(table, ax=None, *, runs):
    """Draw one quantity per run with its interval, sources beside each other; `table` as above."""
    ax = own_axes(ax)
    sources = list(table["source"].dropna().unique()) if "source" in table else []
    for place, source in enumerate(sources or [None]):
        # By source and not by panel: one colour is one source wherever it is drawn.
        index = list(SOURCES).index(source) if source in SOURCES else len(SOURCES) + place if sources else 0
        rows = table if source is None else table[table["source"] == source]
        rows = rows.drop_duplicates("run").set_index("run").reindex(runs)
        places = np.arange(len(runs)) + 0.18 * (place - (max(1, len(sources)) - 1) / 2)
        reach = np.nan_to_num(np.abs(rows[["low", "high"]].to_numpy(float).T - rows["value"].to_numpy(float)))
        looks = {"marker": MARKERS[index % len(MARKERS)], "color": COLORS[index % len(COLORS)]}
        ax.errorbar(rows["value"], places, xerr=reach, linestyle="none", markersize=4.5, capsize=2.5, linewidth=1,
                    **looks, label=SOURCES.get(source, source))
    ax.set(xlabel=in_words(table["quantity"].iloc[0]), ylim=(len(runs) - 0.5, -0.5))
    ax.set_yticks(range(len(runs)), runs)
    ax.set_ylabel("run")
    return ax


def _panels(rows, axis):
    """Yield (title, rows) per quantity and further key, of two kinds of interval the first."""
    keys = [key for key in rows if key not in FIXED and key != axis and (key != "source" or axis)
            and rows[key].nunique() > 1]
    for _, part in rows.groupby("quantity", sort=False):
        part = part[part["interval"] == part["interval"].iloc[0]]
        used = [key for key in keys if part[key].nunique() > 1]
        for values, group in part.groupby(used, sort=True) if used else [((), part)]:
            yield ", ".join(f"{key} {value:g}" if isinstance(value, float) else str(SOURCES.get(value, value))
                            for key, value in zip(used, values, strict=True)), group
