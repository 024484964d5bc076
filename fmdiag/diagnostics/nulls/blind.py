"""Blind baseline: a classifier that tells training rows from held-out rows without a model of either.

What tells them apart without the model's help is a difference between the two sets, a shift, and no memorisation.
Randomised trees on at most 32 principal components score every row from folds that hold neither the row nor its
near-duplicates.

References
----------
Das, Zhang & Tramèr 2024, "Blind baselines beat membership inference attacks for foundation models", arXiv 2406.16201.
"""

import numpy as np
import torch

N_COMPONENTS = 32
FOLDS = 5
TREES = 30
LEAF = 5
POOLED = 32     # side of the pictures that are compared
LARGEST = 1 << 26   # values in one matrix


def blind_scores(training_rows, held_out_rows, *, seed=0):
    """Return out-of-fold scores of training and of held-out rows: two arrays in [0, 1], larger for held-out ones.

    Parameters
    ----------
    training_rows, held_out_rows : Tensor, shape (k, *shape) and (m, *shape)
        Both with at least two rows.
    seed : int
        Of the forest and the folds.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    x = components(torch.cat([small(training_rows), small(held_out_rows)]).numpy())
    y = np.repeat([0, 1], [len(training_rows), len(held_out_rows)])
    fold, scores = folds(y, near_duplicates(x), np.random.default_rng(seed)), np.full(len(y), 0.5)
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        if test.any() and len(np.unique(y[train])) == 2:
            scores[test] = forest.fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return scores[y == 0], scores[y == 1]


def folds(y, groups, rng):
    """Return a fold in 0..4 per row, shape (q,): rows of one group share it, each label is spread over all."""
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    fold = np.empty(len(first), int)
    for label in (0, 1):
        chosen = rng.permutation(np.flatnonzero(y[first] == label))
        fold[chosen] = np.arange(len(chosen)) % FOLDS
    return fold[which]


def components(x):
    """Return at most 32 principal components of rows, shape (q, d) to (q, k), and their number at most d."""
    x = x - x.mean(0, keepdims=True)
    if x.shape[1] <= N_COMPONENTS:
        return x
    values, vectors = np.linalg.eigh(x @ x.T if len(x) <= x.shape[1] else x.T @ x)
    vectors = vectors[:, ::-1][:, :N_COMPONENTS]
    return vectors * np.sqrt(np.maximum(values[::-1][:N_COMPONENTS], 0)) if len(x) <= x.shape[1] else x @ vectors


def near_duplicates(x):
    """Return a group per row, shape (q,): rows that a gap of factor 3 sets apart from all others are of one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    k = min(9, len(x))
    distances, rows = cKDTree(x).query(x, k=k)
    distances, rows = distances[:, 1:], rows[:, 1:]
    gaps = distances[:, :-1] < distances[:, 1:] / 3
    last = np.where(gaps.any(1), gaps.shape[1] - gaps[:, ::-1].argmax(1), 0) if k > 2 else np.zeros(len(x), int)
    linked = (np.arange(k - 1)[None] < last[:, None]) | (distances == 0)
    ends = np.repeat(np.arange(len(x)), k - 1)[linked.ravel()], rows[linked]
    graph = coo_matrix((np.ones(len(ends[0])), ends), shape=(len(x), len(x)))
    return connected_components(graph, directed=False)[1]


def small(rows):
    """Return rows as float32 vectors; pictures no larger than 32 by 32."""
    rows = rows.float()
    if rows.ndim == 4 and max(rows.shape[-2:]) > POOLED:
        size = [min(POOLED, side) for side in rows.shape[-2:]]
        rows = torch.cat([torch.nn.functional.adaptive_avg_pool2d(part, size) for part in rows.split(64)])
    return rows.flatten(1)[:, :: max(1, rows[0].numel() * len(rows) // LARGEST)]
