"""Training of the classifier of a labelled image set: Adam with a falling learning rate, for a few epochs.

Appendix C of Bertrand et al., arXiv 2506.03719, uses "a pretrained classifier" without naming it; this one reaches
90 % on held-out Fashion-MNIST in a few minutes on one core.
"""

import math

import torch

from fmdiag.errors import FmdiagError
from fmdiag.features.classifier import BATCH, FORMAT, VERSION, ConvolutionalClassifier

BATCH_SIZE = 128
LR = 2e-3


def train_classifier(training_set, *, epochs=6, seed=0, progress=None):
    """Train a classifier on a labelled set of images and return the content of its file.

    Parameters
    ----------
    training_set : TrainingSet
        Images with labels; its held-out part must have labels too.
    epochs : int
        Passes over the rows.
    seed : int
        Fixes weights, order and dropout.
    progress : callable, optional
        Called as ``progress(epoch, loss)`` after each epoch.

    Returns
    -------
    dict
        For `ClassifierFeature` and `save_classifier`; `accuracy` is the share of held-out images classified rightly by
        the half-precision weights.

    Raises
    ------
    FmdiagError
        If the rows are not images of at least 4 pixels a side, or labels are missing.
    """
    _check(training_set)
    n_classes = int(training_set.labels.max()) + 1
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = ConvolutionalClassifier(training_set.shape, n_classes)
        _fit(module.train(), training_set, epochs, progress)
    half = {name: weight.half() for name, weight in module.state_dict().items()}
    module.load_state_dict({name: weight.float() for name, weight in half.items()})
    return {"format": FORMAT, "version": VERSION, "shape": list(training_set.shape), "n_classes": n_classes,
            "weights": half, "dataset": {"name": training_set.name, "fingerprint": training_set.fingerprint},
            "accuracy": accuracy(module, training_set.held_out), "epochs": epochs, "seed": seed}


def accuracy(module, labelled):
    """Return the share of images of a labelled set that the classifier gets right."""
    module.eval()
    with torch.no_grad():
        parts = [slice(k, k + BATCH) for k in range(0, labelled.n, BATCH)]
        right = sum(int((module(labelled[part]).argmax(1).numpy() == labelled.labels[part]).sum()) for part in parts)
    return right / labelled.n


def _fit(module, training_set, epochs, progress):
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)
    labels = torch.from_numpy(training_set.labels).long()
    steps = epochs * math.ceil(training_set.n / BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(training_set.n).split(BATCH_SIZE):
            loss = torch.nn.functional.cross_entropy(module(training_set[rows.numpy()]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        if progress is not None:
            progress(epoch + 1, total / training_set.n)


def _check(training_set):
    if len(training_set.shape) != 3 or min(training_set.shape[1:]) < 4:
        raise FmdiagError(f"{training_set.name}: a classifier needs images of at least 4 pixels a side, rows have "
                          f"shape {training_set.shape}")
    for part, rows in (("training", training_set), ("held-out", training_set.held_out)):
        if rows is None or rows.labels is None:
            raise FmdiagError(f"{training_set.name}: a classifier needs labels, and the {part} rows have none")
    if training_set.hflip:
        raise FmdiagError(f"{training_set.name}: labels belong to the rows without flips; leave flips out")
