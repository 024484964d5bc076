"""Small data sets without files: digits from scikit-learn, two moons, a Gaussian, and a mixture of Gaussians.

All are deterministic: the same name gives the same rows, so fingerprints can be compared between machines.
"""

import functools
import math
import re
from functools import partial

import numpy as np

from fmdiag.datasets.source import Part
from fmdiag.errors import FmdiagError

DIGITS_TRAIN = 1500
LARGEST = 2**28  # coordinates of a set that is made: 1 GiB of float32
TWO_MOONS = re.compile(r"two-moons(?:-(?P<n>[1-9]\d*))?")
GAUSSIAN = re.compile(r"gaussian(?:-(?P<dim>[1-9]\d*))?(?:-(?P<n>[1-9]\d*))?")
MIXTURE = re.compile(r"mixture(?:-(?P<dim>[1-9]\d*))?(?:-(?P<n>[1-9]\d*))?")
# Components lie RADIUS from the origin, six of their standard deviations: noise of scale 1 overlaps, components do not.
COMPONENTS, RADIUS, SPREAD = 5, 3.0, 0.5


def _sizes(name, found, **defaults):
    """Return the numbers that a name holds, or their defaults; a checkpoint's record may name anything."""
    sizes = {key: found[key] or str(default) for key, default in defaults.items()}
    if sum(map(len, sizes.values())) > 20 or math.prod(map(int, sizes.values())) > LARGEST:
        raise FmdiagError(f"{name[:60]}: rows times dimension may be {LARGEST} at most: name fewer rows")
    return map(int, sizes.values())


def digits(name, reading):
    """Return the 8 x 8 handwritten digits: 1500 training rows and 297 test rows by a seeded permutation.

    Rows are uint8 in [0, 16], shape (1, 8, 8); model range is ``rows / 8 - 1``.
    """
    return {"train": partial(_digits, slice(None, DIGITS_TRAIN)), "test": partial(_digits, slice(DIGITS_TRAIN, None))}


def _digits(part):
    pictures, labels = _all_digits()
    order = np.sort(np.random.default_rng(0).permutation(len(pictures))[part])
    return Part(pictures[order], labels[order], divisor=8.0, shift=-1.0)


@functools.cache
def _all_digits():
    """Return pictures and labels, 130 kB; their text is read once."""
    from sklearn.datasets import load_digits  # a second, which other data sets need not wait

    pictures, labels = load_digits(return_X_y=True)
    return pictures.reshape(-1, 1, 8, 8).astype(np.uint8), labels.astype(np.int64)


def two_moons(name, reading):
    """Return two interleaved half circles in the plane, ``two-moons`` or ``two-moons-N``.

    50 000 rows unless N is given, noise 0.05, as scikit-learn draws them; the test part, 10 000 rows or N if that is
    less, has another seed. The moon is the label.
    """
    n, = _sizes(name, TWO_MOONS.fullmatch(name), n=50_000)
    return {"train": partial(_two_moons, n, 0), "test": partial(_two_moons, min(n, 10_000), 1)}


def _two_moons(n, seed):
    from sklearn.datasets import make_moons

    points, labels = make_moons(n, noise=0.05, random_state=seed)
    return Part(points.astype(np.float32), labels.astype(np.int64))


def gaussian(name, reading):
    """Return standard normal rows, ``gaussian`` (2000 rows of dimension 64), ``gaussian-DIM`` or ``gaussian-DIM-N``.

    A set of more rows begins with the rows of a smaller one of the same dimension. The test part has as many rows.
    """
    dim, n = _sizes(name, GAUSSIAN.fullmatch(name), dim=64, n=2000)
    return {"train": partial(_gaussian, n, dim, 0), "test": partial(_gaussian, n, dim, 1)}


def _gaussian(n, dim, seed):
    return Part(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))


def mixture(name, reading):
    """Return rows of a mixture of five Gaussians, ``mixture`` (2000 rows of dimension 3), ``mixture-DIM(-N)``.

    Equal weights, standard deviation 0.5 in every direction, centres in fixed random directions 3 from the origin. The
    component is the label; the test part, fresh rows of the same distribution, has 10 000 rows or N if that is more.
    """
    dim, n = _sizes(name, MIXTURE.fullmatch(name), dim=3, n=2000)
    return {"train": partial(_mixture, n, dim, 0), "test": partial(_mixture, max(n, 10_000), dim, 1)}


def _mixture(n, dim, seed):
    centres = np.random.default_rng(0).standard_normal((COMPONENTS, dim))
    centres *= RADIUS / np.linalg.norm(centres, axis=1, keepdims=True)
    rng = np.random.default_rng((seed, 1))
    labels = rng.integers(COMPONENTS, size=n)
    rows = centres[labels] + SPREAD * rng.standard_normal((n, dim))
    return Part(rows.astype(np.float32), labels.astype(np.int64))
