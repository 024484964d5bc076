"""Statistics of measured values: intervals, resampling, ROC curves, tests of shares and repeated looks, power, rows."""

from fmdiag.stats.bounded import bounded_interval, clustered_quantile, share_interval
from fmdiag.stats.censored import censored_slope
from fmdiag.stats.crossing import falling_crossing
from fmdiag.stats.differences import difference_interval, excluded_difference, mover, paired_shares, welch
from fmdiag.stats.exchange import exchange_pairs, flip_differences
from fmdiag.stats.intervals import (
    clustered_share,
    mean_interval,
    median_interval,
    proportion_interval,
    quantile_interval,
    wilson_interval,
)
from fmdiag.stats.looks import corrected, exchanges_needed, first_near_smallest, first_rejected, level_of
from fmdiag.stats.ratios import ratio_interval
from fmdiag.stats.resampling import bootstrap_interval, cluster_bootstrap, from_left_out, group_labels, jackknife
from fmdiag.stats.roc import auc, delong_difference, delong_interval, newcombe_auc, roc_curve, tpr_at
from fmdiag.stats.shares import fisher_p, holm, mcnemar_p
from fmdiag.stats.summary import auc_row, row, summarise, summary_row
from fmdiag.stats.two_way import two_way_interval

__all__ = [
    "auc", "auc_row", "bootstrap_interval", "bounded_interval", "censored_slope", "cluster_bootstrap",
    "clustered_quantile", "clustered_share", "corrected", "delong_difference", "delong_interval",
    "difference_interval", "exchange_pairs", "exchanges_needed", "excluded_difference", "falling_crossing",
    "first_near_smallest", "first_rejected", "fisher_p", "flip_differences", "from_left_out", "group_labels", "holm",
    "jackknife", "level_of", "mcnemar_p", "mean_interval", "median_interval", "mover", "newcombe_auc", "paired_shares",
    "proportion_interval", "quantile_interval", "ratio_interval", "roc_curve", "row", "share_interval", "summarise",
    "summary_row", "tpr_at", "two_way_interval", "welch", "wilson_interval",
]
