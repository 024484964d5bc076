"""Memory: how much is used where none was given, and work in halves where it does not suffice.

The default is a quarter of what is free on this machine, at least 1 GiB. Free is what the system could hand out without
swapping (MemAvailable), and no more than the control groups of this process (containers, batch systems; both versions)
and its limit on address space still allow. A quarter leaves room for what û* is not all of: the data set, a network,
the other processes of a machine.

Sizes are chosen from what was asked for (--memory) and not from what other programs leave free, on a shared GPU least
of all. So work that is done in pieces is tried again in smaller ones, with a warning, until they cannot be halved;
results differ by rounding only.
"""

import gc
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fmdiag.errors import FmdiagWarning

T = TypeVar("T")
LEAST = 1 << 30        # bytes
SHARE = 4
LIBRARIES = 3 * 10**8  # bytes that are resident before the first array: torch, pandas, matplotlib, ourselves
NO_LIMIT = 1 << 60     # control groups of version 1 write a number beyond this where there is no limit
# What torch writes where it raises a plain RuntimeError: its allocators, the drivers, the libraries on a GPU.
MESSAGES = re.compile(r"DefaultCPUAllocator: |\b(CUDA|HIP|XPU|MPS)\b.{0,40}\bout of memory|"
                      r"\bCU(BLAS|DNN)_STATUS_ALLOC_FAILED")


def default_memory(device: Any = "cpu") -> int:
    """Return the bytes that are used by default, per process.

    Parameters
    ----------
    device : str or torch.device
        A GPU's own memory counts where it is one. Processes that torchrun started on one machine share its memory out.
    """
    if str(device).partition(":")[0] == "cuda":
        import torch

        return max(LEAST, torch.cuda.mem_get_info(device)[0] // SHARE)
    free = free_memory()
    return LEAST if free is None else max(LEAST, free // SHARE // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def for_arrays(memory: int | None) -> int | None:
    """Return how many bytes of a process's `memory` are left for arrays, at least three quarters."""
    return None if memory is None else memory - min(LIBRARIES, memory // 4)


def free_memory(root: str | Path = "/") -> int | None:
    """Return how many bytes this process could still take, or None where the system does not say.

    Parameters
    ----------
    root : path
        Where the system's folders proc and sys are.
    """
    limits = [_available(Path(root)), *_of_groups(Path(root)), _of_address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory, a GPU's or the machine's, did not suffice."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and MESSAGES.search(str(error)) is not None


def give_back() -> None:
    """Give freed memory back to the system where the C library keeps it: between blocks it scatters, and adds up."""
    import ctypes

    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def with_less(work: Callable[[], T], halve: Callable[[], object], amount: Callable[[], int], what: str,
              least: float = 1) -> T:
    """Return ``work()``, called again after ``halve()`` for as long as memory does not suffice.

    Parameters
    ----------
    work : callable
        Must be repeatable.
    halve : callable
        Makes the next call take half as much.
    amount : callable
        Returns how many of `what` are taken at a time now, for the warning that is given once it goes well.
    what : str
        What is halved.
    least : float
        Below twice this nothing is halved: the error is raised.
    """
    failed = False
    while True:
        try:
            found = work()
        except Exception as error:
            if not is_out_of_memory(error) or amount() < 2 * least:
                raise
        else:
            if failed:
                warnings.warn(f"out of memory: going on with {amount()} {what}", FmdiagWarning, stacklevel=3)
            return found
        # Only here, where the error and its frames are gone, is what they held free.
        halve()
        _release()
        failed = True


def in_pieces(work: Callable[[slice], object], n: int, size: int, what: str,
              shrink: Callable[[], object] | None = None) -> int:
    """Call ``work(slice)`` for consecutive slices of range(n), `size` long; halve it where memory does not suffice.

    Parameters
    ----------
    work : callable
        Must be repeatable: a piece that failed is done again in halves.
    n, size : int
        Number of items, and of items at a time.
    what : str
        What a piece is of, for the warning.
    shrink : callable, optional
        Called without arguments at each halving, for what else may become smaller.

    Returns
    -------
    int
        The size at which it went well, to begin with next time.
    """
    start = 0

    def amount():
        return min(size, n - start)

    def piece():
        work(slice(start, start + amount()))

    def halve():
        nonlocal size
        size = amount() // 2
        if shrink is not None:
            shrink()

    while start < n:
        with_less(piece, halve, amount, what)
        start += size
    return size


def _release():
    """Give memory that nothing refers to back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _available(root):
    """Return MemAvailable; elsewhere what Windows says is free, or half of what a Unix has in all."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    if sys.platform == "win32":
        return _of_windows()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _of_groups(root):
    """Yield what each control group above this process still allows."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path is often the host's: then the group lies at the top of what is mounted.
        folder = base / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(base) and (room := _room(group, *names)) is not None:
                yield room


def _room(group, limit, usage, reclaimable):
    """Return the bytes that one group still allows, pages of files that it would drop counted, or None."""
    try:
        most, used = int((group / limit).read_text()), int((group / usage).read_text())
    except (OSError, ValueError):   # no such file, or "max"
        return None
    if most >= NO_LIMIT:
        return None
    try:
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used -= min(used, int(counts.get(reclaimable, 0)))
    except (OSError, ValueError):
        pass
    return most - used


def _of_address_space():
    """Return what a limit on address space (ulimit -v) leaves, or None without one."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most == resource.RLIM_INFINITY:
            return None
        return most - int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, ValueError):
        return None


def _of_windows():
    """Return the free physical memory that Windows names, or None."""
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "page_total", "page_free", "virtual_total",
                                                    "virtual_free", "extended")]

    status = Status(length=ctypes.sizeof(Status))
    found = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free) if found else None
