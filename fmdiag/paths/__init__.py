"""Probability paths and the package's time convention: t = 0 is noise, t = 1 is data."""

from fmdiag.paths.custom import CustomPath
from fmdiag.paths.gaussian import GaussianPath, expand, times_like
from fmdiag.paths.named import PATHS, as_path, path_from_description, path_from_name
from fmdiag.paths.schedules import CosinePath, LinearPath, LinearVPPath, PolynomialPath, VPPath

__all__ = ["PATHS", "CosinePath", "CustomPath", "GaussianPath", "LinearPath", "LinearVPPath", "PolynomialPath",
           "VPPath", "as_path", "expand", "path_from_description", "path_from_name", "times_like"]
