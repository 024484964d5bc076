"""Watch of a folder of checkpoints: each is measured once when it is whole, and all of them make curves along training.

    fmdiag.watch("runs/mine", follow=True, out="reports/watch")           # goes on where an earlier watch stopped

A look at one checkpoint has a row per quantity: squared error at four kinds of states, the gap between training and
held-out loss, the memorised share beside its null, the AUC of membership, the test distance. The tests of all looks
together raise a false alarm with a probability of at most 5 %, however many checkpoints come (`fmdiag.stats.looks`).
"""

import time
from pathlib import Path

from fmdiag.files.destination import slug
from fmdiag.monitoring.folder import Arrivals
from fmdiag.monitoring.looked import Looked, checked

AGAIN = 0.5    # seconds between two looks at what is being written


def watch(folder, *, train=None, held_out=None, out=None, follow=False, poll=5.0, until=None, idle=None, n_pairs=64,
          n_samples=256, measures=None, seed=0, device="auto", memory=None, report=None, command="", places=(),
          **options):
    """Measure every checkpoint of a folder, those that are there or as they come; return the Result.

    Parameters
    ----------
    folder : path
        Where a training run writes checkpoints that `fmdiag.load_checkpoint` reads; files of other kinds are passed
        over, and checkpoints that cannot be measured are named and skipped.
    train, held_out
        As of `fmdiag.Run`; default what the first checkpoint names. Those of other data are skipped.
    out : path, optional
        Folder of the looks, tables, figures and page, written anew with every look; a watch of the same inputs goes on
        in it. Default: nothing is written.
    follow : bool
        Whether to wait for further checkpoints, until a look at step `until` or later, or `idle` seconds without one.
    poll : float
        Seconds between two looks at the folder.
    until, idle : int and float, optional
        Where `follow` ends; default never.
    n_pairs : int
        Pairs, samples judged as copies, and examples of each kind.
    n_samples : int
        Samples of the test distance; 0 for none. It needs more than 64 samples, training and held-out examples.
    measures : sequence of str, optional
        Names in `fmdiag.monitoring.measures.MEASURES`; default all that apply.
    seed, device, memory
        As of `fmdiag.Run`.
    report : callable, optional
        Called as ``report(step, name, table)`` after each look.
    command, places
        Command line and the paths in it, for the record.
    **options
        How the data set and the checkpoints are read, as of `fmdiag.Run`.

    Returns
    -------
    Result
        As `fmdiag.monitoring.series.result_of`; None on ranks other than the first.

    Raises
    ------
    FmdiagError
        If the folder is none, holds no checkpoint that can be measured, or `out` holds another watch.

    Examples
    --------
    >>> import fmdiag, shutil, tempfile
    >>> from fmdiag.checkpoints import bundled_checkpoint
    >>> folder = tempfile.mkdtemp()
    >>> _ = shutil.copy(bundled_checkpoint(), folder)
    >>> found = fmdiag.watch(folder, measures=["f_mem"], n_pairs=16, n_samples=0)
    >>> found.verdict.answer, found.table.step_from.unique().tolist()
    ('undecided', ['record'])
    """
    folder = checked(folder, measures, options, follow=follow, until=until, idle=idle)
    asked = {"train": train, "held_out": held_out, "n_pairs": n_pairs, "n_samples": n_samples,
             "measures": tuple(measures or ()), "seed": seed, "memory": memory}
    with Looked(folder, out, asked, options, device=device, command=command, places=places) as looked:
        _go_on(looked, Arrivals(folder), follow, poll, until, idle, report)
        if looked.kept is not None:
            looked.kept.warn_of_others()
        return looked.result()


def default_out(folder):
    """Return where the command keeps a watch of a folder."""
    return Path("reports") / f"watch-{slug(Path(folder).absolute().name)}"


def _go_on(looked, arrivals, follow, poll, until, idle, report):
    """Look at checkpoints until all are measured, or, where it follows, as long as they come."""
    last = time.monotonic()
    while True:
        # One rank looks at the folder, and decides for all when it ends.
        whole, writing = looked.group.gather(arrivals.look() if looked.speaks else None)[0]
        for path in whole:
            table = looked.take(path, arrivals)
            if table is not None:
                last = time.monotonic()
                if report is not None and looked.speaks:
                    report(int(table["step"].iloc[0]), path.name, table)
                if follow:
                    looked.result()
        late = idle is not None and time.monotonic() - last > idle
        ended = not writing if not follow else late and not writing or until is not None and looked.last_step >= until
        if looked.group.gather(ended)[0]:
            return
        time.sleep(min(poll, AGAIN) if writing else poll)
