"""A rank that is killed, or that fails, ends the run: one line says why, nothing is left behind, nobody waits."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

LONG = ["-m", "fmdiag.cli.main", "alignment", "--dataset", "rows.npy", "--times", "0.01:0.1:2000", "--out", "run"]


def write_rows(root):
    np.save(root / "rows.npy", np.random.default_rng(0).normal(size=(4000, 300)).astype(np.float32))


def rank_process(launcher, rank):
    """Return the number of the process that torchrun started as `rank`, once it runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in Path(f"/proc/{launcher.pid}/task").glob("*/children"):
            for child in task.read_text().split():
                environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                if f"RANK={rank}".encode() in environment:
                    return int(child)
        time.sleep(0.05)
    raise AssertionError(f"torchrun started no rank {rank}")


def wait_for_folder(root):
    deadline = time.monotonic() + 90
    while not list(root.glob(".run.parts/lock*")):
        assert time.monotonic() < deadline, "the run never began"
        time.sleep(0.05)


def our_lines(text):
    return [line for line in text.splitlines() if line.startswith("Error: ")]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the ranks in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_rank_ends_the_run(torchrun, tmp_path, number):
    write_rows(tmp_path)
    launcher = torchrun(2, *LONG)
    victim = rank_process(launcher, 1)
    wait_for_folder(tmp_path)
    time.sleep(1)
    assert launcher.poll() is None, launcher.communicate()
    os.kill(victim, number)
    started = time.monotonic()
    _, err = launcher.communicate(timeout=40)
    assert time.monotonic() - started < 30
    assert launcher.returncode != 0
    assert len(our_lines(err)) == 1, err
    assert "rank" in our_lines(err)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.npy"]


@pytest.mark.slow
def test_wrong_input_is_said_once(torchrun, tmp_path):
    launcher = torchrun(2, "-m", "--", "fmdiag.cli.main", "alignment", "--dataset", "absent.npy", "--n", 5)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert len(our_lines(err)) == 1 and "absent.npy" in our_lines(err)[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_that_one_rank_cannot_see_is_named_by_that_rank(torchrun, tmp_path):
    write_rows(tmp_path)
    (tmp_path / "program.py").write_text(
        "import os\nfrom fmdiag.cli.main import main\n"
        "if os.environ['RANK'] == '1':\n    os.chdir('/')\nmain()\n")
    launcher = torchrun(2, "program.py", *LONG[2:])
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert len(our_lines(err)) == 1 and our_lines(err)[0].startswith("Error: rank 1 of 2: ") and "rows.npy" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py", "rows.npy"]


@pytest.mark.slow
def test_planting_refuses_several_ranks(torchrun, tmp_path):
    launcher = torchrun(2, "-m", "fmdiag.cli.main", "canaries", "--dataset", "digits")
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert len(our_lines(err)) == 1 and "without torchrun" in our_lines(err)[0]
