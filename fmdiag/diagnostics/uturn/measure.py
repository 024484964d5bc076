"""U-turns: examples are noised to a time t and carried back; which ones return, to what, and with which class?

From training examples X_i and held-out examples z, x_t = alpha_t x + sigma_t x0 is integrated from t to 1. A start has
returned if the end is nearer to it than to any other example of a pool that both kinds of starts share. Early on all
starts are lost in the noise and none returns but by chance; late ones return with any field, since the noise no longer
hides them. In between, what training starts return more often than held-out ones is what the field knows of its own
training examples there. Controls, from the same states: û*, whose training starts return as soon as the posterior has
committed to them and whose held-out starts do not; and the Wiener field, which knows mean and covariance only.

References
----------
Behjoo and Chertkov 2023, "U-Turn Diffusion", arXiv 2308.07421. Sclocchi, Favero and Wyart 2024, "A phase transition in
diffusion models reveals the hierarchical nature of data", arXiv 2402.16991 (forward-backward, class kept). The
difference to held-out starts, with one pool for both: our choice.
"""

import numpy as np
import pandas as pd
import torch

from fmdiag.closed_forms.wiener import WienerField
from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.error.measure import reachable_times
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.uturn.judged import class_of, judge
from fmdiag.diagnostics.uturn.starts import draw_starts
from fmdiag.diagnostics.uturn.summary import FIELDS, NAME, difference_test, summarise
from fmdiag.diagnostics.uturn.ways_back import ends
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.features import as_features
from fmdiag.fields import ClosedFormField, as_field
from fmdiag.neighbors import EXACT
from fmdiag.paths import LinearPath
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import METHODS, draw_noise, lost_sentence, seeded

__all__ = ["NAME", "TIMES", "carried", "difference_test", "measure", "summarise", "tabulate"]
TIMES = [round(0.05 * k, 2) for k in range(20)]


def measure(field, training_set, *, held_out=None, times=None, n_starts=64, fields=FIELDS, n_steps=100, method="euler",
            feature="pixels", path=None, plan=EXACT, memory=None, device="cpu", progress=iter, group=SINGLE,
            generator=None, seed=0):
    """Return what U-turns from training and held-out examples end at, a row per start, field and time.

    Parameters
    ----------
    field : callable
        v(x, t) of the network.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that it was trained on, flips included.
    held_out : TrainingSet, Tensor or ndarray, optional
        Examples of the same distribution that it was not trained on; default the training set's own. Without any there
        are training starts only.
    times : sequence of float, optional
        Times in [0, 1) from which is turned back; default 0, 0.05, ..., 0.95, as far as the field's schedule reaches.
    n_starts : int
        Starts of each kind, at least 2; fewer where either set has fewer.
    fields : sequence of str
        Of model, closed_form and wiener: `field`, û* of the training set, the Gaussian with its mean and covariance.
    n_steps, method
        Solver, as in `fmdiag.sample`: steps from t = 0 to 1, of which those after t are taken.
    feature, plan
        As in `fmdiag.memorization`; distances, nearest examples and returns are those of the space.
    path, memory, device, progress, group, generator, seed
        As in `fmdiag.alignment`; each rank carries its share of the starts.

    Returns
    -------
    DataFrame
        Columns source (train, heldout), field (model, closed_form, wiener), start (row number in its own set), pair (of
        the two starts that share their noise), t, returned (bool: the end is nearer to the start than to any other
        example of the pool, see `fmdiag.diagnostics.uturn.starts`), nearest (training row, of the pool or the start, -1
        without any), same_class (1.0 or 0.0; NaN where neither a classifier nor labels are known), distance (Euclidean,
        from the end to the start), distance_other (to the nearest other example of the pool; inf without any), feature.
        Pairs of which a trajectory was lost are left out, which ``attrs["lost"]`` says.

    Raises
    ------
    FmdiagError
        If a time is outside [0, 1), n_starts is less than 2, a name is unknown, the held-out examples have another
        shape, or no pair of a field has finite ends.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=50)
    >>> table = fmdiag.uturn(fmdiag.ClosedFormField(train), train, times=[0.95], n_starts=8, fields=("model",))
    >>> table.groupby("source").returned.mean().to_dict()
    {'heldout': 0.0, 'train': 1.0}
    """
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    features = as_features(feature, training_set, device)
    starts, found = carried(field, training_set, held_out=held_out, times=times, n_starts=n_starts, fields=fields,
                            n_steps=n_steps, method=method, path=path, memory=memory, device=device, progress=progress,
                            group=group, generator=generator)
    return tabulate(found, starts, training_set, features=features, plan=plan, device=device)


