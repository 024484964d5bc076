"""Moments at which a command is killed: spread over its work, and more of them where its output comes into being.

Time is that of the processor, so that a machine with other work changes nothing.
"""

import contextlib
import dataclasses
import os
import time
from pathlib import Path

# Command -> {what is seen when output comes into being: seconds after that within which it is killed}.
RUN = {".{out}.*.partial": 3.0, "{out}": 0.1}
SIGNS = {"train": {"{out}": 0.05, "{out}/.run.json.*": 0.02}, "study": {"{out}": 0.05, "{out}/tables": 3.0}}
WAIT = 0.001


@dataclasses.dataclass(frozen=True)
class Moment:
    """So many processor seconds after the start, or seconds after a sign was seen."""

    after: float
    sign: str | None = None

    def __str__(self):
        return f"{self.after:.3f} s after {self.sign or 'the start'}"

    def earlier(self):
        """Return the moment that is tried where a whole run ended before this one."""
        return dataclasses.replace(self, after=self.after * 0.8)

    def has_come(self, pid, seen):
        """Return whether it is time to kill process `pid`; `seen` is when the sign was seen, or None."""
        if self.sign is None:
            return processor_seconds(pid) >= self.after
        return seen is not None and time.monotonic() - seen >= self.after


def planned(kills, name, begins, ends, rng):
    """Return `kills` moments in random order: a quarter at signs, one in each equal stretch of the work.

    Parameters
    ----------
    kills : int
    name : str
        Of the command.
    begins, ends : float
        Processor seconds at which the command first wrote something, and in all.
    rng : random.Random
    """
    signs = [*SIGNS.get(name, RUN).items()]
    at_signs = [Moment(within * rng.random(), sign) for sign, within in (signs[k % len(signs)] for k in range(kills // 4))]
    n, start = kills - len(at_signs), 0.8 * begins  # little is at stake while modules are imported
    spread = [Moment(start + (ends - start) * (k + rng.random()) / n) for k in range(n)]
    return rng.sample(at_signs + spread, kills)


def is_seen(sign, out):
    """Return whether a sign stands beside or in the output folder."""
    return any(out.parent.glob(sign.format(out=out.name)))


def family(pid):
    """Return a process and its children, ranks among them; a process may end while it is looked at."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += map(int, task.read_text().split())
    return [pid, *children]


def processor_seconds(pid):
    """Return what a process and its children have used."""
    ticks = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
