"""What is free, read from folders as Linux lays them out: meminfo, both versions of control groups, limits above."""

import resource
import subprocess
import sys

import pytest

from fmdiag.memory import LEAST, LIBRARIES, default_memory, for_arrays, free_memory
from fmdiag.posterior import EmpiricalPosterior

GB = 1 << 30


def machine(root, available=64, groups="", **files):
    """Write a root folder with `available` GiB free; `files`: path with __ for /, and its text."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999999 kB\nMemAvailable: {available << 20} kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))
    return root


V2 = "0::/a/b\n"
V1 = "12:cpu:/x\n4:memory:/box\n0::/\n"


@pytest.mark.parametrize(("groups", "files", "expected"), [
    ("", {}, 64),
    (V2, {"a__b__memory.max": "max", "a__b__memory.current": GB}, 64),
    (V2, {"a__b__memory.max": 8 * GB, "a__b__memory.current": 3 * GB}, 5),
    (V2, {"a__memory.max": 8 * GB, "a__memory.current": 6 * GB, "a__b__memory.max": 20 * GB,
          "a__b__memory.current": GB}, 2),                                        # the group above allows less
    (V2, {"memory.max": 10 * GB, "memory.current": 9 * GB,
          "memory.stat": f"anon 5\ninactive_file {4 * GB}\n"}, 5),   # in a container; pages of files are dropped
    (V1, {"memory__box__memory.limit_in_bytes": 6 * GB, "memory__box__memory.usage_in_bytes": GB}, 5),
    (V1, {"memory__memory.limit_in_bytes": 6 * GB, "memory__memory.usage_in_bytes": 2 * GB,
          "memory__memory.stat": f"total_inactive_file {GB}\n"}, 5),
    (V1, {"memory__box__memory.limit_in_bytes": 9223372036854771712, "memory__box__memory.usage_in_bytes": GB}, 64),
    (V2, {"memory.max": GB, "memory.current": 2 * GB}, 0),
])
def test_the_least_of_machine_and_groups(tmp_path, groups, files, expected):
    assert free_memory(machine(tmp_path, groups=groups, **files)) == expected * GB


def test_the_default_is_a_quarter_of_what_is_free_and_never_below_1_gib(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    free = free_memory()
    assert default_memory() == pytest.approx(max(LEAST, free // 4), rel=0.2)   # others take and give meanwhile
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000000")
    assert default_memory() == LEAST


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on address space")
def test_a_limit_on_address_space_counts():
    code = ("import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)); "
            "from fmdiag.memory import free_memory; print(free_memory())")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(out) < 3 << 30 and resource.getrlimit(resource.RLIMIT_AS)[0] != 3 << 30


def test_python_functions_have_the_same_default():
    import numpy as np

    from fmdiag.datasets import TrainingSet

    data = TrainingSet(np.zeros((3, 2), np.float32))
    assert EmpiricalPosterior(data).memory >= LEAST and EmpiricalPosterior(data, memory=12345678).memory == 12345678


@pytest.mark.parametrize(("memory", "arrays"), [(None, None), (10**10, 10**10 - LIBRARIES), (4 * 10**8, 3 * 10**8)])
def test_libraries_count_in_the_memory_of_a_process(memory, arrays):
    assert for_arrays(memory) == arrays
