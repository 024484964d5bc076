"""Run by torchrun, or called: every diagnostic of the bundled model, an audit among them, and a watch of its folder."""

import datetime
import os
import pickle
import sys
import time
from pathlib import Path

import pytest
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1]))

from few import thin  # noqa: E402

import fmdiag  # noqa: E402
from fmdiag.checkpoints import bundled_checkpoint  # noqa: E402
from fmdiag.ranks.group import Group  # noqa: E402
from fmdiag.runs.composed import audit  # noqa: E402

SOLVER = {"n_steps": 4, "method": "euler"}


def measure(folder, file=None):
    """Return ({(diagnostic, table): DataFrame}, {question: answer}), a watch of the folder among the tables.

    75 samples are shared out unequally. Beside the folder lie pictures on disk, measured with their mirror images.
    """
    with pytest.MonkeyPatch.context() as patch:
        thin(patch)
        return _measure(Path(folder), file)


def _measure(folder, file):
    mirrored = fmdiag.Run(train=folder.parent / "images.npy", hflip=True).alignment(n_pairs=9, times=(0.1, 0.5, 0.9))
    run = fmdiag.Run(bundled_checkpoint())
    run.alignment(n_pairs=11, times=(0.1, 0.5, 0.9))
    run.error(n_pairs=11, times=(0.1, 0.5, 0.9), n_steps=4)
    run.hybrid(n_samples=7, n_steps=4, taus=(0.0, 0.5))
    run.duplicates(n_examples=31)
    run.geometry(n_images=2, times=(0.5,), n_probes=3, **SOLVER)
    run.symmetry(n_noises=2, times=(0.2, 0.8), **SOLVER)
    run.gradient_variance(n_samples=4, times=(0.2, 0.5, 0.9), points="integrated", n_steps=5)
    run.pairing(n_pairs=9, width=8, depth=1, steps=3, batch_size=4, n_steps=3)
    run.quality(n_samples=75, metrics=("frechet", "prdc"), **SOLVER)
    run.uturn(n_starts=9, times=(0.3, 0.8), **SOLVER)
    run.patches(n_samples=11, n_any=3, n_controls=3, **SOLVER)
    run.agreement(other=bundled_checkpoint(), n_samples=7, **SOLVER)
    run.theories(n_pairs=5, n_calibration=3, times=(0.3, 0.8), theories=("wiener", "local-score"), **SOLVER)
    # What was measured above, in small, is part of the document without being measured again.
    measured = ("duplicates", "geometry", "uturn", "patches", "error")
    verdicts = audit(run, n_samples=75, n_images=9, n_noises=2, without=measured, **SOLVER)["verdicts"]
    found = ({(name, key): table for name, result in run.results.items()
              for key, table in {**result.all_tables(), "summary": result.summary}.items()},
             {verdict["id"]: verdict["answer"] for verdict in verdicts})
    found[0]["mirrored", "alignment"] = mirrored.table
    watched = fmdiag.watch(folder, measures=["error", "f_mem"], n_pairs=7, n_samples=0)
    if watched is not None:
        found[0]["watch", "watch"] = watched.table.drop(columns="seconds", errors="ignore")
    if file is not None and run.speaks:
        Path(file).write_bytes(pickle.dumps(found))
    if run.group.size > 1:
        # One rank works for longer than the others would wait for an answer.
        hasty = Group(dist.new_group(timeout=datetime.timedelta(seconds=2)), run.group.store)
        assert hasty.once(lambda: time.sleep(3) or "done") == "done"
    run.leave()
    return found


if __name__ == "__main__":
    measure(*sys.argv[1:])
    # At the interpreter's end gloo's threads may still let go of Python objects, which aborts the process.
    os._exit(0)
