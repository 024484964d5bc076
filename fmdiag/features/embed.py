"""Vectors of all rows of a data set under a feature: computed in batches, kept where they fit, found by content."""

import tempfile

import numpy as np
import torch

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features.cache import FeatureCache
from fmdiag.files.hashing import arrays_sha256
from fmdiag.memory import default_memory, in_pieces


def embed(data, feature, *, cache=None, batch_size=None, memory=None, progress=iter):
    """Return the vectors of all rows, flips included.

    Parameters
    ----------
    data : TrainingSet, Tensor or ndarray, shape (n, *shape)
        In model range.
    feature : Feature or callable
        From `load_feature`; the vectors of any other callable are not kept, as nothing tells what it computes.
    cache : FeatureCache or path, optional
        Where vectors are kept; without it they are computed.
    batch_size : int, optional
        Images in one pass; default the feature's.
    memory : int, optional
        Bytes beyond which vectors that are not kept go to a temporary file; default a quarter of what is
        free, at least 1 GiB.
    progress : callable, optional
        Wraps the list of batches.

    Returns
    -------
    ndarray, float32, shape (n, dim)
        A read-only memory map where it comes from the cache.

    Raises
    ------
    FmdiagError
        If the network fails, or a vector is not finite.

    Examples
    --------
    >>> import fmdiag
    >>> from fmdiag.features import embed, load_feature
    >>> train = fmdiag.load_dataset("digits")
    >>> embed(train, load_feature("pca", training_set=train, n_components=8)).shape
    (1500, 8)
    """
    cache = cache if cache is None or isinstance(cache, FeatureCache) else FeatureCache(cache)
    cache = cache if hasattr(feature, "key") else None
    key = cache and cache.key(_fingerprint(data), feature)
    found = cache.get(key) if cache else None
    if found is not None and len(found) == len(data):
        return found
    size = batch_size or getattr(feature, "batch_size", 64)
    fitting = [size]  # images in one pass, fewer where memory does not suffice
    first = _vectors(data, feature, 0, size, fitting)
    shape = (len(data), first.shape[1])

    def write(array):
        array[:size] = first
        for start in progress(range(size, len(data), size)):
            array[start : start + size] = _vectors(data, feature, start, size, fitting)

    kept = cache.put(key, shape, write, {"feature": feature.describe(), "data": _name(data)}) if cache else None
    if kept is not None:
        return kept
    vectors = _filled(shape, write, memory or default_memory())
    return cache.hold(key, vectors) if cache else vectors


def embed_rows(data, numbers, feature, *, cache=None):
    """Return the vectors of some rows: those of all rows where `numbers` are all, or where these are kept already.

    Parameters
    ----------
    data : TrainingSet, Tensor or ndarray, shape (n, *shape)
        In model range.
    numbers : ndarray of int, shape (m,)
        Of the rows.
    feature, cache
        As for `embed`.

    Returns
    -------
    ndarray, float32, shape (m, dim)
    """
    kept = cache.get(cache.key(_fingerprint(data), feature)) if cache and hasattr(feature, "key") else None
    if kept is None and len(numbers) < len(data):
        return embed(data[numbers], feature, cache=cache)
    return (embed(data, feature, cache=cache) if kept is None else kept)[numbers]


def _vectors(data, feature, start, size, fitting):
    """Return the vectors of rows start to start + size, float32 ndarray, checked."""
    rows = data[slice(start, min(start + size, len(data)))]
    rows = rows if isinstance(rows, torch.Tensor) else torch.from_numpy(np.require(rows, requirements="W"))
    found = []
    fitting[0] = in_pieces(lambda part: found.append(feature(rows[part].float()).reshape(len(rows[part]), -1).cpu()),
                           len(rows), fitting[0], "images per pass of the feature")
    vectors = torch.cat(found).numpy()
    bad = np.flatnonzero(~np.isfinite(vectors).all(1))
    if bad.size:
        raise FmdiagError(f"feature {feature.name}: the vector of row {start + bad[0]} of {_name(data)} holds NaN or "
                          "infinity: the image, or the weights, do")
    return vectors.astype(np.float32, copy=False)


def _filled(shape, write, memory):
    """Return a float32 array that `write` fills, in a nameless temporary file where it takes more than `memory`."""
    if 4 * int(np.prod(shape)) <= memory:
        array = np.empty(shape, np.float32)
        write(array)
        return array
    with tempfile.TemporaryFile() as file:  # the maps keep it open; it is gone when they are
        write(np.memmap(file, np.float32, "w+", shape=shape))
        return np.memmap(file, np.float32, "r", shape=shape)


def _fingerprint(data):
    if isinstance(data, TrainingSet):
        return data.fingerprint
    values = np.ascontiguousarray(data.numpy() if isinstance(data, torch.Tensor) else data)
    return arrays_sha256(values, header=repr((values.shape, values.dtype.name)))


def _name(data):
    return data.name if isinstance(data, TrainingSet) else "samples"
