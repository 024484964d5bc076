"""Membership: the field's values on the paths of training images, against those of held-out images.

A held-out image z takes the place of a training image X_i: both are looked at from the same noises x0 at the same
times, x_t = alpha_t z + sigma_t x0. Per image and time, averaged over its noises (as means over coordinates),

    cfm_loss        ||u_theta - u_cond||^2, which needs no û*
    squared_error   ||u_theta - û*_with||^2,     û*_with of the training set with the image in the place of row i
    error_without   ||u_theta - û*_without||^2,  û*_without of the training set without row i, and without the image

Of a training image, û*_with is û* itself. Of a held-out image it is what û* would have been, so that no image is
nearer to û* merely because it is one of its rows: a field that was made without knowledge of which images were trained
on has an AUC of 1/2 by symmetry. Scores that a member is expected to have higher: loss = -cfm_loss, error =
-squared_error, pull = (error_without - squared_error) / (error_without + squared_error), the side of the image.

Memorisation: AUC near 1. Generalisation: AUC near 1/2. A model whose samples are no copies can have an AUC near 1 at
late times: it knows its training images there, although it does not return them. Trained on, it gets there from 1/2
(benchmarks/membership_auc.py).

Both images of a pair share noises, and either could be the one trained on: the p-value is that of exchanges within
pairs, and so is the band over all times and both tested scores (see `fmdiag.stats.exchange`). Other intervals are
Newcombe's, of independent images. For pull they are not quite that where most training rows are among the images: each
is then part of û* of the others, and of 95 % intervals 11 to 13 % instead of 5 % miss 1/2 (measured by exchanging
labels, n = 16 and n = 148 rows, all of them images; 3 % at n = 200 with 50 images). It is not tested: no p-value or
band rests on it.

References
----------
Shokri et al. 2017 and Carlini et al. 2022, "Membership inference attacks from first principles" (the loss as score,
true positives at few false positives);
Matsumoto et al. 2023 (diffusion losses per time). û* as a reference field: Bertrand et al., arXiv 2506.03719.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.error.measure import evaluate, mean_square, reachable_times
from fmdiag.diagnostics.membership.attacks.residual import noised_errors
from fmdiag.diagnostics.membership.counterfactual import counterfactual, replaced
from fmdiag.diagnostics.membership.examples import Members, draw_members
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import draw_noise, seeded
from fmdiag.stats import auc_row, exchange_pairs, mean_interval, roc_curve, row, summary_row, tpr_at, welch

NAME = "membership"
TIMES = [0.05, *(round(0.1 * k, 1) for k in range(1, 10)), 0.95]
SOURCES = ("train", "heldout")
SCORES = ("loss", "error", "pull")
TESTED = ("loss", "error")     # by pull, images depend on each other: no p-value
RATES = (0.01, 0.001)          # of false positives
POINTS_AT_ONCE = 4096
MEANS = ["cfm_loss", "squared_error", "error_without"]
COLUMNS = ["t", "pair", "source", "row", *MEANS, "weight", "first_loss", "mean_error", "n_noises"]


@by_card
def measure(field, training_set, *, held_out=None, times=None, n_images=256, n_noises=8, path=None, memory=None,
            device="cpu", progress=iter, group=SINGLE, generator=None, seed=0):
    """Return how the field fits training and held-out images, a row per image and time.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that it was trained on, flips included.
    held_out : TrainingSet, Tensor or ndarray, optional
        Rows of the same distribution that it was not trained on; default the training set's own. Content that recurs
        in either set or in both is left out of both, and of each group one row is drawn.
    times : sequence of float, optional
        Times in [0, 1); default 0.05, 0.1, 0.2, ..., 0.9, 0.95, as far as the field's schedule reaches.
    n_images : int
        Images of each kind; fewer where either set has fewer.
    n_noises : int
        Noises per image, the same for both images of a pair.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`.

    Returns
    -------
    DataFrame
        Columns t, pair (number of the pair of images that share noises), source (train, heldout), row (number in its
        own set), n_noises, cfm_loss, squared_error, error_without, weight (posterior weight of the image
        in û*_with), first_loss (CFM loss of the first noise), mean_error (what the velocity's mean over the noises
        leaves of the target's, T_mc); see the module.

    Raises
    ------
    FmdiagError
        If there are fewer than 8 images of either kind whose content does not recur, or the field's values are not
        finite.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=20)
    >>> table = fmdiag.membership(fmdiag.ClosedFormField(train), train, times=[0.7], n_noises=2)
    >>> rows = summarise(table)
    >>> rows[(rows.quantity == "auc_overall") & (rows.score == "error")].value.tolist()
    [1.0]
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    field = as_field(field)
    times = reachable_times(field, check_times(TIMES if times is None else times))
    drawn = draw(training_set, held_out, n_images=n_images, n_noises=n_noises, generator=generator)
    members, noise = drawn.members, drawn.noise
    u_star = ClosedFormField(training_set, path, memory=memory, device=device)
    excluded = replaced(training_set, members.train_rows)

    def work(pairs):
        few = max(1, POINTS_AT_ONCE // n_noises)
        return pd.concat([_part(field, u_star, members, excluded, noise, t, part)
                          for t in progress(times) for part in pairs.split(few)])

    table = pd.concat(group.spread(torch.arange(len(members.train)), work))
    table = table.sort_values(["t", "pair", "source"], ignore_index=True).assign(n_noises=n_noises)
    table.attrs["recurring"] = members.n_recurring
    return table


@dataclass(frozen=True)
class Drawn:
    """Images of a membership test, and the noises that both of each pair share: float32, shape (m, k, *shape)."""

    members: Members
    noise: torch.Tensor


def draw(training_set, held_out=None, *, n_images=256, n_noises=8, generator):
    """Return the Drawn of a generator; a measurement with a generator in the same state is of the same."""
    members = draw_members(training_set, held_out, n_images=n_images, generator=generator)
    noise = draw_noise(len(members.train) * n_noises, training_set.shape, generator=generator)
    return Drawn(members, noise.unflatten(0, (len(members.train), n_noises)))


def _part(field, u_star, members, excluded, noise, t, pairs):
    """Return the rows of some pairs of images at one time."""
    tables = []
    for source in SOURCES:
        images, rows = (getattr(members, name) for name in (("train", "train_rows") if source == "train" else
                                                            ("held_out", "held_out_rows")))
        values = _values(field, u_star, images[pairs], excluded[pairs], noise[pairs], t)
        tables.append(pd.DataFrame({"t": t, "pair": pairs.numpy(), "source": source, "row": rows[pairs.numpy()],
                                    **values}))
    return pd.concat(tables, ignore_index=True)


def _values(field, u_star, images, excluded, noise, t):
    """Return each column's mean over the noises, shape (images,)."""
    k, seen = noise.shape[1], torch.tensor(t, dtype=torch.float32).double().item()
    x0, x1 = noise.flatten(0, 1).double(), images.repeat_interleave(k, 0).double()
    xt, target = u_star.path.sample(x0, x1, seen), u_star.path.conditional_velocity(x0, x1, seen)
    velocity = evaluate(field, xt.float(), seen).double()
    found = counterfactual(u_star, xt, seen, x1, excluded.repeat_interleave(k, 0))
    columns = {"cfm_loss": mean_square(velocity - target), "squared_error": mean_square(velocity - found.swapped),
               "error_without": mean_square(velocity - found.without), "weight": found.weight.numpy()}
    first, mean = noised_errors(u_star.path, images.double(), noise.double(), seen, velocity.unflatten(0, (-1, k)))
    return {**{name: values.reshape(-1, k).mean(1) for name, values in columns.items()},
            "first_loss": first.numpy(), "mean_error": mean.numpy()}


def scores(table):
    """Return {score: DataFrame of shape (images, times)}, higher for members, indexed by (source, pair)."""
    wide = {name: table.pivot(index=["source", "pair"], columns="t", values=name) for name in MEANS}
    without, error = wide["error_without"], wide["squared_error"]
    total = (without + error).clip(lower=np.finfo(float).tiny)
    return {"loss": -wide["cfm_loss"], "error": -error, "pull": (without - error) / total}


def overall(score):
    """Return one score per image: the mean over times of its rank among all images, so that no time dominates."""
    return score.rank().mean(axis=1) / len(score)


def summarise(table):
    """Return the summary rows.

    Per t and score (loss, error, pull): gap (mean score of training minus that of held-out images, Welch's interval)
    and auc with Newcombe's interval; of loss and error also with the interval "simultaneous", which holds for all times
    and both scores together. Per t and source the means of cfm_loss, squared_error and error_without. Over all times,
    per score: auc_overall, tpr_at_0.01 and, from 1000 held-out images on, tpr_at_0.001 (share of training images found
    where that share of held-out images, or less, is taken for such; exact), and for loss and error auc_p, the one-sided
    p-value of exchanges within pairs, not corrected.
    """
    rows, found = [], scores(table)
    whole = {score: overall(values) for score, values in found.items()}
    for score, values in found.items():
        rows += _whole_rows(whole[score], score)
        for t in values:
            parts = values[t].loc["train"], values[t].loc["heldout"]
            rows += [auc_row(NAME, "auc", *parts, score=score, t=t), _gap_row(*parts, score=score, t=t)]
    rows += _p_rows({score: whole[score] for score in TESTED}) + _band_rows({score: found[score] for score in TESTED})
    for (t, source), group in table.groupby(["t", "source"]):
        rows += [summary_row(NAME, name, group[name], t=t, source=source) for name in MEANS]
    return pd.DataFrame(rows)


def _whole_rows(values, score):
    """Return the rows of one score over all times: AUC, and true positives at few false ones where there are enough."""
    members, others = values.loc["train"].to_numpy(), values.loc["heldout"].to_numpy()
    rates = [row(NAME, f"tpr_at_{rate:g}", tpr_at(members, others, rate), score=score, n=len(members), interval="exact")
             for rate in RATES if len(others) * rate >= 1]
    return [auc_row(NAME, "auc_overall", members, others, score=score), *rates]


def _exchanged(columns):
    """Return the Exchanged of {name: scores of shape (images, k) or (images,)}, all columns together."""
    joined = pd.concat(columns, axis=1)
    return exchange_pairs(joined.loc["train"].to_numpy(), joined.loc["heldout"].to_numpy())


def _p_rows(whole):
    found = _exchanged(whole)
    return [row(NAME, "auc_p", p, score=score, n=2 * found.n_pairs, interval="exchange")
            for score, p in zip(whole, found.larger_p(), strict=True)]


def _band_rows(per_t):
    found = _exchanged(per_t)
    columns = [(score, t) for score, values in per_t.items() for t in values]
    return [row(NAME, "auc", tuple(map(float, ends)), score=score, t=t, n=2 * found.n_pairs, interval="simultaneous")
            for (score, t), ends in zip(columns, zip(*found.band(), strict=True), strict=True)]


def _gap_row(members, others, **keys):
    found = welch(*((*mean_interval(values), len(values)) for values in (others, members)))
    return row(NAME, "gap", found, **keys, n=len(members) + len(others), interval="welch")


def curves(table):
    """Return the ROC curves of the overall scores as arrays: ``SCORE_fpr`` and ``SCORE_tpr``."""
    arrays = {}
    for score, values in scores(table).items():
        whole = overall(values)
        rates = roc_curve(whole.loc["train"].to_numpy(), whole.loc["heldout"].to_numpy())
        arrays |= {f"{score}_fpr": rates[0], f"{score}_tpr": rates[1]}
    return arrays
