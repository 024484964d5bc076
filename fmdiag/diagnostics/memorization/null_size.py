"""Number of held-out rows that the null of memorization needs.

If none of n held-out rows looks like a copy, the exact interval (Clopper and Pearson 1934) of the share of such rows
ends at 1 - ((1 - level) / 2)^(1/n): with fewer rows a larger null cannot be told from 0, nor copies from chance.
"""

import math

from fmdiag.errors import FmdiagError
from fmdiag.stats import proportion_interval

FEWEST = 2  # one row has no interval worth the name: [0, 0.975]
FEW = 40    # with fewer, a null of about 10 % cannot be told from 0
BOUNDS = (0.1, 0.05, 0.01)


def rows_for(bound, *, level=0.95):
    """Return the least n whose interval at 0 of n rows ends at `bound` or below."""
    return math.ceil(math.log((1 - level) / 2) / math.log(1 - bound) - 1e-9)


def needs():
    """Return, in words, how many held-out rows bound the null how far."""
    first, *others = [f"{rows_for(bound)} rows bound it by {bound:.0%}" if bound == BOUNDS[0] else
                      f"{rows_for(bound)} by {bound:.0%}" for bound in BOUNDS]
    return ", ".join([first, *others])


def check_held_out(training_set, *, required=False):
    """Refuse a held-out set of fewer than two rows, and none at all where one is required.

    Raises
    ------
    FmdiagError
        In one line that says how many rows are needed for what.
    """
    held_out = training_set.unseen
    n = 0 if held_out is None else len(held_out)
    if n >= FEWEST or (held_out is None and not required):
        return
    count = "no held-out examples" if n == 0 else f"only {n} held-out example{'s' if n > 1 else ''}"
    raise FmdiagError(f"{training_set.name} has {count}, and the null needs at least {FEWEST} to have an interval (if "
                      f"none of them looks like a copy, {needs()}): name some (--held-out PATH), or hold out a "
                      "fraction before training (--held-out 0.1)")


def warning(n, n_samples):
    """Return what to say of n held-out rows beside n_samples samples, or None where they are enough."""
    if not 0 < n < min(FEW, n_samples):
        return None
    return (f"only {n} held-out examples for {n_samples} samples: even if none looks like a copy, the null may be "
            f"{proportion_interval(0, n)[2]:.0%} (95 % interval); {needs()}: hold out more (--held-out)")
