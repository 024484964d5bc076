"""Dry run of a watch: the checkpoints that would be looked at, and an estimate of the time and memory that looks take.

The first checkpoint that can be opened stands for all of them; those that were looked at before are not counted again.
"""

from pathlib import Path

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.errors import FmdiagError
from fmdiag.monitoring.folder import content_of, entries
from fmdiag.monitoring.kept import WatchFolder, part_of
from fmdiag.monitoring.looked import Looked, checked
from fmdiag.monitoring.measures import MEASURES
from fmdiag.runs.dry_run import FIGURES, OPENING, Estimate, memory_of, subject_of
from fmdiag.runs.probe import rates_of
from fmdiag.runs.work import QUERY, Work, work_of
from fmdiag.studies.parts import PartStore

STATISTICS = 0.2    # seconds of a measure's statistics, of the bundled digits
OPENED = 0.5        # seconds until a checkpoint is hashed, read and compared with the first one's data


def dry_run(folder, *, out=None, train=None, held_out=None, n_pairs=64, n_samples=256, measures=None, seed=0,
            device="auto", memory=None, follow=False, until=None, idle=None, poll=None, **options):
    """Return the Estimate of the looks at the checkpoints that are in a folder now; nothing is measured or written.

    Parameters
    ----------
    folder, out, train, held_out, n_pairs, n_samples, measures, seed, device, memory, follow, until, idle, **options
        As of `fmdiag.watch`.
    poll : float, optional
        Not used: nothing is waited for.

    Raises
    ------
    FmdiagError
        As of `fmdiag.watch`.
    """
    folder = checked(folder, measures, options, follow=follow, until=until, idle=idle)
    asked = {"train": train, "held_out": held_out, "n_pairs": n_pairs, "n_samples": n_samples,
             "measures": tuple(measures or ()), "seed": seed, "memory": memory}
    with Looked(folder, None, asked, options, device=device, command="", places=()) as looked:
        paths = entries(folder)
        run = _first(looked, paths)
        new = _not_looked_at(paths, out, looked.inputs)
        found = Estimate(f"{len(paths)} checkpoint{'s' * (len(paths) > 1)}, {len(new)} to be looked at; the first: "
                         f"{subject_of(run)}")
        rates = rates_of(run, gradients=False)
        found.product_rate, found.seconds_per_row = rates.product_rate, rates.row
        found.lines = [_line(name, work, rates, len(new), run.training_set)
                       for name, work in works(run, looked.setting, n_pairs, n_samples).items()]
        found.seconds = OPENING + FIGURES + len(new) * OPENED + sum(line["seconds"] for line in found.lines)
        found.memory = memory_of(run, {(n_samples,)})
        return found


def _first(looked, paths):
    """Return the Run of the first checkpoint that can be opened."""
    for path in paths:
        try:
            return looked.opened(path)
        except FmdiagError as error:
            looked.skip(path, error)
    raise FmdiagError(looked.nothing())


def _not_looked_at(paths, out, inputs):
    """Return the checkpoints of which a watch in `out` has no look."""
    if out is None:
        return paths
    WatchFolder.check(out, inputs)
    kept = Path(out) / "parts"
    store = PartStore(kept) if kept.is_dir() else None
    return [path for path in paths if store is None or not store.finished(part_of(inputs, content_of(path)))]


def works(run, setting, n, n_samples):
    """Return {measure: Work} of one look."""
    rows, times, found = setting.training_set, len(setting.times), {}
    held_out = 0 if rows.unseen is None else rows.unseen.n
    if states := [name for name in ("error", "gap") if name in setting.measures]:
        kinds = {} if "error" in states else {"states": ("train", "heldout")}
        found[", ".join(states)] = work_of(run, "error", DIAGNOSTICS["error"].made(
            {"n_pairs": n, "times": list(setting.times), "n_steps": setting.n_steps, **kinds}))
    if "f_mem" in setting.measures:
        found["f_mem"] = Work(f"{n} samples", points=QUERY * n).carry(n, setting)
    if "membership" in setting.measures:
        examples = 2 * min(n, rows.n_stored, held_out)
        found["membership"] = Work(f"{examples} examples x {times} times", points=examples * times)
        found["membership"].ask(examples, times)
    for measure in setting.measures:
        if measure not in MEASURES:
            found[measure.__name__] = Work(f"{n_samples} samples").carry(n_samples, setting)
    return found


def _line(name, work, rates, looks, rows):
    seconds = rates.call * work.calls + rates.row * work.rows + rates.point * work.points + STATISTICS
    return {"name": name, "what": f"{looks} look{'s' * (looks != 1)}, {work.what}", "rows": round(looks * work.rows),
            "operations": looks * 4.0 * rows.n * rows.dim * work.points, "seconds": looks * seconds}
