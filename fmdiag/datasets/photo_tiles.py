"""Photo tiles: real colour photographs without a download, from pictures in three Debian packages.

Every photograph is scaled to several short sides and cut into tiles that do not overlap; nearly uniform tiles (sky or
blur) are left out. One photograph in ten is the test part: *photographs* are split, not tiles, as the scales of one
photograph give near-copies. Drawings, which the packages also hold, are told by their few colours.
"""

import io
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from fmdiag.datasets.cache import cached_from
from fmdiag.datasets.cards import load_card
from fmdiag.datasets.source import Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.errors import FmdiagError
from fmdiag.files.npy import load_npy

LOG = logging.getLogger(__name__)
INSTALLED = Path("/var/lib/dpkg/info")
SUFFIXES = (".jpg", ".jpeg", ".png", ".rcc")
SHORT_SIDES = (768, 512, 384, 256, 192, 128, 96)
MOST_ROWS = 60_000
AT_A_TIME = 16
SMALLEST_SIDE = 256
FEWEST_COLOURS = 1500  # of the 4096 pixels of a 64 x 64 thumbnail
THUMBNAIL_CONTRAST = 20
TILE_CONTRAST = 25  # mean over channels of the standard deviation; CIFAR-10's pictures have about 50
WEBP = re.compile(rb"RIFF(....)WEBPVP8", re.DOTALL)


def photo_tiles(name, reading):
    """Return the tiles at the size asked for, 32 px by default; the label of a tile is its photograph's number.

    Parameters
    ----------
    name : str
        ``"photo-tiles"``.
    reading : Reading
        `size`, 8 to 256; the pictures come from the installed packages, or from their unpacked content in
        ``photo-tiles`` below the data root.

    Raises
    ------
    FmdiagError
        If the packages are not there.
    """
    card = load_card(name)
    size = reading.size or card.size
    if not 8 <= size <= 256:
        raise FmdiagError(f"{name}: size must be 8 to 256 pixels, got {size}")
    files = picture_files(card, reading.root)
    if not files:
        raise FmdiagError(f"{name}: its pictures are not on this machine; install the Debian packages "
                          f"{' '.join(card.debian)}, or unpack them (dpkg -x) into {reading.root / card.folders[0]}")
    sources = SourceFiles.of(files, verify=reading.verify)
    return {part: partial(_part, files, size, reading.cache, sources, part) for part in ("train", "test")}


def picture_files(card, root):
    """Return the files that may hold photographs, sorted: of the folder below the data root, else as installed."""
    unpacked = Path(root) / card.folders[0]
    lists = [INSTALLED / f"{package}.list" for package in card.debian]
    if unpacked.is_dir():
        found = unpacked.rglob("*")
    elif all(path.is_file() for path in lists):
        found = [Path(line) for path in lists for line in path.read_text().splitlines()]
    else:
        return []
    return sorted(path for path in found
                  if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink())


def here(name, root):
    """Return where the pictures lie, or None."""
    files = picture_files(load_card(name), root)
    return files[0].parent if files else None


def _part(files, size, cache, sources, part):
    entry = cached_from(sources, cache, ("photo-tiles", 2, size), partial(_build, files, size))
    photographs = np.array(load_npy(entry / f"{part}_photograph.npy"))
    return Part(load_npy(entry / f"{part}.npy"), photographs, columns={"photograph": lambda: photographs})


def _build(files, size, folder):
    found = {"train": ([], []), "test": ([], [])}
    for number, cut in enumerate(_tiles_by_photograph(files, size)):
        tiles, owners = found["train" if number % 10 else "test"]
        tiles += cut
        owners += [number] * len(cut)
    rng = np.random.default_rng(0)
    for part, (tiles, owners) in found.items():
        if not tiles:
            raise FmdiagError(f"photo-tiles: no photographs for its {part} part among {len(files)} files; "
                              "install the three packages anew")
        order = rng.permutation(len(tiles))[:MOST_ROWS]
        np.save(folder / f"{part}.npy", np.stack([tiles[k] for k in order]))
        np.save(folder / f"{part}_photograph.npy", np.array(owners, np.int64)[order])
    LOG.info("cut photographs into tiles of %d px once; later runs read the tiles", size)


def _tiles_by_photograph(files, size):
    """Yield the tiles of every photograph, in the order of `files`; a few at a time, since photographs are large."""
    contents = pictures(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(contents, AT_A_TIME)):
            yield from (tiles for tiles in pool.map(partial(_tiles_if_photograph, size=size), chunk)
                        if tiles is not None)


def _tiles_if_photograph(content, size):
    image = _decoded(content)
    return cut_tiles(image, size) if image is not None and looks_like_photograph(image) else None


def pictures(files):
    """Yield the encoded pictures in `files`, as bytes."""
    for path in files:
        content = path.read_bytes()
        yield from webp_pictures(content) if path.suffix.lower() == ".rcc" else [content]


def webp_pictures(resource):
    """Yield the WEBP files that lie whole inside a Qt resource file."""
    for match in WEBP.finditer(resource):
        length = int.from_bytes(match[1], "little") + 8
        yield resource[match.start() : match.start() + length]


def _decoded(content):
    try:
        with Image.open(io.BytesIO(content)) as image:
            # Told by the header, before the pixels are decoded: most pictures in the resources are small drawings.
            wanted = image.mode in ("RGB", "YCbCr") and min(image.size) >= SMALLEST_SIDE
            return image.convert("RGB") if wanted else None
    except (OSError, ValueError, SyntaxError):
        return None


def looks_like_photograph(image):
    """Whether an RGB image has many colours, and contrast."""
    thumbnail = np.asarray(image.resize((64, 64)))
    colours = np.unique(thumbnail.reshape(-1, 3), axis=0)
    return len(colours) > FEWEST_COLOURS and thumbnail.astype(np.float32).std() > THUMBNAIL_CONTRAST


def cut_tiles(image, size):
    """Return the tiles of an RGB image that have contrast: a list of uint8 arrays, shape (3, size, size)."""
    kept = []
    for short in SHORT_SIDES:
        if short >= size:
            scale = short / min(image.size)
            shape = round(image.width * scale), round(image.height * scale)
            tiles = _grid(np.asarray(image.resize(shape, Image.Resampling.LANCZOS)), size)
            kept += [np.ascontiguousarray(tile) for tile in tiles if tile.std(axis=(1, 2)).mean() > TILE_CONTRAST]
    return kept


def _grid(pixels, size):
    rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
    blocks = pixels[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(rows * columns, 3, size, size)
