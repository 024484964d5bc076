"""Search for the nearest training windows: at the same place, or at any place of each training image.

Candidates come from products of matrices, |x|²/2 - q·x of float32 windows about the mean image, a matrix of queries by
training images for each place, streamed over blocks of training images; the KEPT best are then measured again, exactly,
as |q - x|² in float64. One window size is asked for and nothing is summed over examples, so that this costs less than
the box sums of the patch posteriors, whose borders also cut windows.

At any place the best place of a training image counts, so that a shifted window of one image is no second image.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.datasets.duplicates import duplicate_groups
from fmdiag.diagnostics.patches.windows import Windows
from fmdiag.memory import default_memory, with_less
from fmdiag.neighbors.distinct import distinct_rows

KEPT = 8                # nearest training windows looked at: where all are alike, the window is common
GROUP = 16              # scores of which the least is formed first
ENTRIES = {"cpu": 1 << 19, "cuda": 1 << 26}   # scores at a time
EXACT_BYTES = 1 << 26
LEAST_ROWS = 64
LEAST_MEMORY = 10**6       # bytes: below it, less would not help


@dataclass(frozen=True)
class Nearest:
    """Nearest training windows of m windows.

    Parameters
    ----------
    d1, d2 : ndarray of float, shape (m,)
        Distance to the nearest training window, and to the nearest of another image and of other content; d2 is NaN
        where the KEPT nearest have no such one: the window is common.
    images : list of ndarray of int64
        For each window the training images that have the nearest window, ascending: equal windows are one content.
    packed : ndarray of uint8, shape (m, bytes)
        Which pixels agree with the nearest window, eight in a byte: see `agrees`.
    """

    d1: np.ndarray
    d2: np.ndarray
    images: list
    packed: np.ndarray

    def agrees(self, chosen, k):
        """Return which pixels of the `chosen` windows agree with the nearest one, bool, shape (b, k, k).

        The rule of windows, of one pixel: its squared difference, averaged over channels, is below threshold² times the
        mean square per value to the nearest window of another image and of other content, d2²/(channels k k).
        """
        return np.unpackbits(self.packed[chosen], axis=1, count=k * k).astype(bool).reshape(-1, k, k)

    @property
    def ratio(self):
        """d1/d2, NaN where the window is common."""
        return np.divide(self.d1, self.d2, out=np.full_like(self.d1, np.nan), where=self.d2 > 0)

    @property
    def common(self):
        """Which windows recur in so many training images that nothing else is among the KEPT nearest."""
        return np.isnan(self.d2)


class WindowSearch:
    """Training images whose windows are searched.

    Parameters
    ----------
    training_set : TrainingSet
        Rows of equal content are one; a mirror image that counts as a row is the image of its row.
    windows : Windows
    center : Tensor, shape (*shape)
        Subtracted from either side, which makes products precise.
    threshold : float
        Bound on d1/d2, for windows and for pixels.
    memory : int, optional
        Bytes that may be used.
    device : str or torch.device
    """

    def __init__(self, training_set, windows, center, *, threshold, memory=None, device="cpu"):
        self.training_set, self.windows, self.device = training_set, windows, torch.device(device)
        self.threshold = threshold
        self.rows, self.center = distinct_rows(training_set), center.reshape(windows.shape).to(self.device)
        groups = np.asarray(duplicate_groups(training_set)).reshape(-1, training_set.n_stored)
        self.image_of = np.tile(groups.min(0), len(groups))
        self.memory = int(memory or default_memory(self.device))

    def at_the_place(self, images, chosen, windows):
        """Return Nearest of windows among those at the same place.

        Parameters
        ----------
        images : Tensor, float32, shape (b, channels, height, width)
        chosen : ndarray of bool, shape (b, windows)
            Which windows are searched; the answers are in the order of ``np.argwhere(chosen)``.
        windows : Windows
            Those that `chosen` counts.
        """
        rows = self._in_memory(lambda: self._rows_at_the_place(images, chosen, windows))
        numbers, which = np.nonzero(chosen)
        return self._exact(images, numbers, windows.places[which], rows[numbers, which], None)

    def anywhere(self, images, chosen, windows):
        """Return Nearest of windows among those at any place; as `at_the_place`."""
        numbers, which = np.nonzero(chosen)
        places = windows.places[which]
        queries = self.windows.of(images.cpu(), numbers, places).float() if len(numbers) else torch.empty(0, 1)
        rows = self._in_memory(lambda: self._rows_anywhere(queries))
        everywhere = Windows(self.windows.shape, self.windows.k).places
        return self._exact(images, numbers, places, rows, everywhere)

    def _rows_at_the_place(self, images, chosen, windows):
        shape, places = (*chosen.shape, min(KEPT, len(self.rows))), windows.places
        scores = torch.full(shape, torch.inf, device=self.device)
        rows = torch.zeros(shape, dtype=torch.int64, device=self.device)
        centered = images.to(self.device).float() - self.center
        asked = [torch.from_numpy(np.flatnonzero(chosen[:, j])).to(self.device) for j in range(len(places))]
        for start, block in self._blocks(len(images), self.center):
            for j, (own, place) in enumerate(zip(asked, places, strict=True)):
                if len(own):
                    found = _scores(self.windows.at(centered[own], place), self.windows.columns(block, place))
                    scores[own, j], rows[own, j] = _merged(scores[own, j], rows[own, j], found, start)
        return self.rows[rows.cpu().numpy()]

    def _rows_anywhere(self, queries):
        shape, center = (len(queries), min(KEPT, len(self.rows))), self.center.mean()
        scores = torch.full(shape, torch.inf, device=self.device)
        rows = torch.zeros(shape, dtype=torch.int64, device=self.device)
        queries = queries.to(self.device) - center
        for start, block in self._blocks(len(queries), center) if len(queries) else ():
            best = torch.full((len(queries), block.shape[-1]), torch.inf, device=self.device)
            for place in Windows(self.windows.shape, self.windows.k).places:
                torch.minimum(best, _scores(queries, self.windows.columns(block, place)), out=best)
            scores, rows = _merged(scores, rows, best, start)
        return self.rows[rows.cpu().numpy()]

    def _blocks(self, n_queries, center):
        """Yield (start, images about their mean, shape (channels, height, width, m)); `start` counts distinct rows."""
        width = self.training_set.dim + 3 * n_queries + self.windows.shape[0] * self.windows.k**2
        entries = ENTRIES.get(self.device.type, ENTRIES["cuda"])
        size = max(LEAST_ROWS, min(self.memory // (8 * width), entries // max(256, n_queries)))
        size = max(GROUP, size // GROUP * GROUP)
        for start in range(0, len(self.rows), size):
            block = self.training_set[self.rows[start : start + size]].to(self.device)
            block = block.reshape(len(block), *self.windows.shape) - center
            yield start, block.permute(1, 2, 3, 0).contiguous()

    def _in_memory(self, work):
        return with_less(work, self._use_less, lambda: self.memory, "bytes of memory for patches", LEAST_MEMORY)

    def _use_less(self):
        self.memory //= 2

    def _exact(self, images, numbers, places, rows, everywhere):
        """Return the Nearest of windows whose candidates are `rows`, shape (m, kept)."""
        images, m, kept = images.cpu(), len(numbers), rows.shape[-1]
        wide = 1 if everywhere is None else len(everywhere)
        size = max(1, EXACT_BYTES // (8 * kept * (self.training_set.dim + wide * self.windows.shape[0]
                                                  * self.windows.k**2)))
        parts = [self._exact_part(images, numbers[s : s + size], places[s : s + size], rows[s : s + size], everywhere)
                 for s in range(0, m, size)]
        if not parts:
            return Nearest(np.empty(0), np.empty(0), [], np.empty((0, 0), np.uint8))
        d1, d2, packed, _ = (np.concatenate(ends) if k < 3 else ends for k, ends in enumerate(zip(*parts, strict=True)))
        return Nearest(d1, d2, [names for part in parts for names in part[3]], packed)

    def _exact_part(self, images, numbers, places, rows, everywhere):
        queries = self.windows.of(images, numbers, places)
        kept = rows.shape[1]
        unique, which = np.unique(rows, return_inverse=True)
        training = self.training_set[unique].reshape(-1, *self.windows.shape)
        which = which.reshape(-1)
        own = np.repeat(places, kept, axis=0) if everywhere is None else self._best_places(
            queries.repeat_interleave(kept, 0), training, which, everywhere)
        found = self.windows.of(training, which, own).reshape(len(rows), kept, -1)
        squares = (found - queries[:, None]).square().sum(2).numpy()
        order = np.lexsort((rows, squares), axis=1)
        squares = np.take_along_axis(squares, order, 1)
        ids = self.image_of[np.take_along_axis(rows, order, 1)]
        found = found.numpy()[np.arange(len(rows))[:, None], order]
        equal = (found == found[:, :1]).all(2)
        other = ~equal & (ids != ids[:, :1])
        d2 = np.where(other, squares, np.inf).min(1)
        d2 = np.sqrt(np.where(np.isinf(d2), np.nan, d2))
        differences = np.square(found[:, 0] - queries.numpy()).reshape(len(rows), self.windows.shape[0], -1).mean(1)
        agrees = differences < (np.square(self.threshold * d2) / queries.shape[1])[:, None]
        return (np.sqrt(squares[:, 0]), d2, np.packbits(agrees, axis=1),
                [np.unique(names[same]) for names, same in zip(ids, equal, strict=True)])

    def _best_places(self, queries, training, which, everywhere):
        """Return the place in each candidate image that is nearest to its query, shape (m, 2)."""
        found, least = np.zeros(len(which), np.int64), np.full(len(which), np.inf)
        for j, place in enumerate(everywhere):
            squares = (self.windows.at(training, place)[which].double() - queries).square().sum(1).numpy()
            better = squares < least
            found[better], least[better] = j, squares[better]
        return everywhere[found]


def _scores(queries, windows):
    """Return |x|²/2 - q·x, shape (queries, m), for windows of shape (d, m): half the squared distance, less |q|²/2."""
    return torch.addmm(windows.square().sum(0) / 2, queries, windows, alpha=-1)


def _merged(scores, rows, found, start):
    """Return the least scores, and their rows, of those kept and those found from row `start` on; ascending.

    Later blocks hold something better for few queries, and only these are sorted.
    """
    grouped = found.view(len(found), GROUP, -1).amin(1) if found.shape[1] % GROUP == 0 else found
    better = torch.nonzero(grouped.amin(1) < scores[:, -1]).reshape(-1)
    if not len(better):
        return scores, rows
    values, places = _least(found[better], grouped[better], scores.shape[1])
    both = torch.cat([scores[better], values], dim=1), torch.cat([rows[better], places + start], dim=1)
    least, chosen = both[0].topk(scores.shape[1], largest=False)
    return scores.index_copy(0, better, least), rows.index_copy(0, better, both[1].gather(1, chosen))


def _least(values, minima, k):
    """Return (the k least values of each line, their places): the k groups with the least minima hold them all."""
    n, m = values.shape
    groups = minima.shape[1]
    if groups == m or groups < 2 * k:
        return values.topk(min(k, m), largest=False)
    columns = minima.topk(k, largest=False).indices
    places = (columns[:, None] + groups * torch.arange(GROUP, device=values.device)[:, None]).reshape(n, -1)
    least, chosen = values.gather(1, places).topk(k, largest=False)
    return least, places.gather(1, chosen)
