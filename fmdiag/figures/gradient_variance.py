"""Figure of gradient variance: the times at which gradients of single samples disagree, by field and coupling.

For a checkpoint: the variance per time, raw and relative to the squared mean gradient. Between Gaussians: the variance
per time of every coupling under one field (as the figures of paper [2]), and the table of pooled variances.
"""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import curve_style, legend_above, new_figure, own_axes

PANELS = {"variance": "trace of the covariance\nof the gradient",
          "relative_variance": "the same over\n‖mean gradient‖²"}

ALL_KEYS = ("coupling", "sigma", "noise", "target", "points")
FLOOR = 1e-6


def variance(table, quantity="variance", ax=None):
    """Draw one quantity against t, a curve per combination of the keys that differ; `table`: summary rows."""
    ax = own_axes(ax)
    rows = _told_from_0(table[table["quantity"] == quantity]).dropna(subset=["t", "value"])
    keys = [key for key in ALL_KEYS if key in rows and rows[key].nunique() > 1]
    groups = rows.groupby(keys, sort=False) if keys else [((), rows)]
    for index, (values, group) in enumerate(groups):
        label = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True)) or None
        draw_curve(ax, group, "t", label=label, style=curve_style(index, len(group)))
    positive = rows.loc[rows["value"] > 0, "value"]
    if len(positive) and positive.max() > 20 * positive.min():
        ax.set_yscale("log")
        ax.set_ylim(positive.min() / 3, positive.max() * 3)
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel=PANELS[quantity], xlim=(0, 1))
    return ax


def _told_from_0(rows):
    """Return the rows without ratios whose interval reaches 0: of a mean gradient that cannot be told from 0."""
    return rows[(rows["quantity"] != "relative_variance") | (rows["low"] > 0)]


def variance_figure(run):
    """Return both panels, or None without variances per time."""
    rows = run.summary("gradient-variance", *PANELS)
    if "t" not in rows or rows["t"].isna().all():
        return None
    rows = _told_from_0(rows)
    shown = [name for name in PANELS if (rows["quantity"] == name).any()
             and rows.loc[rows["quantity"] == name, "value"].notna().any()]
    figure, axes = new_figure(1.0 + 1.8 * len(shown), nrows=len(shown), sharex=True)
    for name, ax in zip(shown, axes[:, 0], strict=True):
        variance(rows, name, ax).label_outer()
    legend_above(axes[0, 0], ncols=2)
    return figure


def coupling_curves(table, ax=None):
    """Draw the exact variance against t of every coupling; `table`: rows of one field and noise."""
    ax = own_axes(ax)
    for index, (coupling, rows) in enumerate(table.groupby("coupling", sort=False)):
        values = rows["variance"].to_numpy(float)
        values = np.where(values > FLOOR / 10, values, np.nan)
        ax.plot(rows["t"].to_numpy(), values, label=f"{coupling} pairs", **curve_style(index, len(rows)))
    ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="variance", xlim=(0, 1))
    return ax


def curves_figure(run):
    """Return a panel per field and noise, or None without the exact curves."""
    table = run.table("gradient-variance-curves")
    if table is None:
        return None
    table = table[table["field_sigma"] == 0]
    fields, sigmas = list(table["field"].unique()), sorted(table["sigma"].unique())
    figure, axes = new_figure(0.7 + 1.7 * len(fields), nrows=len(fields), ncols=len(sigmas), sharex=True, sharey=True)
    finite = table.loc[np.isfinite(table["variance"]) & (table["variance"] > FLOOR), "variance"]
    for row, field in enumerate(fields):
        for column, sigma in enumerate(sigmas):
            rows = table[(table["field"] == field) & (table["sigma"] == sigma)]
            ax = coupling_curves(rows, axes[row, column])
            ax.set_title(f"{field} field, σ = {sigma:g}")
            ax.label_outer()
    if len(finite):
        axes[0, 0].set_ylim(max(FLOOR, finite.min() / 2), finite.max() * 2)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def variance_table(table, ax=None):
    """Draw pooled variances as a table of colours and numbers; `table`: exact rows of one noise."""
    ax = own_axes(ax)
    wide = table.pivot(index="field", columns="coupling", values="value")
    names = list(dict.fromkeys(table["field"]))
    values = wide.loc[names, names].to_numpy(float)
    with np.errstate(divide="ignore"):
        shade = np.log10(np.clip(values, 1e-2, 1e5))
    ax.imshow(shade, cmap="cividis_r", aspect="auto", vmin=-2, vmax=5)
    for (row, column), value in np.ndenumerate(values):
        ax.text(column, row, "∞" if np.isinf(value) else f"{value:.3g}", ha="center", va="center", fontsize=8,
                color="white" if shade[row, column] > 1.2 else "black")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.grid(False)
    ax.set(xlabel="coupling of the pairs", ylabel="field")
    return ax


def table_figure(run):
    """Return a panel per noise of path and field, or None without exact variances."""
    rows = run.summary("gradient-variance", "exact_variance")
    if not len(rows):
        return None
    groups = list(rows.groupby(["sigma", "field_sigma"], sort=True))
    figure, axes = new_figure(0.3 + 2.2 * len(groups), nrows=len(groups))
    for ((sigma, field_sigma), group), ax in zip(groups, axes[:, 0], strict=True):
        noise = "" if sigma == 0 else f", field {'of that noise' if field_sigma else 'without noise'}"
        variance_table(group, ax).set_title(f"σ = {sigma:g} on the path{noise}")
    return figure
