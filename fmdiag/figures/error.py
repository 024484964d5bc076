"""Figure of the error: where the network differs from û*, beside the loss that none could avoid. Paper [1], figure 2.

Per coordinate and in expectation, cfm_loss = squared_error + conditional_variance (PAPERS: derived): the conditional
variance is the floor that the loss of û* itself reaches, the squared error is what the network adds to it.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, figure 2 (left).
"""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import curve_style, inner_legend, legend_above, new_figure, own_axes

CURVES = {"squared_error": "squared error\n$|u_\\theta - \\hat{u}^*|^2/d$",
          "conditional_variance": "conditional variance\n(floor of the loss)", "cfm_loss": "CFM loss\n(sum of the two)"}

DECADES = 5


def on_training_paths(rows):
    """Return the summary rows of states on training paths, which are all of them in runs of older versions."""
    return rows[rows["states"].isna() | (rows["states"] == "train")] if "states" in rows else rows


def squared_error(table, ax=None):
    """Draw the squared error against t on a linear axis; `table`: summary rows of the error diagnostic."""
    ax = own_axes(ax)
    rows = on_training_paths(table[table["quantity"] == "squared_error"])
    draw_curve(ax, rows, "t", style=curve_style(0, len(rows)))
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="squared error\nper coordinate", xlim=(0, 1))
    ax.set_ylim(bottom=0)
    return ax


def decomposition(table, ax=None):
    """Draw squared error, conditional variance and CFM loss against t on a logarithmic axis; input as above."""
    ax, table = own_axes(ax), on_training_paths(table)
    for index, (quantity, label) in enumerate(CURVES.items()):
        rows = table[table["quantity"] == quantity]
        if len(rows):
            draw_curve(ax, rows, "t", label=label, style=curve_style(index, len(rows)))
    shown = table.loc[table["quantity"].isin(CURVES), "value"]
    if shown.max() > 0:
        # The conditional variance falls to 0 after the collapse: five decades show where, without drowning the rest.
        ax.set_yscale("log")
        ax.set_ylim(max(shown[shown > 0].min() / 2, shown.max() * 10.0**-DECADES), shown.max() * 2)
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="per coordinate", xlim=(0, 1))
    return inner_legend(ax)


def error_figure(run):
    """Return both panels, or None where the summary has no squared error."""
    rows = on_training_paths(run.summary("error", *CURVES))
    if not (rows["quantity"] == "squared_error").any():
        return None
    figure, axes = new_figure(4.4, nrows=2, sharex=True)
    squared_error(rows, axes[0, 0]).label_outer()
    legend_above(decomposition(rows, axes[1, 0]))
    return figure
