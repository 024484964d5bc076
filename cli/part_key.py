"""Which inputs decide what is in a part of a run? Their hash is its name: for other inputs nothing is ever reused."""

import hashlib
import os
from pathlib import Path

# Diagnostics that look at training rows alone, and samples: their parts outlive a change of the held-out rows.
WITHOUT_HELD_OUT = ("alignment", "error", "hybrid", "samples")
# Options that decide where and how a result is shown.
OUTPUT = ("out", "overwrite", "as_json")


def key_of(session, name, parameters):
    """Return the name of a part: parameters, options, rows, checkpoint, versions, device and number of ranks, hashed.

    Parameters
    ----------
    session : Session
        The run.
    name : str
        Diagnostic, or ``"samples"``.
    parameters : dict
        What it is called with.
    """
    from fmdiag import __version__

    from .session import versions

    rows, held_out = session.training_set, None
    if name not in WITHOUT_HELD_OUT and rows.held_out is not None:
        held_out = rows.held_out.fingerprint
    options = {key: value for key, value in session.options.items() if key not in OUTPUT}
    facts = (name, plain(parameters), plain(options), rows.fingerprint, held_out, __version__, versions(),
             session.checkpoint and session.checkpoint.sha256, str(session.device), session.group.size)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def plain(value):
    """Return nested values as text, the same in every process: arrays by their bytes, files by size and time."""
    import numpy as np
    import torch

    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = np.ascontiguousarray(value.cpu().numpy() if isinstance(value, torch.Tensor) else value)
        return array.shape, str(array.dtype), hashlib.sha256(array).hexdigest()
    if isinstance(value, (str, Path)) and os.path.isfile(value):
        status = os.stat(value)
        return str(value), status.st_size, status.st_mtime_ns
    return repr(value)
