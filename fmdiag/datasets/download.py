"""Download of a named set's files, and the check that they are the right ones.

A file that the user placed in the data root is used as it is. Else it is downloaded: checked against the published hash
where there is one; otherwise the first download is trusted and its SHA-256 recorded in ``downloads.json`` in the data
root, against which every later download is checked. FMDIAG_MIRROR replaces the address: ``FMDIAG_MIRROR/SET/FILE``.
What is published over https is not followed to http, and no download is larger than `LARGEST`.
"""

import json
import os
import sys
from pathlib import Path

import pooch
import requests
from rich.console import Console
from rich.progress import Progress

from fmdiag.datasets.cache import writing_to
from fmdiag.datasets.extract import is_archive
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256
from fmdiag.files.regular import read_text
from fmdiag.results import replace_atomically

LOCK = "downloads.json"
TIMEOUT = 30  # seconds without a byte
CHUNK_BYTES = 1 << 16
LARGEST = 1 << 32  # bytes; the largest file that is known, Imagenette's, has 1.6e9


def find(card, file, root):
    """Return where a file of a set lies below the data root, or None."""
    places = [root / folder for folder in (card.name, *card.folders, ".")]
    return next((place / file.name for place in places if (place / file.name).is_file()), None)


def fetch(card, file, reading):
    """Return the path of a file of a named set, downloading it if it is not there.

    Parameters
    ----------
    card : Card
        The set.
    file : File
        One of its files.
    reading : Reading
        Its data root, and whether downloads are allowed.

    Raises
    ------
    FmdiagError
        If it is not there and cannot be had, or is not the file that was published or recorded.
    """
    found = find(card, file, reading.root)
    if found:
        _check_unchanged(found, reading.root)
        return found
    destination = reading.root / card.name / file.name
    url = address(card, file)
    if reading.offline or url is None:
        raise _missing(card, destination, "downloads are off" if reading.offline else card.hint)
    expected = file.hash or _recorded(reading.root).get(_key(destination, reading.root), {}).get("hash")
    with writing_to(reading.root):
        destination.parent.mkdir(parents=True, exist_ok=True)
        _download(card, url, expected, destination)
        _record(destination, reading.root)
    return destination


def address(card, file):
    """Return the URL of a file, or None where it cannot be downloaded."""
    mirror = os.environ.get("FMDIAG_MIRROR")
    base = f"{mirror.rstrip('/')}/{card.name}" if mirror else card.base_url
    return f"{base.rstrip('/')}/{file.name}" if base else None


def _download(card, url, expected, destination):
    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(url, known_hash=expected, fname=destination.name, path=destination.parent, downloader=_stream)
    except _RefusedError as error:
        raise _missing(card, destination, str(error)) from error
    except requests.RequestException as error:
        raise _missing(card, destination, f"{url} could not be fetched: {_reason(error)}") from error
    except ValueError as error:
        raise FmdiagError(f"{card.name}: what {url} sent is not the file that was expected ({expected}): nothing was "
                          f"kept; get {destination.name} elsewhere and place it at {destination}") from error


def _stream(url, output_file, pooch):
    """Write what `url` sends to `output_file`; unlike pooch's own, it leaves no connection open after an error."""
    progress = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with requests.get(url, stream=True, timeout=TIMEOUT) as response, progress, open(output_file, "wb") as file:
        response.raise_for_status()
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise _RefusedError(f"{url} leads to {response.url}, which is not https")
        length, got = response.headers.get("Content-Length", ""), 0
        task = progress.add_task(url.rpartition("/")[2], total=int(length) if length.isdigit() else None)
        for chunk in response.iter_content(CHUNK_BYTES):
            got += len(chunk)
            if got > LARGEST:
                raise _RefusedError(f"{url} sends more than {LARGEST / 2**30:.0f} GiB")
            file.write(chunk)
            progress.update(task, advance=len(chunk))


class _RefusedError(Exception):
    """A download that is not gone on with; its text says why."""


def _missing(card, destination, reason):
    folder = destination.parents[1] / card.folders[0] if is_archive(destination) else None
    unpacked = f" (or what it unpacks to at {folder})" if folder else ""
    packages = f"; or install the Debian package {' '.join(card.debian)}" if card.debian_folder else ""
    return FmdiagError(f"{card.name}: {destination.name} is not here and was not downloaded ({reason}); place it at "
                       f"{destination}{unpacked}, or name its folder with --data-root{packages}")


def _reason(error):
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__


def _record(path, root):
    content = _recorded(root)
    status = path.stat()
    digest = f"sha256:{file_sha256(path)}"
    content[_key(path, root)] = {"hash": digest, "size": status.st_size, "modified": status.st_mtime_ns,
                                   "changed": status.st_ctime_ns, "inode": status.st_ino}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    replace_atomically(root / LOCK, lambda temporary: Path(temporary).write_text(text))


def _check_unchanged(path, root):
    """Refuse a downloaded file that is no longer what was downloaded; hashed only where size, times or inode differ."""
    known = _recorded(root).get(_key(path, root))
    status = path.stat()
    if known is None or [known.get(name) for name in ("size", "modified", "changed", "inode")] == [
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]:
        return
    if f"sha256:{file_sha256(path)}" != known.get("hash"):
        raise FmdiagError(f"{path}: no longer the file that was downloaded ({known.get('hash')}): delete it to fetch "
                          f"it again, or delete its entry in {root / LOCK} to use it as it is")


def _recorded(root):
    if not (root / LOCK).exists():
        return {}
    try:
        content = json.loads(read_text(root / LOCK))
    except FmdiagError:
        raise
    except (ValueError, RecursionError) as error:
        raise FmdiagError(f"{root / LOCK}: not readable as JSON; delete it") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise FmdiagError(f"{root / LOCK}: does not say what was downloaded; delete it")
    return content


def _key(path, root):
    return str(path.relative_to(root))
