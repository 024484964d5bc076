"""Judgement of a study beside the paper: sentences that agree only where intervals over seeds decide it."""

import math

import numpy as np
from scipy import stats

from fmdiag.stats import mean_interval, summary_row
from fmdiag.training import parameters_of

AGREES, CONTRADICTS, OPEN = "Agrees with the paper", "Differs from the paper", "Not decided by this budget"
MODEL = ["n_train", "width", "objective"]   # what models of different seeds share
ERROR = 0.05    # of a wrong verdict among those of a series

# Student's interval over few seeds may leave the range of what it is about: it is cut there.
RANGES = {"f_mem": (0, 1), "f_mem_null": (0, 1), "f_mem_control": (0, 1), "early_error": (0, math.inf),
          "early_error_time": (0, 1), "squared_error": (0, math.inf), "conditional_variance": (0, math.inf),
          "frechet_test": (0, math.inf), "frechet_train": (0, math.inf), "frechet_copies": (0, math.inf),
          "d1": (0, math.inf), "d1_train": (0, math.inf), "d1_heldout": (0, math.inf),
          "tau_gen": (0, math.inf), "tau_mem": (0, math.inf), "emm_of_seeds": (0, math.inf)}


def seeds_row(quantity, values, **keys):
    """Return the summary row of one value per seed: Student's interval over seeds, cut at the quantity's range."""
    row = summary_row(None, quantity, values, **keys)
    low, high = RANGES.get(quantity, (-math.inf, math.inf))
    return {name: value for name, value in row.items() if name != "diagnostic"} | {
        "low": max(row["low"], low), "high": min(row["high"], high)}


def grouped(table, columns):
    """Yield (keys as a dict, rows) of each group of a table."""
    for keys, rows in table.groupby(columns):
        yield dict(zip(columns, keys, strict=True)), rows


def value_of(summary, quantity, **keys):
    """Return (value, low, high) of one summary row, NaN where there is none."""
    rows = summary[summary["quantity"] == quantity]
    for name, key in keys.items():
        rows = rows[rows[name] == key]
    if not len(rows):
        return (math.nan,) * 3
    return tuple(rows.iloc[0][["value", "low", "high"]].astype(float))


def number(found):
    """Return "1.23 [1.1, 1.4]", or the bare value where there is no interval."""
    value, low, high = found
    return _short(value) if low != low else f"{_short(value)} [{_short(low)}, {_short(high)}]"


def _short(value):
    """Return a number in three digits, but whole where more stand before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def partial(counts):
    """Return the sentence that goes before a verdict on part of a study."""
    return "" if counts["finished"] == counts["parts"] else (
        f"Partial: {counts['finished']} of {counts['parts']} parts are finished. ")


def compare(before, after, expected):
    """Return which of three verdicts the intervals (value, low, high) support for `after` against `before`.

    Parameters
    ----------
    expected : int
        +1 if the paper says that it rises, -1 if it falls.
    """
    ends = np.array([before[1:], after[1:]], dtype=float)
    if np.isnan(ends).any():
        return OPEN
    if ends[1, 0] > ends[0, 1]:
        return AGREES if expected > 0 else CONTRADICTS
    if ends[1, 1] < ends[0, 0]:
        return AGREES if expected < 0 else CONTRADICTS
    return OPEN


def paired(frame, column, key, other, base, *, by="seed"):
    """Return (mean, low, high) of the differences other - base between rows that share `by` (same seed, same batches).

    Parameters
    ----------
    frame : DataFrame
        A row per value of `key` and `by`.
    """
    wide = frame.pivot_table(index=by, columns=key, values=column)
    if other not in wide or base not in wide:
        return (math.nan,) * 3
    return mean_interval((wide[other] - wide[base]).dropna())


def student_p(found, n, *, level=0.95):
    """Return the two-sided p-value of "the mean is not 0" from Student's interval (value, low, high) of n values.

    NaN where there is no interval; 0 where all values agree, and are not 0.
    """
    value, low, high = found
    if math.isnan(low) or high == low:
        return math.nan if math.isnan(low) else float(value == 0)
    return float(2 * stats.t.sf(abs(value) / (high - low) * 2 * stats.t.ppf((1 + level) / 2, n - 1), n - 1))


def sign_verdict(value, p, expected):
    """Return the verdict for a difference that is judged by its p-value, corrected for all that are judged with it."""
    if not p <= ERROR:
        return OPEN
    return AGREES if value * expected > 0 else CONTRADICTS


def budget(plan):
    """Return the sentence on what was spent, beside the paper's."""
    steps, batch = plan.evaluate[-1], plan.training["batch_size"]
    passes = steps * batch / max(plan.sizes)
    name, counts = plan.training["network"]["name"], sorted(map(parameters_of, plan.networks)) or [
        parameters_of(plan.training["network"])]
    size = " to ".join(f"{count / 1e6:.2g}" for count in dict.fromkeys((counts[0], counts[-1])))
    widths = f" in {len(counts)} widths" if plan.networks else ""
    return (f"Budget: {steps} steps of {batch} rows ({passes:.3g} passes over {max(plan.sizes)} rows) of a network of "
            f"kind {name}{widths} with {size} million parameters, {len(plan.seeds)} "
            f"seed{'s' if len(plan.seeds) > 1 else ''}, "
            f"{plan.measures.n_samples} samples per distance")


def last_evaluation(frame):
    """Return the rows of the last evaluation of each model."""
    return frame[frame["step"] == frame.groupby([*MODEL, "seed"])["step"].transform("max")]
