"""`fmdiag pairing`, another name of `fmdiag study pairing`: training on fixed pairs, and what comes back."""

from .measuring import command_of


def made():
    """Return the command, whose checkpoint is the option --from."""
    from fmdiag.diagnostics import DIAGNOSTICS

    return command_of(DIAGNOSTICS["pairing"], checkpoint_option="--from")


command = made()
