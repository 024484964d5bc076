"""Mosaic of an image: which of its pixels are copied, and how few training images account for them.

A copied window that reaches past the border of a copy still passes, so that its pixels count one by one: a pixel is
copied where a copied window covers it that it agrees with, and where it says something (see `patches.judge`).
The mosaic count is the number of training images whose copied windows cover 90 % of the copied pixels. The least such
number is a set cover, which is hard to compute; greedy choice, the image that adds most pixels first, takes at most
1 + ln(pixels) times as many (Chvátal 1979) and nearly always as many. Between images that add as many, the one that
covers more in all comes first, then the one whose pixels come first, so that the order of the training set decides
nothing but names.

References
----------
Chvátal 1979, A greedy heuristic for the set-covering problem, Mathematics of Operations Research 4.
"""

from dataclasses import dataclass

import numpy as np

SHARE = 0.9
NOBODY, NOT_JUDGED = -1, -2


@dataclass(frozen=True)
class Mosaic:
    """Copied pixels of an image and where they come from.

    Parameters
    ----------
    sources : ndarray of int64, shape (height, width)
        The training image that each copied pixel comes from, -1 where nothing is copied, -2 where a pixel is not
        judged; of several that cover a pixel the one that was chosen first.
    n_copied : int
        Copied pixels.
    chosen : tuple of (int, int)
        (training image, pixels that it adds), in the order of greedy choice, until all copied pixels are covered.
    """

    sources: np.ndarray
    n_copied: int
    chosen: tuple

    @property
    def count(self):
        """The mosaic count; 0 where nothing is copied."""
        if not self.n_copied:
            return 0
        covered = np.cumsum([pixels for _, pixels in self.chosen])
        return int(np.argmax(covered >= needed(self.n_copied)) + 1)


def needed(n_copied):
    """Return how many pixels are 90 % of the copied ones, rounded up."""
    return int(np.ceil(SHARE * n_copied - 1e-9))


def masks(windows, places, images, agrees, judged):
    """Return {training image: its pixels, bool, shape (height, width)} of copied windows.

    Parameters
    ----------
    windows : Windows
    places : ndarray of int64, shape (m, 2)
        Corners of the copied windows.
    images : sequence of ndarray of int64
        The training images that have each of them.
    agrees : ndarray of bool, shape (m, k, k)
        Which of their pixels agree with those images.
    judged : ndarray of bool, shape (height, width)
        Pixels that may count.
    """
    own, k = {}, windows.k
    for (top, left), names, pixels in zip(places, images, agrees, strict=True):
        for name in names.tolist():
            own.setdefault(name, np.zeros(judged.shape, bool))[top : top + k, left : left + k] |= pixels
    own = {name: mask & judged for name, mask in own.items()}
    return {name: mask for name, mask in own.items() if mask.any()}


def mosaic(windows, places, images, agrees, judged):
    """Return the Mosaic of copied windows; parameters as for `masks`."""
    by_image = masks(windows, places, images, agrees, judged)
    sources = np.where(judged, NOBODY, NOT_JUDGED)
    if not by_image:
        return Mosaic(sources, 0, ())
    n_copied = int(np.any(list(by_image.values()), axis=0).sum())
    names = sorted(by_image, key=lambda name: (-int(by_image[name].sum()), _first(by_image[name]), name))
    cover, chosen = np.stack([by_image[name].reshape(-1) for name in names]), []
    left, flat = np.ones(cover.shape[1], bool), sources.reshape(-1)
    for _ in names:
        gains = (cover & left).sum(1)
        best = int(gains.argmax())     # the first of equal ones
        if not gains[best]:
            break
        flat[cover[best] & left] = names[best]
        chosen.append((names[best], int(gains[best])))
        left &= ~cover[best]
    return Mosaic(sources, n_copied, tuple(chosen))


def _first(mask):
    """Return what orders masks of one size: the one that holds the first pixel in which two differ comes first."""
    return (~np.packbits(mask)).tobytes()
