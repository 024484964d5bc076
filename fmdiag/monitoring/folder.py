"""Checkpoints in a folder that a training run writes to: which entries are whole, and of which step each is.

An entry is a file with the suffix of a checkpoint, or a folder that is one checkpoint (diffusers, torch's distributed
checkpoints, MLflow, accelerate). One that is still being written is left until it is whole: until its size and time of
change stay the same for a second, or are some seconds old. What cannot be read is looked at
again when it has changed.

The step is what the checkpoint records of itself, else the number in its name: the one after a word for steps, else the
last.
"""

import contextlib
import os
import re
import time
from pathlib import Path

from fmdiag.checkpoints.distributed import is_distributed
from fmdiag.checkpoints.folders import LOOSE, is_diffusers
from fmdiag.checkpoints.initial_share import steps_of
from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.checkpoints.weight_files import weight_files
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256, folder_sha256

PAUSE = 1.0        # seconds without a change while it is watched
OLD = 10.0         # seconds without a change after which nobody is taken to be writing
PATIENCE = 60.0    # seconds after which one that changes all the time is tried: it may be replaced whole
LABELLED = re.compile(r"(?:step|iter(?:ation)?|it)s?[-_=.]*(\d+)", re.IGNORECASE)
UNFINISHED = re.compile(r"\..*|.*\.(partial|tmp|temp|part)(\.\w+)?", re.IGNORECASE)
STATE, BESIDE = "state.pt", "checkpoint.pt"   # of fmdiag train: what it goes on from, and what is measured


def check_folder(folder):
    """Return the folder as a path.

    Raises
    ------
    FmdiagError
        If it is no folder, or a checkpoint itself.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise FmdiagError(f"{folder} {what}: give the folder that a training run writes its checkpoints to")
    if _is_checkpoint(folder) and not any(_is_checkpoint(path) for path in folder.iterdir() if path.is_dir()):
        raise FmdiagError(f"{folder} is one checkpoint: give the folder that it lies in, or measure it by itself with "
                          f"fmdiag report {folder}")
    return folder


def _is_checkpoint(folder):
    """Return whether a folder is one checkpoint."""
    return is_distributed(folder) or (folder / "MLmodel").is_file() or is_diffusers(folder) or bool(
        weight_files(folder))


def entries(folder):
    """Return the entries of a folder that may be checkpoints, by the number in their names and by name."""
    found = [path for path in folder.iterdir() if not UNFINISHED.fullmatch(path.name)
             and (_is_checkpoint(path) if path.is_dir() else path.suffix.lower() in LOOSE)
             and not (path.name == STATE and (folder / BESIDE).is_file())]
    return sorted(found, key=lambda path: (step_in_name(path) is None, step_in_name(path), path.name))


def step_in_name(path):
    """Return the step that a name says, or None.

    Examples
    --------
    >>> [step_in_name(name) for name in ("epoch=3-step=500.ckpt", "ema_0.9999_050000.pt", "checkpoint-20", "last.pt")]
    [500, 50000, 20, None]
    """
    path = Path(path)
    stem = path.stem if path.suffix.lower() in LOOSE else path.name
    found = LABELLED.findall(stem) or re.findall(r"\d+", stem)
    return int(found[-1]) if found else None


def step_of(path, description, *, trust_code=False):
    """Return (step or None, where it was read: ``"record"`` or ``"name"``) of a checkpoint with a description."""
    recorded = description.get("steps")
    if recorded is None:
        with contextlib.suppress(FmdiagError):
            recorded = steps_of(open_checkpoint(path, trust_code=trust_code, own_class=True).content)
    if isinstance(recorded, int) and not isinstance(recorded, bool) and recorded >= 0:
        return recorded, "record"
    return step_in_name(path), "name"


def content_of(path):
    """Return the hash of a checkpoint's content."""
    return folder_sha256(path) if path.is_dir() else file_sha256(path)


class Arrivals:
    """The checkpoints of a folder as they arrive, each told once when it is whole, and again when it has changed.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self.folder, self.told = folder, {}
        self.waiting = {}    # path -> (its state, since when it is so, since when it is waited for)

    def look(self):
        """Return (entries that are whole and were not told as they are now, whether others are being written)."""
        whole, waiting, now = [], {}, time.monotonic()
        for path in entries(self.folder):
            state = _state(path)
            if state is None or self.told.get(path) == state:
                continue
            before, since, first = self.waiting.get(path, (None, now, now))
            since = since if state == before else now
            if now - since >= PAUSE or now - first > PATIENCE or time.time() - state[0] > OLD:
                self.told[path] = state
                whole.append(path)
            else:
                waiting[path] = state, since, first
        self.waiting = waiting
        return whole, bool(waiting)

    def again(self, path):
        """Have an entry told once more, as it changed while it was read."""
        self.told.pop(path, None)


def _state(path):
    """Return (time of the last change, sizes) of a file, or of all files of a folder; None where it is gone."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    try:
        found = [(str(file), status.st_size, status.st_mtime_ns, status.st_ino) for file in files
                 for status in [os.stat(file)]]
    except OSError:
        return None
    return (max(entry[2] for entry in found) / 1e9, *found) if found else None
