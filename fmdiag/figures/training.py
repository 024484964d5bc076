"""How did the training loss fall? The loss per step as recorded by `fmdiag train`."""

from fmdiag.figures.style import COLORS, own_axes

CAPTIONS = {
    "training": ("Training loss (mean over coordinates, squared units of model range) against the step. {data}.",
                 "Line chart of the training loss against the step."),
}


def loss(table, ax=None):
    """Draw the loss against the step; `table`: columns step and loss."""
    ax = own_axes(ax)
    rows = table.sort_values("step")
    ax.plot(rows["step"].to_numpy(), rows["loss"].to_numpy(float), color=COLORS[0], linewidth=1.0)
    ax.set(xlabel="step", ylabel="training loss")
    if (rows["loss"] > 0).all():
        ax.set_yscale("log")
    return ax


def training_figure(run):
    """Return the loss curve, or None without a training table."""
    table = run.table("training")
    return None if table is None or table.empty else loss(table).figure


FIGURES = {"training": training_figure}
