"""Slope of a regression whose values are known to lie in intervals only, by profile likelihood.

y = b x + c'z + normal error, and of y only that it lies in (low, high], either end maybe infinite: times between
evaluations, or beyond the last. In (c / s, 1 / s) the log-likelihood is concave (Burridge 1981), so that it is
maximised by Newton's method, and the b whose profile is above a level form an interval.

The level is m log(1 + t² / (m - p)), m values being known from both sides, p coefficients fitted, t Student's quantile
at m - p: as the intervals shrink, the limits become Student's of least squares. Every slope of a line that passes
through all intervals is inside.
"""

import math

import numpy as np
from scipy import optimize, special, stats

# The standard deviation is at least this part of the narrowest interval. Smaller ones cannot be told from 0: where some
# line passes through all intervals, the likelihood would be that of no error at all, and exclude every other line.
SMALLEST, FURTHEST = 0.25, 1e3


def censored_slope(x, low, high, *, others=None, level=0.95):
    """Return (value, low, high) of the slope of y in x, NaN where it is not determined; limits may be infinite.

    Parameters
    ----------
    x : array_like, shape (n,)
    low, high : array_like, shape (n,)
        y lies between them; -inf and inf where it is known from one side only.
    others : array_like, shape (n, k), optional
        Further regressors; a constant is always one.

    Raises
    ------
    ValueError
        If an interval is empty.
    """
    x, low, high = (np.asarray(values, dtype=float) for values in (x, low, high))
    if not (low < high).all():
        raise ValueError("every value needs low < high")
    rest = np.column_stack([np.ones_like(x), *([] if others is None else [others])])
    design, inside = np.column_stack([x, rest]), np.isfinite(low) & np.isfinite(high)
    m, p = int(inside.sum()), design.shape[1]
    if m <= p or np.linalg.matrix_rank(design[inside]) < p:
        return math.nan, math.nan, math.nan
    scale = (high - low)[inside].min()
    most = 1 / (SMALLEST * scale)
    best, point = _maximum(design, low, high, most)
    slope = point[1] / point[0]
    fall = m * math.log1p(stats.t.ppf((1 + level) / 2, m - p) ** 2 / (m - p)) / 2

    def above(b):
        return _maximum(rest, low - b * x, high - b * x, most)[0] - best + fall

    step = scale / np.ptp(x)
    least, largest = _allowed(design, low, high)
    return float(slope), min(_limit(above, slope, -step), least), max(_limit(above, slope, step), largest)


def _allowed(design, low, high):
    """Return the least and largest slope of a line through all intervals; inf and -inf where there is no such line."""
    bound, sign = np.concatenate([high, -low]), np.repeat([1.0, -1.0], len(low))[:, None]
    rows = (np.concatenate([design, design]) * sign)[np.isfinite(bound)]
    aim = np.eye(design.shape[1])[0]
    found = [optimize.linprog(way * aim, rows, bound[np.isfinite(bound)], bounds=(None, None)) for way in (1, -1)]
    return tuple(float(end.x[0]) if end.status == 0 else way * math.inf
                 for way, end in zip((1, -1), found, strict=True))


def _limit(above, start, step):
    """Return where `above` falls to 0 from `start` on, in the direction of `step`; infinite where it does not."""
    inner, outer = start, start + step
    while above(outer) > 0:
        if abs(outer - start) > FURTHEST:
            return math.copysign(math.inf, step)
        inner, step = outer, 2 * step
        outer = start + step
    found = optimize.root_scalar(above, bracket=(inner, outer), method="brentq", xtol=1e-6)
    return float(found.root)


def _maximum(design, low, high, most):
    """Return (largest log-likelihood, where): the point is (1 / s, coefficients / s), 1 / s at most `most`."""
    from_above, from_below = (np.column_stack([np.where(np.isfinite(end), end, 0.0), -design]) for end in (high, low))
    open_above, open_below = np.isinf(high), np.isinf(low)

    def value(point):
        u, v = from_above @ point, from_below @ point
        u[open_above], v[open_below] = np.inf, -np.inf
        return u, v, _log_mass(u, v)

    point = _start(design, low, high)
    point *= min(1.0, most / point[0])
    u, v, mass = value(point)
    for _ in range(200):
        a, b = (np.exp(-0.5 * np.square(end) - 0.5 * math.log(2 * math.pi) - mass) for end in (u, v))
        slope = from_above.T @ a - from_below.T @ b
        ua, vb = (np.where(np.isfinite(end), end, 0.0) * part for end, part in ((u, a), (v, b)))
        curve = ((from_above * (ua + a * a)[:, None]).T @ from_above - (from_above * (a * b)[:, None]).T @ from_below
                 - (from_below * (a * b)[:, None]).T @ from_above + (from_below * (b * b - vb)[:, None]).T @ from_below)
        # At the bound, unless the likelihood falls towards it, only the coefficients move.
        free = slice(1 if point[0] >= most and slope[0] > 0 else 0, None)
        move = np.zeros_like(point)
        move[free] = np.linalg.lstsq(curve[free, free], slope[free], rcond=1e-14)[0]
        gain, size = float(slope @ move), 1.0
        if gain < 1e-10:
            break
        if point[0] + move[0] > most:
            size = (most - point[0]) / move[0]
        while size > 1e-12:
            trial = point + size * move
            if trial[0] > 0:
                trial[0] = most if trial[0] > most * (1 - 1e-9) else trial[0]
                further = value(trial)
                if further[2].sum() > mass.sum() + 1e-4 * size * gain:
                    break
            size /= 2
        else:
            break
        point, (u, v, mass) = trial, further
    return float(mass.sum()), point


def _log_mass(u, v):
    """Return log(Phi(u) - Phi(v)), u > v, without cancellation."""
    flip = v + u > 0
    u, v = np.where(flip, -v, u), np.where(flip, -u, v)
    top = special.log_ndtr(u)
    return top + np.log(-np.expm1(np.minimum(special.log_ndtr(v) - top, -1e-300)))


def _start(design, low, high):
    """Return the least-squares fit of the middles, one-sided intervals as if they were as wide as the widest."""
    width = np.max(np.where(np.isfinite(high - low), high - low, 0.0))
    middle = np.where(np.isinf(low), high - width / 2, np.where(np.isinf(high), low + width / 2, (low + high) / 2))
    found = np.linalg.lstsq(design, middle, rcond=None)[0]
    spread = math.sqrt(np.square(middle - design @ found).mean()) + width / 2
    return np.append(1.0, found) / spread
