"""Decompressors of one form: `decompress(data, at_most)`, `eof`, `needs_input`, `unused_data`, as in bz2 and lzma."""

import bz2
import lzma
import zlib
from functools import partial

XZ_MEMORY = 1 << 27      # bytes of a dictionary; xz -9 asks for half of it


class Inflate:
    """zlib's decompressor in the form of those of bz2 and lzma: `decompress(data, at_most)` keeps what is left over."""

    def __init__(self, bits):
        self.zlib, self.full = zlib.decompressobj(bits), False

    @property
    def eof(self):
        """Whether the stream has ended."""
        return self.zlib.eof

    @property
    def needs_input(self):
        """Whether neither input nor output waits: zlib keeps output of its own where all that was asked for came."""
        return not (self.zlib.unconsumed_tail or self.full)

    @property
    def unused_data(self):
        """What follows the end of the stream."""
        return self.zlib.unused_data

    def decompress(self, data, at_most):
        """Return at most `at_most` bytes."""
        data = self.zlib.decompress(self.zlib.unconsumed_tail + data, at_most)
        self.full = len(data) == at_most
        return data


class Stored:
    """Bytes that are not packed; they end where the input does."""

    def __init__(self):
        self.held, self.eof, self.unused_data = b"", False, b""

    @property
    def needs_input(self):
        """Whether no input waits."""
        return not self.held

    def decompress(self, data, at_most):
        """Return at most `at_most` bytes."""
        held = self.held + data
        self.eof = not held
        data, self.held = held[:at_most], held[at_most:]
        return data


MAKE = {"gzip": partial(Inflate, 31), "deflate": partial(Inflate, -15), "bzip2": bz2.BZ2Decompressor, "stored": Stored,
        "xz": partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=XZ_MEMORY)}
