"""Samples as pictures: grids of images, or of marked points in the plane."""

import numpy as np

from fmdiag.figures.style import COLORS, NEUTRAL

NEAREST_BELOW = 64


def show_image(ax, image):
    """Show one picture without axes; `image`: uint8, shape (c, h, w) 1 or 3 channels (further ones are dropped)."""
    picture = np.moveaxis(np.asarray(image)[:3], 0, -1)
    picture = picture[..., 0] if picture.shape[-1] < 3 else picture
    # Small pictures keep their pixels visible; large ones are smoothed on their way down.
    smoothing = "nearest" if min(picture.shape[:2]) < NEAREST_BELOW else "antialiased"
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=smoothing)
    bare(ax)
    return ax


def bare(ax):
    """Take ticks, grid and frame away, but leave room for a title and a label at the left."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.xaxis.set_visible(False)   # nothing is left of it, and it takes its time
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def show_pairs(ax, samples, neighbors):
    """Draw samples and their nearest training rows in the plane, joined by lines; both of shape (m, 2)."""
    samples, neighbors = np.asarray(samples, dtype=float), np.asarray(neighbors, dtype=float)
    ax.plot(*np.stack([samples, neighbors]).transpose(2, 0, 1), color=NEUTRAL, linewidth=0.7)
    ax.scatter(*neighbors.T, marker="s", s=22, facecolor="none", edgecolor="black", label="nearest training example")
    ax.scatter(*samples.T, marker="o", s=10, color=COLORS[0], label="sample", zorder=3)
    ax.set(xlabel="coordinate 1", ylabel="coordinate 2", aspect="equal")
    return ax
