"""The command: repeats every family, interval and test, some at a time, keeps what is done, and writes the results."""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

from checks.calibration import geometry, uturn, watch
from checks.calibration.families import NULLS, POWERS
from checks.calibration.intervals import INTERVALS
from checks.calibration.membership import CASES, FAMILIES
from checks.calibration.page import results, write_page
from checks.calibration.repetition import interval, p_value, repeat
from checks.calibration.theories import INTERVALS as OF_THEORIES

LOG = Path("build/calibration")
RESULTS = Path("checks/results/calibration.json")
PLURALS = {"membership": "memberships", "uturn": "uturns", "geometry": "geometries", "watch": "watches"}
COUNTS = {"nulls": (200, "null family"), "powers": (60, "case of copies"), "intervals": (100, "other interval"),
          "memberships": (60, "membership family"), "uturns": (60, "family of U-turns"),
          "geometries": (60, "family of dimensions"),
          "watches": (300, "first family of watches, of 20 looks each; of each other a fifth")}


def main():
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, (count, what) in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"repetitions of each {what}")
    parser.add_argument("--only", default="", help="families whose name holds this text")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--workers", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--log", type=Path, default=LOG, help="folder of what is done, a line per repetition")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, help="where the page is written")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    given.log.mkdir(parents=True, exist_ok=True)
    asked = {name: count for name, count in wanted(vars(given)).items() if given.only in name}
    go_on(asked, given.log, end, given.workers)
    found = results(given.log)
    given.results.write_text(json.dumps(found, indent=1) + "\n")
    if given.page:
        write_page(found, given.page)


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


if __name__ == "__main__":
    main()
