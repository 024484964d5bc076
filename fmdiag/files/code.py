"""The code that made a result, named by version and hash: the version alone would not tell that it was changed."""

import functools
import hashlib
from pathlib import Path

import fmdiag

SHOWING = ("figures", "report", "cli")  # what only shows results decides none


@functools.cache
def code_hash(*folders):
    """Return the SHA-256 of our own source, and of every Python file below further folders.

    Parameters
    ----------
    *folders : Path
        Added to the package's own folder.
    """
    return _hash([file for folder in (_here(), *folders) for file in folder.rglob("*.py")])


@functools.cache
def deciding_code():
    """Return the SHA-256 of the source that decides numbers: figures, pages and commands are left out."""
    return _hash([file for file in _here().rglob("*.py") if file.relative_to(_here()).parts[0] not in SHOWING])


def made_by():
    """Return version and code of this fmdiag, as a text to be compared and shown."""
    return f"{fmdiag.__version__} ({deciding_code()[:12]})"


def _here():
    return Path(fmdiag.__file__).parent


def _hash(files):
    digest = hashlib.sha256(fmdiag.__version__.encode())
    for file in sorted(files):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()
