"""Theories of patches by their definitions: explicit loops over pixels, patches and examples in Python's floats."""

import math

import torch


def patch(h, w, p, k):
    """Pixels of the k x k patch around p, cut at the border."""
    return [(r, c) for r in range(h) for c in range(w) if max(abs(r - p[0]), abs(c - p[1])) <= k // 2]


def softmax(logs):
    weights = [math.exp(log - max(logs)) for log in logs]
    return [weight / sum(weights) for weight in weights]


def weights_of(pixels, x, alpha, sigma, rows):
    """Posterior of one patch: softmax over the examples of the squared distance on these pixels."""
    logs = []
    for row in rows:
        square = 0.0
        for r, c in pixels:
            for a, b in zip(x, row, strict=True):
                square += (a[r][c] - alpha * b[r][c]) ** 2
        logs.append(-square / (2 * sigma**2))
    return softmax(logs)


def expected(weights, rows, r, c):
    """Mean of the examples' pixel, per channel."""
    return [sum(weight * row[channel][r][c] for weight, row in zip(weights, rows, strict=True))
            for channel in range(len(rows[0]))]


def local_score(x, alpha, sigma, rows, k):
    """D of the local score at one point, shape (channels, h, w)."""
    _, h, w = x.shape
    x, mean, rows = x.tolist(), torch.zeros_like(x), rows.tolist()
    for r in range(h):
        for c in range(w):
            weights = weights_of(patch(h, w, (r, c), k), x, float(alpha), float(sigma), rows)
            mean[:, r, c] = torch.tensor(expected(weights, rows, r, c), dtype=mean.dtype)
    return mean


def composite(x, alpha, sigma, rows, k):
    """D of PSPC-Square at one point: each patch's posterior mean is put where the patch is, and averaged."""
    _, h, w = x.shape
    x, total, rows = x.tolist(), torch.zeros_like(x), rows.tolist()
    count = torch.zeros(h, w, dtype=torch.float64)
    for r in range(h):
        for c in range(w):
            pixels = patch(h, w, (r, c), k)
            weights = weights_of(pixels, x, float(alpha), float(sigma), rows)
            for q in pixels:
                total[:, q[0], q[1]] += torch.tensor(expected(weights, rows, *q), dtype=total.dtype)
                count[q] += 1
    return total / count
