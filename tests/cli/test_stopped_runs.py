"""Full disks, folders that cannot be written, Ctrl-C and kill: one line, and no trace of the run."""

import resource
import shutil
import signal
import subprocess
import time

import pytest

from fmdiag.cli.main import run

ALIGNMENT = ["alignment", "--n", "60", "--n-pairs", "8", "--times", "0.2,0.6"]
# 600 times of 1500 rows take several seconds: long enough to be stopped in the middle.
LONG = ["alignment", "--dataset", "digits", "--n-pairs", "2048", "--times", "0.01:0.99:2000"]


@pytest.fixture
def mounted(tmp_path):
    """Return a function that mounts a file system of so many bytes and returns its folder; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount command")

    def mount(options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode != 0:
            pytest.skip("mounting a small file system needs root")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True)


def assert_one_line(code, capsys, *parts):
    captured = capsys.readouterr()
    assert code == 2, captured
    lines = [line for line in captured.err.splitlines() if not line.startswith("kept what was finished in ")]
    assert len(lines) == 1 and lines[0].startswith("Error: "), captured.err
    assert ".partial" not in lines[0], "the temporary folder is gone when the message is read"
    assert all(str(part) in lines[0] for part in parts), lines[0]


# The disk fills up in the raw table, in the summary, and in a figure.
@pytest.mark.parametrize("size", ["8k", "16k", "60k"])
def test_a_full_disk(mounted, capsys, size):
    disk = mounted(f"size={size}")
    code = run([*ALIGNMENT, "--out", str(disk / "below" / "run")])
    assert_one_line(code, capsys, disk / "below" / "run", "No space left on device", "free some space")
    # What was measured before the disk was full is not lost; where nothing was finished, nothing stays.
    assert sorted(path.name for path in disk.rglob("*") if path.parent.name in ("disk", "below")) in (
        [], [".run.parts", "below"])


def test_a_full_disk_keeps_the_earlier_run(mounted, capsys):
    disk = mounted("size=600k")
    assert run([*ALIGNMENT, "--out", str(disk / "run")]) == 0
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 20_000))
    capsys.readouterr()
    assert_one_line(run([*ALIGNMENT, "--out", str(disk / "run"), "--overwrite"]), capsys, "No space left")
    (disk / "ballast").unlink()
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before


def test_a_file_system_that_is_read_only(mounted, capsys):
    disk = mounted("size=600k,ro")
    assert_one_line(run([*ALIGNMENT, "--out", str(disk / "run")]), capsys, disk / "run", "Read-only file system",
                    "--out")
    assert_one_line(run(["train", "--steps", "1", "--out", str(disk / "run")]), capsys, disk, "Read-only file system")


def test_files_may_not_grow(fmdiag_process, tmp_path):
    """A limit on file sizes fails writes half-way, as a full disk does, without root."""
    process = fmdiag_process(*ALIGNMENT, "--out", tmp_path / "run",
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)))
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, ""), errors
    assert len(errors.splitlines()) == 1 and "File too large" in errors and str(tmp_path / "run") in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("out", "what"), [("file", "file"), ("file/below/run", "is a file, not a folder"),
                                           ("folder", "not a run folder"), ("dangling", "is a file, not a folder")])
def test_an_out_that_is_something_else(tmp_path, capsys, out, what):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "data").write_text("precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    assert_one_line(run([*ALIGNMENT, "--out", str(tmp_path / out), "--overwrite"]), capsys, tmp_path / out, what)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "data").read_text() == "precious"


def test_an_earlier_run_is_kept_without_overwrite(tmp_path, capsys):
    out = tmp_path / "run"
    assert run([*ALIGNMENT, "--out", str(out)]) == 0
    before = (out / "run.json").read_bytes()
    capsys.readouterr()
    assert_one_line(run([*ALIGNMENT, "--out", str(out)]), capsys, out, "exists", "--overwrite")
    assert (out / "run.json").read_bytes() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_run_leaves_nothing(fmdiag_process, tmp_path, number, code):
    process = fmdiag_process(*LONG, "--out", tmp_path / "deep" / "run")
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.3)
    assert process.poll() is None, "finished before it could be stopped"
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert output == "" and errors == "Error: interrupted; no run folder was written\n"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_is_no_error(fmdiag_process, tmp_path):
    process = fmdiag_process(*ALIGNMENT, "--json", "--out", tmp_path / "run")
    with process:
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors and "Error" not in errors
    assert (tmp_path / "run" / "run.json").is_file()
