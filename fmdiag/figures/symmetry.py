"""Figure of symmetry: the top eigenvalue of the posterior mean's Jacobian against time, of model and û*.

References
----------
Raya and Ambrogioni 2023, arXiv 2305.19693.
"""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import NEUTRAL, curve_style, legend_above, new_figure, own_axes

CURVES = {("model", "model"): "model", ("closed_form", "model"): "û* at the model's states",
          ("closed_form", "closed_form"): "û*, own trajectory"}
KINDS = {"centre": "from the centre", "noise": "from noise"}
TOP = 4.0   # eigenvalues of û* between two examples grow without bound


def eigenvalues(table, ax=None):
    """Draw the eigenvalues against t; `table`: summary rows of one kind of trajectories, with breaking times."""
    ax = own_axes(ax)
    rows = table[table["quantity"] == "eigenvalue"]
    for index, (keys, label) in enumerate(CURVES.items()):
        part = rows[(rows["field"] == keys[0]) & (rows["states"] == keys[1])]
        if len(part):
            draw_curve(ax, part, "t", label=label, style=curve_style(index, len(part)))
    ax.axhline(1, color=NEUTRAL, linewidth=0.8, linestyle="--")
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="top eigenvalue", xlim=(0, 1))
    ax.set_ylim(0, min(TOP, 1.08 * max(rows["value"].max(), 1.0)))
    return ax


def symmetry_figure(run):
    """Return both kinds of trajectories, or None where the summary has no eigenvalue."""
    rows = run.summary("symmetry", "eigenvalue", "breaking_time")
    if rows.empty:
        return None
    figure, axes = new_figure(4.6, nrows=2, sharex=True)
    for (kind, label), ax in zip(KINDS.items(), axes[:, 0], strict=True):
        eigenvalues(rows[rows["kind"] == kind], ax)
        ax.set_ylabel(f"top eigenvalue\n{label}")
        ax.label_outer()
    legend_above(axes[0, 0])
    return figure
