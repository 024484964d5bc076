"""Feature spaces, in which images are compared: images in model range -> vectors, and all that decides them.

Two features of one key give the same vectors: the key is a hash of the code's name, the transform of the images and the
content of the weights, so that vectors kept on disk never belong to other weights of the same file name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from fmdiag.datasets.cache import content_key
from fmdiag.errors import FmdiagError
from fmdiag.memory import is_out_of_memory

VERSION = 1  # of what the features of this package compute: raised when any of them changes


@dataclass(frozen=True, eq=False)
class Feature:
    """A map from images to vectors; call it.

    Parameters
    ----------
    name : str
        As registered in `fmdiag.features.FEATURES`.
    network : callable
        Images, float32, shape (b, *shape), model range, on `device`, to vectors, shape (b, dim).
    transform : dict
        What is done to the images before, plain values: size, interpolation, range, normalisation.
    dim : int, optional
        Length of the vectors, where it is known beforehand.
    weights : str, optional
        SHA-256 (hex) of the weights.
    facts : dict
        Further facts to show; they decide nothing.
    identity : bool
        Whether the vectors are the rows themselves: a search streams those from disk.
    batch_size : int
        Images in one pass.
    device : str or torch.device
        Where the network is.
    """

    name: str
    network: Callable
    transform: dict = field(default_factory=dict)
    dim: int | None = None
    weights: str | None = None
    facts: dict = field(default_factory=dict)
    identity: bool = False
    batch_size: int = 64
    device: object = "cpu"

    def describe(self):
        """Return what `run.json` records of the feature: a dict of plain values."""
        return {"name": self.name, "dim": self.dim, "weights": self.weights, "transform": dict(self.transform),
                **self.facts}

    @property
    def key(self):
        """Hash (hex) of all that decides the vectors."""
        return content_key("feature", VERSION, self.name, self.weights, tuple(sorted(self.transform.items())))

    @torch.no_grad()
    def __call__(self, images):
        """Return the vectors of images.

        Parameters
        ----------
        images : Tensor, float32, shape (b, *shape)
            In model range.

        Returns
        -------
        Tensor, float32, shape (b, dim), on the CPU

        Raises
        ------
        FmdiagError
            If the network cannot take such images.
        """
        try:
            vectors = self.network(images.to(self.device))
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise FmdiagError(f"feature {self.name}: its network fails on images of shape {tuple(images.shape[1:])} "
                              f"({_last_line(error)}); another image size or normalisation may fit it") from error
        if not isinstance(vectors, torch.Tensor) or len(vectors) != len(images):
            raise FmdiagError(f"feature {self.name}: its network must return a tensor with a row per image, not "
                              f"{_shape_of(vectors)} for {len(images)} images")
        return vectors.reshape(len(images), -1).float().cpu()


def _shape_of(value):
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__


def _last_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
