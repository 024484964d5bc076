"""Decoding of pictures by several threads, in order, within bounded memory."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from fmdiag.datasets.pictures import BadPictureError, decode_once

CHUNK = 256               # pictures that are decoded before they are handed on
BATCH = 16                # pictures that a thread takes at a time
HELD = 1 << 26            # bytes of pictures that are decoded or handed on at a time, in all threads together
BYTES_PER_PIXEL = 8       # while a picture is decoded, converted and resampled
SMALL = HELD >> 8         # bytes that nobody waits for
FREE_OF_CHARGE = contextlib.nullcontext()


class Decoder:
    """Decodes pictures to one height and width, which are those of the first unless a size is given.

    Parameters
    ----------
    size : int or None
        Side of the square wanted.
    upright : bool
        Whether pictures are turned as their EXIF orientation says.
    shape : tuple of int, or None
        Height and width, where they are known.
    """

    def __init__(self, size, upright, shape=None):
        self.size, self.upright = size, upright
        self.shape = (size, size) if size is not None else shape
        self.pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        self.free, self.changed = HELD, threading.Condition()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.pool.shutdown(cancel_futures=True)

    def in_order(self, numbered):
        """Yield (position, label, outcome) of every (position, label, source).

        The outcome is (header, pixels); the pixels are None where height and width are others. Or a BadPictureError.
        """
        numbered = iter(numbered)
        while self.shape is None:   # one by one until one can be read
            one = next(numbered, None)
            if one is None:
                return
            outcome = self._attempt(one)
            if not isinstance(outcome, BadPictureError) and outcome[1] is not None:
                self.shape = outcome[1].shape[1:]
            yield one[0], one[1], outcome
        most = max(1, min(CHUNK, HELD // (3 * self.shape[0] * self.shape[1])))
        for chunk in _chunks(numbered, most):
            batch = max(1, min(BATCH, len(chunk) // self.pool._max_workers))
            outcomes = self.pool.map(self._batch, (chunk[k : k + batch] for k in range(0, len(chunk), batch)))
            for (position, label, _), outcome in zip(chunk, chain.from_iterable(outcomes), strict=True):
                yield position, label, outcome

    def _batch(self, some):
        return [self._attempt(one) for one in some]

    def _attempt(self, one):
        try:
            return decode_once(one[2], size=self.size, upright=self.upright, admit=self._admit)
        except BadPictureError as error:
            return error

    def _admit(self, header):
        """Return what to decode a picture within, which waits until there is memory for it; None if it is not to be."""
        if self.size is None and self.shape not in (None, (header.height, header.width)):
            return None
        n_bytes = BYTES_PER_PIXEL * header.width * header.height
        return FREE_OF_CHARGE if n_bytes <= SMALL else self._lent(min(n_bytes, HELD))

    @contextlib.contextmanager
    def _lent(self, n_bytes):
        with self.changed:
            self.changed.wait_for(lambda: self.free >= n_bytes)
            self.free -= n_bytes
        try:
            yield
        finally:
            with self.changed:
                self.free += n_bytes
                self.changed.notify_all()


def _chunks(numbered, most):
    """Yield lists of at most `most` pictures; of those given as bytes, that together have at most HELD bytes."""
    chunk, held = [], 0
    for one in numbered:
        more = len(one[2]) if isinstance(one[2], bytes) else 0
        if chunk and (held + more > HELD or len(chunk) == most):
            yield chunk
            chunk, held = [], 0
        chunk.append(one)
        held += more
    if chunk:
        yield chunk
