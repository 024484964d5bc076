"""Fixed conditions of a network, tensors from a file: text embeddings, pooled projections, attention masks.

Every sample is given the same ones. A tensor is that of one sample, without the batch or with a batch of one:
(77, 768) and (1, 77, 768) alike. In a call a name beside x, t, y and r is a tensor of the file:

    condition = "embeddings.safetensors"                # or .npz, .npy (named by the file's stem), .pt with a dict
    call = "x, t, encoder_hidden_states=text, mask"     # default: each tensor under its own name

What a tensor ``null_text`` holds is given instead of ``text`` for none, in classifier-free guidance.
"""

from pathlib import Path

import numpy as np
import torch

from fmdiag.checkpoints.file import read_safetensors, read_torch_file
from fmdiag.errors import FmdiagError
from fmdiag.files.hashing import file_sha256
from fmdiag.files.npy import load_npy
from fmdiag.files.npz import NUMBERS, read_npz
from fmdiag.files.regular import check_regular

NULL = "null_"
OWN = ("x", "t", "y", "r")
SUFFIXES = (".safetensors", ".npz", ".npy", ".pt", ".pth", ".bin")


def read_conditions(file):
    """Return the tensors of a file of conditions, by name.

    Raises
    ------
    FmdiagError
        If it is missing or of another kind, or has no tensors, other things, values that are not finite, or a name
        that a call uses itself.
    """
    file = Path(file)
    if file.suffix not in SUFFIXES:
        raise FmdiagError(f"condition {file}: give tensors in a file of {', '.join(SUFFIXES)}")
    check_regular(file, "file of conditions")
    found = _read(file)
    if not isinstance(found, dict) or not found or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise FmdiagError(f"condition {file} is no dict of tensors by name: save one, e.g. by "
                          "safetensors.torch.save_file({\"text\": embeddings}, FILE)")
    for name, tensor in found.items():
        if name in OWN:
            raise FmdiagError(f"condition {file}: a tensor is called {name!r}, which in a call means something else: "
                              "rename it")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise FmdiagError(f"condition {file}: {name} has values that are not finite: compute it again")
    return dict(sorted(found.items()))


def _read(file):
    if file.suffix == ".safetensors":
        return read_safetensors(file)
    if file.suffix not in (".npy", ".npz"):
        return read_torch_file(file)
    arrays = read_npz(file, kinds=NUMBERS) if file.suffix == ".npz" else {file.stem: load_npy(file)}
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def used_of(conditions):
    """Return the names of tensors that are no stand-ins for none."""
    return [name for name in conditions if not name.startswith(NULL)]


def without_condition(conditions):
    """Return what guidance gives for none: every tensor whose ``null_`` one is there is replaced by it."""
    return {name: conditions.get(NULL + name, tensor) for name, tensor in conditions.items()}


def has_null(conditions):
    """Return whether some tensor has one that stands for none."""
    return any(NULL + name in conditions for name in conditions)


def for_batch(tensor, x):
    """Return a condition for each row of x: shape (b, ...), on its device, real ones in its dtype."""
    tensor = tensor.to(x.device, x.dtype) if tensor.is_floating_point() else tensor.to(x.device)
    one = tensor if tensor.ndim > 1 and len(tensor) == 1 else tensor[None]
    return one.expand(len(x), *one.shape[1:])


def in_words(conditions):
    """Return names and shapes of conditions."""
    return ", ".join(f"{name} {' × '.join(map(str, tensor.shape)) or 'one number'}"
                     for name, tensor in conditions.items())


def described(file, conditions):
    """Return what descriptions say of a file of conditions."""
    return f"{in_words(conditions)} of {Path(file).name}, sha256 {file_sha256(file)[:12]}"
