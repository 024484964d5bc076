"""Curves against time: means of a summarised quantity with the band of their intervals."""

from fmdiag.figures.style import BAND_ALPHA, curve_style, ordered_colors

FAMILY_KEYS = ("image_size", "dim")


def draw_curve(ax, rows, x, *, label=None, style=None):
    """Draw `value` against the column `x` and shade from `low` to `high`.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    rows : DataFrame
        Summary rows of one quantity: columns `x`, value, low, high.
    x : str
        ``"t"``, ``"tau"`` or another numeric key.
    label : str, optional
        Legend entry.
    style : dict, optional
        Arguments of `Axes.plot`; by default those of the first curve.
    """
    rows = rows.sort_values(x)
    style = curve_style(0, len(rows)) if style is None else style
    values = {name: rows[name].to_numpy(float) for name in (x, "value", "low", "high")}
    ax.plot(values[x], values["value"], label=label, **style)
    ax.fill_between(values[x], values["low"], values["high"], color=style["color"], alpha=BAND_ALPHA, linewidth=0)
    return ax


def family_key(rows):
    """Return the column that tells curves of one quantity apart, an image size or dimension, or None for one curve."""
    for key in FAMILY_KEYS:
        if key in rows and rows[key].notna().any():
            return key
    return None


def families(rows):
    """Yield (label, rows, style) per curve, small to large, light to dark; a single curve comes without a label."""
    key = family_key(rows)
    groups = [(None, rows)] if key is None else list(rows.groupby(key, sort=True))
    colors = ordered_colors(len(groups))
    for index, (value, group) in enumerate(groups):
        label = family_label(key, value, group) if key else None
        n_points = group["t"].nunique() if "t" in group else len(group)
        yield label, group, curve_style(index, n_points, color=colors[index])


def family_label(key, value, rows):
    """Return e.g. "32 px, d = 3072"."""
    dims = rows["dim"].dropna().unique() if "dim" in rows else []
    dim = f"d = {int(dims[0])}" if len(dims) == 1 else ""
    if key == "image_size":
        return f"{int(value)} px" + (f", {dim}" if dim else "")
    return dim or f"{key} {value}"
