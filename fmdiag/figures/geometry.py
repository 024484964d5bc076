"""Figures of geometry: local intrinsic dimension against time, and maps of the free directions over the pictures.

References
----------
Kamkari et al. 2024, arXiv 2406.03537; Kim and Lee 2026, arXiv 2605.26756 (maps over pictures).
"""

import numpy as np

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.pictures import bare, show_image
from fmdiag.figures.style import NEUTRAL, curve_style, legend_above, new_figure, own_axes

KINDS = {"train": "training examples", "heldout": "held-out examples", "model": "samples"}
SHORT = {"train": "train", "heldout": "held\nout", "model": "sample"}
PANELS = {"lid": "model", "lid_closed_form": "û* (closed form)"}
TIME = "time t (0 noise, 1 data)"
LINEAR_BELOW = 1.0   # dimensions: above it the axis is logarithmic, as those of û* grow without bound
CLOSE = 0.95         # quantile of the maps' values at which colours end


def dimensions(table, ax=None, *, quantity="lid"):
    """Draw a dimension against t, a curve per kind of point; `table`: summary rows of `quantity`, or of several."""
    ax = own_axes(ax)
    rows = table[table["quantity"] == quantity]
    for index, (source, label) in enumerate(KINDS.items()):
        own = rows[rows["source"] == source]
        if len(own):
            draw_curve(ax, own, "t", label=label, style=curve_style(index, len(own)))
    ax.set(xlabel=TIME, ylabel="LID (dimensions)", xlim=(0, 1))
    ax.set_yscale("symlog", linthresh=LINEAR_BELOW)
    return ax


def difference(table, ax=None):
    """Draw the difference of training and held-out examples against t; `table`: summary rows of lid_difference."""
    ax = own_axes(ax)
    draw_curve(ax, table, "t")
    ax.axhline(0, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel=TIME, ylabel="LID, training minus held-out", xlim=(0, 1))
    return ax


def dimension_figure(run):
    """Return model and û* side by side, or None where nothing was measured."""
    rows = run.summary("geometry", *PANELS)
    if rows.empty:
        return None
    figure, axes = new_figure(2.8, ncols=2, sharey=True)
    for (quantity, label), ax in zip(PANELS.items(), axes[0], strict=True):
        dimensions(rows, ax, quantity=quantity).set_title(label)
        ax.label_outer()
    legend_above(axes[0, 0])
    return figure


def difference_figure(run):
    """Return the difference per time, or None without held-out examples."""
    rows = run.summary("geometry", "lid_difference")
    return None if rows.empty else difference(rows).figure


def maps_figure(run):
    """Return the maps over the pictures, a row per point shown, or None without maps."""
    arrays = run.arrays("geometry")
    if not arrays:
        return None
    place = shown_time(arrays)
    chosen = arrays["shown"]
    maps = {"model": arrays["maps"][chosen, place], "û*": arrays["closed_form"][chosen, place]}
    if "reference" in arrays:
        maps["reference\n- model"] = arrays["reference"][chosen, place] - maps["model"]
    n, columns = len(chosen), 2 + len(maps)
    height, width = arrays["images"].shape[-2:]
    figure, axes = new_figure(0.95 * n * height / width + 0.9, nrows=n, ncols=columns, width=0.95 * columns + 0.4)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    for row, line in enumerate(axes):
        show_image(line[0], arrays["images"][row])
        show_image(line[1], arrays["nearest"][row])
        line[0].set_ylabel(SHORT[str(arrays["sources"][chosen[row]])], fontsize=7)
    limit = max(float(np.quantile(np.abs(np.stack(list(maps.values()))), CLOSE)), 1e-6)
    for column, values in enumerate(maps.values(), start=2):
        for row, value in enumerate(values):
            _over(axes[row, column], arrays["images"][row], value, limit, signed=column == 4)
    for ax, title in zip(axes[0], ("image", "nearest\ntraining", *maps), strict=True):
        ax.set_title(title, fontsize=8)
    signed = f"; reference - model: blue -{limit:.2g}, red {limit:.2g}" if "reference" in arrays else ""
    figure.supxlabel(f"t = {arrays['times'][place]:g}. Model, û*: dark 0 or less, yellow {limit:.2g}{signed}",
                     fontsize=8)
    return figure


def shown_time(arrays):
    """Return the place of the time whose maps are drawn: where those of held-out and training examples differ most."""
    own = {name: arrays["maps"][arrays["sources"] == name].mean((2, 3)) for name in ("train", "heldout")}
    if not len(own["heldout"]):
        return len(arrays["times"]) // 2
    spread = np.sqrt(sum(part.var(0) / len(part) for part in own.values())) + 1e-12
    return int(((own["heldout"].mean(0) - own["train"].mean(0)) / spread).argmax())


def _over(ax, image, values, limit, signed):
    """Draw a map over the grey picture, a map of another resolution stretched to it."""
    height, width = image.shape[-2:]
    show_image(ax, np.broadcast_to(np.asarray(image, float).mean(0, keepdims=True), (1, height, width)))
    ax.imshow(values, cmap="coolwarm" if signed else "viridis", vmin=-limit if signed else 0, vmax=limit,
              alpha=0.65, interpolation="nearest", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    bare(ax)
