"""Summary of copies of parts: area shares and mosaic counts per source, and the test against held-out images.

The test compares the share of flagged samples with that of flagged held-out images (Fisher, samples whose copied area
comes mostly from one training image, or group, counted together, as in memorization), once by the rule and once by
close copies, d1/d2 < 0.1, half of the error each: few exact parts would drown among windows that resemble by chance. It
takes held-out images for what honest samples look like: blurred or unvaried samples can lie nearer to training windows
without a copy.
"""

import pandas as pd

from fmdiag.stats import auc_row, proportion_interval, row, summary_row
from fmdiag.stats.clustered import clustered_difference, clustered_p, effective_counts

NAME = "patches"
SOURCES = ("model", "heldout", "closed_form", "patch_theory")
FLAGS = ("flagged", "close_flagged")
ERROR = 0.05
NO_NULL = "there are no held-out images to compare with: copied areas alone say nothing of memorisation"


def summarise(table, *, judged=True):
    """Return the summary rows per source and place.

    Quantities: area_share (mean; bounded), flagged and close_flagged (shares; exact), n_images (median over flagged
    images), one_image (share of flagged images with a mosaic count of 1; exact); of model against held-out images
    flagged_excess (difference of the flagged shares, Newcombe's interval of effective counts), area_auc (chance that a
    sample has the larger area share; Newcombe) and, at the same place, patches_p (Fisher, one-sided, of flagged or
    close_flagged images, corrected for both) unless nothing is `judged`.
    """
    rows = []
    for place, part in table.groupby("place", sort=False):
        keys = {"place": place}
        for source in SOURCES:
            own = part[part["source"] == source]
            if len(own):
                rows += _of_source(own, source=source, **keys)
        rows += _excess(part, judged and place == "same", **keys)
    return pd.DataFrame(rows)


def _of_source(own, **keys):
    flagged = own[own["flagged"]]
    rows = [summary_row(NAME, "area_share", own["area_share"], within=(0.0, 1.0), **keys),
            *(summary_row(NAME, flags, own[flags], interval="exact", **keys) for flags in FLAGS)]
    if len(flagged):
        rows += [summary_row(NAME, "n_images", flagged["n_images"], interval="median", **keys),
                 summary_row(NAME, "one_image", flagged["n_images"] == 1, interval="exact", **keys)]
    return rows


def _excess(part, tested, **keys):
    model, null = (part[part["source"] == source] for source in ("model", "heldout"))
    if not len(model) or not len(null):
        return []
    counts, keys = _counts(model, null, "flagged"), {**keys, "source": "model"}
    rows = [row(NAME, "flagged_excess", clustered_difference(*counts), n=len(model), interval="newcombe_clustered",
                **keys), auc_row(NAME, "area_auc", model["area_share"], null["area_share"], **keys)]
    if tested:
        least = min(float(clustered_p(*_counts(model, null, flags))) for flags in FLAGS)
        rows.append(row(NAME, "patches_p", min(1.0, len(FLAGS) * least), n=len(model), interval="fisher", **keys))
    return rows


def _counts(model, null, flags):
    return [effective_counts(own[flags], _clusters(own)) for own in (model, null)]


def _clusters(own):
    return own["group" if "group" in own else "nearest"].to_numpy()


def control_failed(table):
    """Return the sentence where samples of û*, whole copies of one image each, are not found to be that; else None."""
    own = table[(table["source"] == "closed_form") & (table["place"] == "same") & (table["judged_share"] > 0)]
    right = own["flagged"] & (own["n_images"] == 1)
    if right.all():
        return None
    share, low, high = proportion_interval(int(right.sum()), len(own))
    return (f"the positive control failed: only {share:.0%} [{low:.0%}, {high:.0%}] of {len(own)} samples of û*, "
            "copies of one training image each, are found to be that")


def reading(table, not_judged=None):
    """Return what the areas say, a sentence or more, no more than the test does.

    Parameters
    ----------
    table : DataFrame
        As `measure` returns it.
    not_judged : str, optional
        Why nothing is judged.
    """
    same = table[table["place"] == "same"]
    if not_judged:
        return f"Not judged: {not_judged}."
    if not (same["source"] == "heldout").any():
        return f"No verdict: {NO_NULL}; {_shares(same, 'model')}; give some (held_out, --held-out)."
    rows = summarise(same).set_index("quantity")
    p, excess = rows.loc["patches_p", "value"], rows.loc["flagged_excess"]
    found = p <= ERROR
    k, area, model = same["window"].iloc[0], same["area"].iloc[0], same[same["source"] == "model"]
    opening = ("More samples than held-out images have parts of training images" if found else
               "Samples are not shown to have parts of training images more often than held-out images")
    text = (f"{opening} (p {'< 1e-4' if p < 1e-4 else f'= {p:.2g}'}): windows of {k} x {k} pixels copied at the same "
            f"place cover {area:.0%} or more of {_shares(same, 'model')}, against {_shares(same, 'heldout')}; the "
            f"difference is {100 * excess['value']:+.1f} points [{100 * excess['low']:+.1f}, "
            f"{100 * excess['high']:+.1f}]. Of windows copied nearly exactly (d1/d2 < 0.1): "
            f"{_shares(same, 'model', 'close_flagged')}, against {_shares(same, 'heldout', 'close_flagged')}.")
    own = model[model["flagged"]]
    if found:
        one, low, high = proportion_interval(int((own["n_images"] == 1).sum()), len(own))
        text += (f" Of those {len(own)} samples {one:.0%} [{low:.0%}, {high:.0%}] take 90 % of the copied area from "
                 "one training image, the others from several. Which of them have it by chance is not told apart.")
    return text


def _shares(same, source, flags="flagged"):
    own = same[same["source"] == source]
    value, low, high = proportion_interval(int(own[flags].sum()), len(own))
    return f"{value:.1%} [{low:.1%}, {high:.1%}] of {len(own)} {'samples' if source == 'model' else 'held-out images'}"
