"""Which checkpoints come with the package?"""

from importlib.resources import as_file, files

from fmdiag.errors import FmdiagError


def bundled_checkpoint(name="digits"):
    """Return the path of the checkpoint NAME that is installed with fmdiag.

    Raises
    ------
    FmdiagError
        If there is none of that name.
    """
    resource = files("fmdiag.data") / f"{name}.pt"
    if not resource.is_file():
        raise FmdiagError(f"no bundled checkpoint {name!r}: give a checkpoint file of your own")
    with as_file(resource) as path:
        return path
