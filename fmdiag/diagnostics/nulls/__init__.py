"""Tests of a null before it is used: overlap with the training set, shift against it, samples unlike the data."""

from fmdiag.diagnostics.nulls.check import NullCheck, check_null
from fmdiag.diagnostics.nulls.unlike import one_image, unlike_data

__all__ = ["NullCheck", "check_null", "one_image", "unlike_data"]
