"""Named data sets, and which of them are on this machine.

A further set is a card ``data/NAME.toml``, a function ``load(name, reading) -> parts`` and a line here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from fmdiag.datasets import photo_tiles, published, toys
from fmdiag.datasets.cards import load_card, plain
from fmdiag.datasets.source import Reading, chosen_data_root


@dataclass(frozen=True)
class Named:
    """A named set.

    Parameters
    ----------
    load : callable
        ``load(name, reading)`` returns its parts, see `fmdiag.datasets.source`.
    here : callable
        ``here(name, root)`` returns where it lies on this machine, or None; nothing is downloaded.
    pattern : Pattern, optional
        Further names that mean a variant of it.
    """

    load: Callable
    here: Callable
    pattern: re.Pattern | None = None


def bundled(name, root):
    """Return ``"bundled"``: the set needs no file."""
    return "bundled"


NAMED = {
    "digits": Named(toys.digits, bundled),
    "two-moons": Named(toys.two_moons, bundled, toys.TWO_MOONS),
    "gaussian": Named(toys.gaussian, bundled, toys.GAUSSIAN),
    "mixture": Named(toys.mixture, bundled, toys.MIXTURE),
    "fashion-mnist": Named(published.mnist, published.mnist_here),
    "mnist": Named(published.mnist, published.mnist_here),
    "cifar10": Named(published.cifar10, published.cifar10_here),
    "celeba": Named(published.celeba, published.celeba_here),
    "imagenette": Named(published.imagenette, published.imagenette_here),
    "imagenette-full": Named(published.imagenette, published.imagenette_here),
    "photo-tiles": Named(photo_tiles.photo_tiles, photo_tiles.here),
}


def find(name):
    """Return the loader of a named set or of a variant, or None where nothing has that name."""
    if name in NAMED:
        return NAMED[name].load
    return next((named.load for named in NAMED.values() if named.pattern and named.pattern.fullmatch(name)), None)


def listing(data_root=None):
    """Return (sets, root): every card as a dict of plain values with ``here``, its place or None, and the data root.

    Parameters
    ----------
    data_root : path, optional
        As in `load_dataset`.
    """
    root = Reading(data_root=chosen_data_root(data_root)).root
    places = {name: named.here(name, root) for name, named in NAMED.items()}
    return [plain(load_card(name)) | {"here": place and str(place)} for name, place in places.items()], root
