"""Which data sets does fmdiag know by name?"""

from pathlib import Path

from fmdiag.datasets import toys
from fmdiag.datasets.readers import idx
from fmdiag.errors import FmdiagError

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(name, reading):
    """Return Fashion-MNIST from Debian's package."""
    if not idx.is_folder(DEBIAN_FASHION):
        raise FmdiagError("fashion-mnist: install the Debian package dataset-fashion-mnist")
    return idx.read(DEBIAN_FASHION, reading)


NAMED = {"digits": toys.digits, "two-moons": toys.two_moons, "gaussian": toys.gaussian, "fashion-mnist": fashion_mnist}
PATTERNS = {toys.TWO_MOONS: toys.two_moons, toys.GAUSSIAN: toys.gaussian}


def find(name):
    """Return the loader of a named set, or None where nothing has that name."""
    for pattern, loader in PATTERNS.items():
        if pattern.fullmatch(name):
            return loader
    return NAMED.get(name)
