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


def equivariant(x, alpha, sigma, rows, k):
    """D of ELS at one point: patches from all places of all examples at which the patch as it is cut lies inside."""
    _, h, w = x.shape
    x, mean, rows = x.tolist(), torch.zeros_like(x), rows.tolist()
    for r in range(h):
        for c in range(w):
            offsets = [(a - r, b - c) for a, b in patch(h, w, (r, c), k)]
            logs, values = [], []
            for row in rows:
                for place in [(a, b) for a in range(h) for b in range(w)]:
                    there = [(place[0] + a, place[1] + b) for a, b in offsets]
                    if not all(0 <= a < h and 0 <= b < w for a, b in there):
                        continue
                    square = sum((x[n][r + a][c + b] - float(alpha) * row[n][place[0] + a][place[1] + b]) ** 2
                                 for n in range(len(x)) for a, b in offsets)
                    logs.append(-square / (2 * float(sigma) ** 2))
                    values.append([channel[place[0]][place[1]] for channel in row])
            weights = softmax(logs)
            mean[:, r, c] = torch.tensor([sum(weight * value[n] for weight, value in zip(weights, values, strict=True))
                                          for n in range(len(x))], dtype=mean.dtype)
    return mean


def masked(x, alpha, sigma, rows, mask):
    """D of PCA-locality at one point, shape (d,), for a mask as a nested list."""
    x, rows = x.tolist(), rows.tolist()
    found = []
    for m, looks in enumerate(mask):
        logs = [-sum((x[n] - float(alpha) * row[n]) ** 2 for n in range(len(x)) if looks[n]) / (2 * float(sigma) ** 2)
                for row in rows]
        found.append(sum(weight * row[m] for weight, row in zip(softmax(logs), rows, strict=True)))
    return torch.tensor(found, dtype=torch.float64)
