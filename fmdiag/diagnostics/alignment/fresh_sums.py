"""Sums of posterior weights along paths, at all times in one pass over the training rows."""

import math

import torch

from fmdiag.posterior.rows import product_dtype

ENTRIES = 1 << 21    # float64 log-weights at a time
ROW_BYTES = 1 << 25  # of float64 rows at a time
EQUAL = 1e-12        # squared distance, beside the squared norm, of rows that are one example
FLOOR = 40.0         # nats: n rows below exp(-FLOOR) of the largest weight are 1e-8 of it for n < 10^9


def path_sums(training_set, x0, z, own, s, device, progress):
    """Return the sums of w and w² over training rows, relative to the largest w, shape (2, T, paths); 0 of no row.

    Parameters
    ----------
    training_set : TrainingSet
        The rows.
    x0, z : Tensor, shape (paths, *shape)
        Noise and ends of the paths.
    own : Tensor of int64, shape (paths,), or None
        Training rows that z are: those, and all that equal them, are left out.
    s : Tensor, float64, shape (T,)
        alpha / sigma at the times.
    device, progress
        As in `fmdiag.diagnostics.alignment.fresh.measure`.
    """
    x0, z = (x.flatten(1).to(device, torch.float64) for x in (x0, z))
    top = torch.full((len(s), len(x0)), -torch.inf, dtype=torch.float64, device=device)
    weight, square = (torch.zeros_like(top) for _ in range(2))
    # Of a log-weight relative to the largest, which float64 products give, float32 keeps 1e-7 where it weighs.
    dtype, size = product_dtype(x0.shape[1]), max(1, min(ROW_BYTES // (8 * x0.shape[1]), ENTRIES // len(x0)))
    values, s = s.tolist(), s[:, None].to(device)
    both, end_norms = torch.cat([x0, z]), z.square().sum(1)[:, None]
    buffer = torch.empty(size, x0.shape[1], dtype=torch.float64, device=device)
    for first, rows in progress(training_set.blocks(size, device=device)):
        block = buffer[: len(rows)].copy_(rows)
        norms, (along, of_ends) = torch.linalg.vecdot(block, block), (both @ block.T).split(len(x0))
        apart = (end_norms - 2 * of_ends + norms).clamp_(min=0)
        if own is not None:
            apart[_same(apart, norms, own.to(device), first, training_set.n_stored)] = torch.inf
        highest = s * (along.amax(1) - 0.5 * s * apart.amin(1))
        # A block none of whose rows can weigh anything beside rows before it is passed over.
        for k in torch.nonzero((highest > top - FLOOR).any(1) | (s[:, 0] == 0)).reshape(-1).tolist():
            _add(_logs(along, apart, values[k]), top[k], weight[k], square[k], dtype)
    return torch.stack([weight, square]).cpu()


def _same(apart, norms, own, first, n_stored):
    """Return which training rows equal the source of each path, or are it or its mirror image: bool, (paths, m)."""
    numbers = torch.arange(first, first + apart.shape[1], device=apart.device) % n_stored
    return (numbers == own[:, None] % n_stored) | (apart <= EQUAL * norms)


def _logs(along, apart, s):
    """Return the log-weights s <x0, X> - s² ||z - X||² / 2, shape (paths, m)."""
    if not s:
        return torch.where(apart.isinf(), -torch.inf, torch.zeros_like(apart))
    return torch.add(along, apart, alpha=-0.5 * s).mul_(s)


def _add(logs, top, weight, square, dtype):
    """Add a block of log-weights, (paths, m), to the sums of one time in place; overwrites `logs`."""
    new = torch.maximum(top, logs.amax(1))
    some = new > -torch.inf
    shift = torch.where(some, top - new, 0.0).exp()
    bits = logs.sub_(torch.where(some, new, 0.0)[:, None]).mul_(1 / math.log(2)).to(dtype)
    relative = bits.clamp_(min=-FLOOR / math.log(2)).exp2_()   # clamped: no slow denormals
    weight.mul_(shift).add_(torch.where(some, relative.sum(1, dtype=torch.float64), 0.0))
    squares = torch.linalg.vector_norm(relative, dim=1, dtype=torch.float64).square()
    square.mul_(shift**2).add_(torch.where(some, squares, 0.0))
    top.copy_(new)
