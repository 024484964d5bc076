"""The ways in which others form the posterior mean of û* at one time, each written plainly: what ours is compared with.

All take queries x, shape (b, d), and rows, shape (n, d), float32, and return posterior means at t, shape (b, d).
"""

import torch
import torch.nn.functional as F


class Products:
    """Two products: logits by ||x||^2 - 2 t <x, X> + t^2 ||X||^2, softmax, weights times rows."""

    def __init__(self, rows):
        self.rows, self.norms = rows, rows.square().sum(1)

    def __call__(self, x, t):
        """Return posterior means."""
        distances = x.square().sum(1, keepdim=True) - 2 * t * (x @ self.rows.T) + t * t * self.norms
        return torch.softmax(-distances / (2 * (1 - t) ** 2), 1) @ self.rows


class Broadcast:
    """Differences of every query and row as (chunk, b, d) tensors, two passes: logits first, weighted rows then."""

    def __init__(self, rows, chunk=64):
        self.rows, self.chunk = rows, chunk

    def __call__(self, x, t):
        """Return posterior means."""
        parts = self.rows.split(self.chunk)
        logs = torch.cat([-(x[None] - t * part[:, None]).square().sum(2) / (2 * (1 - t) ** 2) for part in parts])
        weights = torch.softmax(logs, 0).split(self.chunk)
        return sum((weight[:, :, None] * part[:, None]).sum(0) for weight, part in zip(weights, parts, strict=True))


class Attention:
    """`scaled_dot_product_attention` over rows extended by their squared norms."""

    def __init__(self, rows):
        self.rows, self.keys = rows, torch.cat([rows, rows.square().sum(1, keepdim=True)], 1)
        # Keys and values of the same width are needed for the fused kernel.
        self.values = torch.cat([rows, rows[:, :1]], 1)

    def __call__(self, x, t):
        """Return posterior means."""
        scale = 1 / (1 - t) ** 2
        queries = torch.cat([t * scale * x, torch.full((len(x), 1), -0.5 * t * t * scale)], 1)
        found = F.scaled_dot_product_attention(queries[None, None], self.keys[None, None], self.values[None, None],
                                               scale=1.0)
        return found[0, 0, :, :-1]


class KeOps:
    """A KeOps lazy tensor: one compiled reduction over all rows."""

    def __init__(self, rows):
        from pykeops.torch import LazyTensor

        self.lazy, self.rows = LazyTensor, rows

    def __call__(self, x, t):
        """Return posterior means."""
        queries = self.lazy(x[:, None].contiguous())
        rows = self.lazy((t * self.rows)[None].contiguous())
        logs = -((queries - rows) ** 2).sum(2) / (2 * (1 - t) ** 2)
        return logs.sumsoftmaxweight(self.lazy(self.rows[None].contiguous()), axis=1)


RIVALS = {"products": Products, "broadcast": Broadcast, "attention": Attention, "keops": KeOps}
