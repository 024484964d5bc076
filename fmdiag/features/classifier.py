"""Classifier feature: the embedding of a small network that was taught to tell the set's classes apart.

phi(x) is the 128-dimensional layer before the classes of a convolutional classifier, as in appendix C of Bertrand et
al., arXiv 2506.03719, where Fréchet distances on MNIST and Fashion-MNIST are taken in such a space. Their classifier is
not ours: values in the two spaces differ in scale, orderings within one can be compared.

The weights are rounded to half precision once, when training ends; the accuracy is that of the rounded network.
"""

import json
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from torch import nn

from fmdiag.datasets.source import Reading, chosen_data_root
from fmdiag.datasets.source_files import facts_of
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.files.hashing import weights_sha256
from fmdiag.files.torch_zip import check_records
from fmdiag.results import replace_atomically

FORMAT, VERSION = "fmdiag-classifier", 1
DIM = 128
CHANNELS = (16, 32)
BATCH = 500


class ConvolutionalClassifier(nn.Module):
    """Two convolutions with pooling, a layer of 128 units, one output per class.

    Parameters
    ----------
    shape : sequence of int
        (channels, height, width) of one image, sides of at least 4.
    n_classes : int
        Number of classes.
    """

    def __init__(self, shape, n_classes):
        super().__init__()
        channels, height, width = shape
        first, second = CHANNELS
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.embed = nn.Linear(second * (height // 4) * (width // 4), DIM)
        self.classes = nn.Linear(DIM, n_classes)

    def embedding(self, images):
        """Return phi, float32, shape (b, 128), of images in model range."""
        return torch.relu(self.embed(self.convolutions(images)))

    def forward(self, images):
        """Return the classes' logits, shape (b, n_classes)."""
        return self.classes(nn.functional.dropout(self.embedding(images), 0.3, self.training))


class ClassifierFeature:
    """The embedding as a feature space: images float32 (b, *shape) -> float32 (b, 128).

    Parameters
    ----------
    content : dict
        As `fmdiag.features.classifier_training` makes it: format, version, shape, n_classes, weights (float16),
        dataset, accuracy (share of held-out images classified rightly), epochs, seed.
    """

    name = "classifier"

    def __init__(self, content):
        self.content = content
        self.shape = tuple(content["shape"])
        self.module = ConvolutionalClassifier(self.shape, content["n_classes"]).eval()
        self.module.load_state_dict({name: weight.float() for name, weight in content["weights"].items()})

    @torch.no_grad()
    def __call__(self, images):
        """Return the embedding of images in model range; its device is that of the images."""
        if tuple(images.shape[1:]) != self.shape:
            raise FmdiagError(f"the classifier takes images of shape {self.shape}, got {tuple(images.shape[1:])}: "
                              "train one of this shape with fmdiag classifier")
        self.module.to(images.device)
        return torch.cat([self.module.embedding(part) for part in images.float().split(BATCH)])

    @torch.no_grad()
    def classes(self, images):
        """Return the likeliest class of each image in model range: int64, shape (b,), on the CPU."""
        self.module.to(images.device)
        return torch.cat([self.module(part).argmax(1) for part in images.float().split(BATCH)]).cpu()

    @property
    def key(self):
        """SHA-256 of the weights: content hash of the feature."""
        return weights_sha256(self.content["weights"], json.dumps([FORMAT, VERSION, list(self.shape)]))

    def describe(self):
        """Return what a run records of the feature."""
        kept = {name: self.content[name] for name in ("dataset", "accuracy", "epochs", "seed")}
        return {"name": self.name, "dim": DIM, "weights": self.key, "transform": "model range, no resizing", **kept}


    def feature(self):
        """Return the embedding as a `Feature` of the registry."""
        facts = {name: self.content[name] for name in ("dataset", "accuracy", "epochs", "seed")}
        return Feature(self.name, self, {"size": list(self.shape[1:]), "normalisation": "model"}, DIM, self.key, facts,
                       batch_size=BATCH)


def load(*, training_set=None, data_root=None):
    """Return the Feature of the classifier that was trained for the set, bundled or in the cache.

    Raises
    ------
    FmdiagError
        If there is none.
    """
    found = None if training_set is None else find_classifier(training_set, classifiers_folder(data_root))
    if found is None:
        what = "a classifier is of one data set: give it" if training_set is None else (
            f"there is no classifier for {training_set.name} with images of shape {training_set.shape}: make one with "
            "fmdiag classifier")
        raise FmdiagError(what)
    return found.feature()


def classifiers_folder(data_root=None):
    """Return the folder in which classifiers are kept that did not come with fmdiag."""
    return Reading(data_root=chosen_data_root(data_root)).cache / "classifiers"


def save_classifier(content, file):
    """Write a classifier file; an earlier one is replaced only when the new one is complete."""
    def write(temporary):
        with open(temporary, "wb") as stream:
            torch.save(content, stream)
    replace_atomically(Path(file), write)


def read_classifier(file):
    """Return the ClassifierFeature in a file that `fmdiag classifier` wrote.

    Raises
    ------
    FmdiagError
        If there is no such file or it is something else.
    """
    if not Path(file).exists():
        raise FmdiagError(f"{file}: no such classifier; make one with fmdiag classifier")
    check_records(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises six kinds of errors for a bad file
        raise FmdiagError(f"{file} is not a classifier of fmdiag, or is damaged: make it again with fmdiag classifier"
                          ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION:
        raise FmdiagError(f"{file} is not a classifier of this fmdiag: make one with fmdiag classifier")
    return ClassifierFeature(content)


def classifier_file(training_set, folder):
    """Return where the classifier of a set is kept below `folder`."""
    side = "x".join(str(size) for size in training_set.shape)
    return Path(folder) / f"classifier-{Path(training_set.name).stem}-{side}.pt"


def find_classifier(training_set, folder=None):
    """Return the set's ClassifierFeature, from `folder` or bundled with fmdiag, or None where there is none."""
    places = [Path(folder)] if folder else []
    bundled = resources.files("fmdiag.data")
    for place in [*places, Path(str(bundled))]:
        file = classifier_file(training_set, place)
        if file.is_file():
            return _read_cached(file, facts_of(file))
    return None


@cache
def _read_cached(file, facts):
    return read_classifier(file)
