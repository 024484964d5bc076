"""Figure of thresholds: the memorised fraction at every one, and the ROC curve, with controls.

References
----------
DeLong et al. 1988 (AUC).
"""

from fmdiag.figures.memorization import THRESHOLD
from fmdiag.figures.style import (
    BAND_ALPHA,
    COLORS,
    DASHES,
    NEUTRAL,
    SOURCES,
    inner_legend,
    legend_above,
    new_figure,
    own_axes,
)


def sweep(table, ax=None):
    """Draw f_mem with its band against the threshold per source; `table`: rows of tables/sweep of one feature."""
    ax = own_axes(ax)
    for index, (source, label) in enumerate(SOURCES.items()):
        rows = table[table["source"] == source].sort_values("threshold")
        if len(rows):
            ax.fill_between(rows["threshold"], rows["low"], rows["high"], color=COLORS[index], alpha=BAND_ALPHA,
                            linewidth=0)
            ax.plot(rows["threshold"], rows["f_mem"], color=COLORS[index], linestyle=DASHES[index], label=label)
    ax.axvline(THRESHOLD, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="threshold on d1/d2", ylabel="memorised fraction", xlim=(0, 1), ylim=(-0.03, 1.03))
    return inner_legend(ax)


def roc(table, areas, ax=None):
    """Draw the ROC curves per source; `table`: rows of tables/roc, `areas`: summary rows of auc, of one feature."""
    ax = own_axes(ax)
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.9, linestyle="--")
    for index, (source, label) in enumerate(SOURCES.items()):
        rows = table[table["source"] == source]
        if len(rows):
            area = areas[areas["source"] == source]
            text = "".join(f"\nAUC {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in area.itertuples())
            ax.plot(rows["fpr"], rows["tpr"], color=COLORS[index], linestyle=DASHES[index], label=label + text)
    ax.set(xlabel="share of held-out examples below the threshold", ylabel="share of samples below it",
           xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return inner_legend(ax)


def sweep_figure(run):
    """Return the sweep, a panel per feature, or None without tables/sweep."""
    table = run.table("sweep")
    if table is None or table.empty:
        return None
    return _panels(table, lambda feature, rows, ax: sweep(rows, ax))


def roc_figure(run):
    """Return the ROC curves, a panel per feature, or None without tables/roc or held-out rows."""
    table, areas = run.table("roc"), run.summary("memorization", "auc")
    if table is None or table.empty:
        return None
    return _panels(table, lambda feature, rows, ax: roc(rows, areas[areas["feature"] == feature], ax))


def _panels(table, draw):
    parts = list(table.groupby("feature", sort=False))
    figure, axes = new_figure(2.8 * len(parts), nrows=len(parts))
    for (feature, rows), ax in zip(parts, axes[:, 0], strict=True):
        draw(feature, rows, ax).set_title(f"feature: {feature}" if len(parts) > 1 else "")
    if len(parts) == 1:
        legend_above(axes[0, 0])
    return figure
