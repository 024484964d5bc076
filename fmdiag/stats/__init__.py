"""Statistics of measured values: intervals, resampling, ROC curves, tests of shares, power, differences, rows."""

from fmdiag.stats.bounded import bounded_interval, clustered_quantile, share_interval
from fmdiag.stats.differences import difference_interval, excluded_difference, mover, paired_shares, welch
from fmdiag.stats.intervals import (
    clustered_share,
    mean_interval,
    median_interval,
    proportion_interval,
    quantile_interval,
    wilson_interval,
)
from fmdiag.stats.resampling import bootstrap_interval, cluster_bootstrap, from_left_out, group_labels, jackknife
from fmdiag.stats.roc import auc, bootstrap_auc, delong_interval, larger_p, newcombe_auc, roc_curve
from fmdiag.stats.shares import fisher_p, holm, mcnemar_p
from fmdiag.stats.summary import auc_rows, row, summarise, summary_row

__all__ = [
    "auc", "auc_rows", "bootstrap_auc", "bootstrap_interval", "bounded_interval", "cluster_bootstrap",
    "clustered_quantile", "clustered_share", "delong_interval", "difference_interval", "excluded_difference",
    "fisher_p", "from_left_out", "group_labels", "holm", "jackknife", "larger_p", "mcnemar_p", "mean_interval",
    "median_interval", "mover", "newcombe_auc", "paired_shares", "proportion_interval", "quantile_interval",
    "roc_curve", "row", "share_interval", "summarise", "summary_row", "welch", "wilson_interval",
]
