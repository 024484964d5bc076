"""Figure of a watch: what is measured of a model along training, with the steps at which it is good and begins to copy.

References
----------
T. Bonnaire et al. 2025, arXiv 2505.17638: tau_gen and tau_mem along training.
"""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import NEUTRAL, columns, curve_style, inner_legend, new_figure, own_axes

# Of each panel: quantities with their labels, y label, whether its axis is logarithmic, a line to compare with.
PANELS = (
    ({"error_train": "training paths", "error_heldout": "held-out paths", "error_model": "model's trajectories",
      "error_closed_form": "û*'s trajectories"}, "squared error\nper coordinate", True, None),
    ({"loss_train": "training examples", "loss_heldout": "held-out examples"}, "loss\nper coordinate", False, None),
    ({"auc": "membership"}, "AUC of membership", False, 0.5),
    ({"f_mem": "samples", "f_mem_heldout": "held-out examples (null)"}, "memorised share", False, None),
    ({"d1": "samples"}, "distance to nearest\ntraining example", False, None),
    ({"frechet_test": "samples"}, "test Fréchet\ndistance", True, None),
)
WIDE = 20          # ratio of the last step to the first from which the axis of steps is logarithmic
# Of each onset: label, dashes, and the quantity beside whose curve the interval is shaded.
ONSETS = {"tau_gen": ("τ_gen: good", (0, (4, 2)), "frechet_test"), "tau_mem": ("τ_mem: copies", "-", "f_mem")}
MARKED = [label for label, *_ in ONSETS.values()]


def along_steps(rows, ax=None, panel=PANELS[3]):
    """Draw the quantities of a panel against the step, with their intervals; `rows`: summary rows of a watch."""
    ax, (quantities, text, logarithmic, line) = own_axes(ax), panel
    for index, (name, label) in enumerate(quantities.items()):
        group = rows[(rows["quantity"] == name) & rows["step"].notna()]
        if len(group):
            draw_curve(ax, group, "step", label=label, style=curve_style(index, len(group)))
    if line is not None:
        ax.axhline(line, color=NEUTRAL, linewidth=0.8)
    steps = rows["step"].dropna()
    if steps.min() > 0 and steps.max() > WIDE * steps.min():
        ax.set_xscale("log")
    if logarithmic:
        ax.set_yscale("log")
    if "f_mem" in quantities:
        ax.set_ylim(-0.03, 1.03)
    ax.set(xlabel="step", ylabel=text)
    return ax


def mark_onsets(rows, ax, quantities):
    """Mark tau_gen and tau_mem as lines, and beside what they are read from shade where they may lie."""
    for name, (label, dashes, beside) in ONSETS.items():
        for row in rows[(rows["quantity"] == name) & rows["value"].notna()].itertuples():
            ax.axvline(row.value, color=NEUTRAL, linestyle=dashes, linewidth=1.0, label=label)
            low = max(row.low, ax.get_xlim()[0])
            if beside in quantities and np.isfinite(row.high):
                ax.axvspan(low, row.high, color=NEUTRAL, alpha=0.12, linewidth=0)
    return ax


def watch_figure(run):
    """Return the panels that have something to show, or None where the run is no watch."""
    rows = run.summary("watch")
    known = [panel for panel in PANELS if len(rows) and rows["quantity"].isin(list(panel[0])).any()]
    if not known:
        return None
    n_columns = min(columns(3), len(known))
    n_rows = -(-len(known) // n_columns)
    figure, axes = new_figure(0.6 + 2.5 * n_rows, width=8.4, nrows=n_rows, ncols=n_columns)
    for ax, panel in zip(axes.flat, known, strict=False):
        along_steps(rows, ax, panel)
        limits = ax.get_xlim()
        inner_legend(ax) if len(panel[0]) > 1 else None
        mark_onsets(rows, ax, panel[0]).set_xlim(limits)
    for ax in list(axes.flat)[len(known):]:
        ax.remove()
    lines = {line.get_label(): line for line in axes.flat[0].lines if line.get_label() in MARKED}
    if lines:
        figure.legend(lines.values(), lines.keys(), loc="outside upper right", ncols=len(lines))
    return figure
