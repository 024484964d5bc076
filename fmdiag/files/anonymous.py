"""Anonymous texts: names of files alone, no folders, hosts or user names, whatever the texts are about."""

import getpass
import os
import re
import socket
from pathlib import PurePath

# A path: absolute, of a home folder or above, with a folder before the name of a file, or of folders and a last slash.
PATH = re.compile(r"(?<![\w.+/-])(?:~|\.{1,2})?/[^\s'\",;:()=]+|(?:[\w.+-]+/)+[\w.+-]*\.[A-Za-z]\w*"
                  r"|(?:[\w.+-]+/)+(?=\s|$)")
FOLDERS = ("run", "rerun", "out", "study", "folder")   # keys whose values are folders
SHORTEST = 3   # letters; shorter names are words of every text


def anonymous(content, names=None):
    """Return plain values whose texts name files without their folders, and neither user nor host."""
    names = own_names() if names is None else names
    if isinstance(content, dict):
        return {key: _of_key(key, value, names) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [anonymous(value, names) for value in content]
    return _text(content, names) if isinstance(content, str) else content


def _of_key(key, value, names):
    """Return the value of a key, which is a command line, the name of a folder, or any other."""
    if key == "command":
        return _command(value, names)
    if key in FOLDERS and isinstance(value, str):
        return _text(PurePath(value).name, names)
    return anonymous(value, names)


def own_names():
    """Return what names this user and this machine."""
    found = {socket.gethostname(), os.path.basename(os.path.expanduser("~"))}
    try:
        found.add(getpass.getuser())
    except (OSError, KeyError):
        pass
    return sorted((name for name in found if len(name) >= SHORTEST and name != "root"), key=len, reverse=True)


def _text(text, names):
    text = PATH.sub(lambda match: PurePath(match[0]).name + "/" * match[0].endswith("/"), text)
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "anonymous", text)
    return text


def _command(value, names):
    """Return a command line whose words have no folder before them."""
    if not isinstance(value, str):
        return anonymous(value, names)
    return _text(re.sub(r"[^\s'\"=]*/([^\s'\"/=]*)", r"\1", value), names)


def anonymous_table(table, names=None):
    """Return a DataFrame whose texts are anonymous."""
    texts = [column for column in table if table[column].dtype == object or str(table[column].dtype) == "str"]
    names = own_names() if names is None else names
    return table.assign(**{column: table[column].map(lambda value: anonymous(value, names)) for column in texts})
