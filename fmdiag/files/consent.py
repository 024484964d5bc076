"""Consent to run code that was given before: remembered by content in the user's configuration folder."""

import contextlib
import hashlib
from pathlib import Path

import platformdirs


def consents():
    """Return the folder of the consents that were given, an empty file each; removing one takes it back."""
    return Path(platformdirs.user_config_dir("fmdiag")) / "trusted"


def content_hash(parts):
    """Return the SHA-256 (hex) of names and contents, an iterable of (str, bytes)."""
    digest = hashlib.sha256()
    for name, content in parts:
        head = f"{len(content)} {name}\n".encode("utf-8", "surrogateescape")
        digest.update(len(head).to_bytes(8, "little") + head + content)
    return digest.hexdigest()


def is_remembered(key):
    """Return whether consent was given to this content."""
    return (consents() / key).is_file()


def remember(key):
    """Remember the consent to this content; where the folder cannot be written the user is asked again."""
    with contextlib.suppress(OSError):
        consents().mkdir(parents=True, exist_ok=True)
        (consents() / key).touch()
