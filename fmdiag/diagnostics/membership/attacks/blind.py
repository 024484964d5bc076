"""Blind baselines of membership attacks: what the same images give away without any model.

An attack counts only above them: where training and held-out images differ by themselves, any score that sees the
difference tells them apart. One is the compressed size (small ones first, as the loss has it), the other a logistic
regression on at most 32 principal components of the pixels, whose score of an image is of folds that hold neither it
nor the image that shares its noise.

References
----------
Das, Zhang & Tramèr 2024, "Blind baselines beat membership inference attacks for foundation models", arXiv 2406.16201.
"""

import numpy as np
import torch

from fmdiag.diagnostics.nulls.blind import FOLDS, components, small

SIZE, CLASSIFIER = "blind-size", "blind-classifier"
BLIND = (SIZE, CLASSIFIER)


def classifier_scores(train, held_out):
    """Return the cross-fitted log odds of training images and of held-out images, two float64 arrays of shape (m,).

    Parameters
    ----------
    train, held_out : Tensor, shape (m, *shape)
        Image k of either is of pair k; both of a pair are in one fold, so that the folds are balanced.
    """
    from sklearn.linear_model import LogisticRegression

    m = len(train)
    x = components(small(torch.cat([train, held_out])).numpy().astype(float))
    x = x / np.where(x.std(0) > 0, x.std(0), 1.0)
    y, fold, scores = np.repeat([1, 0], m), np.tile(np.arange(m) % FOLDS, 2), np.zeros(2 * m)
    for k in range(min(FOLDS, m)):
        rest = fold != k
        if rest.any():
            model = LogisticRegression(max_iter=1000).fit(x[rest], y[rest])
            scores[~rest] = model.decision_function(x[~rest])
    return scores[:m], scores[m:]
