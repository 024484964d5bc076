"""Held-out rows in the role of the samples: what a sampler of the true distribution scores in a metric, at equal n.

Most metrics depend on the number of rows, and many have their best value for copies of the training rows, so that a
number says little by itself. Beside it stand the metric of as many held-out rows, and the difference of the two:

    model        the samples, all of them
    heldout      n held-out rows in their place; where the metric compares with held-out rows itself, one half of these
                 is judged and the other half compared with; of distances to held-out rows (the suffix _test), n
                 training rows are judged
    difference   the metric of n samples less that of heldout; 0 on average for a sampler of the true distribution

The difference is paired where a metric says how (its `difference`): both sets are compared with the same rows, whose
chance cancels. Elsewhere its interval is made of both intervals (`fmdiag.stats.mover`), which is rather too wide.
"""

import warnings

import numpy as np
import pandas as pd

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.metrics import memorised_fraction
from fmdiag.metrics.arrays import numpy_generator, subset
from fmdiag.stats import mover

MANY_COPIES = 0.1   # of the samples, above the held-out rows' share: then samples and training rows are not independent
BEST = "copies of training examples have the best value"
DEPENDENT = "{:.0%} more of the samples than of held-out examples are copies: not independent of the training examples"
KEYS = ["metric", "definition", "interval"]


def beside_held_out(module, generated, train, test, *, copies=0.0, generator):
    """Return the metric's rows with the columns source and remark; see above for the sources.

    Parameters
    ----------
    module : module
        One of `fmdiag.metrics.METRICS`.
    generated, train, test : array_like, shape (n, dim)
        Features; without test features there are rows of the model only.
    copies : float
        `excess_copies` of the samples.
    generator : torch.Generator

    Returns
    -------
    DataFrame
        Columns as `table.COLUMNS`, source, and remark: what has to be known to read the value, or "".
    """
    table = module.measure(generated, train, test, generator=generator)
    parts = [table.assign(source="model")]
    if test is not None and hasattr(module, "NEEDS_TEST"):
        try:
            parts += _references(module, table, generated, train, test, generator)
        except FmdiagError as error:
            warnings.warn(f"no held-out value beside {table['metric'].iloc[0]}: {error}", FmdiagWarning, stacklevel=2)
    table = pd.concat(parts, ignore_index=True)
    # What belongs together stands together: of each metric the model's, the held-out rows' and the difference.
    order = np.argsort(table.groupby(["metric", "definition"], sort=False).ngroup().to_numpy(), kind="stable")
    return _remarked(table.iloc[order].reset_index(drop=True), module, copies)


def excess_copies(generated, train, test):
    """Return the share of samples that are copies (d1/d2 below 1/3) less that of held-out rows, at least 0."""
    try:
        shares = [0.0 if x is None else np.mean(memorised_fraction.ratios(x, train)[0] < memorised_fraction.THRESHOLD)
                  for x in (generated, test)]
    except FmdiagError:     # all training rows are equal: there is no d2
        return 0.0
    return max(0.0, float(shares[0] - shares[1]))


def _references(module, table, generated, train, test, generator):
    """Yield the rows of heldout and difference."""
    rng = numpy_generator(generator)
    if module.NEEDS_TEST:
        order = rng.permutation(len(test))
        n = min(len(generated), len(test) // 2)
        yield from _pair(module, subset(generated, n, rng), test[order[:n]], train, test[order[n:]], generator)
        return
    n = min(map(len, (generated, train, test)))
    samples, to_test = subset(generated, n, rng), table["metric"].str.endswith("_test")
    known = table if n == len(generated) else None      # measured already: all samples
    yield from _pair(module, samples, subset(test, n, rng), train, None, generator, known)
    if to_test.any():
        # The module calls the rows that it compares with train.
        known = known if known is None else known[to_test].replace({"metric": "_test$"}, "_train", regex=True)
        for part in _pair(module, samples, subset(train, n, rng), test, None, generator, known):
            of_test = part[part["metric"].str.endswith("_train")]
            yield of_test.assign(metric=of_test["metric"].str.replace("_train", "_test"))


def _pair(module, samples, rows, reference, test, generator, known=None):
    """Yield the rows of heldout and difference, from two sets of equal size that are compared with the same rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)      # said of the samples already
        first = module.measure(rows, reference, test, generator=generator)
        other = module.measure(samples, reference, test, generator=generator) if known is None else known
    first, other = (table[~table["metric"].str.contains("_heldout|_expected|_p_value")] for table in (first, other))
    yield first.assign(source="heldout")
    paired = module.difference(samples, rows, reference, generator=generator) if hasattr(module, "difference") else {}
    both = first.merge(other, on=KEYS, suffixes=("", "_model"))
    found = [_difference(row, paired) for row in both.to_dict("records")]
    columns = both[[*first.columns]]
    yield columns.assign(**pd.DataFrame(found, columns=["value", "low", "high", "interval"], index=columns.index),
                         source="difference")


def _difference(row, paired):
    """Return (value, low, high, interval) of one metric."""
    if (row["metric"], row["definition"]) in paired:
        return *paired[row["metric"], row["definition"]], "jackknife"
    first, other = ([row[f"{name}{suffix}"] for name in ("value", "low", "high")] for suffix in ("", "_model"))
    if not np.isfinite([*first, *other]).all():
        return other[0] - first[0], np.nan, np.nan, "none"
    return *(float(end) for end in mover(first, other)), "mover"


def _remarked(table, module, copies):
    """Return the table with its remarks; what rests on samples being independent of the rows is withheld."""
    best = table["metric"].isin(getattr(module, "BEST_FOR_COPIES", ()))
    table = table.assign(remark=np.where(best & (table["source"] == "model"), BEST, ""))
    if copies > MANY_COPIES:
        dependent = table["metric"].isin(getattr(module, "INDEPENDENT", ())) & (table["source"] != "heldout")
        table.loc[dependent, "remark"] = BEST + "; " + DEPENDENT.format(copies)
        withheld = dependent & table["metric"].str.contains("infinity")
        table.loc[withheld, ["value", "low", "high"]] = np.nan
        table.loc[withheld, "interval"] = "none"
    return table
