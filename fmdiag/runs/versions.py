"""Versions of the packages that decide the numbers of a run."""

import contextlib
import platform
from importlib.metadata import version

PACKAGES = ("torch", "numpy", "faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "torchdiffeq", "diffusers", "scipy",
            "transformers", "onnxruntime")


def versions():
    """Return {package: version} of those that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(Exception):
            found[name] = version(name)
    return found
