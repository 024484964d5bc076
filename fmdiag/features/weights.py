"""Weights of feature networks: a path that the user gave, else the published file, downloaded if need be.

Published files lie in the folder ``weights`` of the data root. Downloads work as those of data sets do: where no hash
was published the first download is trusted and recorded; a name that ends in ``-HASH.pth`` carries the start of it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from fmdiag.datasets.cards import File
from fmdiag.datasets.download import fetch
from fmdiag.datasets.source import Reading, chosen_data_root
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256
from fmdiag.files.regular import check_regular


@dataclass(frozen=True)
class Published:
    """Where files of weights are published; what `fetch` reads of a data set's card.

    Parameters
    ----------
    base_url : str
        Folder of the files on the web.
    name : str
        Folder of the files below the data root.
    """

    base_url: str
    name: str = "weights"
    hint: str | None = None
    folders: tuple = ()
    debian: tuple = ()
    debian_folder: str | None = None


def weights_file(feature, weights, published, file_name, *, data_root=None, offline=False):
    """Return the path of a file of weights.

    Parameters
    ----------
    feature : str
        Its feature, for messages.
    weights : path or None
        What the user gave.
    published : Published or None
        Where else it can be had.
    file_name : str
        Its published name.

    Raises
    ------
    FmdiagError
        If it is not there and cannot be downloaded (the message names the file and its place), or is another file.
    """
    if weights is not None:
        return existing(feature, weights)
    reading = Reading(data_root=chosen_data_root(data_root), offline=bool(offline))
    try:
        path = fetch(published, File(file_name), reading)
    except FmdiagError as error:
        raise FmdiagError(f"feature {feature}: {error}; or give its path as weights (--feature-weights "
                          f"{feature}=PATH)") from error
    _check_own_hash(path)
    return path


def existing(feature, weights):
    """Return the path that a user gave as weights, which must exist."""
    path = Path(weights).expanduser()
    if not path.exists():
        raise FmdiagError(f"feature {feature}: {path}: no such file or folder of weights; check the path")
    if not path.is_dir():
        check_regular(path, f"file or folder of weights for feature {feature}")
    return path


def _check_own_hash(path):
    """Refuse a file whose name carries the first digits of its SHA-256 when it has another."""
    promised = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if promised and not file_sha256(path).startswith(promised[1]):
        raise FmdiagError(f"{path}: its SHA-256 does not begin with {promised[1]}, as its name says: it is damaged or "
                          "another file; delete it to fetch it again")
