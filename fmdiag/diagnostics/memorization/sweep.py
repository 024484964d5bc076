"""Sweep of thresholds: the table of `memorization` over all of them, which shows whether the verdict hangs on one.

At every threshold the share memorised stands beside the same share of both controls, with the excess over held-out rows
and its p-value. Looking at many thresholds and keeping the best would find an excess in noise, so p-values are
corrected for the number of comparisons (Holm; thresholds and feature spaces together), and the AUC needs no threshold
at all: P(a sample has a smaller d1/d2 than a held-out row), 1/2 for a model that only generalises. A model with a few
copies has an AUC near 1/2 too; its ROC curve then leaves the diagonal at the lower left only, which is what the sweep
tests.

Memorisation: an excess with a small corrected p-value at small thresholds. Generalisation: none at any.

References
----------
Fisher 1935; Holm 1979; DeLong et al. 1988; Newcombe 1998.
"""

import numpy as np
import pandas as pd

from fmdiag import stats

NAME = "memorization"
THRESHOLDS = np.sort([*np.round(np.arange(0.05, 1, 0.05), 2), 1 / 3])
EXCESSES = (0.01, 0.05, 0.1)
MOST_POINTS = 500


def sweep(table, *, thresholds=THRESHOLDS, level=0.95):
    """Return the memorised fraction at every threshold, a row per feature, threshold and source.

    Parameters
    ----------
    table : DataFrame
        Raw rows of `memorization.measure`.
    thresholds : array_like
        Bounds on d1/d2; the bound is strict.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns feature, threshold, source, f_mem, low, high, level, n, interval (exact), and for the model, where there
        are held-out rows, excess, excess_low, excess_high (Newcombe), p_value (Fisher, one-sided), p_holm (corrected
        for all `comparisons` in the table) and comparisons; NaN elsewhere.
    """
    rows = []
    for feature, part in table.groupby("feature", sort=False):
        ratios = {source: group["ratio"].to_numpy() for source, group in part.groupby("source", sort=False)}
        for threshold in np.asarray(thresholds, dtype=float):
            counts = {source: (int((ratio < threshold).sum()), ratio.size) for source, ratio in ratios.items()}
            for source, (k, n) in counts.items():
                share, low, high = stats.proportion_interval(k, n, level=level)
                rows.append({"feature": feature, "threshold": threshold, "source": source, "f_mem": share, "low": low,
                             "high": high, "level": level, "n": n, "interval": "exact",
                             **(_excess(counts, level) if source == "model" else {})})
    swept = pd.DataFrame(rows).reindex(columns=[
        "feature", "threshold", "source", "f_mem", "low", "high", "level", "n", "interval", "excess", "excess_low",
        "excess_high", "p_value", "p_holm", "comparisons"])
    tested = swept["p_value"].notna()
    if tested.any():
        swept.loc[tested, "p_holm"] = stats.holm(swept.loc[tested, "p_value"])
        swept.loc[tested, "comparisons"] = tested.sum()
    return swept


def roc(table):
    """Return the ROC curves of d1/d2 against held-out rows; no row without them.

    Returns
    -------
    DataFrame
        Columns feature, source (model, or closed_form: what copies by construction reach), fpr (share of held-out rows
        with d1/d2 at most `threshold`), tpr (the same share of the source's), threshold; curves of more than 500
        points are thinned evenly.
    """
    parts = []
    for (feature, source), positive, negative in _pairs(table):
        fpr, tpr, score = stats.roc_curve(-positive, -negative)
        kept = np.unique(np.linspace(0, len(fpr) - 1, MOST_POINTS).astype(int))
        threshold = np.where(np.isinf(score), 0.0, -score)
        parts.append(pd.DataFrame({"feature": feature, "source": source, "fpr": fpr[kept], "tpr": tpr[kept],
                                   "threshold": threshold[kept]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(
        columns=["feature", "source", "fpr", "tpr", "threshold"])


def summary_rows(table, *, level=0.95):
    """Return the summary rows of one feature and threshold that rest on the null, and the interval over training rows.

    Quantities: f_mem with interval "cluster_bootstrap" (training rows drawn, each with its samples), auc (model, and
    closed_form), p_value (Fisher, one-sided, at the table's own threshold), p_sweep (the least p-value over thresholds
    after Holm's correction), resolvable_excess (the least excess that so many samples and held-out rows find with a
    power of 90 %), samples_needed_0.01, … (samples, and as many held-out rows, that find an excess of 1 % so).
    """
    sources = {source: group for source, group in table.groupby("source", sort=False)}
    keys = {"feature": table["feature"].iloc[0], "threshold": table["threshold"].iloc[0]}
    rows = []

    def add(quantity, found, source="model", interval="none"):
        rows.append(stats.row(NAME, quantity, found, **keys, source=source, level=level, n=len(sources[source]),
                        interval=interval))

    for source, group in sources.items():
        *values, kind = stats.cluster_bootstrap(group["memorized"], group["nearest"], level=level,
                                          rng=np.random.default_rng(0))
        if kind == "cluster_bootstrap":
            add("f_mem", tuple(values), source, kind)
    for (_, source), positive, negative in _pairs(table):
        add("auc", stats.delong_interval(-positive, -negative, level=level), source, "delong")
    if {"model", "heldout"} <= set(sources):
        k, n, k0, n0 = (count for source in ("model", "heldout")
                        for count in (sources[source]["memorized"].sum(), len(sources[source])))
        add("p_value", stats.fisher_p(k, n, k0, n0))
        model, null = (sources[source]["ratio"].to_numpy() for source in ("model", "heldout"))
        add("p_sweep", stats.holm([stats.fisher_p((model < bound).sum(), n, (null < bound).sum(), n0)
                             for bound in THRESHOLDS]).min())
        add("resolvable_excess", stats.resolvable_excess(k0 / n0, n, n0))
        for excess in EXCESSES:
            if k0 / n0 + excess <= 1:
                add(f"samples_needed_{excess:g}", stats.samples_needed(excess, k0 / n0))
    return rows


def _excess(counts, level):
    if "heldout" not in counts:
        return {}
    excess, low, high = stats.difference_interval(*counts["model"], *counts["heldout"], level=level)
    return {"excess": excess, "excess_low": low, "excess_high": high,
            "p_value": stats.fisher_p(*counts["model"], *counts["heldout"])}


def _pairs(table):
    """Yield ((feature, source), ratios of the source, ratios of held-out rows)."""
    for feature, part in table.groupby("feature", sort=False):
        ratios = {source: group["ratio"].to_numpy() for source, group in part.groupby("source", sort=False)}
        for source in ("model", "closed_form"):
            if source in ratios and "heldout" in ratios:
                yield (feature, source), ratios[source], ratios["heldout"]
