"""Preparation of images in model range for a network of photographs.

The training set's declared map tells which values of model range are black and white. Images are rounded to 8 bits, as
a picture file would (samples and training rows alike: a row and its saved copy are the same picture); grey ones get
three equal channels; then they are resized and normalised as the network expects.
"""

from dataclasses import asdict, dataclass

import torch
from torch.nn import functional

from fmdiag.errors import FmdiagError, check_choice

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures in [0, 1], per channel
NORMALISATIONS = ("imagenet", "symmetric", "unit", "uint8", "model")
N_LOOKED_AT = 1000


@dataclass(frozen=True)
class Preparation:
    """The transform of images before a network; call it.

    Parameters
    ----------
    low, high : float
        Model-range values of black and white.
    size : int, optional
        Side of the square that the network wants; the picture is squeezed into it.
    interpolation : str
        ``"bilinear"`` or ``"bicubic"``, both antialiased; without effect where no size is given.
    normalisation : str
        imagenet: mean and deviation of ImageNet; symmetric: [-1, 1]; unit: [0, 1]; uint8: whole numbers in [0, 255] of
        that dtype; model: the images as they are, any shape and channels, neither rounded nor made three channels.
    """

    low: float = -1.0
    high: float = 1.0
    size: int | None = None
    interpolation: str = "bilinear"
    normalisation: str = "imagenet"

    def __post_init__(self):
        """Check the choice."""
        check_choice("normalisation", self.normalisation, NORMALISATIONS)

    def describe(self):
        """Return the transform as a dict of plain values."""
        return asdict(self)

    def __call__(self, images):
        """Return images, float32 (b, *shape), model range, as the network wants them: three channels but for model."""
        if self.normalisation == "model":
            return images if self.size is None else self._resized(images)
        values = ((images.float() - self.low) / (self.high - self.low) * 255).round_().clamp_(0, 255)
        values = values.expand(-1, 3, -1, -1) if values.shape[1] == 1 else values
        values = values if self.size is None else self._resized(values).clamp_(0, 255)
        if self.normalisation == "uint8":
            return values.round().to(torch.uint8)
        values = values / 255
        if self.normalisation == "imagenet":
            mean, std = (values.new_tensor(three)[:, None, None] for three in (MEAN, STD))
            return (values - mean) / std
        return 2 * values - 1 if self.normalisation == "symmetric" else values

    def _resized(self, images):
        return functional.interpolate(images, (self.size, self.size), mode=self.interpolation, antialias=True)


def declared_range(training_set):
    """Return the model-range values of black and white, by the training set's declared map; [-1, 1] without one.

    Raises
    ------
    FmdiagError
        If the rows are floats of no declared range that do not lie in [-1, 1].
    """
    if training_set is not None and training_set.dtype == "uint8":
        return training_set.picture_range
    if training_set is None or (training_set.divisor, training_set.shift) != (1.0, 0.0):
        return -1.0, 1.0
    rows = training_set[slice(0, min(training_set.n, N_LOOKED_AT))]
    low, high = rows.min().item(), rows.max().item()
    if low < -1.05 or high > 1.05:
        raise FmdiagError(f"{training_set.name}: rows from {low:.3g} to {high:.3g} have no declared black and white, "
                          "which a network of pictures needs: give value_range (--value-range LOW,HIGH)")
    return -1.0, 1.0


def check_pictures(name, training_set):
    """Raise FmdiagError if the rows are no pictures of one or three channels."""
    shape = training_set.shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise FmdiagError(f"feature {name} needs pictures of 1 or 3 channels, the rows of {training_set.name} have "
                          f"shape {shape}: of such data only pixels and pca can be used")
