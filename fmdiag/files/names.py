r"""File names that are no UTF-8: libraries in C++ and Rust cannot spell them and read through a link with a plain name.

What cannot be spelt is shown escaped, in messages, tables and JSON: ``\udcff`` stands for the byte 255.
"""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def spelt(path):
    """Yield a path that every library can spell: `path` itself, or a link to it that lives as long as the context.

    A file that is open or mapped by then stays so.
    """
    if is_utf8(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="fmdiag-") as folder:
        link = Path(folder, f"file{ascii(Path(path).suffix)[1:-1]}".replace("\\", ""))
        link.symlink_to(os.path.realpath(path))
        yield link


def is_utf8(path):
    """Return whether a path's name is UTF-8."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
