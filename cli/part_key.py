"""Which inputs decide what is in a part of a run? Their hash is its name: for other inputs nothing is ever reused."""

import functools
import hashlib
from pathlib import Path

# Diagnostics that look at training rows alone, and samples: their parts outlive a change of the held-out rows.
WITHOUT_HELD_OUT = ("alignment", "error", "hybrid", "samples")
# Options that decide where and how a result is shown.
OUTPUT = ("out", "overwrite", "as_json")
# Options and parameters that name a file or a folder: its content counts. The data sets' rows count by themselves.
FILES = ("model", "decoder", "pairs", "folder")


def key_of(session, name, parameters):
    """Return the name of a part: code, versions, data, checkpoint, options, parameters, device and ranks, hashed.

    Parameters
    ----------
    session : Session
        The run.
    name : str
        Diagnostic, or ``"samples"``.
    parameters : dict
        What it is called with.
    """
    rows, held_out = session.training_set, None
    if name not in WITHOUT_HELD_OUT and rows.held_out is not None:
        held_out = rows.held_out.fingerprint
    options = {key: value for key, value in session.options.items() if key not in OUTPUT}
    facts = [session.name, name, plain(parameters), plain(options), rows.fingerprint, held_out, code(), packages(),
             _checkpoint(session), _features(session, parameters), str(session.device), session.group.size]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def code():
    """Return the hash of fmdiag's own source: the version alone would not tell that it was changed after a kill."""
    from fmdiag.files.code import code_hash

    return code_hash(Path(__file__).parent)


@functools.cache
def packages():
    """Return the versions of what decides the numbers."""
    from .session_outputs import versions

    return sorted(versions().items())


def _checkpoint(session):
    """Return what decides the field: the file's content, how it is read, and the source of a network of the user's."""
    if session.checkpoint is None:
        return None
    if session.checkpoint_facts is None:  # once: what diagnostics add to the description does not count
        module, card = getattr(session.checkpoint.field, "module", None), session.options.get("model")
        sources = {*_sources(module), *([] if card is None else Path(card).parent.glob("*.py"))}
        session.checkpoint_facts = [session.checkpoint.sha256, repr(session.checkpoint.description),
                                    [content(file) for file in sorted(sources)]]
    return session.checkpoint_facts


def _sources(module):
    """Return the files in which a network's classes are written, but for those of torch, which has a version."""
    import torch

    parts = module.modules() if isinstance(module, torch.nn.Module) else []
    codes = {_code_of(type(part)) for part in parts} - {None}
    files = {Path(code.co_filename) for code in codes}
    return {file for file in files if file.is_file() and Path(torch.__file__).parent not in file.parents}


def _code_of(network):
    """Return the code of a class's forward; None for a compiled program, which is in the checkpoint file itself."""
    # Not by its attribute: TorchScript's raises where it is asked for of a class.
    forward = next((vars(kind)["forward"] for kind in network.__mro__ if "forward" in vars(kind)), None)
    return getattr(forward, "__code__", None)


def _features(session, parameters):
    """Return the keys of the feature spaces that the options choose: weights by content, not by name."""
    chosen = parameters.get("chosen")
    if chosen is None:
        return None
    from .spaces import spaces

    return [feature.key for feature in spaces(session, chosen)[0]]


def plain(value, name=None):
    """Return nested values as text, the same in every process: arrays, tables and files by their content."""
    import numpy as np
    import pandas as pd
    import torch

    if isinstance(value, dict):
        return {str(key): plain(value[key], key) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = np.ascontiguousarray(value.cpu().numpy() if isinstance(value, torch.Tensor) else value)
        return array.shape, str(array.dtype), hashlib.sha256(array).hexdigest()
    if isinstance(value, pd.DataFrame):
        return plain({str(k): pd.util.hash_pandas_object(column).to_numpy() for k, column in value.items()})
    if isinstance(value, (str, Path)):
        return str(value), content(value) if name in FILES else None
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    # What is not known to be written out in full would let other inputs pass for the same.
    raise TypeError(f"{name}: a part cannot be named after a {type(value).__name__}")


def content(path):
    """Return the hash of a file, or those of all files of a folder; an empty list where nothing is there."""
    path = Path(path)
    if path.is_file():
        return _content(path, path.stat().st_size, path.stat().st_mtime_ns)
    return [(str(file.relative_to(path)), content(file)) for file in sorted(path.rglob("*")) if file.is_file()]


@functools.cache
def _content(file, *status):
    from fmdiag.checkpoints.file import file_sha256

    return file_sha256(file)
