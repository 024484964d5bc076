"""Rows that come from storage are worth reading once: posterior means of early times, formed while log-weights are.

A mean over all rows needs weights, and weights a largest log-weight that is known only at the end of the pass. As in a
softmax over a stream, sums are kept relative to the largest log-weight so far and scaled whenever a larger one appears.
Which times are worth it is judged from a sample of rows: those at which many rows weigh.
"""

import numpy as np
import torch

from fmdiag.posterior.dense import FLOOR, LN2

SAMPLE = 512           # rows; two effective ones among them are n / 256, at which a pair is no list yet
LEAST_ESS = 2.0
MOST_TIMES = 8         # each costs one more product on the first pass, wanted or not


class RunningMeans:
    """Posterior means of b pairs at a few s, from one pass over blocks of rows.

    Parameters
    ----------
    s_values : list of float
        s = alpha / sigma of the times.
    b, dim : int
        Number of pairs and dimension.
    dtype, device : torch.dtype, torch.device
        Those of the coefficients.
    """

    def __init__(self, s_values, b, dim, dtype, device):
        self.s_values = s_values
        self.top = torch.full((len(s_values), b), -torch.inf, dtype=dtype, device=device)        # in units of ln 2
        self.weight = torch.zeros(len(s_values), b, dtype=torch.float64, device=device)
        self.total = torch.zeros(len(s_values), b, dim, dtype=dtype, device=device)

    def add(self, linear, quadratic, block):
        """Take in a block of centred rows (`add_weighted`) with its coefficients, shape (b, m)."""
        for j, s in enumerate(self.s_values):
            bits = torch.add(linear, quadratic, alpha=s).mul_(s / LN2)
            top = torch.maximum(self.top[j], bits.amax(1))
            scale = torch.exp2(self.top[j] - top)
            weights = bits.sub_(top[:, None]).clamp_(min=-FLOOR / LN2).exp2_()
            if not bool((scale == 1).all()):
                self.total[j].mul_(scale[:, None])
            block.add_weighted(self.total[j], weights)
            self.weight[j] = self.weight[j] * scale + weights.sum(1)
            self.top[j] = top

    def means(self, center, group):
        """Return {s: means, float64 of shape (b, dim)}, all ranks' rows together."""
        top = group.max(self.top.clone())   # which may be overwritten
        scale = torch.exp2(self.top - top)   # 0 on a rank without rows
        total, weight = group.sum(self.total * scale[..., None]), group.sum(self.weight * scale)
        return dict(zip(self.s_values, total.double().div_(weight[..., None]).add_(center), strict=True))


def worth_running(x0, x1, store, s_values, memory):
    """Return those of `s_values` at which, in a sample of rows, enough weigh for a sum over all; few fit into `memory`.

    Parameters
    ----------
    x0, x1 : Tensor, float64, shape (b, dim)
        Noise and data.
    store : RowStore
        The rows; none are chosen where they are in memory, since a second pass then costs little.
    """
    room = min(MOST_TIMES, int(memory // (8 * x0.numel())))
    if store.kept is not None or store.n <= SAMPLE or room < 1:
        return []
    numbers = np.sort(np.random.default_rng(0).choice(store.n, SAMPLE, replace=False))
    rows = store.training_set[numbers].reshape(SAMPLE, -1).to(x0.device, torch.float64)
    linear = x0 @ rows.T - (x0 * x1).sum(1, keepdim=True)
    quadratic = -0.5 * torch.cdist(x1, rows).square()
    chosen = []
    for s in sorted(s_values)[:room]:
        weights = torch.softmax(s * (linear + s * quadratic), 1)
        if weights.square().sum(1).reciprocal().mean().item() < LEAST_ESS:
            break
        chosen.append(s)
    return chosen
