"""Other numbers of attention heads with which the same weights could be read."""

from fmdiag.checkpoints.foreign import ASSUMED
from fmdiag.errors import FmdiagError


def other_heads(load, checkpoint, candidates):
    """Return {number of heads: field} for the candidates that fit, where the checkpoint's number is assumed; else {}.

    Parameters
    ----------
    load : callable
        ``load(heads=k)`` -> Checkpoint, or FmdiagError where k does not divide the width.
    checkpoint : Checkpoint
        As it was read without a number given.
    candidates : iterable of int
        Numbers to try.
    """
    origin = checkpoint.description.get("origin") or {}
    if ASSUMED not in (origin.get("heads"), origin.get("attention")):
        return {}
    fields = {}
    for number in candidates:
        if number == checkpoint.description.get("heads"):
            continue
        try:
            fields[number] = load(heads=number).field
        except FmdiagError:
            continue
    return fields
