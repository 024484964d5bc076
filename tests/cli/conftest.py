"""A tiny trained checkpoint, and the command line as a process of its own."""

import functools
import os
import signal
import subprocess
import sys

import pytest

from fmdiag.cli.main import run


@pytest.fixture(autouse=True)
def _quick(few_times):
    """Commands take few times where they are told none."""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Return the checkpoint of an MLP trained for a few steps on 40 digits."""
    out = tmp_path_factory.mktemp("trained") / "run"
    assert run(["train", "--dataset", "digits", "--n", "40", "--network", "mlp", "--width", "16", "--depth", "1",
                "--steps", "20", "--batch-size", "8", "--precision", "fp32", "--out", str(out)]) == 0
    return out / "checkpoint.pt"


def default_signals(then=None):
    """Undo what nohup or a shell's & left ignored: Python installs no handler for a signal that is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if then is not None:
        then()


@pytest.fixture
def fmdiag_process():
    """Return a function that starts `fmdiag ARGUMENTS` as a process, its output captured; none outlives the test."""
    started = []

    def start(*arguments, **options):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
        before = functools.partial(default_signals, options.pop("preexec_fn", None))
        started.append(subprocess.Popen(
            [sys.executable, "-m", "fmdiag.cli.main", *map(str, arguments)], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=before, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def fails_cleanly(tmp_path, capsys, monkeypatch):
    """Return a function that runs arguments, expects one line that begins with Error: and exit code 2, nothing written.

    The working directory is an empty folder, so that a default --out would be seen.
    """
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def check(arguments, *parts):
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 2, captured
        assert captured.out == ""
        lines = captured.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("Error: "), captured.err
        assert all(part in lines[0] for part in map(str, parts)), (parts, lines[0])
        assert list(work.iterdir()) == []
        return lines[0]

    return check
