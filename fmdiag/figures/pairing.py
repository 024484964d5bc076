"""Figure of pairing: whether training noise ends at the partner trained on or at that of optimal transport. Paper [2].

References
----------
Reu, Dromigny, Bronstein, Vargas, arXiv 2510.18118.
"""

import numpy as np

from fmdiag.figures.style import COLORS, DASHES, new_figure, own_axes

NAMES = {"network": "network", "closed_form": "exact minimiser"}


def scatter(table, ax=None):
    """Draw a point per pair, distance to the memorised against to the OT partner; `table`: raw rows of one field."""
    ax = own_axes(ax)
    most = float(max(table["to_memorised"].max(), table["to_ot"].max())) * 1.05 or 1.0
    ax.plot([0, most], [0, most], color="#555555", linewidth=0.8)
    ax.scatter(table["to_memorised"], table["to_ot"], s=6, alpha=0.5, color=COLORS[0], linewidths=0)
    ax.set(xlabel="to the memorised partner", ylabel="to the OT partner", xlim=(0, most), ylim=(0, most))
    return ax


def cdf(table, ax=None):
    """Draw both cumulative distributions of one field; `table`: its raw rows."""
    ax = own_axes(ax)
    for index, (column, label) in enumerate((("to_memorised", "memorised partner"), ("to_ot", "OT partner"))):
        values = np.sort(table[column].to_numpy(float))
        ax.step(values, np.arange(1, len(values) + 1) / len(values), where="post", label=label, color=COLORS[index],
                linestyle=DASHES[index])
    ax.set(xlabel="distance", ylabel="share of noises", ylim=(0, 1.02))
    return ax


def _panels(run, height, **shared):
    """Yield (title, rows, axes) on a new figure with a row per source and a column per noise."""
    table = run.table("pairing")
    if table is None:
        return None, []
    sources = [source for source in NAMES if (table["source"] == source).any()]
    sigmas = sorted(table["sigma"].unique())
    figure, axes = new_figure(0.4 + height * len(sources), nrows=len(sources), ncols=len(sigmas), **shared)
    found = []
    for (row, column), ax in np.ndenumerate(axes):
        rows = table[(table["source"] == sources[row]) & (table["sigma"] == sigmas[column])]
        found.append((f"{NAMES[sources[row]]}, σ = {sigmas[column]:g}", rows, ax))
    return figure, found


def scatter_figure(run):
    """Return a panel per field and noise, or None without the table."""
    figure, panels = _panels(run, 2.2)
    for title, rows, ax in panels:
        scatter(rows, ax).set_title(title)
    return figure


def cdf_figure(run):
    """Return a panel per field and noise, or None without the table."""
    figure, panels = _panels(run, 1.9, sharex=True, sharey=True)
    for title, rows, ax in panels:
        cdf(rows, ax).set_title(title)
        ax.label_outer()
    if panels:
        handles, labels = panels[0][2].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _heading(name):
    source, _, sigma = name.rpartition("_")
    partners = {"memorised": "memorised\npartner", "ot": "OT\npartner"}
    return partners.get(name) or f"{NAMES.get(source, source).replace(' ', chr(10))}\nσ = {sigma}"


def strips_figure(run):
    """Return pictures or points of partners and ends, or None where the run has none."""
    arrays = run.arrays("pairing") or {}
    if "names" not in arrays:
        return None
    headings = [_heading(str(name)) for name in arrays["names"]]
    return _pictures(arrays["images"], headings) if "images" in arrays else _points(arrays["points"], headings)


def _pictures(images, headings):
    n = min(8, images.shape[1])
    figure, axes = new_figure(0.7 + 0.68 * n, nrows=n, ncols=len(headings))
    for (row, column), ax in np.ndenumerate(axes):
        picture = np.moveaxis(images[column, row], 0, -1)
        ax.imshow(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=255)
        ax.axis("off")
        if row == 0:
            ax.set_title(headings[column], fontsize=7)
    return figure


def _points(points, headings):
    """Draw a panel per field; names 0 and 1 are the partners."""
    ends = list(zip(points[2:], headings[2:], strict=True))
    rows = -(-len(ends) // 2)
    figure, axes = new_figure(0.3 + 2.3 * rows, nrows=rows, ncols=2, sharex=True, sharey=True)
    partner = points[0]
    for ax, (end, heading) in zip(axes.flat, ends, strict=False):
        gaps = np.stack([end, partner, np.full_like(end, np.nan)], axis=1).reshape(-1, 2)
        ax.plot(*gaps.T, color="#b5b5b5", linewidth=0.5, zorder=1)
        ax.scatter(*partner.T, s=10, facecolors="none", edgecolors=COLORS[4], linewidths=0.6, zorder=2)
        ax.scatter(*end.T, s=4, color=COLORS[0], linewidths=0, zorder=3)
        ax.set_title(heading.replace("\n", " "))
        ax.set(xlabel="first coordinate", ylabel="second coordinate")
        ax.label_outer()
    for ax in axes.flat[len(ends):]:
        ax.axis("off")
    return figure
