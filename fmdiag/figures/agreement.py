"""Figure of agreement: two models' samples from one noise, beside their training rows. Kadkhodaie et al. 2024."""

import numpy as np

from fmdiag.figures.pictures import show_image
from fmdiag.figures.style import COLORS, DASHES, NEUTRAL, inner_legend, legend_above, new_figure, own_axes

CURVES = {"distance": "between the models, same noise", "distance_other": "between the models, other noise",
          "train_distance_a": "first model to its training set", "train_distance_b": "second model to its training set"}
LINES = {"samples_a": "first\nmodel", "samples_b": "second\nmodel", "nearest_a": "nearest\nrow, first",
         "nearest_b": "nearest\nrow, second"}


def distances(table, ax=None):
    """Draw the cumulative distances; `table`: raw rows of the agreement diagnostic."""
    ax = own_axes(ax)
    for index, (column, label) in enumerate(CURVES.items()):
        ax.ecdf(table[column].to_numpy(float), label=label, color=COLORS[index], linestyle=DASHES[index])
    ax.set(xlabel="distance", ylabel="share of noises", ylim=(-0.03, 1.03))
    ax.set_xlim(left=0)
    return inner_legend(ax)


def scatter(table, ax=None):
    """Draw a dot per noise; `table` as above."""
    ax = own_axes(ax)
    train = np.minimum(table["train_distance_a"], table["train_distance_b"])
    top = 1.05 * max(train.max(), table["distance"].max(), 1e-9)
    ax.plot([0, top], [0, top], color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.scatter(train, table["distance"], s=10, color=COLORS[0], alpha=0.6)
    ax.set(xlabel="distance to the nearest training example", ylabel="distance between the models", xlim=(0, top),
           ylim=(0, top))
    return ax


def distances_figure(run):
    """Return the cumulative distances, or None without the table."""
    table = run.table("agreement")
    return None if table is None or table.empty else legend_above(distances(table), ncols=2).figure


def scatter_figure(run):
    """Return the scatter plot, or None without the table."""
    table = run.table("agreement")
    return None if table is None or table.empty else scatter(table).figure


def pairs_figure(run):
    """Return the pictures, or None without them."""
    arrays = run.arrays("agreement")
    if arrays is None or "samples_a" not in arrays:
        return None
    n = len(arrays["samples_a"])
    figure, axes = new_figure(2.7, nrows=len(LINES), ncols=n)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    for line, (name, label) in zip(axes, LINES.items(), strict=True):
        for ax, image in zip(line, arrays[name], strict=True):
            show_image(ax, image)
        line[0].set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
    return figure
