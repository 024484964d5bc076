"""How much may a compressed file become? Beyond that it is taken for a bomb, before memory or disk is spent on it."""

from fmdiag.errors import FmdiagError

FREE = 1 << 28  # bytes that any file may become
RATIO = 200     # beyond them, bytes for each byte of the file: pictures are packed two to twenty times smaller


def check_unpacked(path, unpacked, packed):
    """Raise FmdiagError if `packed` bytes that say they are `unpacked` look made to exhaust memory or the disk."""
    if unpacked > max(FREE, RATIO * packed):
        raise FmdiagError(f"{path}: {packed} bytes would unpack to at least {unpacked} ({unpacked / 2**30:.1f} GiB): "
                          "refused as a decompression bomb; unpack it yourself if you know what it is")
