"""Rows of a zip or tar archive of pictures, read in place: nothing is unpacked, and they are those of its folder.

In sorted order of their paths, with classes, as a folder's (see `images`). A tar is read forwards only: one whose
members come in another order is left to be unpacked, and so is any archive of more than pictures, or of two parts.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np

from fmdiag.datasets.decoded import decoded_rows
from fmdiag.datasets.readers.images import class_labels, is_picture
from fmdiag.datasets.source import TEST_NAMES, Part
from fmdiag.datasets.source_files import SourceFiles
from fmdiag.files.tars import tar_members
from fmdiag.files.unpack import listed
from fmdiag.files.zips import Zip

LARGEST = 1 << 28       # bytes of one encoded picture
HIDDEN = (".", "__MACOSX")


def read(archive, reading, is_read):
    """Return the one part of an archive, or None where it is to be unpacked.

    Parameters
    ----------
    archive : Path
        The file.
    reading : Reading
        How.
    is_read : callable
        Whether a path in an archive is one that any reader looks at.

    Raises
    ------
    FmdiagError
        If the archive is damaged, or holds anything but regular files and folders under safe names.
    """
    files = [(parts, member) for parts, member in listed(archive) if not parts[0].startswith(HIDDEN)]
    if not all(is_picture(parts[-1]) or not is_read("/".join(parts)) for parts, _ in files):
        return None
    tops = {parts[0] for parts, _ in files}
    depth = int(len(tops) == 1 and all(len(parts) > 1 for parts, _ in files))   # a single top folder is entered
    if any(len(parts) > depth + 1 and parts[depth].lower() in ("train", *TEST_NAMES) for parts, _ in files):
        return None
    chosen = [(parts[depth:], member) for parts, member in files
              if is_picture(parts[-1]) and not any(part.startswith(HIDDEN) for part in parts[depth:-1])]
    order = sorted(range(len(chosen)), key=lambda k: chosen[k][0])
    zipped = archive.name.lower().endswith(".zip")
    if not chosen or not (zipped or order == list(range(len(chosen)))):
        return None
    contents = partial(_of_zip if zipped else _of_tar, archive, [chosen[k][1] for k in order])
    return {"all": partial(_part, archive, [chosen[k][0] for k in order], contents, reading)}


def _part(archive, paths, contents, reading):
    rows, kept, n_turned = decoded_rows(contents, SourceFiles.of([archive], verify=reading.verify), ("archive", 1),
                                        reading, name=os.fspath(archive))
    labels = class_labels([os.sep.join(parts) for parts in paths])
    return Part(rows, None if labels is None else np.asarray(labels)[kept], n_turned=n_turned,
                files=lambda: ["/".join(paths[k]) for k in kept])


def _of_zip(archive, members):
    with Zip(archive) as opened:
        for member in members:
            yield f"{archive}: {member.name}", opened.read(member, LARGEST) if member.size <= LARGEST else b""


def _of_tar(archive, members):
    wanted = iter(members)
    one = next(wanted)
    for member in tar_members(Path(archive)):
        if one is not None and (member.name, member.kind) == (one.name, "file"):
            yield f"{archive}: {member.name}", _whole(member) if member.size <= LARGEST else b""
            one = next(wanted, None)


def _whole(member):
    parts = []
    while part := member.read(1 << 20):
        parts.append(part)
    return b"".join(parts)
