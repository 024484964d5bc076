"""Groups of parameters that several diagnostics share, so that the same thing has the same name everywhere."""

from dataclasses import dataclass

from fmdiag.diagnostics.parameters import METHODS, parameter

SPACE, NEIGHBORS = "Feature spaces", "Search for neighbors"


@dataclass(frozen=True)
class Solver:
    """How trajectories are integrated."""

    n_steps: int = parameter(100, "Steps from t = 0 to 1.", minimum=1)
    method: str = parameter("euler", "Solver.", choices=METHODS)


@dataclass(frozen=True)
class Judged(Solver):
    """Samples that are given, or drawn from the model."""

    samples: object = parameter(None, "Folder of pictures or file of arrays to judge instead of drawing samples from "
                                "the model.", kind="data")
    sample_range: tuple | None = parameter(
        None, "Values in --samples that stand for black and white, e.g. 0,1.", kind="range", metavar="LOW,HIGH",
        shown="8-bit pictures, or arrays in model range")
    n_samples: int | None = parameter(None, "Samples drawn, or taken from the start of --samples.", kind="int",
                                      minimum=1, shown="1024, or all")


@dataclass(frozen=True)
class FeatureSpaces:
    """Feature spaces of a comparison."""

    features: tuple = parameter(
        ("pixels",), "Space of the comparison, several may be given: pixels, pca, inception, dinov2, sscd, lpips, "
        "torchscript, onnx, efficientnet-lite0; with its weights as onnx:FILE.", kind="str", many=True,
        option="--feature", metavar="NAME", group=SPACE)
    feature_weights: tuple = parameter(
        (), "Weights of a feature: file, or folder (dinov2).", kind="str", many=True, metavar="NAME=PATH", group=SPACE,
        shown="in the data root's folder weights, else downloaded")
    feature_size: int | None = parameter(None, "Image side that torchscript, onnx and efficientnet-lite0 want.",
                                         kind="int", minimum=1, group=SPACE, shown="as they are, or the network's")
    feature_normalisation: str | None = parameter(
        None, "Values that torchscript and onnx want.", kind="str", group=SPACE, shown="model, as they are",
        choices=("model", "unit", "symmetric", "imagenet", "uint8"))
    pca_components: int | None = parameter(None, "Dimensions of pca.", kind="int", minimum=1, group=SPACE, shown="64")
    no_cache: bool = parameter(False, "Neither read nor keep features in FMDIAG_CACHE.", group=SPACE)


@dataclass(frozen=True)
class Spaces(FeatureSpaces):
    """Feature spaces, and how neighbors are searched in them."""

    index: str = parameter("flat", "flat (exact), ivf or hnsw (faster, recall is measured); ivf:32 visits 32 cells, "
                           "hnsw:128 keeps 128 candidates.", metavar="KIND", group=NEIGHBORS)
    duplicate_tolerance: float = parameter(0.0, "Examples within this distance of the nearest one count as its "
                                           "duplicates, as equal ones do.", minimum=0, group=NEIGHBORS)
