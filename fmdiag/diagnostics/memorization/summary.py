"""Summary of memorization: shares, distances and the decision, a row per quantity with its interval."""

import pandas as pd

from fmdiag.diagnostics.memorization import every_class
from fmdiag.diagnostics.memorization.decision import decide, spaces_of
from fmdiag.diagnostics.memorization.measure import NAME, SOURCES
from fmdiag.diagnostics.memorization.rule import sound_spaces
from fmdiag.diagnostics.memorization.sweep import summary_rows
from fmdiag.stats import row, summary_row


def summarise(table, *, judged=True):
    """Return the summary rows per feature and source.

    Quantities: f_mem (share memorised; interval "exact", Clopper-Pearson, and "bootstrap"), d1 (mean), ratio (median),
    identical (share with d1 = 0), copied_rows (number of distinct training rows that memorised samples are copies of)
    and, with held-out rows, f_mem_excess: f_mem of the model minus that of the held-out rows (Newcombe's interval,
    samples of one training example counted together) and p_excess (Fisher, likewise, corrected for the feature spaces).
    Of an index that is not exact, recall: the share of checked samples whose d1 and d2 are those of the exact search.
    Where the training set is of one class, f_mem_all (share memorised among all classes) and other_class (share whose
    nearest training example is of another class). Further those of `sweep.summary_rows`, and of the decision on all
    spaces together p_labels and p_value. Where nothing is `judged` there are no p-values.
    """
    rows = []
    for (feature, threshold), part in table.groupby(["feature", "threshold"], sort=False):
        keys = {"feature": feature, "threshold": threshold}
        groups = {source: part[part["source"] == source] for source in SOURCES if (part["source"] == source).any()}
        for source, group in groups.items():
            rows += _source_rows(group, source=source, **keys)
        rows += summary_rows(part)
    return pd.DataFrame(rows + _excess_rows(table) + (_decision_rows(table) if judged else []))


def _source_rows(group, **keys):
    quantities = (("f_mem", group["memorized"], "exact"), ("f_mem", group["memorized"], "bootstrap"),
                  ("d1", group["d1"], "student"), ("ratio", group["ratio"], "median"),
                  ("identical", group["d1"] == 0, "exact"))
    if "recalled" in group:
        quantities += (("recall", group["recalled"].dropna() == 1, "exact"),)
    rows = [summary_row(NAME, name, values, interval=interval, **keys) for name, values, interval in quantities]
    copied = group.loc[group["memorized"], "nearest"].nunique()
    return [*rows, row(NAME, "copied_rows", copied, n=len(group), **keys), *every_class.summary_rows(group, **keys)]


def _excess_rows(table):
    return [row(NAME, "f_mem_excess", space.excess(), feature=space.feature, threshold=space.threshold, source="model",
                n=len(space.ratios), interval="newcombe_clustered") for space in spaces_of(table)]


def _decision_rows(table):
    """Return the p-values of the decision, in the feature spaces whose positive control holds."""
    spaces = sound_spaces(table)
    if not spaces:
        return []
    decision = decide(spaces, table.attrs.get("pool"))
    rows = [row(NAME, "p_excess", decision.excess_p[space.feature][0], feature=space.feature,
                threshold=space.threshold, source="model", n=len(space.ratios)) for space in spaces]
    joint = {"source": "model", "n": len(spaces[0].ratios)}
    if decision.labels is not None:
        rows.append(row(NAME, "p_labels", decision.labels.p, **joint))
    return [*rows, row(NAME, "p_value", decision.p, **joint)]
