"""The destination of an output folder: what may be made there, and what may be replaced, asked before any work."""

import json
import os
import re
from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.files.marker import foreign_entry, read_marker
from fmdiag.files.replace import check_writable

LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes, of most file systems and of the system's calls
BESIDE, BELOW = 20, 150  # what the names of temporary folders beside the output, and of files in it, add
ANOTHER = "choose another --out"


def check_destination(out, kind="run", *, overwrite=False):
    """Raise FmdiagError unless a folder of this kind can be made at `out`; nothing is written.

    Parameters
    ----------
    out : path
        Where the folder is to be.
    kind : str
        As in `fmdiag.files.marker.Marker`.
    overwrite : bool
        Whether a folder of the same kind, in which nothing but its own files lies, may be there to be replaced.

    Raises
    ------
    FmdiagError
        If the name cannot be one, or is that of a file, a link, a mounted file system, the working or home folder or
        one above them, or of a folder that may not be replaced; or if nothing can be written there.
    """
    check_name(out)
    path = Path(out)
    if os.path.lexists(path):
        check_place(path)
        _check_content(path, kind, overwrite)
        for folder in (path, *filter(Path.is_dir, path.rglob("*"))):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise FmdiagError(f"{folder} cannot be written: check its permissions, or {ANOTHER}")
    check_writable(path)


def check_new_file(file, option):
    """Raise FmdiagError unless a file can be made at `file`, which `option` named; one that is there is kept."""
    check_name(file, option)
    if os.path.lexists(file):
        raise FmdiagError(f"{option} {file}: exists and is not replaced: remove it, or give another name")
    check_writable(file, option)


def slug(name):
    """Return a name of a data set or file as the name of a folder: letters, digits, dots and hyphens, never empty."""
    text = re.sub(r"[^\w.]+", "-", str(name)).strip("-._")
    return text.encode()[:80].decode(errors="ignore") or "data"


def check_name(out, option="--out"):
    """Raise FmdiagError if `out`, which `option` named, cannot be the name of a new file or folder."""
    try:
        parts = [len(os.fsencode(part)) for part in Path(out).parts]
    except UnicodeEncodeError as error:
        wrong = repr(error.object[error.start])
        raise FmdiagError(f"{out}: a name of files cannot hold {wrong}: choose another {option}") from error
    if "\0" in str(out):
        raise FmdiagError(f"{out}: a name of files cannot hold a null character: choose another {option}")
    if max([0, *parts, parts[-1] + BESIDE if parts else 0]) > LONGEST_NAME or sum(parts) + len(parts) + len(
            os.fsencode(Path.cwd())) + BELOW > LONGEST_PATH:
        raise FmdiagError(f"{out}: the name is too long (at most {LONGEST_NAME - BESIDE} bytes, "
                          f"{LONGEST_PATH - BELOW} for the path): choose a shorter {option}")


def check_place(path):
    """Raise FmdiagError if a path that is there is no folder, or is the working or home folder or one above them."""
    path = Path(path)
    if not path.is_dir():
        raise FmdiagError(f"{path} is a file, not a folder: {ANOTHER}")
    real = path.resolve()
    for name, place in (("working folder", Path.cwd()), ("home folder", Path.home())):
        if real in (place.resolve(), *place.resolve().parents):
            raise FmdiagError(f"{path} is the {name} or holds it: {ANOTHER}, such as reports/mine")
    if path.name in ("", ".."):
        raise FmdiagError(f"{path} ends in no name of a folder: {ANOTHER}")


def _check_content(path, kind, overwrite):
    if path.is_symlink():
        raise FmdiagError(f"{path} is a link to a folder, which is never replaced: {ANOTHER}")
    if os.path.ismount(path):
        raise FmdiagError(f"{path} is a mounted file system, which is never replaced: choose a folder in it as --out")
    marker = read_marker(path)
    if marker is None and _is_of_version_0_1(path):
        raise FmdiagError(f"{path} exists and was written by an fmdiag that kept no list of its files, so it is never "
                          f"replaced: move it away, or {ANOTHER}")
    if marker is None:
        raise FmdiagError(f"{path} exists and is not a {kind} folder: {ANOTHER}")
    if marker.kind != kind:
        raise FmdiagError(f"{path} exists and is a {marker.kind} folder, not a {kind} folder: {ANOTHER}")
    foreign = foreign_entry(path, marker)
    if foreign is not None:
        raise FmdiagError(f"{path} exists and holds {foreign}: move that away, or {ANOTHER}")
    if not overwrite:
        raise FmdiagError(f"{path} exists: {ANOTHER}, or --overwrite to replace that {kind} folder")


def _is_of_version_0_1(path):
    try:
        run = json.loads((path / "run.json").read_bytes()[: 1 << 24])
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(run, dict) and isinstance(run.get("fmdiag"), str) and "name" in run
