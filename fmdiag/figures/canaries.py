"""Figure of canaries: shares of planted images that come back, by multiplicity, with exact intervals."""

from fmdiag.figures.style import COLORS, MARKERS, new_figure, own_axes

QUANTITIES = {"returned": "share that came back", "loss_auc": "AUC of the loss,\nplanted against held out"}


def whiskers(table, quantity, ax=None):
    """Draw one quantity per multiplicity with its interval; `table`: summary rows, multiplicity 0: held out."""
    ax = own_axes(ax)
    rows = table[table["quantity"] == quantity].drop_duplicates("multiplicity").sort_values("multiplicity")
    for place, row in enumerate(rows.itertuples()):
        index = 1 if row.multiplicity == 0 else 0
        ax.plot([place, place], [row.low, row.high], color=COLORS[index], marker="_", markersize=9)
        ax.plot([place], [row.value], color=COLORS[index], marker=MARKERS[index], markersize=6)
    names = ["held\nout" if row.multiplicity == 0 else f"{row.multiplicity:.0f}×" for row in rows.itertuples()]
    ax.set_xticks(range(len(rows)), names)
    ax.set(xlabel="planted", ylabel=QUANTITIES[quantity], xlim=(-0.5, len(rows) - 0.5), ylim=(-0.03, 1.03))
    return ax


def returned_figure(run):
    """Return both panels (one without losses), or None without a summary."""
    rows = run.summary("canaries", *QUANTITIES)
    if rows.empty:
        return None
    shown = [name for name in QUANTITIES if (rows["quantity"] == name).any()]
    figure, axes = new_figure(2.6, ncols=len(shown))
    for ax, quantity in zip(axes[0], shown, strict=True):
        whiskers(rows, quantity, ax)
    return figure
