"""What is known of each named data set: its card, ``data/NAME.toml``."""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class File:
    """A file that a named set is made from.

    Parameters
    ----------
    name : str
        File name, at the card's `base_url` and on disk.
    hash : str, optional
        ``"sha256:..."`` or ``"md5:..."`` as published; without it the first download is trusted and its hash recorded.
    """

    name: str
    hash: str | None = None


@dataclass(frozen=True)
class Card:
    """A named data set.

    Parameters
    ----------
    name, title, source, licence, citation : str
        What it is, where it comes from, on which terms, and what to cite.
    shape : tuple of int
        Of one row at the default size.
    n_train, n_test : int
        Rows to expect.
    model_range : str
        How stored values become what the network saw.
    size : int, optional
        Default image side, for sets whose pictures are cropped and resampled.
    base_url : str, optional
        Folder of the files on the web.
    folders : tuple of str
        Where below the data root the files are looked for; downloads go to the folder of the set's name.
    files : tuple of File
        What is downloaded.
    debian : tuple of str
        Debian packages that hold it.
    debian_folder : str, optional
        Where they put it.
    hint : str, optional
        How to get it where it cannot be downloaded.
    groups : str, optional
        What its rows are grouped by unless the user says otherwise; see `fmdiag.datasets.groups`.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    shape: tuple
    n_train: int
    n_test: int
    model_range: str
    size: int | None = None
    base_url: str | None = None
    folders: tuple = ()
    files: tuple = ()
    debian: tuple = ()
    debian_folder: str | None = None
    hint: str | None = None
    groups: str | None = None


@cache
def load_card(name):
    """Return the Card of a named set."""
    text = resources.files("fmdiag.data").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return card_from(name, tomllib.loads(text))


def card_from(name, content):
    """Return the Card of the content of a TOML file, a dict; an unknown key is an error.

    Raises
    ------
    TypeError
        If a key is unknown or a required one is missing: a mistake in the card.
    """
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    files = tuple(File(**file) for file in frozen.pop("files", ()))
    return Card(name=name, files=files, **frozen)


def plain(card):
    """Return a card as a dict of plain values, for ``fmdiag datasets --json``."""
    content = {field.name: getattr(card, field.name) for field in fields(card)}
    return content | {"files": [{"name": file.name, "hash": file.hash} for file in card.files]}
