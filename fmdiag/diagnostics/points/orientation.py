"""Orientation of samples: copies of training pictures as stored, where the rows were turned upright.

Training pipelines that do not look at a picture's EXIF orientation see a photograph on its side. A model that returns
it so looks new beside upright rows.
"""

from dataclasses import replace

from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.errors import FmdiagError
from fmdiag.stats import fisher_p

LEVEL = 0.01
WORDS = {"upright": "turned upright by their EXIF orientation", "stored": "as stored"}


def other_orientation(samples, training_set, n_copies, *, threshold, **search):
    """Return in a sentence that samples are copies of the pictures in the other orientation, or None.

    Parameters
    ----------
    samples : Tensor, shape (n, *shape)
        Checked.
    training_set : TrainingSet
        Where none of its pictures has another orientation than the stored one, nothing is compared.
    n_copies : int
        Samples that are copies of its rows as they are.
    threshold : float
        Bound on d1 / d2.
    **search
        feature, device, group, plan: as for `nearest_rows`.
    """
    other = _otherwise(training_set)
    if other is None:
        return None
    n, k = len(samples), int((nearest_rows(samples, other, **search).ratio < threshold).sum())
    if fisher_p(k, n, n_copies, n) > LEVEL:
        return None
    return (f"{k} of {n} samples are copies of the pictures of {training_set.name} {WORDS[other.orientation]}, "
            f"{n_copies} of them {WORDS[training_set.orientation]}: the model was trained on the former; give "
            f"--orientation {other.orientation}")


def _otherwise(training_set):
    """Return the same rows in the other orientation, or None where there is none or it has another shape."""
    if training_set.otherwise_turned is None:
        return None
    try:
        other = training_set.otherwise_turned()
    except FmdiagError:  # of one size only when they are turned
        return None
    same = (other.shape, other.n_stored) == (training_set.shape, training_set.n_stored)
    return replace(other, hflip=training_set.hflip) if same else None
