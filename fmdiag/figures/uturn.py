"""Figure of U-turns: which starts return from which time, which keep their class, and what the ends look like."""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.hybrid import MAX_COLUMNS, column_numbers
from fmdiag.figures.pictures import show_image
from fmdiag.figures.style import NEUTRAL, curve_style, inner_legend, legend_above, new_figure, own_axes

FIELDS = {"model": "model", "closed_form": "û* (closed form)", "wiener": "Wiener field"}
KINDS = {"train": "training examples", "heldout": "held-out examples"}
SHORT = {"train": "train", "heldout": "held\nout"}
SHARES = {"returned": "share that\nreturns", "same_class": "share that keeps\nits class"}
TIME = "time t of the turn"


def returned(table, ax=None, *, quantity="returned", field="model"):
    """Draw a share against t, a curve per kind of start; `table`: summary rows of `quantity`, or of several."""
    ax = own_axes(ax)
    rows = table[(table["quantity"] == quantity) & (table["field"] == field)]
    for index, (source, label) in enumerate(KINDS.items()):
        own = rows[rows["source"] == source]
        if len(own):
            draw_curve(ax, own, "t", label=label, style=curve_style(index, len(own)))
    ax.set(xlabel=TIME, ylabel=SHARES[quantity], xlim=(0, 1), ylim=(-0.05, 1.05))
    return inner_legend(ax)


def difference(table, ax=None):
    """Draw the difference in return, a curve per field; `table`: summary rows of quantity returned_difference."""
    ax = own_axes(ax)
    for index, (field, label) in enumerate(FIELDS.items()):
        rows = table[(table["field"] == field) & (table["interval"] == "simultaneous")]
        if field != "model":
            rows = rows.assign(low=float("nan"), high=float("nan"))
        if len(rows):
            draw_curve(ax, rows, "t", label=label, style=curve_style(index, len(rows)))
    ax.axhline(0, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel=TIME, ylabel="training minus held-out share", xlim=(0, 1))
    return inner_legend(ax)


def returned_figure(run):
    """Return the shares per time, a column per field and a row per share, in the first feature; None without any."""
    rows = _first_feature(run.summary("uturn", *SHARES))
    if rows.empty:
        return None
    fields, shares = [f for f in FIELDS if (rows["field"] == f).any()], [
        q for q in SHARES if (rows["quantity"] == q).any()]
    figure, axes = new_figure(1.5 * len(shares) + 0.9, nrows=len(shares), ncols=len(fields), sharex=True, sharey="row")
    for quantity, line in zip(shares, axes, strict=True):
        for field, ax in zip(fields, line, strict=True):
            returned(rows, ax, quantity=quantity, field=field).label_outer()
            if ax.get_legend() is not None and ax is not axes[0, 0]:
                ax.get_legend().remove()
            ax.set(xticks=[0, 0.5, 1], xlabel="")
    for field, ax in zip(fields, axes[0], strict=True):
        ax.set_title(FIELDS[field])
    figure.supxlabel(TIME, fontsize=9)
    legend_above(axes[0, 0])
    return figure


def difference_figure(run):
    """Return the differences in return per time, in the first feature; None without held-out starts."""
    rows = _first_feature(run.summary("uturn", "returned_difference"))
    return None if rows.empty else legend_above(difference(rows)).figure


def strips_figure(run):
    """Return the pictures, a row per start, or None without them."""
    arrays = run.arrays("uturn")
    if not arrays:
        return None
    chosen = column_numbers(len(arrays["times"]))[:MAX_COLUMNS]
    n, columns = len(arrays["starts"]), len(chosen) + 1
    height, width = arrays["starts"].shape[-2:]
    figure, axes = new_figure(4.7 / columns * n * height / width + 0.3, nrows=n, ncols=columns)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    for row, line in enumerate(axes):
        show_image(line[0], arrays["starts"][row])
        for ax, column in zip(line[1:], chosen, strict=True):
            show_image(ax, arrays["images"][column, row])
        line[0].set_ylabel(SHORT[str(arrays["sources"][row])], fontsize=6)
    axes[0, 0].set_title("start", fontsize=8)
    for ax, column in zip(axes[0, 1:], chosen, strict=True):
        ax.set_title(f"{'t=' if column == chosen[0] else ''}{arrays['times'][column]:.2g}", fontsize=8)
    return figure


def _first_feature(rows):
    return rows if rows.empty or "feature" not in rows else rows[rows["feature"] == rows["feature"].iloc[0]]
