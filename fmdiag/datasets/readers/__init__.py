"""Readers: a file or folder becomes the parts of a source; one file per format."""

from fmdiag.datasets.readers.choose import read

__all__ = ["read"]
