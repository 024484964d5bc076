"""Values that a drawn figure shows, and where on the picture, for a page that names them under the pointer.

Everything is read off the finished matplotlib figure: a figure that is added later needs no code of its own here.
"""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle

MOST_POINTS = 150
SYMBOLS = {r"\theta": "θ", r"\hat{u}": "û", r"\tau": "τ", "^*": "*", "^2": "²", "$": "", "|": "‖"}


def readings(figure):
    """Return the axes of a laid-out figure with the curves and bars that they show.

    Returns
    -------
    list of dict
        Per axes with curves: box (left, top, right, bottom), x and y (axis labels) and curves, each with label, color
        and points: lists (place across, place down, x, value) or, where a band surrounds the curve, (…, low, high).
        Places are shares of the picture's width and height, the origin at the upper left.
    """
    found = []
    for ax in (ax for ax in figure.axes if ax.axison and not ax.images):
        curves = [*_curves(ax), *_bars(ax)]
        if curves:
            left, bottom, right, top = ax.get_window_extent().extents / np.tile(figure.bbox.size, 2)
            found.append({"box": _rounded([left, 1 - top, right, 1 - bottom]), "x": plain(_label(ax, "x")),
                          "y": plain(_label(ax, "y")), "title": plain(ax.get_title()), "curves": curves})
    return found


def plain(text):
    """Return a label without line breaks and mathematical markup."""
    for mark, symbol in SYMBOLS.items():
        text = text.replace(mark, symbol)
    return " ".join(text.split())


def _label(ax, which):
    """Return an axis label; inner panels leave it to their neighbours in the same row or column."""
    own = getattr(ax, f"get_{which}label")()
    if own:
        return own
    shared = getattr(ax, f"get_shared_{which}_axes")()
    others = [getattr(other, f"get_{which}label")() for other in ax.figure.axes if shared.joined(ax, other)]
    return next((text for text in others if text), getattr(ax.figure, f"get_sup{which}label")())


def _curves(ax):
    for line in ax.lines:
        x, y = (np.asarray(values, dtype=float) for values in line.get_data())
        known = np.isfinite(x) & np.isfinite(y)
        # Vertical rules live in other coordinates; a whisker is no curve; what the legend alone shows has no points.
        if line.get_transform() != ax.transData or known.sum() < 3 or np.ptp(y[known]) == 0 == np.ptp(x[known]):
            continue
        x, y = x[known], y[known]
        band = _band(ax, line.get_color(), x)
        kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int))
        columns = [*_places(ax, x, y), x, y, *([] if band is None else band)]
        label = line.get_label()
        yield {"label": "" if label.startswith("_") else plain(label), "color": to_hex(line.get_color()),
               "points": [_rounded(point) for point in np.column_stack(columns)[kept]]}


def _bars(ax):
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_width() > 0]
    if len(bars) > 2:
        x = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars])
        y = np.array([bar.get_y() + bar.get_height() for bar in bars])
        points = np.column_stack([*_places(ax, x, y), x, y])
        yield {"label": "", "color": to_hex(bars[0].get_facecolor()), "points": [_rounded(point) for point in points]}


def _band(ax, color, x):
    """Return (low, high) at the places x of the shaded band in a curve's colour, or None where there is none."""
    for shape in ax.collections:
        if isinstance(shape, PolyCollection) and len(shape.get_facecolor()) and len(shape.get_paths()) == 1 and \
                np.allclose(to_rgb(shape.get_facecolor()[0][:3]), to_rgb(color)):
            vertices = shape.get_paths()[0].vertices
            sides = [vertices[np.isclose(vertices[:, 0], place), 1] for place in x]
            if all(len(side) for side in sides):
                return np.array([side.min() for side in sides]), np.array([side.max() for side in sides])
    return None


def _places(ax, x, y):
    across, down = (ax.transData.transform(np.column_stack([x, y])) / ax.figure.bbox.size).T
    return across, 1 - down


def _rounded(values):
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
