"""A signal ends the command, but not what it cleans up."""

import os
import signal

import pytest

from fmdiag.cli.signals import Terminated, exit_code, terminate
from fmdiag.errors import FmdiagError
from fmdiag.runs.output import Output


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def rank(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)


def signalled():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_is_raised():
    with pytest.raises(Terminated) as stop:
        signalled()
    assert exit_code(stop.value) == 143


def test_a_signal_among_errors_that_a_single_process_handles_is_raised():
    with pytest.raises(Terminated):
        try:
            raise FmdiagError("handled")
        except FmdiagError:
            signalled()


@pytest.mark.parametrize("error", [FmdiagError("another rank ended"), KeyboardInterrupt()])
@pytest.mark.usefixtures("rank")
def test_a_rank_that_is_cleaning_up_is_not_disturbed(tmp_path, monkeypatch, error):
    output = Output(tmp_path / "run")
    remove = output.parts._remove_all

    def disturbed(**options):
        try:
            raise FileNotFoundError
        except FileNotFoundError:
            signalled()
        remove(**options)

    monkeypatch.setattr(output.parts, "_remove_all", disturbed)
    try:
        raise error
    except BaseException as raised:
        output.abandon(raised)
    output.close()
    assert list(tmp_path.iterdir()) == []
