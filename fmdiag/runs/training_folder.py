"""The folder of a training run: filled as training goes on, so that --resume can continue it after any interruption."""

import contextlib
import datetime
import os
import time
from pathlib import Path

from fmdiag.files.lock import Lock
from fmdiag.files.marker import FILE as MARKER

KIND, STATE, CHECKPOINT = "training", "state.pt", "checkpoint.pt"
FILES = (STATE, CHECKPOINT, "tables/loss.parquet", "tables/loss.csv", "run.json")


@contextlib.contextmanager
def locked(path, wanted=True, *, resume=False):
    """Hold the folder of a training run, from before it is looked at; a second process is refused.

    What a process that was killed left half-written in it is removed.
    """
    from fmdiag.files.destination import check_name, check_place
    from fmdiag.results import check_writable

    path, real = Path(path), Path(os.path.abspath(path))
    lock = Lock(real.parent / f".{real.name}.lock", path)
    if wanted:
        check_name(path)
        if os.path.lexists(path) and not resume:
            check_place(path)
        check_writable(path / STATE)
        lock.acquire()
    try:
        if wanted:
            _clear_partial(path)
        yield
    finally:
        lock.release()


class TrainingFolder:
    """Holds ``state.pt`` (to resume), ``checkpoint.pt`` (to measure), ``tables/loss`` and, at the end, ``run.json``.

    Parameters
    ----------
    path : path
        The folder.
    resume : bool
        Whether it must hold a run to continue; otherwise it must hold nothing.
    """

    def __init__(self, path, *, resume):
        from fmdiag.errors import FmdiagError
        from fmdiag.results import check_writable

        self.path = Path(path)
        check_writable(self.path / STATE)
        self.started, self.clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        has_state = (self.path / STATE).is_file()
        if resume and not has_state:
            raise FmdiagError(f"{self.path} holds no run to resume (no {STATE}): leave out --resume to start one")
        occupied = self.path.exists() and any(not entry.name.endswith(".partial") for entry in self.path.iterdir())
        if not resume and occupied:
            hint = "continue it with --resume, or " if has_state else ""
            raise FmdiagError(f"{self.path} is not empty: {hint}choose another --out")

    def load(self, device):
        """Return the saved TrainingState."""
        from fmdiag.checkpoints.file import read_torch_file
        from fmdiag.training import restore

        file = self.path / STATE
        return restore(read_torch_file(file), device=device, file=str(file))

    def save(self, state):
        """Write state, checkpoint and losses, each replaced in one move."""
        import pandas as pd

        from fmdiag.checkpoints import save_checkpoint
        from fmdiag.checkpoints.file import write_torch_file
        from fmdiag.files.marker import read_marker, write_marker
        from fmdiag.results import save_table

        self.path.mkdir(parents=True, exist_ok=True)
        write_torch_file(state.content(), self.path / STATE)  # first: a folder with anything in it can be resumed
        if read_marker(self.path) is None:
            write_marker(self.path, KIND, [])  # what is in it is listed when it is whole
        save_checkpoint(state.checkpoint(), self.path / CHECKPOINT)
        save_table(self.path, "loss", pd.DataFrame(state.log, columns=["step", "loss", "lr", "grad_norm"]))

    def finish(self, state, command, places):
        """Write ``run.json``, with the command that trained and without the places that it named; return the record."""
        from fmdiag import __version__
        from fmdiag.files.documents import as_json
        from fmdiag.files.hashing import file_sha256
        from fmdiag.files.marker import write_marker
        from fmdiag.files.places import without_places
        from fmdiag.results import replace_atomically
        from fmdiag.runs.versions import versions

        kept = ("network", "path", "loss", "seed", "dataset")
        record = {"fmdiag": __version__, "command": command, "name": "train",
                  "diagnostics": {}, **{key: state.settings[key] for key in kept}, "steps": state.step,
                  "training": state.checkpoint()["training"], "final_loss": state.log[-1]["loss"],
                  "checkpoint": {"file": CHECKPOINT, "sha256": file_sha256(self.path / CHECKPOINT)},
                  "device": str(next(state.module.parameters()).device), "dtype": state.settings["precision"],
                  "versions": versions(), "started": self.started.isoformat(timespec="seconds"),
                  "seconds": round(time.monotonic() - self.clock, 1)}
        text = as_json(without_places(record, places), indent=1) + "\n"
        replace_atomically(self.path / "run.json", lambda temporary: Path(temporary).write_text(text))
        write_marker(self.path, KIND, FILES)
        return record


def _clear_partial(path):
    for file in map(path.joinpath, (*FILES, MARKER)):
        for leftover in file.parent.glob(f".{file.name}.*.partial"):
            leftover.unlink(missing_ok=True)
