"""Pictures of points for figures: images, decoded latents, latents as they are, or nothing.

A decoder serves the eye only: nothing that is measured passes through it.
"""


def as_pictures(points, training_set, decoder=None):
    """Return pictures of points, or None where rows are no pictures and nothing decodes them.

    Parameters
    ----------
    points : Tensor, shape (*lead, *shape)
        In model range.
    training_set : TrainingSet
        Gives the shape of a row and its range.
    decoder : callable, optional
        Points, shape (b, *shape) -> pictures, uint8, shape (b, c, h, w).

    Returns
    -------
    ndarray of uint8, shape (*lead, c, h, w), or None
    """
    shape = training_set.shape
    if decoder is not None:
        found = decoder(points.reshape(-1, *shape))
        return found.reshape(*points.shape[: points.ndim - len(shape)], *found.shape[1:]).numpy()
    return training_set.to_uint8(points).numpy() if len(shape) == 3 else None


def note(training_set, *, latents=False, decoder=None):
    """Return what a reader must know of the pictures, or None where they are the rows themselves.

    `latents` says that the checkpoint is of a latent model; rows of other than 1 or 3 channels are no images either.
    """
    shape = training_set.shape
    if decoder is not None:
        return f"latents decoded by {decoder.description['file']}, for the eye only: every number is of the latents"
    if len(shape) == 3 and (latents or shape[0] not in (1, 3)):
        shown = "the first three as colours" if shape[0] > 3 else "as colours" if shape[0] == 3 else "the first in grey"
        return f"latents as they are ({shape[0]} channels, {shown}): --decoder shows the images that they stand for"
    if len(shape) == 3 or shape == (2,):
        return None
    return f"left out: rows of shape {' × '.join(map(str, shape))} are no images (--decoder turns latents into images)"
