"""Figure of a time study: quality and memorised share against the training step.

References
----------
T. Bonnaire et al. 2025: tau_gen does not depend on n, tau_mem grows with it.
"""

import math

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.study_size import size_label
from fmdiag.figures.style import NEUTRAL, curve_style, legend_above, log_steps, new_figure, ordered_colors, own_axes
from fmdiag.studies.widths import widest

MOST_TICKS = 6


def along_training(table, quantity, ax=None):
    """Draw a quantity against the step, a curve per n; `table`: summary rows."""
    ax = own_axes(ax)
    groups = list(table[(table["quantity"] == quantity) & table["step"].notna()].groupby("n_train"))
    for index, (n, group) in enumerate(groups):
        color = ordered_colors(len(groups))[index]
        draw_curve(ax, group, "step", label=size_label(n), style=curve_style(index, len(group), color=color))
    steps = sorted(table["step"].dropna().unique())
    log_steps(ax, steps[::-math.ceil(len(steps) / MOST_TICKS)] if steps else [])
    return ax


def study_time_figure(run):
    """Return both panels, or None where the run is no study of time."""
    rows = widest(run.summary("study_time"))
    if not len(rows):
        return None
    figure, axes = new_figure(3.2, width=7.2, ncols=2)
    distances = rows.loc[(rows["quantity"] == "frechet_test") & rows["step"].notna(), "value"]
    limits = (distances.min() / 2, 2 * distances.max()) if len(distances) else None    # bands of two seeds go to zero
    along_training(rows, "frechet_test", axes[0, 0]).set(ylabel="test Fréchet distance", yscale="log", ylim=limits)
    along_training(rows, "f_mem", axes[0, 1]).set(ylabel="memorised share", ylim=(-0.03, 1.03))
    null = rows.loc[rows["quantity"] == "f_mem_null", "value"]
    if len(null):
        axes[0, 1].axhline(null.max(), color=NEUTRAL, linestyle="--", linewidth=1.0)
    legend_above(axes[0, 0], ncols=5)
    return figure
