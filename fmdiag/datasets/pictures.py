"""Picture files decoded into arrays, channels first.

Turned upright by its EXIF orientation unless asked otherwise, cropped to the centre square and resampled (Lanczos) if a
size is asked for, 16 bits reduced to 8, palettes and other colour spaces converted to RGB, transparency dropped, as
networks' own training pipelines do with ``convert("RGB")``. A set whose every picture is grey has one channel; one
colour picture makes it 3.
"""

import contextlib
import errno
import functools
import io
import os
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from fmdiag.errors import FmdiagError, causes
from fmdiag.files.regular import open_regular

# Formats that Pillow only recognises, that are no pictures, or that it hands to another program (EPS to Ghostscript).
NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF", "PDF"}
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
SIDEWAYS, TURNED = (5, 6, 7, 8), range(2, 9)
# Deflate packs a thousand equal bytes into one; pictures that are small when they are unpacked may be what they are.
BOMB_VALUES, BOMB_RATIO = 1 << 24, 1000
ORIENTATION = 0x0112
# What a disk, a network's file system or the system says of itself, not of a file.
OF_THE_DISK = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Header:
    """What is known of a picture before its pixels are decoded.

    Width and height as decoded, whether it is grey, and whether its EXIF orientation is another than the stored one.
    """

    width: int
    height: int
    grey: bool
    turned: bool = False


class BadPictureError(Exception):
    """A picture that cannot be decoded; its text says why."""


@contextlib.contextmanager
def strict_decoding():
    """Make decompression bombs errors, and keep Pillow's remarks about odd metadata off the screen.

    Not per picture: warning filters belong to the process, and pictures are decoded in threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_header(source, *, upright=True):
    """Return the Header of a picture.

    Parameters
    ----------
    source : path or bytes
        A picture in any format that Pillow reads.
    upright : bool
        Whether it is to be turned as its EXIF orientation says.

    Raises
    ------
    BadPictureError
        If it is no picture, or so large that it looks made to exhaust memory.
    """
    with _opened(source) as image:
        return _header(image, upright)


def _header(image, upright):
    orientation = _exif(image).get(ORIENTATION)
    width, height = image.size[::-1] if upright and orientation in SIDEWAYS else image.size
    return Header(width, height, image.mode in GREY_MODES, orientation in TURNED)


def _exif(image):
    """Return the EXIF data of a picture that is not decoded yet.

    For a PNG, Pillow would decode all pixels to see whether some follow them.
    """
    if image.format == "PNG" and not _has_late_metadata(image.fp):
        return Image.Image.getexif(image)
    return image.getexif()


def _has_late_metadata(file):
    """Whether a chunk of EXIF data or text follows the pixels of a PNG; leaves the file where it was."""
    start, place, found = file.tell(), len(PNG_START), False
    kind, pixels = b"", False
    while not found and kind != b"IEND":
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        pixels = pixels or kind == b"IDAT"
        found = pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
        place += 12 + length
    file.seek(start)
    return found


def decode(source, *, size, grey, upright=True):
    """Return a picture as uint8, shape (1 or 3, h, w).

    Parameters
    ----------
    source : path or bytes
        As for `read_header`.
    size : int or None
        Side wanted; None keeps width and height.
    grey : bool
        Whether one channel is wanted.
    upright : bool
        As for `read_header`.

    Raises
    ------
    BadPictureError
        If it cannot be decoded to the end.
    """
    with _opened(source) as image:
        return _pixels(image, _header(image, upright), size, grey, upright)


def decode_once(source, *, size, upright, admit):
    """Return (header, pixels) of a picture that is opened once: uint8, 1 channel if it is grey, else 3.

    Parameters
    ----------
    source, size, upright
        As for `decode`.
    admit : callable
        ``admit(header)`` returns a context manager in which it is decoded; or None, and then the pixels are None.

    Raises
    ------
    BadPictureError
        If it cannot be decoded to the end.
    """
    with _opened(source) as image:
        header = _header(image, upright)
        admitted = admit(header)
        if admitted is None:
            return header, None
        with admitted:
            return header, _pixels(image, header, size, header.grey, upright)


def _pixels(image, header, size, grey, upright):
    image.load()
    image = _eight_bits(ImageOps.exif_transpose(image) if upright and header.turned else image)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    mode = "L" if grey else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    array = np.asarray(image if size is None else square(image, size))
    return array[None] if grey else array.transpose(2, 0, 1)


def square(image, size):
    """Return the centre square of a Pillow image, resampled to `size` pixels with Lanczos' kernel."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    return image if side == size else image.resize((size, size), Image.Resampling.LANCZOS)


def resample(rows, size, name):
    """Return uint8 rows of shape (n, 1 or 3, h, w) as (n, c, size, size), as `decode` would.

    Raises
    ------
    FmdiagError
        If the rows are no pictures of 8 bits.
    """
    if rows.ndim != 4 or rows.shape[1] not in (1, 3) or rows.dtype != np.uint8:
        raise FmdiagError(f"{name}: size resamples pictures of 8 bits only, rows have shape {rows.shape[1:]} and dtype "
                          f"{rows.dtype}; leave size out, or give the original pictures")
    result = np.empty((len(rows), rows.shape[1], size, size), np.uint8)
    for k, row in enumerate(rows):
        for channel, plane in enumerate(row):
            result[k, channel] = np.asarray(square(Image.fromarray(np.ascontiguousarray(plane)), size))
    return result


@functools.cache
def _formats():
    """Return the formats that a picture may have, whatever its name says."""
    Image.init()
    return tuple(sorted(set(Image.OPEN) - NOT_PICTURES))


@contextlib.contextmanager
def _opened(source):
    try:
        with (io.BytesIO(source) if isinstance(source, bytes) else open_regular(source, "picture")) as file:
            n_bytes = len(source) if isinstance(source, bytes) else os.fstat(file.fileno()).st_size
            with Image.open(file, formats=_formats()) as image:
                _refuse_bomb(image, n_bytes)
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadPictureError(f"larger than {Image.MAX_IMAGE_PIXELS / 1e6:.0f} million pixels") from error
    except Image.UnidentifiedImageError as error:
        raise BadPictureError("not a picture that Pillow knows") from error
    except (BadPictureError, MemoryError):
        raise
    except Exception as error:
        failed = next((one for one in causes(error) if isinstance(one, OSError) and one.errno in OF_THE_DISK), None)
        if failed is not None:   # the picture may be whole: it must not be left out for good
            raise FmdiagError(f"{'a picture' if isinstance(source, bytes) else source}: cannot be read now "
                              f"({failed.strerror}): see to the disk or the connection to it, then give the same "
                              "command again; what was decoded so far is kept") from error
        # Pillow's plugins raise nearly anything on damaged data: OSError, SyntaxError, struct.error, ZeroDivisionError.
        raise BadPictureError(str(error) or type(error).__name__) from error


def _refuse_bomb(image, n_bytes):
    """Refuse a picture of a few bytes that would fill much memory; no format packs what was photographed so tightly."""
    values = image.width * image.height * max(1, len(image.getbands()))
    if values > BOMB_VALUES and values > BOMB_RATIO * n_bytes:
        raise BadPictureError(f"{image.width} × {image.height} pixels in {n_bytes} bytes look made to exhaust memory")


def _eight_bits(image):
    if image.mode == "F":
        raise BadPictureError("pixels are floating point; save such data as .npy")
    if image.mode not in WIDE_MODES:
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise BadPictureError("pixels have more than 16 bits; save such data as .npy")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
