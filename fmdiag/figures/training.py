"""Figure of training: the loss per step as recorded by `fmdiag train`."""

from fmdiag.figures.style import COLORS, own_axes


def loss(table, ax=None):
    """Draw the loss against the step; `table`: columns step and loss."""
    ax = own_axes(ax)
    rows = table.sort_values("step")
    ax.plot(rows["step"].to_numpy(), rows["loss"].to_numpy(float), color=COLORS[0], linewidth=1.0)
    ax.set(xlabel="step", ylabel="training loss")
    if rows["loss"].min() > 0 and rows["loss"].max() > 10 * rows["loss"].min():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    return ax


def loss_figure(run):
    """Return the loss curve, or None without the table of `fmdiag train`."""
    table = run.table("loss")
    return None if table is None or table.empty else loss(table).figure
