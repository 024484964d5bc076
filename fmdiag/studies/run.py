"""Running a study by several processes: each takes the next part that nobody works on, until none is left."""

import time

from fmdiag.studies import reference_part, training_part

MAKERS = {"training": training_part.make, "reference": reference_part.make}
POLL_SECONDS = 0.5


def run_parts(parts, data, store, *, device="cpu", progress=None, report=None):
    """Make every part that is not finished; return when all are, by whichever process.

    Parameters
    ----------
    parts : list of Part
    data : StudyData
    store : PartStore
    device : str or torch.device
        Where this process computes.
    progress : callable, optional
        Called as ``progress(part, step, loss, steps)`` while a model trains.
    report : callable, optional
        Called as ``report(part, finished, total)`` after each part that this process made.
    """
    store.warn_of_others(parts)
    for part in parts:
        store.tidy(part)
    while True:
        pending = [part for part in parts if not store.finished(part)]
        if not pending:
            return
        # After each part from the first pending one on: a part that its process gave up is next, not last.
        if not any(_make(part, parts, data, store, device, progress, report) for part in pending):
            # Others are at work on all that is left; should one of them die, its part becomes free.
            time.sleep(POLL_SECONDS)


def _make(part, parts, data, store, device, progress, report):
    """Make one part unless another process is at it or has finished it; return whether it was made here."""
    with store.claim(part) as mine:
        if not mine or store.finished(part):
            return False
        follow = None if progress is None else lambda step, loss, steps: progress(part, step, loss, steps)
        MAKERS[part.kind](part, data, store, device=device, progress=follow)
    if report is not None:
        report(part, sum(map(store.finished, parts)), len(parts))
    return True
