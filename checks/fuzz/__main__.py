"""Fuzz every reader with 10 000 cases or one of them for longer.

    python -m checks.fuzz --results checks/results/fuzz.json
    python -m checks.fuzz --cases 100000 --reader npy

Failures are printed; with --keep their minimised files are written to checks/fuzz/regressions/, where a test reads them.
"""

import argparse
import json
import time
from pathlib import Path

from checks.fuzz.loop import fuzz, smallest, work_folder
from checks.fuzz.targets import TARGETS

REGRESSIONS = Path(__file__).parent / "regressions"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep minimised failures as regression tests")
    parser.add_argument("--results", type=Path, help="JSON file that the outcome is added to")
    options = parser.parse_args()
    failed = False
    for name in options.reader or TARGETS:
        target, start = TARGETS[name], time.process_time()
        numbers = range(options.first, options.first + options.cases)
        with work_folder() as work:
            valid = fuzz(target, range(-len(target.seeds()), 0), work)
            counts, failures = fuzz(target, numbers, work, seed=options.seed)
            print(f"{name}: {sum(counts.values())} cases in {time.process_time() - start:.1f} s of processor time: {counts}; "
                  f"valid files {valid[0]}", flush=True)
            if options.results:
                note(options.results, name, counts, time.process_time() - start, options.first)
            for failure in failures + valid[1]:
                print(failure)
                if options.keep and failure.content:
                    keep(target, failure, smallest(target, failure, Path(work)))
        failed |= bool(failures)
    raise SystemExit(failed)


def note(file, name, counts, seconds, first):
    """Add an outcome to a JSON file; that of cases which do not begin with the first is added to what is there."""
    results = json.loads(file.read_text()) if file.exists() else {}
    before = results.get(name, {}) if first else {}
    found = {key: n + before.get(key, 0) for key, n in counts.items()}
    cases, seconds = sum(found.values()), seconds + before.get("seconds", 0.0)
    results[name] = {"cases": cases, **found, "seconds": round(seconds, 1),
                     "milliseconds per case": round(1e3 * seconds / cases, 2)}
    file.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def keep(target, failure, content):
    folder = REGRESSIONS / target.name / Path(failure.name).parent
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{failure.what.split(':')[0].split(' ')[0].lower()}-{failure.number}"
    (folder / f"{stem}-{Path(failure.name).name}").write_bytes(content)


if __name__ == "__main__":
    main()
