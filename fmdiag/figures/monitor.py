"""Figure of a monitored training run: losses, errors, copies and membership against the step."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import DPI, NEUTRAL, columns, curve_style, new_figure, paper_style
from fmdiag.files.replace import replace_atomically

PANELS = (
    ("loss", {"loss_train": "training examples", "loss_heldout": "held-out examples"}),
    ("squared error against û*", {"error_train": "training paths", "error_heldout": "held-out paths",
                                  "error_model": "own trajectories", "error_closed_form": "trajectories of û*"}),
    ("memorised share", {"f_mem": "samples", "f_mem_heldout": "held-out examples"}),
    ("membership AUC", {"auc": None}),
)


def along_training(table):
    """Return the figure of a table of looks: a panel per kind of quantity, bands of their intervals."""
    with paper_style():
        wide = columns(2, least_width=2.4)
        figure, axes = new_figure(10.0 / wide, width=7.2, nrows=4 // wide, ncols=wide)
        loss, error, share, area = axes.flat
        for ax, (label, quantities) in zip(axes.flat, PANELS, strict=True):
            _panel(ax, table, quantities)
            ax.set(xlabel="step", ylabel=label)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        share.set_ylim(-0.03, 1.03)
        area.set_ylim(-0.03, 1.03)
        area.axhline(0.5, color=NEUTRAL, linestyle="--", linewidth=1.0)
        for ax in (loss, error):
            if ax.lines and min(line.get_ydata().min() for line in ax.lines) > 0:
                ax.set_yscale("log")
    return figure


def _panel(ax, table, quantities):
    for index, (quantity, label) in enumerate(quantities.items()):
        rows = table[(table["quantity"] == quantity) & table["value"].notna()]
        if len(rows):
            draw_curve(ax, rows, "step", label=label, style=curve_style(index, len(rows)))


def monitor_figure(run):
    """Return the figure of a training folder's looks, or None without them."""
    table = run.table("monitor")
    return None if table is None or table.empty else along_training(table)


def save_picture(figure, path):
    """Write a figure as PNG, replaced in one move."""
    with paper_style():
        figure.set_dpi(DPI)
        canvas = FigureCanvasAgg(figure)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        replace_atomically(path, lambda temporary: canvas.print_png(temporary, metadata={"Software": None}))
