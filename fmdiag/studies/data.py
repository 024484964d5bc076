"""Data of a study's parts: rows, held-out rows and feature vectors, loaded and embedded once per process."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature
from fmdiag.features.classifier import classifiers_folder, find_classifier

EMBED_BATCH = 500


@dataclass
class StudyData:
    """The whole training set of a study with its held-out rows and feature space.

    Parameters
    ----------
    training_set : TrainingSet
        All rows; its held-out part is the test set of the study.
    feature : callable
        Images (b, *shape) in model range -> vectors (b, k), with a `name`.
    record : dict
        How the set was loaded (source, size, held_out, ...), for checkpoints.
    """

    training_set: object
    feature: object
    record: dict

    def __post_init__(self):
        """Refuse a set without held-out rows: a study compares with a test set."""
        if self.training_set.held_out is None:
            raise FmdiagError(f"{self.training_set.name} has no test part, which a study compares with: hold rows out "
                              "with --held-out 0.1, or name them with --held-out PATH")
        self._subsets = {}

    def describe(self):
        """Return what names the data in a plan."""
        rows = self.training_set
        return {"name": rows.describe()["name"], "n_stored": rows.n_stored, "shape": list(rows.shape),
                "fingerprint": rows.fingerprint, "held_out": rows.held_out.fingerprint}

    @property
    def feature_key(self):
        """Content hash of the feature space; its name where it has no weights."""
        return getattr(self.feature, "key", None) or self.feature.name

    def subset(self, subset):
        """Return (training subset, row numbers in the whole set) that `Plan.subset` names."""
        n, seed = subset["n"], subset["subset_seed"]
        if (n, seed) not in self._subsets:
            self._subsets.clear()  # one at a time: the whole set may be most of memory
            rows = self.training_set if n == self.training_set.n_stored else self.training_set.subset(n, seed=seed)
            order = np.sort(np.random.default_rng(seed).permutation(self.training_set.n_stored)[:n])
            self._subsets[n, seed] = rows, order
        return self._subsets[n, seed]

    def embed(self, images):
        """Return the features of images in model range, float32 ndarray, shape (b, k)."""
        return np.concatenate([self.feature(part).flatten(1).cpu().numpy() for part in images.split(EMBED_BATCH)])

    @cached_property
    def train_features(self):
        """Features of all training rows, shape (n_stored, k)."""
        return self._embed_rows(self.training_set)

    @cached_property
    def test_features(self):
        """Features of all held-out rows."""
        return self._embed_rows(self.training_set.unseen)

    def _embed_rows(self, rows):
        return np.concatenate([self.embed(rows[slice(k, min(rows.n_stored, k + EMBED_BATCH))])
                               for k in range(0, rows.n_stored, EMBED_BATCH)])


def choose_feature(name, training_set, data_root=None, trust_code=False):
    """Return the feature space called `name` for a study.

    Parameters
    ----------
    name : str
        ``"auto"`` (the set's classifier where there is one, else pixels), or one of `fmdiag.features.FEATURES`.
    training_set : TrainingSet
        What a classifier must have been trained for.
    data_root : path, optional
        Where weights and classifiers are kept.
    trust_code : bool
        Whether a feature that is a program may run.

    Raises
    ------
    FmdiagError
        If the name is unknown or the feature's weights are missing.
    """
    if name in ("auto", "classifier"):
        found = find_classifier(training_set, classifiers_folder(data_root))
        if found is not None:
            return found
    name = "pixels" if name == "auto" else name
    return load_feature(name, training_set=training_set, data_root=data_root, trust_code=trust_code)


def generator(seed, purpose):
    """Return a generator for one purpose of one seed, e.g. the noises of its samples."""
    derived = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(derived >> np.uint64(1)))
