"""Figure of membership: ROC, AUC per time, excess alignment, energy."""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import (
    COLORS,
    DASHES,
    NEUTRAL,
    SOURCES,
    curve_style,
    inner_legend,
    legend_above,
    new_figure,
    own_axes,
)

SCORES = {"loss": "CFM loss", "error": "distance to û*", "pull": "pull of the image"}
ROC_WIDTH = 3.4


def auc(table, ax=None):
    """Draw the AUC per t, a curve per score; `table`: summary rows of quantity auc, whose bands are simultaneous."""
    ax, banded = own_axes(ax), table[table["interval"] == "simultaneous"]
    for index, (score, label) in enumerate(SCORES.items()):
        rows = banded[banded["score"] == score]
        if rows.empty:
            rows = table[table["score"] == score].assign(low=float("nan"), high=float("nan"))
        if len(rows):
            draw_curve(ax, rows, "t", label=label, style=curve_style(index, len(rows)))
    ax.axhline(0.5, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="membership AUC", xlim=(0, 1), ylim=(-0.03, 1.03))
    return inner_legend(ax)


def roc(arrays, ax=None):
    """Draw the ROC curves; arrays as in membership.npz."""
    ax = own_axes(ax)
    for index, (score, label) in enumerate(SCORES.items()):
        if f"{score}_fpr" in arrays:
            ax.step(arrays[f"{score}_fpr"], arrays[f"{score}_tpr"], where="post", label=label, color=COLORS[index],
                    linestyle=DASHES[index])
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="held-out images taken for members", ylabel="training images found", xlim=(-0.02, 1.02),
           ylim=(-0.02, 1.02), aspect="equal")
    return inner_legend(ax)


def excess(table, ax=None):
    """Draw the excess alignment per t; `table`: summary rows of quantity excess_alignment."""
    ax = own_axes(ax)
    draw_curve(ax, table, "t")
    ax.axhline(0, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="excess alignment", xlim=(0, 1))
    return ax


def energy(table, column, ax=None):
    """Draw the cumulative shares of samples against energy or terminal_share, a curve per source."""
    ax = own_axes(ax)
    for index, (source, label) in enumerate(SOURCES.items()):
        values = table.loc[table["source"] == source, column].to_numpy(float)
        if values.size:
            ax.ecdf(values, label=label, color=COLORS[index], linestyle=DASHES[index])
    ax.set(xlabel={"energy": "kinetic energy / d", "terminal_share": "share from t = 0.9 on"}[column],
           ylabel="share of samples", ylim=(-0.03, 1.03))
    return inner_legend(ax)


def auc_figure(run):
    """Return the AUC per time, or None without a summary of it."""
    rows = run.summary("membership", "auc")
    if rows.empty:
        return None
    return legend_above(auc(rows)).figure


def roc_figure(run):
    """Return the ROC curves, or None without the arrays."""
    arrays = run.arrays("membership")
    if arrays is None:
        return None
    figure, axes = new_figure(ROC_WIDTH, width=ROC_WIDTH)
    roc(arrays, axes[0, 0])
    return figure


def excess_figure(run):
    """Return the excess alignment per time, or None without a summary of it."""
    rows = run.summary("membership", "excess_alignment")
    return None if rows.empty else excess(rows).figure


def energy_figure(run):
    """Return the distributions of the kinetic energy, or None without the table."""
    table = run.table("energy")
    if table is None or table.empty:
        return None
    figure, axes = new_figure(2.6, ncols=2, sharey=True)
    for ax, column in zip(axes[0], ("energy", "terminal_share"), strict=True):
        energy(table, column, ax).label_outer()
    legend_above(axes[0, 0])
    axes[0, 1].get_legend().remove()
    return figure
