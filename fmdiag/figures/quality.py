"""Figure of quality: values with intervals beside those of a perfect sampler of the same size, a panel per metric.

References
----------
Heusel et al. 2017; Bińkowski et al. 2018; Naeem et al. 2020.
"""

from fmdiag.figures.style import COLORS, MARKERS, NEUTRAL, legend_above, new_figure, own_axes

# Panel: axis label, and the quantities that it shows from top to bottom.
PANELS = (
    ("Fréchet distance", ("frechet", "frechet_infinity")),
    ("KID", ("kid",)),
    ("share (density: ratio)", ("precision", "recall", "density", "coverage")),
)
NAMES = {"frechet": "plain", "frechet_infinity": "n → ∞", "kid": "all pairs"}
REFERENCES = {"train": "train", "test": "held-out"}
SOURCES = {"model": "model", "heldout": "perfect sampler, same n"}


def panel(table, label, quantities, ax=None):
    """Draw values with whiskers, a line per quantity and reference; `table`: raw quality rows of one feature."""
    ax, places = own_axes(ax), []
    for quantity in quantities:
        for reference, name in REFERENCES.items():
            rows = table[table["metric"] == f"{quantity}_{reference}"].drop_duplicates("source")
            rows = rows[rows["source"].isin(SOURCES)]
            if rows.empty:
                continue
            for row in rows.itertuples():
                index = list(SOURCES).index(row.source)
                y = len(places) + 0.3 * index
                ax.plot([row.low, row.high], [y, y], color=COLORS[0] if index == 0 else NEUTRAL, marker="|",
                        linewidth=1.3)
                ax.plot([row.value], [y], color=COLORS[0] if index == 0 else NEUTRAL, marker=MARKERS[index],
                        linestyle="none", label=SOURCES[row.source] if not places else None)
            places.append(f"{NAMES.get(quantity, quantity)}, {name}")
    ax.locator_params(axis="x", nbins=5)
    ax.set_yticks([k + 0.15 for k in range(len(places))], places)
    ax.set(xlabel=label, ylabel="quantity, reference", ylim=(len(places) - 0.3, -0.4))
    return ax


def quality_figure(run):
    """Return the panels of every feature space, one below the other, or None without the table."""
    table = run.table("quality")
    if table is None or table.empty:
        return None
    parts = [(feature, rows, label, quantities) for feature, rows in table.groupby("feature", sort=False)
             for label, quantities in PANELS if _shown(rows, quantities)]
    if not parts:
        return None
    heights = [0.55 + 0.3 * _shown(rows, quantities) for _, rows, _, quantities in parts]
    figure, axes = new_figure(sum(heights) + 0.4, nrows=len(parts), height_ratios=heights)
    for (feature, rows, label, quantities), ax in zip(parts, axes[:, 0], strict=True):
        panel(rows, f"{label}, in {feature}-{rows['dim'].iloc[0]}", quantities, ax)
    legend_above(axes[0, 0])
    return figure


def _shown(rows, quantities):
    """Return how many lines a panel has."""
    names = {f"{quantity}_{reference}" for quantity in quantities for reference in REFERENCES}
    return len(names & set(rows["metric"]))
