"""Summary of membership attacks: AUC and true positives per time, and the best time on images that did not choose it.

The pairs of images are in a random order: the first half chooses, per attack, the time of the largest AUC and the
threshold of the best balanced accuracy; the other half reports. An attack counts only above what the images give away
without a model: its p-value is the larger of that of exchanges within pairs (AUC above 1/2) and that of DeLong's paired
difference to the blind baseline that is better on the first half.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmdiag.diagnostics.membership.attacks.blind import BLIND
from fmdiag.stats import (
    auc,
    delong_difference,
    delong_interval,
    difference_interval,
    exchange_pairs,
    holm,
    row,
    tpr_at,
)

NAME = "membership"
RATES = (0.01, 0.001)   # of false positives


@dataclass(frozen=True)
class Column:
    """Scores of m pairs of images by one attack at one time: training and held-out images, shape (m,) each."""

    attack: str
    t: float
    train: np.ndarray
    held_out: np.ndarray

    def part(self, half):
        """Return the scores of a half of the pairs, a slice, as (training, held-out)."""
        return self.train[half], self.held_out[half]


def columns(table):
    """Return the Columns of a table of attacks whose scores are all finite, those of blind baselines last."""
    found = []
    for (attack, t), part in table.groupby(["attack", "t"], sort=False, dropna=False):
        train, held_out = (part[part["kind"] == kind].sort_values("image")["score"].to_numpy(float)
                           for kind in ("train", "heldout"))
        if np.isfinite(train).all() and np.isfinite(held_out).all():
            found.append(Column(attack, float(t), train, held_out))
    return sorted(found, key=lambda column: column.attack in BLIND)


def halves(m):
    """Return the slices of the pairs that choose and that report."""
    return slice(0, m // 2), slice(m // 2, m)


def summarise(table):
    """Return the summary rows.

    Per attack and t (of blind baselines without t), over all images: attack_auc (DeLong), attack_tpr_at_0.01 and
    attack_tpr_at_0.001 where there are 1 / rate held-out images (exact), attack_balanced_accuracy (threshold of the
    first half, images of the other; Newcombe). smallest_fpr: the smallest rate that so many held-out images resolve.
    Per attack, at the t that the first half chose, of the other half (column half: "report"): best_auc,
    best_tpr_at_0.01 where it is resolved, best_balanced_accuracy, above_blind (AUC less that of the blind baseline) and
    above_blind_p, one-sided and corrected by Holm for the number of attacks. attack_p: the same p-value, uncorrected,
    of the one attack and t that are best on the first half.
    """
    found = columns(table)
    if not found:
        return pd.DataFrame()
    choosing, reporting = halves(len(found[0].train))
    rows = [one for column in found for one in _rows_of(column, choosing, reporting)]
    rows.append(row(NAME, "smallest_fpr", 1 / len(found[0].held_out), n=len(found[0].held_out)))
    return pd.DataFrame(rows + _best_rows(found, choosing, reporting))


def _rows_of(column, choosing, reporting):
    keys, both = {"attack": column.attack, "t": column.t}, (column.train, column.held_out)
    return [row(NAME, "attack_auc", delong_interval(*both), **keys, n=2 * len(both[0]), interval="delong"),
            *_rates("attack", both, keys), _accuracy("attack", column, choosing, reporting, keys)]


def _rates(prefix, scores, keys):
    """Return the rows of true positives at few false ones, as far as there are enough held-out images."""
    return [row(NAME, f"{prefix}_tpr_at_{rate:g}", tpr_at(*scores, rate), **keys, n=len(scores[0]), interval="exact")
            for rate in RATES if len(scores[1]) * rate >= 1]


def _accuracy(prefix, column, choosing, reporting, keys):
    """Return the row of (TPR + TNR) / 2 of the reporting half at the threshold that is best on the choosing half."""
    threshold, (train, held_out) = best_threshold(*column.part(choosing)), column.part(reporting)
    counts = int((train >= threshold).sum()), len(train), int((held_out >= threshold).sum()), len(held_out)
    found = tuple((1 + float(value)) / 2 for value in difference_interval(*counts))
    return row(NAME, f"{prefix}_balanced_accuracy", found, **keys, n=2 * len(train), interval="newcombe")


def best_threshold(train, held_out):
    """Return the smallest score at and above which calling an image a training one is right most often, balanced."""
    scores = np.unique(np.concatenate([train, held_out]))
    below = [np.searchsorted(np.sort(part), scores) / len(part) for part in (train, held_out)]
    return scores[int(np.argmax(below[1] - below[0]))]


def _best_rows(found, choosing, reporting):
    """Return what the reporting half says of every attack at its best time, and of the best of all."""
    areas = [auc(*column.part(choosing)) for column in found]
    best = {}   # attack -> (area on the choosing half, column), the first of equal ones
    for area, column in zip(areas, found, strict=True):
        if column.attack not in best or area > best[column.attack][0]:
            best[column.attack] = area, column
    blind = [best.pop(name) for name in BLIND]
    if not best:
        return []
    baseline = max(blind, key=lambda found: found[0])[1].part(reporting)
    first = max(best.values(), key=lambda found: found[0])[1]
    best = {name: column for name, (_, column) in best.items()}
    pairs = [np.stack([column.part(reporting)[k] for column in best.values()], 1) for k in (0, 1)]
    known, p_values, rows = exchange_pairs(*pairs).larger_p(), {}, []
    for column, p in zip(best.values(), known, strict=True):
        *above, p_above = delong_difference(column.part(reporting), baseline)
        p_values[column.attack] = max(float(p), float(p_above))
        keys = {"attack": column.attack, "t": column.t, "half": "report"}
        scores = column.part(reporting)
        facts = {"n": 2 * len(scores[0]), "interval": "delong"}
        rows += [row(NAME, "best_auc", delong_interval(*scores), **keys, **facts), *_rates("best", scores, keys),
                 _accuracy("best", column, choosing, reporting, keys),
                 row(NAME, "above_blind", tuple(map(float, above)), **keys, **facts)]
    rows += [row(NAME, "above_blind_p", p, attack=name, t=best[name].t, half="report", n=2 * len(baseline[0]),
                 interval="exchange and delong, holm")
             for name, p in zip(p_values, holm(list(p_values.values())), strict=True)]
    return [*rows, row(NAME, "attack_p", p_values[first.attack], attack=first.attack, t=first.t, half="report",
                       n=2 * len(baseline[0]), interval="exchange and delong")]


def left_out(table):
    """Return the (attack, t) that have a score that is not finite, as phrases."""
    bad = table[~np.isfinite(table["score"])]
    return [f"{attack} at t = {t:g}" for attack, t in dict.fromkeys(zip(bad["attack"], bad["t"], strict=True))]
