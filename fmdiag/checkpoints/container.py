"""Kind of program in a file: TorchScript, torch.export, torch.package, by the names in its zip, not by its own.

A file that holds a program is one, whatever else it holds too: its end is a zip's, and other bytes may come before.
"""

import re

from fmdiag.files.torch_zip import torch_zip
from fmdiag.files.zips import is_zip

# What torch's own loaders look for, in any folder of the archive: they compare names without regard to case.
MARKS = {"script": r"constants\.pkl|bytecode\.pkl|code/(.*/)?[^/]*\.py",
         "export": r"archive_format|serialized_exported_program\.json|models/[^/]*\.json|data/aotinductor/.*",
         "package": r"\.data/(extern_modules|python_version)"}
PROGRAMS = {"script": "a TorchScript program", "export": "a torch.export program", "package": "a torch.package"}


def program_in(file):
    """Return ``"script"``, ``"export"`` or ``"package"``; None where the file is no zip of a program.

    Raises
    ------
    FmdiagError
        If it is a zip whose list of files cannot be read.
    """
    if not is_zip(file):
        return None
    names = [name.lower().replace("\\", "/") for name in members(file)]
    return next((kind for kind, marks in MARKS.items()
                 if any(re.search(rf"(^|/)({marks})$", name) for name in names)), None)


def members(file):
    """Return the names in a zip.

    Raises
    ------
    FmdiagError
        If they cannot be read.
    """
    with torch_zip(file) as archive:
        return archive.names()
