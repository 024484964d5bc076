"""Figure of the error at four kinds of states: squared error, shells and the band of training paths, loss gap."""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import BAND_ALPHA, NEUTRAL, curve_style, legend_above, new_figure, own_axes

KINDS = {"train": "training paths", "heldout": "held-out paths", "model": "the model's trajectories",
         "closed_form": "û*'s trajectories"}
TIME = "time t (0 noise, 1 data)"
QUANTITIES = ("squared_error", "shell", "band_low", "band_high", "gap")
MOST_SHELL = 2.0     # near t = 1 the ratio grows without bound off training paths
DECADES = 7


def of_kind(table, quantity, kind):
    """Return the rows of one quantity and kind of states."""
    return table[(table["quantity"] == quantity) & (table["states"] == kind)]


def squared_error(table, ax=None, *, kind="train"):
    """Draw the squared error of one kind of states against t, logarithmic; `table`: summary rows of error."""
    ax, rows = own_axes(ax), of_kind(table, "squared_error", kind)
    draw_curve(ax, rows, "t", style=curve_style(list(KINDS).index(kind), len(rows)))
    shown = table.loc[table["quantity"] == "squared_error", "value"]
    if shown.max() > 0:
        ax.set_yscale("log")
        ax.set_ylim(max(shown[shown > 0].min() / 2, shown.max() * 10.0**-DECADES), shown.max() * 2)
    ax.set(xlabel=TIME, ylabel="squared error", xlim=(0, 1), title=KINDS[kind])
    return ax


def shells(table, ax=None):
    """Draw the mean distance to the nearest training example beside the noise's, and the band of training paths."""
    ax = own_axes(ax)
    ends = [table[table["quantity"] == f"band_{end}"].sort_values("t") for end in ("low", "high")]
    ax.fill_between(ends[0]["t"], ends[0]["value"], ends[1]["value"], color=NEUTRAL, alpha=BAND_ALPHA, linewidth=0)
    for index, (kind, label) in enumerate(KINDS.items()):
        rows = of_kind(table, "shell", kind)
        if len(rows):
            draw_curve(ax, rows, "t", label=label, style=curve_style(index, len(rows)))
    ax.set(xlabel=TIME, ylabel="distance to nearest\n(noise = 1)", xlim=(0, 1))
    ax.set_ylim(0, max(MOST_SHELL, ends[1]["value"].max() * 1.2))
    return ax


def gap(table, ax=None):
    """Draw the held-out loss less the training loss against t, with its band of all times."""
    ax = own_axes(ax)
    rows = table[(table["quantity"] == "gap") & (table["interval"] == "simultaneous")]
    draw_curve(ax, rows, "t", style=curve_style(0, len(rows)))
    ax.axhline(0, color=NEUTRAL, linewidth=0.8, linestyle="--")
    ax.set(xlabel=TIME, ylabel="loss, held-out\nminus training", xlim=(0, 1))
    return ax


def error_states_figure(run):
    """Return a panel per kind of states, the shells and the gap; None for runs with training states alone."""
    rows = run.summary("error", *QUANTITIES)
    if "states" not in rows or not (rows["quantity"] == "band_low").any():
        return None
    kinds = [kind for kind in KINDS if len(of_kind(rows, "squared_error", kind))]
    panels = [*((squared_error, {"kind": kind}) for kind in kinds), (shells, {})]
    panels += [(gap, {})] if (rows["quantity"] == "gap").any() else []
    lines = -(-len(panels) // 2)
    figure, axes = new_figure(1.9 * lines + 0.4, nrows=lines, ncols=2)
    for (draw, options), ax in zip(panels, axes.flat, strict=False):
        draw(rows, ax, **options)
    for ax in axes.flat[len(panels):]:
        ax.remove()
    legend_above(axes.flat[len(kinds)], ncols=2)
    return figure
