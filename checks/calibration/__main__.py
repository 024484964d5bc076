"""The command: repeats every family, interval and test, some at a time, keeps what is done, and writes the results."""

import argparse
import json
import time
from pathlib import Path

from checks.calibration.driver import go_on, wanted
from checks.calibration.page import results, write_page

LOG = Path("build/calibration")
RESULTS = Path("checks/results/calibration.json")
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


if __name__ == "__main__":
    main()
