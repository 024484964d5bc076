"""Summary of duplicates: shares of training and held-out examples under one rule, groups, leaks, in a sentence too."""

import pandas as pd

from fmdiag.stats import clustered_share, difference_interval, row, summary_row
from fmdiag.stats.clustered import clustered_p, effective_counts

NAME = "duplicates"


def summarise(found):
    """Return the summary rows of a `measure.Found`, per feature space.

    Quantities: duplicated by source (share of the examples looked up that have an equal or near training example; of
    training rows the interval counts a group's members together, "clustered_exact"; of held-out rows it is exact),
    exact (share that have an equal one, likewise), excess (training minus held-out share, Newcombe's interval of
    effective counts) and excess_p (Fisher, likewise, one-sided), expected (the held-out share times the number of
    training examples, with its interval), groups, grouped (training examples in one), removable (grouped minus groups:
    what is left out to keep one of each), largest, and leaks (held-out examples that are exact, mirrored or near ones).
    """
    rows = []
    for feature, table in found.nearest.groupby("feature", sort=False):
        keys = {"feature": feature}
        train, held_out = (table[table["source"] == source] for source in ("train", "heldout"))
        rows += [_of_train("duplicated", train["duplicated"], train, keys),
                 _of_train("exact", train["distance"] == 0, train, keys)]
        rows += _beside(train, held_out, keys) if len(held_out) else []
        rows += _of_groups(found.members[found.members["feature"] == feature], keys, len(train))
        if len(held_out):
            leaked = int((found.leaks["feature"] == feature).sum())
            rows.append(row(NAME, "leaks", leaked, n=len(held_out), source="heldout", **keys))
    return pd.DataFrame(rows)


def _of_train(name, flags, train, keys):
    """Return the row of a share of training rows, members of a group counted together."""
    found = clustered_share(flags.to_numpy(), train["group"].to_numpy())
    return row(NAME, name, tuple(float(end) for end in found), n=len(train), interval="clustered_exact",
               source="train", **keys)


def _beside(train, held_out, keys):
    """Return the rows that need held-out examples."""
    counts, null = (effective_counts(part["duplicated"], part["group"]) for part in (train, held_out))
    chance = summary_row(NAME, "duplicated", held_out["duplicated"], interval="exact", source="heldout", **keys)
    expected = tuple(len(train) * chance[end] for end in ("value", "low", "high"))
    excess = tuple(float(end) for end in difference_interval(*counts, *null))
    equal = summary_row(NAME, "exact", held_out["distance"] == 0, interval="exact", source="heldout", **keys)
    return [chance, equal,
            row(NAME, "excess", excess, n=len(train), interval="newcombe_clustered", **keys),
            row(NAME, "excess_p", clustered_p(counts, null), n=len(train), **keys),
            row(NAME, "expected", expected, n=len(train), interval="exact", **keys)]


def _of_groups(members, keys, n):
    sizes = members.groupby("group")["row"].size()
    counts = {"groups": len(sizes), "grouped": len(members), "removable": len(members) - len(sizes),
              "largest": sizes.max() if len(sizes) else 0}
    return [row(NAME, name, value, n=n, **keys) for name, value in counts.items()]


def sentences(summary):
    """Return a sentence per feature space: what was found, beside what held-out examples show."""
    said = []
    for feature, part in summary.groupby("feature", sort=False):
        value = part.set_index(["quantity", part["source"].fillna("")])
        n = int(value.loc["duplicated", "train"]["n"])
        text = (f"{feature}: {value.loc['grouped', '']['value']:.0f} of {n} training examples have an equal or near "
                f"one, in {value.loc['groups', '']['value']:.0f} groups")
        if ("duplicated", "heldout") in value.index:
            share = value.loc["duplicated", "heldout"]
            text += (f"; of {share['n']:.0f} held-out examples {share['value']:.1%} [{share['low']:.1%}, "
                     f"{share['high']:.1%}] have one among the training examples, which is what chance, or a source "
                     f"that repeats itself, gives ({value.loc['leaks', 'heldout']['value']:.0f} leaks)")
        said.append(text)
    return said
