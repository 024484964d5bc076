"""SHA-256 of files and of all files of a folder."""

import hashlib
from pathlib import Path


def file_sha256(file):
    """Return the SHA-256 (hex) of a file's bytes."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums(folder, but=()):
    """Return {path below the folder: SHA-256} of its files, but for some names."""
    folder = Path(folder)
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in sorted(folder.rglob("*"))
            if file.is_file() and file.relative_to(folder).as_posix() not in but}
