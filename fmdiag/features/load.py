"""Registry of feature spaces: modules, each with a function `load`."""

import importlib
import inspect

from fmdiag.errors import FmdiagError, check_choice
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import check_pictures

# A module has `load(...)`, which names what it takes among: weights, training_set, device, data_root, offline,
# trust_code and options of its own. A network of pictures takes weights.
FEATURES = {
    "pixels": "fmdiag.features.pixels",
    "pca": "fmdiag.features.pca",
    "inception": "fmdiag.features.inception",
    "dinov2": "fmdiag.features.dinov2",
    "sscd": "fmdiag.features.sscd",
    "lpips": "fmdiag.features.lpips",
    "efficientnet-lite0": "fmdiag.features.efficientnet",
    "classifier": "fmdiag.features.classifier",
    "torchscript": "fmdiag.features.program",
    "onnx": "fmdiag.features.onnx",
}
SURROUNDINGS = ("training_set", "device", "data_root", "offline", "trust_code")


def load_feature(name, *, weights=None, training_set=None, device="cpu", **options):
    """Return a feature space by name.

    Parameters
    ----------
    name : str
        One of `FEATURES`; with the path of its weights as NAME:PATH.
    weights : path, optional
        File or folder of the network's weights; default the published ones, below the data root or downloaded.
    training_set : TrainingSet, optional
        Tells which values are black and white, and what pca is fitted on.
    device : str or torch.device
        Where the network works.
    **options
        data_root, offline: where downloads are kept and whether they are refused. trust_code: whether weights that
        are a program (torchscript, sscd) may run. n_components (pca); size (torchscript, onnx,
        efficientnet-lite0), normalisation (torchscript, onnx).

    Returns
    -------
    Feature

    Raises
    ------
    FmdiagError
        If the name or an option is unknown, the data are no pictures although the network needs them, the weights
        are missing or are others, or they are a program and `trust_code` is not given.

    Examples
    --------
    >>> import fmdiag
    >>> from fmdiag.features import load_feature
    >>> train = fmdiag.load_dataset("digits")
    >>> load_feature("pca", training_set=train, n_components=8)(train[:5]).shape
    torch.Size([5, 8])
    """
    name, _, path = name.partition(":")
    if path and weights is not None:
        raise FmdiagError(f"feature {name}: weights are given twice, {path} and {weights}: leave one out")
    weights = path or weights
    check_choice("feature", name, FEATURES)
    load = importlib.import_module(FEATURES[name]).load
    accepted = inspect.signature(load).parameters
    given = {"weights": weights, "training_set": training_set, "device": device, **options}
    for option, value in given.items():
        if value is not None and option not in accepted and option not in SURROUNDINGS:
            raise FmdiagError(f"feature {name} takes no {option}; leave it out")
    if "weights" in accepted and training_set is not None:
        check_pictures(name, training_set)
    return load(**{option: value for option, value in given.items() if option in accepted})


def as_features(feature, training_set, device="cpu"):
    """Return a list of Features from a name, a Feature, or a sequence of such.

    Raises
    ------
    FmdiagError
        If there is none, one is no feature, or two have one name: their rows could not be told apart.
    """
    alone = isinstance(feature, str) or callable(feature) or not hasattr(feature, "__iter__")
    wanted = [feature] if alone else list(feature)
    if not wanted:
        raise FmdiagError(f"no feature was given: choose from {', '.join(sorted(FEATURES))}")
    for one in wanted:
        if not isinstance(one, str) and not (callable(one) and hasattr(one, "name")):
            raise FmdiagError(f"a feature is a name or a fmdiag.features.Feature, got {one!r}: of a function make "
                              "Feature(name, function, weights=HASH), with a hash of what decides its vectors")
    found = [load_feature(one, training_set=training_set, device=device) if isinstance(one, str) else one
             for one in wanted]
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise FmdiagError(f"each feature can be given once, got {', '.join(names)}")
    return found


__all__ = ["FEATURES", "Feature", "as_features", "load_feature"]
