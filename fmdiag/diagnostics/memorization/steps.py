"""Solver's steps and the share of copies: the same initial noise once more, with half as many.

The share of samples that are copies grows with the number of steps of a solver until its error no longer matters. For
some of the samples it is measured again with half the steps (with two, where there was one): pairs of one noise, whose
shares are compared by McNemar's exact test of the samples that are copies with one of the two only. No difference says
that more steps would hardly change the share; a difference, that it is a property of the solver as well.
"""

import numpy as np
import pandas as pd

from fmdiag.diagnostics.memorization.measure import NAME, tabulate
from fmdiag.diagnostics.points.measurable import diverged
from fmdiag.neighbors import EXACT
from fmdiag.ranks.group import SINGLE
from fmdiag.stats import holm, mcnemar_p, row, summary_row

MOST, FEWEST, SHARE = 128, 32, 5
LEVEL = 0.05


def number_checked(n_samples):
    """Return how many samples are drawn again: a tenth of the cost of n_samples, 32 at least and 128 at most."""
    return min(n_samples, MOST, max(FEWEST, n_samples // SHARE))


def other_steps(n_steps):
    """Return half the number of steps, two for one."""
    return n_steps // 2 if n_steps > 1 else 2


def measure(table, again, training_set, *, features, plan=EXACT, device="cpu", group=SINGLE):
    """Return which samples are copies with either number of steps, a row per sample and feature.

    Parameters
    ----------
    table : DataFrame
        As `memorization.measure` returned it, samples numbered from 0.
    again : Tensor, shape (m, *shape)
        Samples from the first m noises with the other number of steps; those that diverged are left out.
    training_set : TrainingSet
        The rows that were searched.
    features : sequence of Feature
        Those of the table.
    plan, device, group
        As in `memorization.measure`.

    Returns
    -------
    DataFrame
        Columns feature, threshold, sample, ratio, memorized, ratio_other, memorized_other.
    """
    whole = (~diverged(again, training_set)).cpu().numpy()
    model = table[(table["source"] == "model") & table["sample"].isin(np.flatnonzero(whole))]
    numbers = model["sample"].unique()
    parts = []
    for feature in features if len(numbers) else ():
        rows = model[model["feature"] == feature.name]
        found = tabulate(numbers, again[numbers.tolist()], training_set, source="model", feature=feature,
                         threshold=rows["threshold"].iloc[0], plan=plan, device=device, group=group)
        columns = ["sample", "ratio", "memorized"]
        parts.append(rows[["feature", "threshold", *columns]].merge(found[columns], on="sample",
                                                                    suffixes=("", "_other")))
    return pd.concat(parts, ignore_index=True) if parts else None


def summarise(table):
    """Return the summary rows: f_mem_same_noises and f_mem_other_steps (exact intervals), and steps_p of McNemar."""
    rows = []
    for (feature, threshold), part in table.groupby(["feature", "threshold"], sort=False):
        keys = {"interval": "exact", "feature": feature, "threshold": threshold, "source": "model"}
        rows += [summary_row(NAME, "f_mem_same_noises", part["memorized"], **keys),
                 summary_row(NAME, "f_mem_other_steps", part["memorized_other"], **keys)]
        p = mcnemar_p(part["memorized"], part["memorized_other"])
        rows.append(row(NAME, "steps_p", p, n=len(part), **keys | {"interval": "mcnemar"}))
    return pd.DataFrame(rows)


def sentences(summary, method, n_steps):
    """Return (what was found, in a sentence; the caution where a share depends on the steps, else None)."""
    wide = summary.pivot(index=["feature", "threshold"], columns="quantity", values="value")
    corrected = holm(wide["steps_p"].to_numpy())
    n, other = int(summary["n"].iloc[0]), other_steps(n_steps)
    shares = "; ".join(f"{row['f_mem_other_steps']:.1%} against {row['f_mem_same_noises']:.1%} are copies"
                       + (f" in {keys[0]}" if len(wide) > 1 else "") + f" (p {_p(p)})"
                       for (keys, row), p in zip(wide.iterrows(), corrected, strict=True))
    count = f"with {other} {_steps(other)} instead of {n_steps} ({method}, the same {n} noises): {shares}"
    if min(corrected) > LEVEL:
        return f"{count}: no difference by McNemar's exact test", None
    advice = f"give more steps, e.g. --n-steps {max(2 * n_steps, 10)}"
    return (f"{count}: the share depends on the number of steps",
            f"solver-steps: the share of copies depends on the solver's steps: {count}; {advice}")


def _steps(n):
    return "step" if n == 1 else "steps"


def _p(p):
    return "< 1e-4" if p < 1e-4 else f"= {p:.2g}"
