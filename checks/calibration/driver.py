"""Repetition of the families: which there are, what a log still lacks of them, and some processes that fill it."""

import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context

import torch

from checks.calibration import geometry, uturn, watch
from checks.calibration.families import NULLS, POWERS
from checks.calibration.intervals import INTERVALS
from checks.calibration.membership import CASES, FAMILIES
from checks.calibration.repetition import interval, p_value, repeat
from checks.calibration.theories import INTERVALS as OF_THEORIES

PLURALS = {"membership": "memberships", "uturn": "uturns", "geometry": "geometries", "watch": "watches"}


@cache
def families():
    """Return {name: (repetition, case, which count of COUNTS holds)}."""
    tests = {"membership": {**FAMILIES, **CASES}, "uturn": {**uturn.FAMILIES, **uturn.CASES},
             "geometry": {**geometry.FAMILIES, **geometry.CASES}, "watch": {**watch.FAMILIES, **watch.CASES}}
    return {**{name: (repeat, case, "nulls") for name, case in NULLS.items()},
            **{name: (repeat, case, "powers") for name, case in POWERS.items()},
            **{f"interval of {name}": (interval, case, "intervals")
               for name, case in {**INTERVALS, **OF_THEORIES}.items()},
            **{f"{test}, {name}": (p_value, case, PLURALS[test])
               for test, cases in tests.items() for name, case in cases.items()}}


def wanted(counts):
    """Return {name: repetitions}; the watches but the first family are repeated a fifth as often."""
    return {name: counts[key] // (5 if key == "watches" and name != f"watch, {watch.MANY}" else 1)
            for name, (_, _, key) in families().items()}


def go_on(asked, folder, end, workers=1):
    """Repeat each family as often as asked, what is done not again, until the time is up."""
    missing = [(name, number) for name, count in asked.items()
               for number in sorted(set(range(count)) - numbers_done(folder, name))]
    # A tenth of each family at a time, so that an early end leaves all of them measured.
    missing.sort(key=lambda task: int(10 * task[1] / asked[task[0]]))
    if workers == 1:
        for task in missing:
            if time.monotonic() > end:
                return
            keep(folder, task[0], repetition(*task))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads,
                             initargs=(1,)) as pool:
        waiting = {pool.submit(repetition, *task): task[0] for task in missing}
        for future in as_completed(waiting):
            if not future.cancelled():
                keep(folder, waiting[future], future.result())
            if time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)


def repetition(name, number):
    """Return the record of one repetition of a family."""
    function, case, _ = families()[name]
    return function(name, case, number)


def file_of(folder, name):
    """Return the log of a family."""
    return folder / f"{name.replace('/', '-')}.jsonl"


def numbers_done(folder, name):
    """Return the numbers of the repetitions that the log of a family holds."""
    file = file_of(folder, name)
    return {json.loads(line)["number"] for line in file.read_text().splitlines()} if file.is_file() else set()


def keep(folder, name, record):
    """Add a repetition to the log of its family."""
    with file_of(folder, name).open("a") as log:
        log.write(json.dumps(record) + "\n")
