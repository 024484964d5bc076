"""Versions of the packages that decide the numbers of a run."""

import functools
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("torch", "numpy", "faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "torchdiffeq", "diffusers", "scipy",
            "transformers", "onnxruntime")


def versions():
    """Return {package: version} of those that are installed."""
    return {"python": platform.python_version(), **_installed()}


@functools.cache
def _installed():
    """Return what one process finds: reading the packages' records takes a tenth of a small run's time."""
    return {name: found for name in PACKAGES if (found := _version(name)) is not None}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
