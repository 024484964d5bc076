"""SHA-256 hashes (hex) of files, folders, texts, arrays and weights."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from fmdiag.files.regular import open_regular


def file_sha256(file) -> str:
    """Return the SHA-256 of a regular file's bytes.

    Raises
    ------
    FmdiagError
        If it is not there, is no regular file, or cannot be read.
    """
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def folder_sha256(folder) -> str:
    """Return the SHA-256 of the names and hashes of a folder's files."""
    return text_sha256("".join(f"{name} {digest}\n" for name, digest in sums(folder).items()))


def arrays_sha256(*arrays, header: str = "") -> str:
    """Return the SHA-256 of a text and of the bytes of NumPy arrays."""
    digest = hashlib.sha256(header.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def weights_sha256(weights: Mapping, header: str = "") -> str:
    """Return the SHA-256 of a text and of named tensors, a dict: of each its name and bytes, in the order of names."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def sums(folder, but: Collection[str] = ()) -> dict[str, str]:
    """Return {path below the folder: SHA-256} of its files, but for some names."""
    folder = Path(folder)
    return {name: file_sha256(file) for file in sorted(folder.rglob("*"))
            if file.is_file() and (name := file.relative_to(folder).as_posix()) not in but}
