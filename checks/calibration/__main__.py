"""The command: repeats every family, interval and test, some at a time, keeps what is done, and writes the results."""

import argparse
import json
import time
from pathlib import Path

from checks.calibration import geometry, uturn, watch
from checks.calibration.families import NULLS, POWERS
from checks.calibration.intervals import INTERVALS
from checks.calibration.membership import CASES, FAMILIES
from checks.calibration.page import results, write_page
from checks.calibration.repetition import interval, p_value, repeat
from checks.calibration.theories import INTERVALS as OF_THEORIES

LOG = Path("build/calibration")
RESULTS = Path("checks/results/calibration.json")


def main():
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nulls", type=int, default=200, help="repetitions of each null family")
    parser.add_argument("--powers", type=int, default=60, help="repetitions of each case of copies")
    parser.add_argument("--intervals", type=int, default=100, help="repetitions of each other interval")
    parser.add_argument("--memberships", type=int, default=60, help="repetitions of each membership family")
    parser.add_argument("--uturns", type=int, default=60, help="repetitions of each family of U-turns")
    parser.add_argument("--geometries", type=int, default=60, help="repetitions of each family of dimensions")
    parser.add_argument("--watches", type=int, default=300, help="repetitions of the first family of watches, "
                        "of 20 looks each; a fifth of it of each other")
    parser.add_argument("--only", default="", help="families whose name holds this text")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--log", type=Path, default=LOG, help="folder of what is done, a line per repetition")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, help="where the page is written")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    given.log.mkdir(parents=True, exist_ok=True)
    families = [*((name, repeat, case, given.nulls) for name, case in NULLS.items()),
                *((name, repeat, case, given.powers) for name, case in POWERS.items()),
                *((f"interval of {name}", interval, case, given.intervals)
                  for name, case in {**INTERVALS, **OF_THEORIES}.items()),
                *((f"membership, {name}", p_value, case, given.memberships)
                  for name, case in {**FAMILIES, **CASES}.items()),
                *((f"uturn, {name}", p_value, case, given.uturns)
                  for name, case in {**uturn.FAMILIES, **uturn.CASES}.items()),
                *((f"geometry, {name}", p_value, case, given.geometries)
                  for name, case in {**geometry.FAMILIES, **geometry.CASES}.items()),
                *((f"watch, {name}", p_value, case, given.watches // (1 if name == watch.MANY else 5))
                  for name, case in {**watch.FAMILIES, **watch.CASES}.items())]
    for part in range(10):   # a tenth of each at a time, so that an early end leaves all of them measured
        for name, repetition, case, count in families:
            if given.only in name:
                go_on(name, repetition, case, count * (part + 1) // 10, given.log, end)
    found = results(given.log)
    given.results.write_text(json.dumps(found, indent=1) + "\n")
    if given.page:
        write_page(found, given.page)


def go_on(name, repetition, case, count, folder, end):
    """Repeat a family up to `count` times, what is done not again, until the time is up."""
    file = folder / f"{name.replace('/', '-')}.jsonl"
    done = len(file.read_text().splitlines()) if file.is_file() else 0
    for number in range(done, count):
        if time.monotonic() > end:
            return
        line = json.dumps(repetition(name, case, number))
        with file.open("a") as log:
            log.write(line + "\n")


if __name__ == "__main__":
    main()
