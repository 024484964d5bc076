"""The marker of a folder that fmdiag wrote: of which kind it is, and which of its files are fmdiag's own.

``.fmdiag.json`` holds format, version, kind (run, comparison, canaries, training, study) and every file that was
written, by its path below the folder, with its size and SHA-256. A folder is replaced only where nothing else is in it,
and only what the marker names is ever removed.
"""

import contextlib
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fmdiag.files.replace import replace_atomically

FILE, FORMAT, VERSION = ".fmdiag.json", "fmdiag-folder", 1
LARGEST = 64 << 20  # bytes of a marker that are read


@dataclass(frozen=True)
class Marker:
    """What a marker says.

    Parameters
    ----------
    kind : str
        What the folder is: ``"run"``, ``"comparison"``, ``"canaries"``, ``"training"`` or ``"study"``.
    files : dict
        Path below the folder, with ``/`` -> (size in bytes, SHA-256) of each file that fmdiag wrote.
    """

    kind: str
    files: dict


def marker_text(folder, kind, names=None):
    """Return what the marker of a folder is to say of the files that are in it now, as text.

    Parameters
    ----------
    folder : path
    kind : str
    names : iterable of str, optional
        Paths below the folder that are fmdiag's; default all files in it. Those that are not there are left out.
    """
    folder = Path(folder)
    if names is None:
        names = [name for name, entry in _walk(folder) if stat.S_ISREG(entry.st_mode)]
    files = {name: facts for name in {*names} - {FILE} if (facts := _facts(folder / name)) is not None}
    return _text(kind, files)


def write_marker(folder, kind, names=None):
    """Mark a folder that is in use already; parameters as in `marker_text`."""
    _write(Path(folder), marker_text(folder, kind, names))


def note_files(folder, files):
    """Add files that were written into a marked folder, or written anew, to its marker; nothing where it has none.

    Parameters
    ----------
    folder : path
    files : iterable of Path
        Below the folder.
    """
    marker = read_marker(folder)
    if marker is not None:
        # Files that others changed are not taken for ours: what the marker says of the rest stays as it was.
        changed = {name: facts for file in files if (facts := _facts(file))
                   for name in [Path(file).relative_to(folder).as_posix()]}
        _write(Path(folder), _text(marker.kind, marker.files | changed))


def read_marker(folder):
    """Return the Marker of a folder, or None where it has none that this version wrote and understands."""
    try:
        handle = os.open(Path(folder) / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode) or os.fstat(handle).st_size > LARGEST:
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return _parsed(json.loads(stream.read()))
    return None


def changed_file(folder, files):
    """Return the first of `files` that a marked folder's marker names and that was changed since, None if none was."""
    marker = read_marker(folder)
    return next((name for name in files if marker is not None and name in marker.files
                 and _facts(Path(folder) / name) not in (None, marker.files[name])), None)


def foreign_entry(folder, marker):
    """Return what lies in a folder and is not as fmdiag wrote it, as a phrase for a message; None if there is nothing.

    Files of others, files that were changed after fmdiag wrote them, links, empty folders and mounted file systems.
    """
    folder = Path(folder)
    folders = {str(above) for name in marker.files for above in PurePosixPath(name).parents}
    for name, entry in _walk(folder):
        if stat.S_ISDIR(entry.st_mode):
            if name not in folders or entry.st_dev != os.lstat(folder).st_dev:
                return f"{name}/, which fmdiag did not write"
        elif name not in marker.files and name != FILE:
            return f"{name}, which fmdiag did not write"
        elif name != FILE and (not stat.S_ISREG(entry.st_mode) or _facts(folder / name) != marker.files[name]):
            return f"{name}, which was changed after fmdiag wrote it"
    return None


def remove_marked(folder, marker):
    """Remove the files that a marker names, then the marker, then folders that are empty; return whether all is gone.

    Whatever else lies there stays. Interrupted, it can be called again: the marker is the last file to go.
    """
    folder = Path(folder)
    for name in marker.files:
        # Not through a link that has taken the place of a folder.
        if all(not (folder / above).is_symlink() for above in PurePosixPath(name).parents):
            (folder / name).unlink(missing_ok=True)
    for above in sorted({above for name in marker.files for above in PurePosixPath(name).parents}, reverse=True):
        if above != PurePosixPath("."):
            _remove_empty(folder / above)
    if [name for name, _ in _walk(folder)] in ([], [FILE]):
        (folder / FILE).unlink(missing_ok=True)
    return _remove_empty(folder)


def _text(kind, files):
    content = {"format": FORMAT, "version": VERSION, "kind": kind,
               "files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in sorted(files.items())}}
    return json.dumps(content, indent=1) + "\n"


def _write(folder, text):
    replace_atomically(folder / FILE, lambda temporary: Path(temporary).write_text(text))


def _remove_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not os.path.lexists(folder)


def _walk(folder, below=""):
    """Yield (path below the folder, lstat) of everything in it; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{below}{entry.name}"
            status = entry.stat(follow_symlinks=False)
            yield name, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path, f"{name}/")


def _facts(file):
    """Return (size, SHA-256) of a regular file, None where there is none."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            return os.fstat(stream.fileno()).st_size, hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _parsed(content):
    """Return the Marker in a marker's content, None where it is not of this format; raise where it is malformed."""
    if content["format"] != FORMAT or content["version"] != VERSION or not isinstance(content["kind"], str):
        return None
    files = {name: (entry["size"], entry["sha256"]) for name, entry in content["files"].items()}
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != name or name == FILE:
            return None
    return Marker(content["kind"], files)
