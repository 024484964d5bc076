"""Figures of theories: heat strips of the share explained, samples from the same noise, patch sizes against time."""

import numpy as np

from fmdiag.diagnostics.theories.names import KINDS, OPTIMUM, WHERE, label, place
from fmdiag.diagnostics.theories.published import SIDE, SIZES, TIMES
from fmdiag.figures.curves import draw_curve
from fmdiag.figures.pictures import show_image
from fmdiag.figures.style import COLORS, DASHES, MARKERS, curve_style, legend_above, new_figure, own_axes

GREYS = ("#777777", "#aaaaaa")


def explained(table, ax=None):
    """Draw a heat strip per theory against time; `table`: summary rows "explained" of one kind of state."""
    ax = own_axes(ax)
    rows = table[table["quantity"] == "explained"]
    if rows["states"].nunique() > 1:
        rows = rows[rows["states"] == KINDS[-1]]
    wide = rows.pivot(index="theory", columns="t", values="value").loc[sorted(rows["theory"].unique(), key=place)]
    ax.imshow(wide.to_numpy(float), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    for (i, j), value in np.ndenumerate(wide.to_numpy(float)):
        # Plus 0, so that no "-0.00" is written.
        text = "" if np.isnan(value) else f"{np.round(value, 2) + 0:.2f}" if value > -9.5 else "< -9"
        ax.text(j, i, text, ha="center", va="center", fontsize=6.5, color="white" if abs(value) > 0.7 else "black")
    ax.set_xticks(range(wide.shape[1]), [f"{t:.2g}" for t in wide.columns])
    ax.set_yticks(range(len(wide)), [label(name) for name in wide.index])
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="theory")
    ax.grid(False)
    return ax


def explained_figure(run):
    """Return a panel of heat strips per kind of state and one of the denominators; None without a summary."""
    rows = run.summary("theories", "explained", "optimum_error")
    shown = rows[rows["quantity"] == "explained"] if len(rows) else rows
    if shown.empty:
        return None
    kinds = [kind for kind in KINDS if (shown["states"] == kind).any()]
    strip = 0.22 * shown["theory"].nunique() + 0.35
    heights = [*[strip] * len(kinds), 1.6]
    figure, axes = new_figure(sum(heights) + 0.6, nrows=len(heights), height_ratios=heights)
    for ax, kind in zip(axes[:, 0], kinds, strict=False):
        explained(shown[shown["states"] == kind], ax).set_title(WHERE[kind])
    for ax in axes[: len(kinds) - 1, 0]:
        ax.set(xlabel="", xticklabels=[])
    _denominators(rows[rows["quantity"] == "optimum_error"], kinds, axes[-1, 0])
    return figure


def _denominators(rows, kinds, ax):
    for index, kind in enumerate(kinds):
        part = rows[rows["states"] == kind]
        if len(part):
            draw_curve(ax, part, "t", label=WHERE[kind], style=curve_style(index, len(part)))
    if rows["low"].min() > 0:
        ax.set_yscale("log")
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel=r"$|u_\theta - \hat{u}^*|^2/d$", xlim=(0, 1))
    ax.legend(loc="best")


def samples_figure(run):
    """Return the grid of samples, or None without pictures."""
    arrays = run.arrays("theories")
    if not arrays or "network" not in arrays:
        return None
    names = ["network", OPTIMUM, *sorted((name for name in arrays if name not in ("network", OPTIMUM)), key=place)]
    names = [name for name in names if name in arrays]
    n = len(arrays["network"])
    height, width = arrays["network"].shape[-2:]
    figure, axes = new_figure(3.9 / n * len(names) * height / width + 0.2, nrows=len(names), ncols=n)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    medians = run.summary("theories", "sample_r2").set_index("theory")["value"].to_dict()
    for line, name in zip(axes, names, strict=True):
        for ax, image in zip(line, arrays[name], strict=True):
            show_image(ax, image)
        r2 = f"\nr² {medians[name]:.2f}" if name in medians else ""
        line[0].set_ylabel(label(name) + r2, fontsize=8, rotation=0, ha="right", va="center")
    return figure


def patch_sizes(table, ax=None, *, side=None):
    """Draw k(t) with the published sizes; `table`: columns theory, t, patch_size, low, high; `side` in pixels."""
    ax = own_axes(ax)
    for color, (network, sizes) in zip(GREYS, SIZES.items(), strict=True):
        ax.step(TIMES, np.array(sizes) / SIDE, where="mid", color=color, linestyle=DASHES[len(network) % 4],
                label=f"published, {network}")
    for index, (name, rows) in enumerate(table.groupby("theory")):
        values = rows.rename(columns={"patch_size": "value"}).assign(
            **{key: rows[column] / side for key, column in (("value", "patch_size"), ("low", "low"), ("high", "high"))})
        draw_curve(ax, values, "t", label=label(name), style={
            "color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)],
            "linestyle": DASHES[index % len(DASHES)]})
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="patch size / image side", xlim=(0, 1))
    ax.set_ylim(bottom=0)
    return ax


def patch_sizes_figure(run):
    """Return k(t), or None without theories of patches."""
    table = run.table("theories_patch_sizes")
    shape = (run.run.get("dataset") or {}).get("shape")
    if table is None or table.empty or not shape:
        return None
    return legend_above(patch_sizes(table, side=max(shape[-2:])), ncols=2).figure
