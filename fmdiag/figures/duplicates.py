"""Figure of duplicates: strips of the largest groups, and nearest distances beside those of held-out examples."""

import numpy as np

from fmdiag.figures.pictures import show_image
from fmdiag.figures.style import COLORS, DASHES, NEUTRAL, inner_legend, legend_above, new_figure, own_axes

SOURCES = {"train": "training examples, among the others", "heldout": "held-out examples"}
PER_LINE, MOST_LINES = 8, 12


def distances(table, ax=None, *, threshold=1 / 3):
    """Draw the cumulative share of nearest distances per source; `table`: rows source, ratio of one feature."""
    ax = own_axes(ax)
    for index, (source, label) in enumerate(SOURCES.items()):
        values = table.loc[table["source"] == source, "ratio"].dropna().to_numpy(float)
        if values.size:
            ax.ecdf(values, label=f"{label} ({values.size})", color=COLORS[index], linestyle=DASHES[index])
    ax.axvline(threshold, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="nearest distance / distance to the k-th nearest", ylabel="share of examples", xlim=(-0.02, 1.02),
           ylim=(-0.03, 1.03))
    return inner_legend(ax)


def distances_figure(run):
    """Return a panel per feature space, or None without the table or a k-th nearest example."""
    table = run.table("duplicates_nearest")
    if table is None or table.empty or table["ratio"].isna().all():
        return None
    parts = list(table.groupby("feature", sort=False))
    threshold = ((run.run.get("diagnostics") or {}).get("duplicates") or {}).get("threshold", 1 / 3)
    figure, axes = new_figure(2.4 * len(parts) + 0.4, nrows=len(parts))
    for (feature, part), ax in zip(parts, axes[:, 0], strict=True):
        distances(part, ax, threshold=threshold).set_title(feature if len(parts) > 1 else "")
    legend_above(axes[0, 0], ncols=1)
    for ax in axes[1:, 0]:
        if ax.get_legend() is not None:
            ax.get_legend().remove()
    return figure


def groups_figure(run):
    """Return a line of pictures per group, or None where there are none."""
    arrays = run.arrays("duplicates")
    if not arrays or "images" not in arrays or not len(arrays["images"]):
        return None
    lines = _lines(arrays)
    longest = max(map(len, lines))
    figure, axes = new_figure(0.62 * len(lines) + 0.2, width=1.2 + 0.5 * longest, nrows=len(lines), ncols=longest + 1,
                              width_ratios=[2.4, *[1] * longest])
    for line, places in zip(axes, lines, strict=True):
        for ax in line:
            ax.set_axis_off()
        first = places[0]
        kinds = ", ".join(kind for kind in ("exact", "mirrored", "near") if kind in arrays["kind"][places])
        feature = f"{arrays['feature'][first]}\n" if len(set(arrays["feature"])) > 1 else ""
        line[0].text(1, 0.5, f"{feature}{arrays['size'][first]} examples\n{kinds}", ha="right", va="center",
                     fontsize=7, transform=line[0].transAxes)
        for ax, place in zip(line[1:], places, strict=False):
            ax.set_axis_on()
            show_image(ax, arrays["images"][place])
            ax.set_title(f"{arrays['row'][place]}", fontsize=6, pad=1)
    return figure


def _lines(arrays):
    """Return the places in the arrays of each group, largest first, as many lines of every feature space."""
    features = list(dict.fromkeys(arrays["feature"].tolist()))
    most, lines = max(1, MOST_LINES // len(features)), []
    for feature in features:
        of_it = arrays["feature"] == feature
        groups = np.unique(arrays["group"][of_it])[:most]
        lines += [np.flatnonzero(of_it & (arrays["group"] == group))[:PER_LINE] for group in groups]
    return lines
