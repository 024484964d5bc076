"""Unpacks a zip or tar archive into a folder: regular files and folders only, under names that stay inside.

Links, devices and pipes are refused, and so are names that are absolute, climb, hold a backslash, a drive letter or a
NUL, and two names that are one on systems that fold case or compose letters. Modes, owners and times are not restored.
"""

import os
import unicodedata
from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import AT_ONCE
from fmdiag.files.tars import tar_members
from fmdiag.files.zips import Zip

DEEPEST = 64           # folders above a file
LONGEST_PART = 255     # bytes


def unpack(archive, folder, wanted=None):
    """Write the members of an archive into an empty folder that nobody else writes to.

    Parameters
    ----------
    archive : path
        A zip where its name ends in ``.zip``, else a tar.
    folder : path
        Existing and empty; what was written until an error stays there.
    wanted : callable, optional
        ``wanted(name)`` tells, of a file's path within the archive, whether it is one that somebody reads.

    Raises
    ------
    FmdiagError
        If the archive is damaged, unpacks to too much, holds anything but regular files and folders under safe names,
        or nothing that is wanted.
    OSError
        If the folder cannot be written to.
    """
    names, found = _Names(archive, Path(folder)), False
    for member, stream in _members(Path(archive)):
        place = names.place(member)
        found = found or (member.kind == "file" and (wanted is None or wanted(member.name)))
        if member.kind == "file":
            _write(place, stream)
    if not found:
        raise FmdiagError(f"{archive}: holds no file that a reader knows; give an archive of pictures or of one data "
                          "file")


def listed(archive):
    """Return the files of an archive without unpacking it: a list of (parts of the path, member), in its own order.

    Of the members of a tar, `read` is of no use any more.

    Raises
    ------
    FmdiagError
        As `unpack`.
    """
    names, archive = _Names(archive, None), Path(archive)
    if not archive.name.lower().endswith(".zip"):
        found = [(names.place(member), member) for member in tar_members(archive)]
    else:
        with Zip(archive) as opened:
            found = [(names.place(member), member) for member in opened.members()]
    return [(parts, member) for parts, member in found if member.kind == "file"]


def _members(archive):
    """Yield (member, function that gives its bytes, a part at a time) of either kind of archive."""
    if not archive.name.lower().endswith(".zip"):
        for member in tar_members(archive):
            yield member, member.read
        return
    with Zip(archive) as opened:
        for member in opened.members():
            if member.kind != "file":
                yield member, None
                continue
            with opened.open(member) as stream:
                yield member, stream.read


def _write(place, read):
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666)
    with os.fdopen(handle, "wb") as file:
        while part := read(AT_ONCE):
            file.write(part)


class _Names:
    """Where members go, nowhere without a folder, and which names were given out."""

    def __init__(self, archive, folder):
        self.archive, self.folder, self.files, self.folders = archive, folder, set(), {}

    def place(self, member):
        """Return where a file goes, its folders made, or make a folder; refuse what must not be written.

        Without a folder, return the parts of the path below it.
        """
        if member.kind not in ("file", "folder"):
            raise self._refused(member, f"is a {member.kind}")
        parts = self._parts(member)
        for depth in range(1, len(parts) + (member.kind == "folder")):
            self._make_folder(member, parts[:depth])
        if member.kind == "file":
            key = hash(_folded(parts))
            if not parts or key in self.files or key in self.folders:
                raise self._refused(member, "comes twice, or under names that some systems take for one")
            self.files.add(key)
        return parts if self.folder is None else self.folder.joinpath(*parts)

    def _make_folder(self, member, parts):
        key, exact = hash(_folded(parts)), hash(parts)
        if key in self.files or self.folders.get(key, exact) != exact:
            raise self._refused(member, "lies in a folder under two names, or in a file")
        if key not in self.folders:
            self.folders[key] = exact
            if self.folder is not None:
                self.folder.joinpath(*parts).mkdir()

    def _parts(self, member):
        name = member.name
        if "\0" in name or not name:
            raise self._refused(member, "has no name that a file may have")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or "\\" in name or name[1:2] == ":" or ".." in parts:
            raise self._refused(member, "would be written outside its folder")
        if len(parts) > DEEPEST or any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_PART for part in parts):
            raise self._refused(member, "has a name that is too long or too deep")
        return parts

    def _refused(self, member, reason):
        return FmdiagError(f"{self.archive}: member {member.name[:200]!r} {reason}: archive refused")


def _folded(parts):
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold()) for part in parts)
