"""U-turns of examples, noised to a time t and carried back: which ones return, to what, and with which class.

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

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from fmdiag.closed_forms.wiener import WienerField
from fmdiag.datasets import as_training_set
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.error.measure import reachable_times
from fmdiag.diagnostics.points.pairs import check_times
from fmdiag.diagnostics.uturn.judged import class_of, judge
from fmdiag.diagnostics.uturn.starts import Starts, draw_starts
from fmdiag.diagnostics.uturn.summary import FIELDS, NAME, difference_test, summarise
from fmdiag.diagnostics.uturn.ways_back import ends
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.features import as_features
from fmdiag.fields import ClosedFormField, as_field, beside
from fmdiag.neighbors import EXACT
from fmdiag.paths import as_path
from fmdiag.posterior.rows import shared_memory
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import METHODS, draw_noise, lost_sentence, seeded

__all__ = ["NAME", "TIMES", "carried", "difference_test", "measure", "summarise", "tabulate"]
TIMES = [round(0.05 * k, 2) for k in range(20)]
LARGEST = 4096   # side of the matrix whose eigenvectors the Wiener field needs: a minute on two cores


@by_card
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
        Pairs of which a trajectory was lost are left out, which ``attrs["remarks"]`` says.

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
    found = carried(field, training_set, held_out=held_out, times=times, n_starts=n_starts, fields=fields,
                    n_steps=n_steps, method=method, path=path, memory=memory, device=device, progress=progress,
                    group=group, generator=generator)
    return tabulate(found, training_set, features=features, plan=plan, device=device)


@dataclass(frozen=True)
class Carried:
    """Starts, and where each field carried them from each time.

    Attributes
    ----------
    starts : Starts
    times : list of float
        Those that the field's schedule reaches, ascending.
    ends : dict of str to (Tensor, Tensor)
        By field, shapes (sources, pairs, times, *shape) and (sources, pairs, times): the ends, NaN where a trajectory
        was lost, and the time at which it was, NaN where it was not.
    remarks : tuple of str
        What was left out.
    """

    starts: Starts
    times: list
    ends: dict
    remarks: tuple = ()


def carried(field, training_set, *, held_out=None, times=None, n_starts=64, fields=FIELDS, n_steps=100, method="euler",
            path=None, memory=None, device="cpu", progress=iter, keep=None, group=SINGLE, generator):
    """Return the Carried of `measure`'s parameters.

    ``keep(name, compute)`` returns the tensor that compute() makes, or one that it kept of the same call before. The
    Wiener field is left out, and that is said, where its eigenvectors would take longer than all else.
    """
    (field,), n_steps = beside(n_steps, as_field(field))
    keep, path = keep or (lambda name, compute: compute()), as_path(path)
    _check(fields, method, n_steps)
    high = getattr(field, "reachable", (0.0, 1.0))[1]
    times = [t for t in reachable_times(field, sorted(set(check_times(TIMES if times is None else times))))
             if t < high or high == 1]
    starts = draw_starts(training_set, held_out, n_starts=n_starts, generator=generator)
    noise = draw_noise(starts.n, training_set.shape, generator=generator)
    x0, x1 = torch.cat([noise] * len(starts.sources)), torch.cat(list(starts.images.values()))
    remarks = list(starts.remarks)
    if "wiener" in fields and min(training_set.n, training_set.dim) > LARGEST:
        fields = [name for name in fields if name != "wiener"]
        remarks.append(f"uturn leaves the Wiener field out: its covariance of {training_set.dim} values and "
                       f"{training_set.n} examples is larger than {LARGEST} x {LARGEST}")
    memory = memory if memory is not None or group.size == 1 else shared_memory(memory, torch.device(device), group)
    made = {"model": lambda: field,
            "closed_form": lambda: ClosedFormField(training_set, path, memory=memory, device=device),
            "wiener": lambda: WienerField(training_set, path, memory=memory, device=device)}

    def packed(name):
        return torch.cat(group.spread(torch.arange(len(x1)), lambda chosen: torch.cat(_flat(ends(
            made[name](), path, x0[chosen], x1[chosen], times, n_steps=n_steps, method=method,
            training_set=training_set, progress=progress)), -1)))

    found, lead = {}, (len(starts.sources), starts.n, len(times))
    for name in (f for f in FIELDS if f in fields):
        both = keep(name, lambda name=name: packed(name))
        found[name] = both[..., :-1].float().reshape(*lead, *training_set.shape), both[..., -1].reshape(lead)
    return Carried(starts, times, found, tuple(remarks))


def _flat(found):
    """Return ends and times of loss as one tensor's parts, float64."""
    return found[0].flatten(2).double(), found[1][..., None]


def _check(fields, method, n_steps):
    for name in fields:
        check_choice("field", name, FIELDS)
    check_choice("method", method, METHODS)
    if not fields or n_steps < 1:
        raise FmdiagError(f"uturn needs a field of {', '.join(FIELDS)} and n_steps of at least 1, got {fields} and "
                          f"{n_steps}")


def tabulate(found, training_set, *, features, plan=EXACT, device="cpu", data_root=None):
    """Return the table of `measure` for a Carried."""
    classes, words = class_of(training_set, data_root)
    tables, remarks = [], []
    for name, (states, lost) in found.ends.items():
        whole = torch.isnan(lost).all(2).all(0)
        if not bool(whole.any()):
            raise FmdiagError(f"uturn, {name}: {lost_sentence(lost.flatten())}, of every pair at least one: nothing is "
                              "left to measure; check the checkpoint's weights and convention, or give more --n-steps")
        if not bool(whole.all()):
            remarks.append(f"uturn, {name}: {lost_sentence(lost.flatten())} ({int((~whole).sum())} of {len(whole)} "
                           "pairs of starts are left out)")
        kept = torch.nonzero(whole).reshape(-1).numpy()
        tables += [_table(states, kept, found, training_set, name, one, classes, plan, device) for one in features]
    table = pd.concat(tables, ignore_index=True)
    table.attrs.update(remarks=[*found.remarks, *remarks], classes=words)
    return table


def _table(states, kept, found, training_set, name, feature, classes, plan, device):
    starts = found.starts
    judged = judge(states, kept, starts, training_set, feature=feature, classes=classes, device=device, plan=plan)
    source, pair, time = (index.ravel() for index in np.indices(judged.returned.shape))
    rows = np.stack([starts.rows[source] for source in starts.sources])[:, kept]
    return pd.DataFrame({
        "source": np.array(starts.sources)[source], "field": name, "start": rows[source, pair], "pair": kept[pair],
        "t": np.array(found.times)[time], "returned": judged.returned.ravel(), "nearest": judged.nearest.ravel(),
        "same_class": judged.same_class.ravel(), "distance": judged.distance.ravel(),
        "distance_other": judged.distance_other.ravel(), "feature": feature.name})