def carried(field, training_set, *, held_out=None, times=None, n_starts=64, fields=FIELDS, n_steps=100, method="euler",
            path=None, memory=None, device="cpu", progress=iter, keep=None, group=SINGLE, generator):
    """Return (Starts, {field: {t: ends}}) of `measure`; ends of shape (sources, pairs, *shape), NaN where lost.

    ``keep(name, compute)`` returns the tensor that compute() makes, or one that it kept of the same call before.
    """
    field, keep, path = as_field(field), keep or (lambda name, compute: compute()), path or LinearPath()
    for name in fields:
        check_choice("field", name, FIELDS)
    check_choice("method", method, METHODS)
    if not fields or n_steps < 1:
        raise FmdiagError(f"uturn needs a field of {', '.join(FIELDS)} and n_steps of at least 1, got {fields} and "
                          f"{n_steps}")
    high = getattr(field, "reachable", (0.0, 1.0))[1]
    times = [t for t in reachable_times(field, sorted(set(check_times(TIMES if times is None else times))))
             if t < high or high == 1]
    starts = draw_starts(training_set, held_out, n_starts=n_starts, generator=generator)
    noise = draw_noise(starts.n, training_set.shape, generator=generator)
    others = {"closed_form": lambda: ClosedFormField(training_set, path, memory=memory, device=device),
              "wiener": lambda: WienerField(training_set, path, memory=memory, device=device)}
    x0, x1 = noise.repeat(len(starts.sources), *[1] * (noise.ndim - 1)), torch.cat(list(starts.images.values()))

    def work(chosen, name):
        v = field if name == "model" else others[name]()
        states, lost = ends(v, path, x0[chosen], x1[chosen], times, n_steps=n_steps, method=method,
                            training_set=training_set, progress=progress)
        return torch.cat([states.flatten(2).double(), lost[..., None]], -1)

    found = {}
    for name in (f for f in FIELDS if f in fields):
        packed = keep(name, lambda name=name: torch.cat(group.spread(
            torch.arange(len(x1)), lambda chosen: work(chosen, name))))
        states = packed[..., :-1].float().reshape(len(starts.sources), starts.n, len(times), *training_set.shape)
        found[name] = states, packed[..., -1].reshape(len(starts.sources), starts.n, len(times))
    return starts, {"times": times, **found}


def tabulate(found, starts, training_set, *, features, plan=EXACT, device="cpu", data_root=None):
    """Return the table of `measure` for what `carried` returned."""
    times, fields = found["times"], {name: part for name, part in found.items() if name != "times"}
    classes, words = class_of(training_set, data_root)
    tables, remarks = [], []
    for name, (states, lost) in fields.items():
        whole = torch.isnan(lost).all(2).all(0)
        if not bool(whole.any()):
            raise FmdiagError(f"uturn, {name}: {lost_sentence(lost.flatten())}, of every pair at least one: nothing is "
                              "left to measure; check the checkpoint's weights and convention, or give more --n-steps")
        if not bool(whole.all()):
            remarks.append(f"uturn, {name}: {lost_sentence(lost.flatten())} ({int((~whole).sum())} of {len(whole)} "
                           "pairs of starts are left out)")
        kept = torch.nonzero(whole).reshape(-1).numpy()
        tables += [_table(states, kept, starts, training_set, times, name, one, classes, plan, device)
                   for one in features]
    table = pd.concat(tables, ignore_index=True)
    table.attrs.update(lost=remarks, classes=words)
    return table


def _table(states, kept, starts, training_set, times, name, feature, classes, plan, device):
    judged = judge(states, kept, starts, training_set, feature=feature, classes=classes, device=device, plan=plan)
    source, pair, time = (index.ravel() for index in np.indices(judged.returned.shape))
    rows = np.stack([starts.rows[source] for source in starts.sources])[:, kept]
    return pd.DataFrame({
        "source": np.array(starts.sources)[source], "field": name, "start": rows[source, pair], "pair": kept[pair],
        "t": np.array(times)[time], "returned": judged.returned.ravel(), "nearest": judged.nearest.ravel(),
        "same_class": judged.same_class.ravel(), "distance": judged.distance.ravel(),
        "distance_other": judged.distance_other.ravel(), "feature": feature.name})
