"""What machine is this, what can it do at most, and how much memory does a piece of work take?"""

import os
import platform
import statistics
import time
from pathlib import Path

import torch


def describe():
    """Return the machine's processor, number of threads and torch, with its largest rate of a matrix product."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")] if Path("/proc/cpuinfo").exists() else [platform.processor()]
    return {"processor": names[0] if names else platform.machine(), "cores": os.cpu_count(),
            "threads": torch.get_num_threads(), "torch": torch.__version__, "system": platform.platform(terse=True),
            "largest_product_rate_gflops": ceiling()}


def ceiling():
    """Return the largest rate of a float32 matrix product, 10^9 operations per second, best of several."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = min(seconds(lambda: a @ b, 1) for _ in range(5))
    return 2 * 2048**3 / best / 1e9


def seconds(work, repeats, *, warm=True):
    """Return the median time of some work over repeats, after one that is not counted."""
    if warm:
        work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def peak_megabytes(work):
    """Return by how much resident memory rose at most while some work was done; None where the system cannot tell."""
    status = Path("/proc/self/status")
    try:
        Path("/proc/self/clear_refs").write_text("5")    # the peak starts again from what is resident now
    except OSError:
        return None
    before = _kilobytes(status, "VmRSS")
    work()
    return (_kilobytes(status, "VmHWM") - before) / 1024


def _kilobytes(status, name):
    return int(next(line for line in status.read_text().splitlines() if line.startswith(name + ":")).split()[1])
