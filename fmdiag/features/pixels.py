"""How different are two images, coordinate by coordinate?

The feature is the image itself, flattened: phi(x) = x. Distances are Euclidean in model range. Pixels see exact copies
and copies with noise; they do not see shifted, cropped or recoloured ones.
"""


def pixels(images):
    """Return the images as vectors.

    Parameters
    ----------
    images : Tensor, float32, shape (b, *shape)
        In model range.

    Returns
    -------
    Tensor, float32, shape (b, d)
    """
    return images.reshape(len(images), -1)


pixels.name = "pixels"
# Equal to the rows themselves: the search streams them from disk, instead of keeping their features in memory.
pixels.identity = True
