"""Figure of provenance: posterior weights of training rows along a trajectory, with the rows' pictures."""

import numpy as np

from fmdiag.figures.pictures import bare, show_image
from fmdiag.figures.style import COLORS, NEUTRAL, SOURCES, new_figure, own_axes

MOST_SAMPLES, PICTURED, PER_LINE = 4, 3, 6
OTHERS = -1
OTHER_COLOR = "#dddddd"

MOST_ROWS = 60


def stack(table, ax=None, *, colors=None):
    """Draw the weights of one trajectory, stacked; `table`: columns t, row, weight; `colors`: row -> colour."""
    ax = own_axes(ax)
    colors = row_colors(table) if colors is None else colors
    wide = table.pivot(index="t", columns="row", values="weight").sort_index()
    named = [row for row in colors if row in wide]
    rest = wide[[row for row in wide if row not in colors]].sum(axis=1)
    ax.stackplot(wide.index.to_numpy(float), *[wide[row] for row in named], rest, linewidth=0,
                 colors=[*(colors[row] for row in named), OTHER_COLOR])
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 1], xlabel="time t", ylabel="weight")
    return ax


def row_colors(table):
    """Return {row: colour} of the rows with the largest weights at any time, the largest first."""
    named = table[table["row"] != OTHERS]
    best = named.groupby("row")["weight"].max().sort_values(ascending=False, kind="stable")
    return dict(zip(best.index[: len(COLORS)], COLORS, strict=False))


def basins(table, ax=None):
    """Draw the basin masses by rank; `table`: columns model and closed_form, ordered by the model's."""
    ax = own_axes(ax)
    shown = table.head(MOST_ROWS)
    place = np.arange(1, len(shown) + 1)
    ax.fill_between(place, shown["model_low"], shown["model_high"], color=COLORS[0], alpha=0.2, linewidth=0)
    ax.plot(place, shown["model"], color=COLORS[0], marker="o", markersize=3, label=SOURCES["model"])
    ax.plot(place, shown["closed_form"], color=COLORS[2], linestyle="none", marker="^", markersize=4,
            label=SOURCES["closed_form"])
    ax.set(xlabel="training example, by its share under the model", ylabel="share of noises")
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")
    return ax


def weights_figure(run):
    """Return a line per sample: both stacks, the sample, its rows; None without the table."""
    table = run.table("provenance")
    if table is None or table.empty:
        return None
    arrays = run.arrays("provenance") or {}
    numbers, pictured = table["sample"].unique()[:MOST_SAMPLES], "row_images" in arrays
    widths = [3, 3, *[1] * (1 + PICTURED)] if pictured else [1, 1]
    figure, axes = new_figure(1.05 * len(numbers) + 0.5, nrows=len(numbers), ncols=len(widths), width_ratios=widths)
    for place, (number, line) in enumerate(zip(numbers, axes, strict=True)):
        _line(table[table["sample"] == number], number, place, line, arrays if pictured else None)
    for ax in axes[:, :2].flat:
        ax.set_xlabel("")
    for ax in axes[:-1, :2].flat:
        ax.set_xticklabels([])
    figure.supxlabel("time t (0 noise, 1 data)", fontsize=9)
    return figure


def _line(table, number, place, line, arrays):
    colors = row_colors(table[table["source"] == "model"])
    for ax, source in zip(line, ("model", "closed_form"), strict=False):
        stack(table[table["source"] == source], ax, colors=colors)
        ax.set_title(SOURCES[source] if place == 0 else "", pad=3)
    line[0].set_ylabel(f"sample {number}\nweight")
    line[1].set(ylabel="", yticklabels=[])
    if arrays is None:
        return
    show_image(line[2], arrays["model_images"][place])
    line[2].set_title("sample" if place == 0 else "", fontsize=8, pad=3)
    where = {row: k for k, row in enumerate(arrays["rows"])}
    for ax, row in zip(line[3:], list(colors)[:PICTURED], strict=False):
        show_image(ax, arrays["row_images"][where[row]])
        ax.set_title(f"{row}", fontsize=8, pad=3)
        for spine in ax.spines.values():
            spine.set(visible=True, color=colors[row], linewidth=2)
    for ax in line[3 + len(colors):]:
        bare(ax)
        ax.set_axis_off()


def basins_figure(run):
    """Return the basin masses, or None without the table."""
    table = run.table("masses")
    return None if table is None or table.empty else basins(table).figure


def copied_figure(run):
    """Return the pictures of the most copied rows, or None where no picture was copied."""
    arrays = run.arrays("provenance") or {}
    if "copied_images" not in arrays:
        return None
    lines = -(-len(arrays["copied_images"]) // PER_LINE)
    height, width = arrays["copied_images"].shape[-2:]
    figure, axes = new_figure(lines * (0.78 * height / width + 0.4), nrows=lines, ncols=PER_LINE)
    for ax, image, row, count in zip(axes.flat, arrays["copied_images"], arrays["copied_rows"],
                                     arrays["copied_counts"], strict=False):
        show_image(ax, image)
        ax.set_title(f"row {row}\n{count} copies", fontsize=8, pad=2, color=NEUTRAL)
    for ax in axes.flat[len(arrays["copied_images"]):]:
        ax.set_axis_off()
    return figure
