"""Published data sets as parts: MNIST and Fashion-MNIST, CIFAR-10, Imagenette, CelebA.

Each is looked for in the layouts in which it usually lies below the data root (its card's `folders`, or the root
itself); then for its archive there; then it is downloaded.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from fmdiag.datasets.cards import load_card
from fmdiag.datasets.download import fetch, find
from fmdiag.datasets.extract import unpacked
from fmdiag.datasets.readers import cifar, folder, idx, images
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError

CELEBA_TRAIN, CELEBA_TEST = "0", "2"


def places(card, root):
    """Return the folders in which a set may lie, in the order in which they are tried."""
    debian = [Path(card.debian_folder)] if card.debian_folder else []
    return debian + [root / name for name in card.folders] + [root]


def mnist(name, reading):
    """Return MNIST or Fashion-MNIST: 60 000 and 10 000 rows of shape (1, 28, 28), uint8."""
    card = load_card(name)
    return idx.read_folder(_mnist_folder(card, reading.root) or _fetch_all(card, reading))


def _mnist_folder(card, root):
    # Complete or not at all: a download may have been interrupted between its files.
    return next((place for place in places(card, root) if all(_either(place, file.name) for file in card.files)), None)


def _either(place, name):
    return (place / name).is_file() or (place / name.removesuffix(".gz")).is_file()


def _fetch_all(card, reading):
    paths = [fetch(card, file, reading) for file in card.files]
    if len({path.parent for path in paths}) > 1:
        raise FmdiagError(f"{card.name}: its files lie in {' and '.join(sorted({str(p.parent) for p in paths}))}; move "
                          "them into one folder")
    return paths[0].parent


def cifar10(name, reading):
    """Return CIFAR-10: 50 000 and 10 000 rows of shape (3, 32, 32), uint8."""
    card = load_card(name)
    return cifar.read(_folder_or_archive(card, reading, cifar.is_folder), reading)


def imagenette(name, reading):
    """Return Imagenette: 9469 training rows, and as test part its 3925 validation pictures, at the card's size."""
    card = load_card(name)
    reading = replace(reading, size=reading.size or card.size)
    parts = folder.part_folders(_folder_or_archive(card, reading, _is_imagenette))
    return {part: partial(_pictures, place, reading) for part, place in parts.items()}


def _pictures(place, reading):
    return images.read(place, reading)["all"]()


def _is_imagenette(place):
    return (place / "train" / "n01440764").is_dir() and bool(folder.part_folders(place))


def _folder_or_archive(card, reading, fits):
    for place in places(card, reading.root):
        if place.is_dir() and fits(place):
            return place
    archive = fetch(card, card.files[0], reading)
    unpacked_folder = unpacked(archive, reading.cache, verify=reading.verify)
    if not fits(unpacked_folder):
        raise FmdiagError(f"{archive}: not the archive of {card.name}; delete it to fetch it again")
    return unpacked_folder


def celeba(name, reading):
    """Return CelebA's official train and test parts, 162 770 and 19 962 rows; the validation pictures are left out.

    Pictures are 178 x 218: the centre square of 178 is resampled to 64 unless another size is given.
    """
    card = load_card(name)
    reading = replace(reading, size=reading.size or card.size)
    partition = _celeba_partition(card, reading.root) or fetch(card, card.files[1], reading)
    pictures = _celeba_pictures(card, reading.root)
    if pictures is None:
        pictures = unpacked(fetch(card, card.files[0], reading), reading.cache, verify=reading.verify)
    return {part: partial(_celeba_part, pictures, partition, number, reading)
            for part, number in (("train", CELEBA_TRAIN), ("test", CELEBA_TEST))}


def _celeba_pictures(card, root):
    # One archive in circulation has the folder twice, one in the other.
    nested = [place / sub for place in places(card, root) for sub in ("img_align_celeba/img_align_celeba",
                                                                      "img_align_celeba")]
    return next((place for place in nested if place.is_dir()), None)


def _celeba_partition(card, root):
    names = ("list_eval_partition.txt", "list_eval_partition.csv")
    return next((place / name for place in places(card, root) for name in names if (place / name).is_file()), None)


def _celeba_part(pictures, partition, number, reading):
    lines = [line.replace(",", " ").split() for line in partition.read_text().splitlines()]
    files = [pictures / line[0] for line in lines if len(line) == 2 and line[1] == number]
    if not files:
        raise FmdiagError(f"{partition}: no line 'PICTURE {number}'; expected CelebA's list of partitions")
    absent = next((path for path in files if not path.is_file()), None)
    if absent:
        raise FmdiagError(f"{absent}: named in {partition.name}, but not there; unpack img_align_celeba.zip again")
    files = SourceFiles.of(files, pictures, reading.verify)
    rows, kept, n_turned = images.decode_files(files, reading)
    return Part(rows, n_turned=n_turned, files=partial(images.paths, files, kept))


def mnist_here(name, root):
    """Return where MNIST or Fashion-MNIST lies, or None."""
    return _mnist_folder(load_card(name), root)


def celeba_here(name, root):
    """Return where CelebA's pictures lie, or None."""
    card = load_card(name)
    return _celeba_partition(card, root) and (_celeba_pictures(card, root) or find(card, card.files[0], root))


def cifar10_here(name, root):
    """Return where CIFAR-10 lies, or None."""
    return _here(name, root, cifar.is_folder)


def imagenette_here(name, root):
    """Return where Imagenette lies, or None."""
    return _here(name, root, _is_imagenette)


def _here(name, root, fits):
    card = load_card(name)
    return next((p for p in places(card, root) if p.is_dir() and fits(p)), None) or find(card, card.files[0], root)
