"""How the content of a case is made: which mutations a kind of file gets, each as (data, rng, other) -> bytes."""

import functools
import io
import pickle
import warnings

import torch

from checks.fuzz.claims import claimed, nested, strange
from checks.fuzz.mutations import BYTES, TEXT, mutated, mutated_object, mutated_tar, mutated_zip


def textual(data, rng, other):
    return mutated(data, rng, other, TEXT)


def binary(data, rng, other):
    return mutated(data, rng, other, BYTES)


def zip_or_bytes(data, rng, other):
    action = rng.random()
    return mutated_zip(data, rng, other) if action < 0.5 else packed(data, rng, other)


def tar_or_bytes(data, rng, other, mode=""):
    return mutated_tar(data, rng, other, mode) if rng.random() < 0.5 else packed(data, rng, other)


def packed(data, rng, other):
    """Damaged bytes, claims of a header that nothing gives away, layers of compression."""
    action = rng.random()
    make = claimed if action < 0.3 else nested if action < 0.4 else binary
    return make(data, rng, other)


@functools.cache
def _loaded(data):
    """Return what a valid file holds; mutations copy what they change."""
    return torch.load(io.BytesIO(data), weights_only=True)


def torch_file(data, rng, other):
    """Objects of torch.save that hold something else somewhere, zips with right checksums, damaged bytes."""
    action = rng.random()
    if action < 0.4:
        warnings.simplefilter("ignore")
        stream = io.BytesIO()
        value = mutated_object(_loaded(data), rng)
        try:
            torch.save(value, stream, _use_new_zipfile_serialization=rng.random() < 0.8)
        except Exception:
            return binary(data, rng, other)
        return stream.getvalue()
    return mutated_zip(data, rng, other) if action < 0.7 else binary(data, rng, other)


def pickled(data, rng, other):
    """Objects that hold something else somewhere, names of functions, damaged bytes."""
    action = rng.random()
    if action < 0.3:
        return pickle.dumps(mutated_object(pickle.loads(data), rng), protocol=rng.choice((0, 2, 4)))
    if action < 0.5:
        named = rng.choice((b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"cposix\nsystem\n",
                            b"cnumpy\nload\n(S'x'\ntR.", b"cnumpy.core.multiarray\n_reconstruct\n", b"ctorch\nload\n"))
        at = rng.choice((0, 2, len(data) - 1, rng.randrange(len(data))))
        return data[:at] + named + data[at:]
    return binary(data, rng, other)


def strange_source(data, rng, other):
    """A checkpoint that names other data, or one that is damaged as others are."""
    if rng.random() < 0.3:
        return torch_file(data, rng, other)
    stream = io.BytesIO()
    torch.save(strange(_loaded(data), rng), stream)
    return stream.getvalue()
