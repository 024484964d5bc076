"""`fmdiag pairing`, another name of `fmdiag study pairing`: does a model return the partners that it was trained on?"""

from .measuring import command_of


def made():
    """Return the command, whose checkpoint is the option --from."""
    from fmdiag.diagnostics import DIAGNOSTICS

    return command_of(DIAGNOSTICS["pairing"], checkpoint_option="--from")


command = made()
