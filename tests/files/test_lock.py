"""Locks: one process at a time, nothing left behind, and no lock at all where the file system has none."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from fmdiag.errors import FmdiagError
from fmdiag.files.lock import Lock, LockedError, claim

HOLDS = ("import sys; from fmdiag.files.lock import Lock; lock = Lock(sys.argv[1], 'x'); lock.acquire(); "
         "print('held', flush=True); sys.stdin.read()")


def test_a_killed_process_lets_go(tmp_path):
    file = tmp_path / "made" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    assert holder.stdout.readline() == "held\n"
    lock = Lock(file, "the output")
    with pytest.raises(LockedError, match=f"^the output: another fmdiag, process {holder.pid} on .*--out"):
        lock.acquire()
    lock.release()
    assert file.exists() and not lock.held, "a refused lock takes nothing away"
    holder.kill()
    holder.communicate()
    assert file.exists(), "what a dead process leaves"
    lock.acquire()
    assert lock.held and file.read_text().startswith(f"{os.getpid()} on ")
    lock.release()
    assert not file.exists() and not lock.held


def test_folders_made_for_a_lock_go_with_it_where_they_are_empty(tmp_path):
    lock = Lock(tmp_path / "a" / "b" / "lock", "x")
    lock.acquire()
    (tmp_path / "a" / "kept").write_text("")
    lock.release()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "kept"]


def test_a_lock_that_was_replaced_is_left_to_its_new_owner(tmp_path):
    first, second = (Lock(tmp_path / "lock", "x") for _ in range(2))
    first.acquire()
    (tmp_path / "lock").unlink()
    second.acquire()
    first.release()
    assert (tmp_path / "lock").exists()
    third = Lock(tmp_path / "lock", "x")
    with pytest.raises(FmdiagError, match="another fmdiag, process"):
        third.acquire()
    assert not third.held
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_part_is_left_to_its_process(tmp_path):
    with claim(tmp_path / "lock") as first, claim(tmp_path / "lock") as second:
        assert first and not second
    with claim(tmp_path / "lock") as again:
        assert again


def test_a_claim_waits_where_it_is_asked_to(tmp_path):
    order = []

    def second():
        with claim(tmp_path / "lock", wait=True) as mine:
            order.append(("second", mine))

    with claim(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", ("second", True)]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_locks_nothing(tmp_path, monkeypatch, code):
    def refuses(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuses)
    first, second = (Lock(tmp_path / "lock", "x") for _ in range(2))
    first.acquire()
    second.acquire()
    assert not first.held and not second.held
    first.release()
    second.release()
    assert list(tmp_path.iterdir()) == []
    with claim(tmp_path / "lock") as mine:
        assert mine, "what is not locked is anybody's"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FmdiagError, match="^x: cannot be written .Not a directory.*--out"):
        Lock(tmp_path / "file" / "folder" / "lock", "x").acquire()
