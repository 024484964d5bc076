"""Copied windows of images by the d1/d2 rule: how much of each image they cover, and from which training images.

A window is copied where d1/d2 is below the threshold: d1 is its distance to the nearest training window, d2 that to the
nearest of another training image and of other content. Blank windows, whose standard deviation within is below a tenth
of that of the training images' values, and common ones, whose nearest KEPT training windows are all alike, say nothing
and are judged neither way.

The area share is the copied pixels over the judged ones. Judged is a pixel that a judged window covers, unless it is
blank itself: the standard deviation of the 3 x 3 pixels around it is below the same bound. Black pixels next to a copy
are black in its source, too, and in most other training images: that they agree shows no copy, and no image could show
that they are none. Copied is a judged pixel that agrees with the source of a copied window over it by the rule at the
scale of a pixel (see `Nearest.agrees`): a window that reaches a little past a copy passes, and its other pixels do not
count. Copies that are nearly exact, d1/d2 < 0.1, have a share of their own: among windows of fresh images these are
rare.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from fmdiag.diagnostics.patches.cover import mosaic
from fmdiag.diagnostics.patches.windows import CONTRAST

AT_ONCE = 256   # images
CLOSE = 0.1     # bound on d1/d2 of close copies, which windows of fresh images hardly ever are


class Judge:
    """Windows of images against those of a training set.

    Parameters
    ----------
    search : WindowSearch
        Its threshold is the bound on d1/d2.
    deviation : float
        Standard deviation of the training images' values.
    area : float
        An image is flagged if its area share is at least this.
    """

    def __init__(self, search, deviation, area):
        self.search, self.deviation, self.threshold, self.area = search, deviation, search.threshold, area

    def __call__(self, numbers, images, *, source, place="same"):
        """Return (table, maps) of images, shape (b, *shape): a row, and int64 of shape (height, width), per image.

        Parameters
        ----------
        numbers : ndarray of int64, shape (b,)
            What the images are called.
        source : str
        place : str
            "same", or "any", where windows are compared with those at all places of each training image.
        """
        images = images.reshape(len(images), *self.search.windows.shape).float()
        parts = [self._part(numbers[s : s + AT_ONCE], images[s : s + AT_ONCE], place)
                 for s in range(0, len(images), AT_ONCE)]
        windows = self.search.windows
        table = pd.concat([table for table, _ in parts], ignore_index=True)
        return (table.assign(source=source, place=place, window=windows.k, threshold=self.threshold, area=self.area),
                np.concatenate([maps for _, maps in parts]))

    def _part(self, numbers, images, place):
        windows = self.search.windows if place == "same" else spaced(self.search.windows)
        search = self.search.at_the_place if place == "same" else self.search.anywhere
        chosen = windows.contrast(images).numpy() >= CONTRAST * self.deviation
        found = search(images, chosen, windows)
        owner, which = np.nonzero(chosen)
        copied, telling = found.ratio < self.threshold, windows.telling(images, CONTRAST * self.deviation).numpy()
        rows, maps = [], []
        for b, number in enumerate(numbers):
            mine = owner == b
            judged, passing = which[mine & ~found.common], np.flatnonzero(mine & copied)
            pixels = telling[b] & windows.covered(windows.places[judged])
            made, n_judged = _mosaic(found, passing, windows, which, pixels), int(pixels.sum())
            close = passing[found.ratio[passing] < min(CLOSE, self.threshold)]
            n_close = _mosaic(found, close, windows, which, pixels).n_copied
            rows.append(self._row(number, made, n_judged, n_close)
                        | {"windows": len(judged), "copied_windows": len(passing)})
            maps.append(made.sources)
        return pd.DataFrame(rows), np.stack(maps)

    def _row(self, number, made, n_judged, n_close):
        share, close = (n / n_judged if n_judged else 0.0 for n in (made.n_copied, n_close))
        nearest, pixels = made.chosen[0] if made.chosen else (-1, 0)
        return {"sample": int(number), "area_share": share, "n_images": made.count,
                "flagged": bool(n_judged and share >= self.area), "close_share": close,
                "close_flagged": bool(n_judged and close >= self.area), "nearest": nearest,
                "largest_share": pixels / made.n_copied if made.n_copied else 0.0,
                "judged_share": n_judged / made.sources.size}


def _mosaic(found, here, windows, which, pixels):
    """Return the Mosaic of the copied windows `here`, numbers in `found`, of one image whose judged `pixels` count."""
    images, agrees = [found.images[i] for i in here], found.agrees(here, windows.k)
    return mosaic(windows, windows.places[which[here]], images, agrees, pixels)


def spaced(windows):
    """Return the Windows that are searched at any place: half a window apart."""
    return replace(windows, stride=max(windows.stride, windows.k // 2))
