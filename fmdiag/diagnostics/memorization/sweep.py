"""Sweep of thresholds: the table of `memorization` over all of them, which shows whether the shares hang on one.

At every threshold the share memorised stands beside the same share of both controls, with the excess over held-out
examples. The table describes and tests nothing; the decision looks at all thresholds at once
(`memorization.decision`). The AUC needs no threshold: P(a sample has a smaller d1/d2 than a held-out example), 1/2 for
a model that only generalises. A model with a few copies has an AUC near 1/2 too; its ROC curve then leaves the diagonal
at the lower left only.

Memorisation: an excess at small thresholds. Generalisation: none at any.

References
----------
DeLong et al. 1988; Newcombe 1998; Korn & Graubard 1998.
"""

import numpy as np
import pandas as pd

from fmdiag import stats
from fmdiag.stats.clustered import clustered_difference, effective_counts

NAME = "memorization"
THRESHOLDS = np.sort([*np.round(np.arange(0.05, 1, 0.05), 2), 1 / 3])
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
        are held-out rows, excess, excess_low, excess_high (Newcombe, samples of one training example counted
        together); NaN elsewhere.
    """
    rows = []
    for feature, part in table.groupby("feature", sort=False):
        sources = dict(iter(part.groupby("source", sort=False)))
        for threshold in np.asarray(thresholds, dtype=float):
            flags = {source: (group["ratio"] < threshold).to_numpy() for source, group in sources.items()}
            for source, passed in flags.items():
                share, low, high = stats.proportion_interval(int(passed.sum()), passed.size, level=level)
                rows.append({"feature": feature, "threshold": threshold, "source": source, "f_mem": share, "low": low,
                             "high": high, "level": level, "n": passed.size, "interval": "exact",
                             **(_excess(sources, flags, level) if source == "model" else {})})
    return pd.DataFrame(rows).reindex(columns=["feature", "threshold", "source", "f_mem", "low", "high", "level", "n",
                                               "interval", "excess", "excess_low", "excess_high"])


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
    closed_form).
    """
    sources = dict(iter(table.groupby("source", sort=False)))
    keys = {"feature": table["feature"].iloc[0], "threshold": table["threshold"].iloc[0]}
    rows = []

    def add(quantity, found, source="model", interval="none"):
        rows.append(stats.row(NAME, quantity, found, **keys, source=source, level=level, n=len(sources[source]),
                        interval=interval))

    for source, group in sources.items():
        *values, kind = stats.cluster_bootstrap(group["memorized"], clusters_of(group), level=level,
                                                rng=np.random.default_rng(0))
        if kind == "cluster_bootstrap":
            add("f_mem", tuple(values), source, kind)
    for (_, source), positive, negative in _pairs(table):
        add("auc", stats.delong_interval(-positive, -negative, level=level), source, "delong")
    return rows


def _excess(sources, flags, level):
    if "heldout" not in sources:
        return {}
    counts = (effective_counts(flags[source], clusters_of(sources[source])) for source in ("model", "heldout"))
    return dict(zip(("excess", "excess_low", "excess_high"), clustered_difference(*counts, level=level), strict=True))


def clusters_of(rows):
    """Return what each row of a table of copies stands or falls with: its group, else its nearest training row."""
    return rows["group" if "group" in rows else "nearest"].to_numpy()


def _pairs(table):
    """Yield ((feature, source), ratios of the source, ratios of held-out rows)."""
    for feature, part in table.groupby("feature", sort=False):
        ratios = {source: group["ratio"].to_numpy() for source, group in part.groupby("source", sort=False)}
        for source in ("model", "closed_form"):
            if source in ratios and "heldout" in ratios:
                yield (feature, source), ratios[source], ratios["heldout"]
