"""Gap of the loss between held-out and training states, per time: its test, its band, and the AUC beside it.

Of each unit, a training row and the held-out row in its place, from the same noises, with losses averaged over these,

    gap(t) = mean over units of (held-out loss - training loss),     > 0: the field fits its training rows better.

A field that was made without knowledge of which rows were trained on has the same distribution of losses on both, and
the two rows of a unit may change places, at all times at once: the sign of the unit's differences flips. The p-value is
that of the largest studentized gap over the times under such flips; it holds for all times together, whatever their
dependence, and the band has the same critical value (`fmdiag.stats.exchange`).

References
----------
Westfall and Young 1993, "Resampling-based multiple testing" (the maximum). The gap per noise level: Kollmann and
Kaiser, arXiv 2603.13419.
"""

import pandas as pd

from fmdiag.stats import exchange_pairs, flip_differences, row, summary_row

NAME = "error"
BOTH = "heldout - train"
LEAST = 8    # units; fewer can show nothing at many times at once


def losses_by_unit(table):
    """Return (training losses, held-out losses), DataFrames of shape (units, times), both averaged over noises.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.approximation_error`; only rows with a unit count.
    """
    rows = table[(table["unit"] >= 0) & table["states"].isin(["train", "heldout"])]
    mean = rows.pivot_table(index=["states", "unit"], columns="t", values="cfm_loss", aggfunc="mean", observed=True)
    if not {"train", "heldout"} <= set(mean.index.get_level_values(0)):
        return mean.iloc[:0], mean.iloc[:0]
    return mean.loc["train"], mean.loc["heldout"]


def gap_test(table, *, level=0.95, seed=0):
    """Return (p, rows): whether the training loss is below the held-out loss at any time.

    Parameters
    ----------
    table : DataFrame
        Of `fmdiag.approximation_error`, with training and held-out states.
    level : float
        Of the simultaneous band.
    seed : int
        Of the random flips.

    Returns
    -------
    p : float
        One-sided p-value of the largest gap over all times; NaN where there are fewer than LEAST units.
    rows : DataFrame
        Summary rows, one per time: quantity gap, states "heldout - train", t, value, low and high (simultaneous over
        the times, in loss units), n (units), p (one-sided, corrected for all times); empty where p is NaN.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=40)
    >>> table = fmdiag.approximation_error(fmdiag.ClosedFormField(train), train, times=[0.5], n_pairs=40,
    ...                                    states=("train", "heldout"))
    >>> p, rows = gap_test(table)
    >>> p < 0.01, bool(rows.low.iloc[0] > 0)
    (True, True)
    """
    train, heldout = losses_by_unit(table)
    if len(train) < LEAST:
        return float("nan"), pd.DataFrame()
    found = flip_differences((heldout - train).to_numpy(), seed=seed)
    ends, corrected = zip(*found.band(level), strict=True), found.larger_p()
    rows = [row(NAME, "gap", tuple(map(float, end)), n=found.n_units, interval="simultaneous", level=level,
                states=BOTH, t=t) | {"p": p}
            for t, end, p in zip(train.columns, ends, corrected, strict=True)]
    return found.any_larger_p(), pd.DataFrame(rows)


def gap_rows(table):
    """Return the summary rows of the comparison of training with held-out states, as a list of dicts.

    Per t the gap with Student's interval, then with the band of all times; the AUC of telling training from held-out
    rows by the loss, with the band of all times; over all times gap_p.
    """
    train, heldout = losses_by_unit(table)
    if len(train) < LEAST:
        return []
    rows = [summary_row(NAME, "gap", (heldout - train)[t].to_numpy(), t=t, states=BOTH) for t in train]
    p, band = gap_test(table)
    rows += band.drop(columns="p").to_dict("records")
    areas = exchange_pairs(-train.to_numpy(), -heldout.to_numpy())
    rows += [row(NAME, "gap_auc", tuple(map(float, ends)), t=t, n=2 * areas.n_pairs, interval="simultaneous",
                 states=BOTH) for t, ends in zip(train, zip(*areas.band(), strict=True), strict=True)]
    return [*rows, row(NAME, "gap_p", p, n=len(train), interval="exchange", states=BOTH)]
