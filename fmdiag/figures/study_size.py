"""Figure of a size study: error, quality and memorisation as the training set grows. Paper [1], figure 2.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, figure 2.
"""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import NEUTRAL, curve_style, inner_legend, legend_above, new_figure, ordered_colors, own_axes
from fmdiag.studies.widths import widest

PICTURES = 10


def error_by_size(table, ax=None):
    """Draw the squared error against t, a curve per n; `table`: summary rows with n_train and t."""
    ax = own_axes(ax)
    rows = table[table["quantity"] == "squared_error"]
    groups = list(rows.groupby(_key(rows), sort=True))
    for index, (n, group) in enumerate(groups):
        color = ordered_colors(len(groups))[index]
        draw_curve(ax, group, "t", label=size_label(n), style=curve_style(index, len(group), color=color))
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="squared error\nper coordinate", xlim=(0, 1))
    # The rise towards t = 1 would flatten everything else: the axis holds what is not the last stretch.
    ax.set_ylim(0, 1.15 * rows.loc[rows["t"] <= 0.9, "high"].fillna(rows["value"]).max())
    return ax


def quantity_by_size(table, quantities, ax=None):
    """Draw quantities against n with bars; `quantities`: name -> label, the first being the model's."""
    ax = own_axes(ax)
    for index, (name, text) in enumerate(quantities.items()):
        rows = table[table["quantity"] == name].sort_values("n_train")
        if not len(rows):
            continue
        style = curve_style(index, len(rows)) | ({} if index == 0 else {"color": NEUTRAL, "linewidth": 1.0})
        x, y = rows["n_train"].to_numpy(float), rows["value"].to_numpy(float)
        ax.plot(x, y, label=text, **style)
        ax.vlines(x, rows["low"].to_numpy(float), rows["high"].to_numpy(float), color=style["color"], linewidth=1.2)
    ax.set(xscale="log", xlabel="training examples n")
    return inner_legend(ax)


PANELS = (({"frechet_test": "samples", "frechet_copies": "copies of training examples"}, "test Fréchet\ndistance"),
          ({"d1": "samples", "d1_train": "training examples", "d1_heldout": "held-out examples"},
           "distance to nearest\ntraining row"),
          ({"f_mem": "samples", "f_mem_null": "held-out examples (null)", "f_mem_control": "û* (control)"},
           "memorised share"))


def study_size_figure(run):
    """Return the four panels, or None where the run is no study of size."""
    rows = widest(run.summary("study_size"))
    if not len(rows):
        return None
    figure, axes = new_figure(6.2, width=7.2, nrows=2, ncols=2)
    error_by_size(rows, axes[0, 0])
    for ax, (quantities, text) in zip(axes.flat[1:], PANELS, strict=True):
        quantity_by_size(rows, quantities, ax).set_ylabel(text)
    axes[0, 1].set_yscale("log")
    axes[1, 1].set_ylim(-0.03, 1.03)
    legend_above(axes[0, 0], ncols=5)
    return figure


def size_loss_figure(run):
    """Return the loss curves per n, or None where the run is no study of size."""
    table = run.table("training_loss")
    if table is None or not len(run.summary("study_size")):
        return None
    table = widest(table)
    ax = own_axes(None)
    groups = list(table.groupby("n_train"))
    for index, (n, group) in enumerate(groups):
        curve = group.groupby("step")["loss"].mean()
        ax.plot(curve.index.to_numpy(), curve.to_numpy(), label=size_label(n), **curve_style(
            index, len(curve), color=ordered_colors(len(groups))[index]))
    ax.set(xlabel="step", ylabel="training loss", xscale="log", yscale="log")
    return inner_legend(ax).figure


def samples_figure(run, name="study_size", key="n_train"):
    """Return each model's first samples above their nearest training rows, or None without pictures of images."""
    arrays = run.arrays(name)
    if arrays is None:
        return None
    if arrays["samples"].ndim != 5:
        return _points_figure(arrays, key)
    pairs = zip(arrays["samples"], arrays["neighbors"], strict=True)
    rows = [(str(label), *pair) for label, pair in zip(arrays[key], pairs, strict=True)]
    figure, axes = new_figure(1.5 * len(rows), width=6.0, nrows=len(rows))
    for ax, (text, samples, neighbors) in zip(axes[:, 0], rows, strict=True):
        ax.imshow(_strip(samples, neighbors), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.set_title(size_label(text) if key == "n_train" else text, loc="left", pad=2)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure


def _points_figure(arrays, key):
    """Return points in the plane (the first two coordinates), a panel per model, each joined to its nearest row."""
    figure, axes = new_figure(2.6, width=max(4.8, 2.2 * len(arrays[key])), ncols=len(arrays[key]))
    for ax, label, samples, rows in zip(axes[0], arrays[key], arrays["samples"], arrays["neighbors"], strict=True):
        for sample, row in zip(samples, rows, strict=True):
            ax.plot(*np.stack([sample[:2], row[:2]], axis=1), color=NEUTRAL, linewidth=0.8)
        ax.plot(*samples[:, :2].T, "o", color=curve_style(0, 1)["color"])
        ax.set(xlabel="first coordinate", ylabel="second coordinate",
               title=size_label(label) if key == "n_train" else str(label))
    return figure


def _strip(samples, neighbors):
    """Return samples above neighbors as one picture, shape (2h, m w) or (2h, m w, 3)."""
    lines = [np.concatenate(list(images[:PICTURES]), axis=-1) for images in (samples, neighbors)]
    picture = np.moveaxis(np.concatenate(lines, axis=-2), 0, -1)
    return picture[..., 0] if picture.shape[-1] == 1 else picture[..., :3]


def size_label(n):
    """Return "n = 10 000"."""
    return f"n = {int(float(n)):,}".replace(",", " ")


def _key(rows):
    return "n_train" if rows["objective"].nunique() < 2 else ["n_train", "objective"]
