"""A staged folder: built under a temporary name beside its destination, renamed when complete, so whole or absent."""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.destination import check_destination
from fmdiag.files.marker import FILE, foreign_entry, marker_text, read_marker, remove_marked
from fmdiag.files.replace import remedy, umask


@contextlib.contextmanager
def partial_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, under a temporary name; it is removed afterwards unless it was renamed."""
    folder = Path(tempfile.mkdtemp(dir=Path(path).parent, prefix=f".{Path(path).name}.", suffix=".partial"))
    try:
        folder.chmod(0o777 & ~umask())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class OccupiedError(FmdiagError):
    """Raised where something came to lie at the destination while the folder was made: the work need not be lost."""


class StagedFolder:
    """A folder under construction; use it as a context manager.

    Parameters
    ----------
    out : path
        Destination; it must not exist unless `overwrite`, which replaces it only once the new folder is complete.
    kind : str
        As in `fmdiag.files.marker.Marker`: a folder is replaced by one of its own kind only.
    overwrite : bool
        Whether an earlier folder of that kind may be replaced, if nothing but its own files is in it.

    Raises
    ------
    FmdiagError
        If the destination exists and may not be replaced, or cannot be written.
    """

    path: Path   # once it is entered

    def __init__(self, out: str | Path, kind: str = "run", *, overwrite: bool = False):
        self.out, self.kind, self.overwrite = Path(out), kind, overwrite
        self.stack = contextlib.ExitStack()
        self.check()

    def check(self):
        """Raise FmdiagError unless the destination is free or may be replaced."""
        check_destination(self.out, self.kind, overwrite=self.overwrite)

    def __enter__(self):
        """Create the temporary folder beside the destination."""
        self.made = [folder for folder in self.out.parents if not folder.exists()]
        with self.writing("the folder"):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path = self.stack.enter_context(partial_folder(self.out))
        return self

    def __exit__(self, kind, error, traceback):
        """Mark the folder and rename it on success, remove it on failure."""
        if kind is not None:
            self._abandon()
            return
        try:
            with self.writing("the folder"):
                (self.path / FILE).write_text(marker_text(self.path, self.kind))
            self._check_again()
            self._publish()
        except BaseException:
            self._abandon()
            raise
        self.stack.close()

    def _check_again(self):
        """Another process may have made a folder of this name meanwhile, or put something into the one there."""
        try:
            self.check()
        except FmdiagError as error:
            raise OccupiedError(f"{error}; it was not so when this began") from error

    def _abandon(self):
        self.stack.close()
        for folder in self.made:
            # Only empty folders can be removed this way: what others put there in the meantime stays.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _publish(self):
        if not os.path.lexists(self.out):
            os.replace(self.path, self.out)
            return
        retired = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.", suffix=".old"))
        try:
            os.replace(self.out, retired / "run")
            self._check_retired(retired / "run")
            os.replace(self.path, self.out)
        except BaseException:
            if not self.out.exists():
                os.replace(retired / "run", self.out)
            retired.rmdir()
            raise
        remove_retired(retired)

    def _check_retired(self, folder):
        """Look again once nobody finds the folder by its name any more."""
        marker = read_marker(folder)
        foreign = "no marker" if marker is None else foreign_entry(folder, marker)
        if foreign is not None:
            raise OccupiedError(f"{self.out} holds {foreign}: move that away, or choose another --out")

    @contextlib.contextmanager
    def writing(self, what):
        """Raise an OSError from within as an FmdiagError that names the destination, not the temporary folder."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise FmdiagError(f"{self.out}: {what} cannot be written ({reason}); {remedy(error)}") from error


def remove_retired(retired):
    """Remove the folder that an earlier output was put aside in, but for what fmdiag did not write: that stays, said.

    Parameters
    ----------
    retired : Path
        ``.NAME.xxxxxxxx.old``, which holds the earlier output as ``run``.
    """
    folder = retired / "run"
    marker = read_marker(folder)
    if marker is not None:
        remove_marked(folder, marker)
    with contextlib.suppress(OSError):
        folder.rmdir()
    with contextlib.suppress(OSError):
        retired.rmdir()
    if retired.exists():
        warnings.warn(f"{folder} holds files that fmdiag did not write, so it stays: move them where you want them",
                      FmdiagWarning, stacklevel=2)
