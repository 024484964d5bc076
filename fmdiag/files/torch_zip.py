"""A file of ``torch.save`` before torch reads it: its records may not become more than they are.

torch stores tensors as they are, and makes room for what the archive's directory says that a record unpacks to. Only
programs hold packed records, their sources. torch takes places in the archive as they are written, and names without
regard to case: an archive in which others would see something else is refused.
"""

import tarfile

from fmdiag.errors import FmdiagError
from fmdiag.files.bounded import Budget
from fmdiag.files.regular import check_regular, open_regular
from fmdiag.files.zips import Zip, is_zip

RATIO = 4   # weights that somebody packed once more become little smaller


def torch_zip(path):
    """Return the `Zip` of a torch file, opened.

    Raises
    ------
    FmdiagError
        If it is damaged, or torch would find another list of records than other readers.
    """
    archive = Zip(path, "torch file")
    try:
        names = archive.names()
        if archive.shift or len({name.lower() for name in names}) < len(names):
            reason = "other bytes before it" if archive.shift else "two records whose names differ in case only"
            raise FmdiagError(f"{path}: its archive has {reason}: refused; save it again with torch.save")
    except BaseException:
        archive.file.close()
        raise
    return archive


def check_records(path):
    """Return the sizes of the records that are stored as they are, a set; empty for a file that is no zip.

    Raises
    ------
    FmdiagError
        If it is no regular file or a tar, the archive is damaged, records overlap, or packed ones say that they become
        far more than the file.
    """
    length = check_regular(path, "torch file").st_size
    if not is_zip(path):
        if _is_tar(path):
            raise FmdiagError(f"{path} is a tar archive, as torch wrote long ago and would unpack: refused; unpack it "
                              "yourself, or save its tensors again with torch.save")
        return set()
    packed, stored = Budget(path, length, ratio=RATIO), []
    with torch_zip(path) as archive:
        for member in archive.by_name().values():
            if member.method == 0:
                stored.append(member.size)
            else:
                packed.foresee(member.size)
                packed.spent += member.size
    if sum(stored) > length:
        raise FmdiagError(f"{path}: its records are {sum(stored)} bytes, the file {length}: they overlap: refused; "
                          "save it again with torch.save")
    return set(stored)


def _is_tar(path):
    """Return whether torch would take a file for a tar archive: its first header is right, or empty."""
    with open_regular(path, "torch file") as file:
        head = file.read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # pyright: ignore[reportAttributeAccessIssue]
        return True
    except tarfile.HeaderError:
        return False
    return True
