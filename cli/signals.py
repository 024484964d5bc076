"""Signals that end the command: Ctrl-C, SIGTERM and SIGHUP are cleaned up after alike."""

import signal
import sys

from fmdiag.errors import FmdiagError, causes
from fmdiag.ranks import torchrun as ranks


class Stopped(BaseException):
    """Ctrl-C or a signal, once every run folder has been removed; click would print a blank line for Ctrl-C itself."""


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C, cleaned up after in the same way; its argument is the signal's number."""


def listen():
    """Raise `Terminated` where a signal would end this process at once; under nohup SIGHUP stays ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, terminate)


def terminate(number, frame):
    """Raise `Terminated`, unless this process is cleaning up: a signal then would leave it half done."""
    if not _is_ending():
        raise Terminated(number)


def exit_code(stop):
    """Return the exit code of a process that Ctrl-C, or a signal, ended."""
    return 128 + (stop.args[0] if isinstance(stop, Terminated) else signal.SIGINT)


def _is_ending():
    """Return whether an error that ends the command is being handled.

    torchrun ends the ranks of a failed run, among them the one that noticed by itself and is cleaning up.
    """
    ending = (FmdiagError, KeyboardInterrupt) if ranks.world()[1] > 1 else KeyboardInterrupt
    return any(isinstance(error, ending) for error in causes(sys.exception(), "__context__"))
