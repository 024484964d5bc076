"""Compressed size of images by a fixed lossless codec: how much detail they hold, known without any model.

Pictures of one or three channels are written as PNG of 8 bits (Pillow, compress_level 9, optimize), or as lossless
WebP; everything else as zlib, level 9, of its float32 values. Counted are the bytes beyond those that the container
needs for any picture, which would outweigh a small picture's own.
"""

import io

import numpy as np
from PIL import Image, features

from fmdiag.errors import FmdiagError
from fmdiag.files.deflated import deflated_size

CONTAINER = {"png": 57, "webp": 20, "zlib": 0}   # bytes: signature, IHDR, frame of one IDAT and IEND; RIFF and VP8L
OPTIONS = {"png": {"compress_level": 9, "optimize": True}, "webp": {"lossless": True, "quality": 100, "method": 4}}


def codec_of(shape, codec=None):
    """Return the name of the codec for rows of a shape: "png" for pictures, "zlib" for others, unless one is given.

    Raises
    ------
    FmdiagError
        If the rows are no pictures, or Pillow was built without the codec.
    """
    pictures = len(shape) == 3 and shape[0] in (1, 3)
    name = codec or ("png" if pictures else "zlib")
    if name == "zlib":
        return name
    if not pictures:
        raise FmdiagError(f"codec (--codec): {name} is for pictures of 1 or 3 channels, and rows have shape {shape}: "
                          "leave it out, or give zlib")
    if not features.check("zlib" if name == "png" else name):
        raise FmdiagError(f"codec (--codec): this Pillow was built without {name}: give --codec zlib, which Python has")
    return name


def compressed_sizes(images, training_set, codec=None):
    """Return the compressed size of each image in bytes, float64, shape (b,), at least 1.

    Parameters
    ----------
    images : Tensor, shape (b, *shape)
        In model range.
    training_set : TrainingSet
        Says which values are black and white.
    codec : str, optional
        "png", "webp" or "zlib".
    """
    codec = codec_of(training_set.shape, codec)
    if codec == "zlib":
        rows = images.float().flatten(1).numpy()
        return np.array([float(deflated_size(row.astype("<f4").tobytes())) for row in rows])
    pictures = np.moveaxis(training_set.to_uint8(images).numpy(), 1, -1)
    sizes = [_written(picture if picture.shape[-1] == 3 else picture[..., 0], codec) for picture in pictures]
    return np.maximum(np.array(sizes, float) - CONTAINER[codec], 1.0)


def _written(picture, codec):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, codec, **OPTIONS[codec])
    return buffer.tell()
