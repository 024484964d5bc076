"""Fuzz a reader for longer than CI does: ``python tests/fuzz/run.py --cases 100000 --reader npy``.

Failures are printed; with --keep their minimised files are written to tests/fuzz/regressions/, where a test reads them.
"""

import argparse
import tempfile
import time
from pathlib import Path

from fuzz_loop import fuzz, smallest
from fuzz_targets import TARGETS

REGRESSIONS = Path(__file__).parent / "regressions"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--cases", type=int, help="default: as many as in CI")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep minimised failures as regression tests")
    options = parser.parse_args()
    failed = False
    for name in options.reader or TARGETS:
        target, start = TARGETS[name], time.process_time()
        numbers = range(options.first, options.first + (options.cases or target.cases))
        with tempfile.TemporaryDirectory() as work:
            valid = fuzz(target, range(-len(target.seeds()), 0), work)
            counts, failures = fuzz(target, numbers, work, seed=options.seed)
            print(f"{name}: {sum(counts.values())} cases in {time.process_time() - start:.1f} s of processor time: {counts}; "
                  f"valid files {valid[0]}", flush=True)
            for failure in failures + valid[1]:
                print(failure)
                if options.keep and failure.content:
                    keep(target, failure, smallest(target, failure, Path(work)))
        failed |= bool(failures)
    raise SystemExit(failed)


def keep(target, failure, content):
    folder = REGRESSIONS / target.name / Path(failure.name).parent
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{failure.what.split(':')[0].split(' ')[0].lower()}-{failure.number}"
    (folder / f"{stem}-{Path(failure.name).name}").write_bytes(content)


if __name__ == "__main__":
    main()
