"""Trust in files: the user's own lie in the working folder; the code in one runs only with consent, and a warning."""

import warnings
from pathlib import Path

from fmdiag.errors import FmdiagError, FmdiagWarning

TRUST = ("--trust-code (in Python trust_code=True) runs the code that this file names, with your rights; give it only "
         "if you trust where the file comes from")


def check_trust(file, what, trusted):
    """Refuse a file that runs code unless it is trusted; where it is, warn.

    Parameters
    ----------
    file : path
        For the message.
    what : str
        What the file is, e.g. ``"a TorchScript program"``.
    trusted : bool
        Whether the user allowed files to run code.

    Raises
    ------
    FmdiagError
        If `trusted` is False.
    """
    if not trusted:
        raise FmdiagError(f"{file} is {what}, which asks to run code, and was not loaded; {TRUST}")
    warnings.warn(f"{file} is {what}: {TRUST}", FmdiagWarning, stacklevel=3)


def is_of_user(path):
    """Return whether a path lies in the working folder or below, links followed."""
    return Path(path).resolve().is_relative_to(Path.cwd())
