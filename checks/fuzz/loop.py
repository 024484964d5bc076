"""One case after another: is each either read or refused in one line that names the file?"""

import contextlib
import faulthandler
import gc
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from checks.fuzz.guard import GUARD, peak_megabytes
from checks.fuzz.targets import placed
from fmdiag.errors import FmdiagError, FmdiagWarning

SECONDS = 5.0          # of processor time, for one file of a few kB
WAITS = 30.0           # seconds that a case may take with waiting, as on a pipe that nobody writes to
HANGS = 120            # seconds after which a case that no exception can end ends the process, its stack printed
MEGABYTES = 300        # above what the process had
MOST_MEGABYTES = 1000  # that one case may ask for at once
LONGEST = 1200         # characters of a message
HUNG = "did not end"
BATCH = 1000           # cases between two looks at memory and leftovers


@dataclass(frozen=True)
class Failure:
    """A case that was neither read nor refused as it should be."""

    number: int
    what: str
    content: bytes = b""
    name: str = ""
    trace: str = ""

    def __str__(self):
        return f"case {self.number} ({self.name}, {len(self.content)} bytes): {self.what}\n{self.trace}"


class TooLong(BaseException):
    """Raised in a case that has used its time; no reader may catch it."""


@contextlib.contextmanager
def limits(seconds=SECONDS, megabytes=MOST_MEGABYTES):
    """End what runs within after so much processor time by `TooLong`, and refuse it more memory than `megabytes`."""
    def stop(number, frame):
        raise TooLong

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGPROF, signal.SIGALRM)]
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + (megabytes << 20), hard))
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__)
    # Repeated, as an exception that is raised in a destructor is dropped.
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    signal.setitimer(signal.ITIMER_REAL, WAITS, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmData"))


def work_folder():
    """Return a context with a folder for cases, in memory where there is such a place: tens of thousands are written."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30 else None
    return tempfile.TemporaryDirectory(dir=place)


def judge(target, name, content, work):
    """Read one case; return "valid", "refused" or, where that is wrong, (what, traceback)."""
    with contextlib.chdir(work):  # names relative to an open folder are seen as if they were relative to this one
        return _judged(target, name, content, work)


def _judged(target, name, content, work):
    path = placed(target, name, content, work)
    place = str(work)
    try:
        with limits(SECONDS), GUARD.over(work):
            try:
                target.read(path, work)
                outcome = "valid"
            except FmdiagError as error:
                outcome = "refused"
                text = str(error)
                if "\n" in text or not text.isprintable() or len(text) > LONGEST:
                    return f"message is not one short line: {text[:200]!r}", ""
                if place not in text:
                    return f"message does not name the file: {text!r}", ""
            finally:
                seen = [*GUARD.seen]
                leaked = [w for w in GUARD.heard if not issubclass(w.category, FmdiagWarning)]
    except TooLong:
        return f"{HUNG} in {SECONDS:g} s", "".join(traceback.format_exc(limit=-5, chain=False))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}", "".join(traceback.format_exc(limit=-5, chain=False))
    if seen:
        return f"forbidden: {seen[:3]}", ""
    if leaked:
        return f"warning leaked: {leaked[0].category.__name__}: {leaked[0].message}", ""
    return outcome


def fuzz(target, numbers, work, *, seed=0, stop_at=10):
    """Run cases; return (counts of outcomes, failures, of which at most one of a kind and `stop_at` kinds)."""
    work, counts, failures = Path(os.path.realpath(work)), {"valid": 0, "refused": 0, "failed": 0, "hung": 0}, {}
    gc.collect()
    gc.freeze()  # what was imported is not looked through again
    base = peak_megabytes(reset=True)
    with contextlib.chdir(work), _without_collector():
        for k, number in enumerate(numbers):
            name, content = target.case(number, seed)
            outcome = _judged(target, name, content, work)
            if isinstance(outcome, tuple):
                counts["hung" if outcome[0].startswith(HUNG) else "failed"] += 1
                kind = outcome[0].split(":")[0] + outcome[1].split("\n")[-4 if outcome[1] else 0]
                failures.setdefault(kind, Failure(number, outcome[0], content, name, outcome[1]))
            else:
                counts[outcome] += 1
            if k % BATCH == BATCH - 1:
                _tidy(target, work)
                if (peak := peak_megabytes()) > base + MEGABYTES:
                    failures.setdefault("memory", Failure(number, f"among the last {BATCH} cases memory rose by "
                                                          f"{peak - base:.0f} MB", content, name))
                    base = peak_megabytes(reset=True)
            if len(failures) >= stop_at:
                break
    return counts, list(failures.values())


@contextlib.contextmanager
def _without_collector():
    """Leave cycles to `_tidy`: the collector would look through everything that torch holds, again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _tidy(target, work):
    gc.collect()
    shutil.rmtree(work / "data-root", ignore_errors=True)
    if not target.place:
        shutil.rmtree(work / target.name, ignore_errors=True)


def smallest(target, failure, work, *, seconds=5):
    """Return the failing content with as many bytes taken away as leave the failure of the same kind."""
    content, kind = failure.content, failure.what.split(":")[0]
    deadline, size = time.monotonic() + seconds, max(1, len(failure.content) // 2)
    with contextlib.chdir(work):
        while size >= 1 and time.monotonic() < deadline:
            at, shorter = 0, False
            while at < len(content) and time.monotonic() < deadline:
                fewer = content[:at] + content[at + size :]
                outcome = judge(target, failure.name, fewer, work)
                if isinstance(outcome, tuple) and outcome[0].split(":")[0] == kind:
                    content, shorter = fewer, True
                else:
                    at += size
            size = size if shorter and size > 1 else size // 2
    return content
