"""Key of a finished result: the hash of everything that decides it, so that for other inputs nothing is ever reused."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pandas.util import hash_pandas_object

from fmdiag.files.code import code_hash
from fmdiag.files.hashing import arrays_sha256, file_sha256, text_sha256
from fmdiag.runs.field_key import field_key
from fmdiag.runs.versions import versions

# Diagnostics that look at training examples alone, and samples: they outlive a change of the held-out examples.
WITHOUT_HELD_OUT = ("alignment", "error", "hybrid", "samples")
# Parameters that name a file or a folder: its content counts.
FILES = ("samples", "model", "decoder", "pairs", "folder", "other", "reference")


def key_of(run, name, parameters):
    """Return the key of a diagnostic, or of ``"samples"``, under the parameters, a dict."""
    examples, held_out = run.training_set, None
    if name not in WITHOUT_HELD_OUT and examples.held_out is not None:
        held_out = examples.held_out.fingerprint
    condition = examples.condition and plain(examples.condition.facts())
    facts = [name, plain(parameters), run.seed, run.given_memory, examples.fingerprint, condition, held_out,
             _groups(name, examples), code_hash(), packages(), _model(run), plain(run.given.decoder, "decoder"),
             bool(run.given.options.get("times_of_scheduler")), str(run.network_device), run.group.size]
    return text_sha256(repr(facts))[:24]


def _groups(name, examples):
    """Return what decides which rows belong together, where the diagnostic looks at that."""
    if name in WITHOUT_HELD_OUT or examples.groups is None:
        return None
    sets = [examples] if examples.held_out is None else [examples, examples.held_out]
    return [plain(rows.groups) for rows in sets]


@functools.cache
def packages():
    """Return the versions of what decides the numbers."""
    return sorted(versions().items())


def _model(run):
    """Return what decides the field: a file's content and reading, a network's weights, the source of its classes."""
    if run.network is None:
        return None
    if run.model_facts is None:  # once: hashing weights takes a while
        module = getattr(run.network, "module", run.network)
        card = run.given.options.get("model")
        sources = {*_sources(module), *([] if card is None else Path(card).parent.glob("*.py"))}
        read = run.checkpoint and [run.checkpoint.sha256, repr(run.checkpoint.description)]
        run.model_facts = [read or field_key(module, plain), repr(run.path and run.path.describe()),
                           [content(file) for file in sorted(sources)]]
    return run.model_facts


def _sources(module):
    """Return the files in which a network's classes are written, but for those of torch, which has a version."""
    parts = module.modules() if isinstance(module, torch.nn.Module) else []
    codes = {code for part in parts if (code := _code_of(type(part))) is not None}
    files = {Path(code.co_filename) for code in codes}
    return {file for file in files if file.is_file() and Path(torch.__file__).parent not in file.parents}


def _code_of(network):
    """Return the code of a class's forward; None for a compiled program, which is in the checkpoint file itself."""
    # Not by its attribute: TorchScript's raises where it is asked for of a class.
    forward = next((vars(kind)["forward"] for kind in network.__mro__ if "forward" in vars(kind)), None)
    return getattr(forward, "__code__", None)


def plain(value, name=None):
    """Return nested values as text, the same in every process: arrays, tables and files by their content."""
    if isinstance(value, dict):
        return {str(key): plain(value[key], key) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(one, name) for one in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return _array(value)
    if isinstance(value, pd.DataFrame):
        return plain({str(k): _hashes(column).to_numpy() for k, column in value.items()})
    if isinstance(value, (str, Path)):
        file = str(value).partition("=")[2] if name == "feature_weights" else value if name in FILES else None
        return str(value), content(file) if file else None
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    # What is not known to be written out in full would let other inputs pass for the same.
    raise TypeError(f"{name}: a part cannot be named after a {type(value).__name__}")


def _hashes(column: pd.Series) -> pd.Series:
    return hash_pandas_object(column)  # pyright: ignore[reportCallIssue]


def _array(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    array = np.ascontiguousarray(np.asarray(value))
    return array.shape, str(array.dtype), arrays_sha256(array)


def content(path):
    """Return the hash of a file, or those of all files of a folder; an empty list where nothing is there."""
    path = Path(path)
    if path.is_file():
        return _content(path, path.stat().st_size, path.stat().st_mtime_ns)
    return [(str(file.relative_to(path)), content(file)) for file in sorted(path.rglob("*")) if file.is_file()]


@functools.cache
def _content(file, *status):
    return file_sha256(file)
