"""Figure of copied parts: how much of images is copied, by source, and maps of the training images it comes from."""

import numpy as np

from fmdiag.figures.pictures import bare, show_image
from fmdiag.figures.style import (
    COLORS,
    DASHES,
    MARKERS,
    NEUTRAL,
    SOURCES,
    inner_legend,
    legend_above,
    new_figure,
    own_axes,
)

NAMES = {**SOURCES, "heldout": "held-out images", "patch_theory": "local score"}
SHORT = {"model": "sample", "heldout": "held-out", "closed_form": "û*", "patch_theory": "local score"}
PLACES = {"same": "same place", "any": "any place"}
OTHERS, NOTHING = "#9a9a9a", "#f2f2f2"
HUES = (COLORS[0], COLORS[4], COLORS[1])   # told apart in grey too


def area(table, ax=None):
    """Draw the cumulative area share per source; `table`: raw rows source, place, area_share, area."""
    ax = own_axes(ax)
    same = table[table["place"] == "same"]
    for index, (source, label) in enumerate(NAMES.items()):
        values = same.loc[same["source"] == source, "area_share"].to_numpy(float)
        if values.size:
            ax.ecdf(values, label=f"{label} ({values.size})", color=COLORS[index], linestyle=DASHES[index])
    ax.axvline(float(table["area"].iloc[0]), color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="copied area / judged area", ylabel="share of images", xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
    return inner_legend(ax)


def flagged(table, ax=None):
    """Draw the flagged share per source and place; `table`: summary rows of quantity flagged."""
    ax = own_axes(ax)
    lines = [(place, source) for place in PLACES for source in NAMES
             if ((table["place"] == place) & (table["source"] == source)).any()]
    for height, (place, source) in enumerate(lines):
        row, index = table[(table["place"] == place) & (table["source"] == source)].iloc[0], list(NAMES).index(source)
        ax.plot([row["low"], row["high"]], [height] * 2, color=COLORS[index], linewidth=1.3, marker="|", markersize=9)
        ax.plot([row["value"]], [height], color=COLORS[index], marker=MARKERS[index], markersize=6)
    ax.set_yticks(range(len(lines)), [f"{NAMES[source]}, {PLACES[place]}" for place, source in lines])
    ax.set(xlabel="share of flagged images", xlim=(-0.02, 1.02), ylabel="source and place",
           ylim=(len(lines) - 0.4, -0.6))
    return ax


def area_figure(run):
    """Return the cumulative area shares, or None without the table."""
    table = run.table("patches")
    return None if table is None or table.empty else legend_above(area(table), ncols=2).figure


def flagged_figure(run):
    """Return the flagged shares, or None without a summary of them."""
    rows = run.summary("patches", "flagged")
    if rows.empty:
        return None
    figure, axes = new_figure(0.26 * len(rows) + 0.7)
    flagged(rows, axes[0, 0])
    return figure


def maps_figure(run):
    """Return a line per image: it, its map, the training images that it takes most from; None without the arrays."""
    arrays = run.arrays("patches")
    if not arrays:
        return None
    n, columns = len(arrays["images"]), 2 + arrays["rows"].shape[1]
    height, width = arrays["images"].shape[-2:]
    figure, axes = new_figure(n * (0.86 * height / width + 0.2), nrows=n, ncols=columns)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for k, line in enumerate(axes):
        source = str(arrays["sources"][k])
        show_image(line[0], arrays["images"][k])
        line[0].set_ylabel(SHORT[source] + (f"\n{arrays['sample'][k]}" if source == "model" else ""), fontsize=8)
        rows, sources = arrays["rows"][k], arrays["maps"][k]
        line[1].imshow(colored(sources, rows), interpolation="nearest")
        bare(line[1]).set_title(f"a={arrays['area_share'][k]:.2f}, m={arrays['n_images'][k]}", fontsize=8, pad=2)
        for ax, row, image, hue, mirrored in zip(line[2:], rows, arrays["row_images"][k], HUES, arrays["mirrored"][k],
                                                 strict=True):
            if row < 0:
                ax.set_axis_off()
                continue
            show_image(ax, image)
            _frame(ax, sources == row, hue, image.shape[-2:])
            ax.set_title(f"row {row}" + ("\n(mirrored)" if mirrored else ""), fontsize=8, pad=2)
    return figure


def colored(sources, rows):
    """Return a map as colors, float, shape (h, w, 3): hues of the named rows, grey for others, white: not judged."""
    from matplotlib.colors import to_rgb

    picture = np.where((sources < 0)[..., None], to_rgb(NOTHING), to_rgb(OTHERS))
    picture[sources < -1] = 1
    for row, hue in zip(rows, HUES, strict=True):
        if row >= 0:
            picture[sources == row] = to_rgb(hue)
    return picture


def _frame(ax, mask, hue, size):
    """Frame the pixels of a map, whose sides are the picture's or a fraction of them."""
    step = size[0] // mask.shape[0] or 1
    big = np.pad(np.kron(mask, np.ones((step, step), bool)), 1).astype(float)
    places = np.arange(-1, big.shape[0] - 1), np.arange(-1, big.shape[1] - 1)
    ax.contour(places[1], places[0], big, levels=[0.5], colors=[hue], linewidths=1.2)
    ax.set(xlim=(-0.5, size[1] - 0.5), ylim=(size[0] - 0.5, -0.5))
