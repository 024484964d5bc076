"""Folders of data: a known layout, parts in subfolders or files, or pictures."""

from functools import partial
from pathlib import Path

from fmdiag.datasets.readers import arrow, cifar, idx, images, parquet, webdataset
from fmdiag.datasets.source import TEST_NAMES
from fmdiag.errors import FmdiagError

ZARR = (".zarray", ".zgroup", "zarr.json")


def read(folder, reading, read_file):
    """Return the parts of a folder.

    Tried in this order: CIFAR-10's batches, MNIST's IDX files, Parquet shards, Arrow files of ``save_to_disk``,
    subfolders ``train`` and ``test`` (or ``val``, ``valid``, ``validation``), files such as ``train.npy`` and
    ``test.npy``, tar shards of WebDataset, pictures.

    Parameters
    ----------
    folder : Path
        Where to look.
    reading : Reading
        How.
    read_file : callable
        ``read_file(path, reading)`` returns the parts of a file, or None where no reader knows its name.
    """
    if cifar.is_folder(folder):
        return cifar.read(folder, reading)
    if idx.is_folder(folder):
        return idx.read(folder, reading)
    if parquet.shards(folder):
        return parquet.read(folder, reading)
    if arrow.shards(folder):
        return arrow.read(folder, reading)
    _refuse_zarr(folder)
    subfolders = part_folders(folder)
    if subfolders:
        return {part: partial(_whole, sub, reading, read_file) for part, sub in subfolders.items()}
    found = _part_files(folder, reading, read_file)
    if found:
        return found
    return webdataset.read(folder, reading) if webdataset.shards(folder) else images.read(folder, reading)


def _refuse_zarr(folder):
    """Name the way on from a Zarr store, whose chunks are read by packages of its own."""
    if any((folder / name).is_file() for name in ZARR):
        arrays = sorted(path.parent.name for name in (".zarray", "zarr.json") for path in folder.glob(f"*/{name}"))
        array = f"[{arrays[0]!r}]" if arrays else ""
        raise FmdiagError(f"{folder}: a Zarr store, which is not read: save its array as .npy with Python, numpy.save("
                          f"'rows.npy', zarr.open({str(folder)!r}, mode='r'){array}[...]), and give rows.npy")


def part_folders(folder):
    """Return ``{"train": path, "test": path}`` of a folder with such subfolders, else an empty dict.

    A lone ``train`` among other subfolders is a class of pictures (of railways), not a part.
    """
    below = {path.name.lower(): path for path in sorted(Path(folder).iterdir())
             if path.is_dir() and not path.name.startswith(".")}
    test = next((below[name] for name in TEST_NAMES if name in below), None)
    if "train" not in below or (test is None and len(below) > 1):
        return {}
    return {"train": below["train"], **({"test": test} if test else {})}


def _part_files(folder, reading, read_file):
    files = {path.name.split(".")[0].lower(): path for path in sorted(Path(folder).iterdir(), reverse=True)
             if path.is_file() and not images.is_picture(path.name)}
    found = {"train": files.get("train"), "test": next((files[n] for n in TEST_NAMES if n in files), None)}
    readable = {part: read_file(path, reading) for part, path in found.items() if path}
    if readable.get("train") is None:
        return {}
    return {part: _all(parts) for part, parts in readable.items() if parts}


def _whole(folder, reading, read_file):
    return _all(read(folder, reading, read_file))()


def _all(parts):
    return parts.get("all") or parts["train"]
