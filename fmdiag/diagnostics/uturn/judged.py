"""Ends of U-turns, judged: has the start returned, is the class kept, how far away is it, which example is nearest.

An end has *returned* if it is nearer to its start than to any other example of the pool (see
`fmdiag.diagnostics.uturn.starts`); where the pool holds the start's content once more, being equally near counts. Its
class is that of the classifier that belongs to the data set, compared with the class of the start by the same
classifier; without one, the label of the nearest of the start and its pool, where examples have labels.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fmdiag.features.classifier import classifiers_folder, find_classifier
from fmdiag.neighbors import EXACT, nearest
from fmdiag.neighbors.space import vectors_of

TIE = 1e-6    # of the distances and the start's norm: rounding of features in float32


@dataclass(frozen=True)
class Judged:
    """What is known of ends, each array of shape (sources, pairs, times)."""

    returned: np.ndarray
    nearest: np.ndarray
    same_class: np.ndarray
    distance: np.ndarray
    distance_other: np.ndarray


def judge(ends, kept, starts, training_set, *, feature, classes=None, device="cpu", plan=EXACT):
    """Return the Judged of the ends of some pairs.

    Parameters
    ----------
    ends : Tensor, float32, shape (sources, m, times, *shape)
        Of all pairs.
    kept : ndarray of int64
        Numbers of the pairs that are judged, all of whose ends are finite.
    starts : Starts
    feature : Feature
        Space of the distances.
    classes : callable, optional
        Images to classes, see `class_of`.
    """
    ends = ends[:, kept]
    lead, flat = tuple(ends.shape[:3]), ends.flatten(0, 2)
    images = torch.cat([starts.images[source] for source in starts.sources])
    source, pair, _ = np.indices(lead).reshape(3, -1)
    pair = kept[pair]
    own = source * starts.n + pair
    vectors, points = (torch.from_numpy(vectors_of(x, training_set, feature, plan)).double()
                       for x in (images, flat))
    between = torch.cdist(points, vectors, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    distance = between[np.arange(len(own)), own]
    others = between.copy()
    others[np.arange(starts.n * len(starts.sources)) % starts.n == pair[:, None]] = np.inf
    rest_row, rest_distance = _of_rest(flat, starts, training_set, feature, device, plan)
    other = np.minimum(others.min(1), rest_distance)
    returned = distance <= other + TIE * (np.where(np.isfinite(other), other, 0)
                                          + vectors.norm(dim=1).numpy()[own])
    found = {"returned": returned, "nearest": _nearest(returned & (own < starts.n), pair, others[:, : starts.n],
                                                       rest_row, rest_distance, starts),
             "same_class": _same_class(flat, images, own, returned, others, (rest_row, rest_distance), starts,
                                       training_set, classes),
             "distance": distance, "distance_other": other}
    return Judged(**{name: np.reshape(values, lead) for name, values in found.items()})


def class_of(training_set, data_root=None):
    """Return (function of images to classes or None, what classes are in words or None)."""
    classifier = find_classifier(training_set, classifiers_folder(data_root)) if len(training_set.shape) == 3 else None
    if classifier is not None:
        accuracy = classifier.content["accuracy"]
        return classifier.classes, (f"class by the classifier of {classifier.content['dataset']['name']} that fmdiag "
                                    f"comes with or made (right for {accuracy:.1%} of held-out images), of the end and "
                                    "of the start")
    if training_set.labels is None:
        return None, None
    return None, "class by the label of the nearest of the start and all examples it is compared with"


def _of_rest(flat, starts, training_set, feature, device, plan):
    """Return (row, distance) of the nearest training row that is no start; -1 and inf where there is none."""
    if not len(starts.rest):
        return np.full(len(flat), -1), np.full(len(flat), np.inf)
    found = nearest(flat, training_set, feature=feature, rows=starts.rest, device=device, plan=plan)
    return found.rows[:, 0], found.distances[:, 0]


def _nearest(home, pair, others, rest_row, rest_distance, starts):
    """Return the nearest training row of the pool and the start; -1 where there is none."""
    best = others.argmin(1)
    row = np.where(others.min(1) < rest_distance, starts.rows["train"][best], rest_row)
    return np.where(home, starts.rows["train"][pair], row)


def _same_class(flat, images, own, returned, others, rest, starts, training_set, classes):
    """Return 1.0 where the class is kept, 0.0 where not, NaN where there are no classes."""
    if classes is not None:
        return (classes(flat) == classes(images)[own]).numpy().astype(float)
    if set(starts.labels) != set(starts.sources):
        return np.full(len(own), np.nan)
    labels = np.concatenate([starts.labels[source] for source in starts.sources])
    row, distance = rest
    of_rest = np.asarray(training_set.labels)[row % training_set.n_stored]
    reached = np.where(others.min(1) < distance, labels[others.argmin(1)], of_rest)
    return np.where(returned, 1.0, (reached == labels[own]).astype(float))
