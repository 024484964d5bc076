"""Distance to the nearest row along the paths of pairs, at many times, without posterior means.

The largest log-weight of a pair at s is the upper envelope of the lines l_i(s) / s = -a_i - s b_i / 2 of all rows (see
`products`), so that two products answer every time. The row that the products name is then measured by its difference,

    ||x_t - alpha X|| / sigma = ||x0 + s (x1 - X)||,

in float64, which cancels nothing: near t = 1 too, and exactly ||x0|| where it is the pair's own row.
"""

import torch

from fmdiag.posterior.curve.products import PairProducts

SPAN_ENTRIES = 1 << 18    # coefficients at a time: they stay in cache while every time passes over them


def nearest_norms(plain, store, x0, x1, rows, times):
    """Return min_i ||x_t - alpha X_i|| / sigma of pairs (x0, x1), float64, shape (times, b).

    Parameters
    ----------
    plain : EmpiricalPosterior
        Gives the path and the memory budget.
    store : RowStore
        The rows.
    x0, x1, rows, times
        As in `posterior_curve`; a row of -1 stands for an x1 that is no row of the set.
    """
    x0, x1 = (x.reshape(len(x), -1).to(store.device, torch.float64) for x in (x0, x1))
    rows = rows.to(store.device) - store.first
    alpha, sigma = plain.schedule(torch.tensor(times, dtype=torch.float64, device=store.device))
    at_once = max(1, int(plain.memory / 3 / (16 * -(-store.n // store.group.size))))
    parts = [_chunk(store, x0[part], x1[part], rows[part], (alpha / sigma).tolist())
             for part in torch.arange(len(rows), device=store.device).split(at_once)]
    return store.group.min(torch.cat(parts, 1).contiguous())


def _chunk(store, x0, x1, rows, ratios):
    """Return the norms of this rank's nearest rows, shape (times, b); infinite where it has none."""
    products = PairProducts(x0, x1, rows, store)
    norms = torch.full((len(ratios), len(x0)), torch.inf, dtype=torch.float64, device=x0.device)
    if not store.size:
        return norms
    for k, (s, nearest) in enumerate(zip(ratios, _nearest(products, ratios), strict=True)):
        own, norms[k] = nearest == rows, x0.norm(dim=1)
        others = torch.nonzero(~own).reshape(-1)
        if len(others):
            difference = x1[others] - store.take(nearest[others]).double()
            norms[k, others] = (x0[others] + s * difference).norm(dim=1)
    return norms


def _nearest(products, ratios):
    """Return each pair's nearest row of this rank's at every s, int64, shape (times, b)."""
    b, m = products.linear.shape
    slopes = torch.full((len(ratios), b), -torch.inf, dtype=products.dtype, device=products.linear.device)
    nearest = torch.zeros_like(slopes, dtype=torch.int64)
    step = max(1, SPAN_ENTRIES // b)
    for start in range(0, m, step):
        linear, quadratic = (x[:, start : start + step] for x in (products.linear, products.quadratic))
        held = torch.empty_like(linear)
        for k, s in enumerate(ratios):
            top, place = torch.add(linear, quadratic, alpha=s, out=held).max(1)
            better = top > slopes[k]
            slopes[k] = torch.where(better, top, slopes[k])
            nearest[k] = torch.where(better, place + start, nearest[k])
    if ratios and 0.0 in ratios:
        nearest[[k for k, s in enumerate(ratios) if s == 0]] = 0   # there all rows are as near
    return nearest
