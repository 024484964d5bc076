"""Velocity fields v(x, t): the closed form, those between Gaussians, networks, and hybrids."""

from fmdiag.fields.closed_form import ClosedFormField
from fmdiag.fields.fixed_pairs import FixedPairsField
from fmdiag.fields.gaussian import GaussianFlow
from fmdiag.fields.hybrid import HybridField
from fmdiag.fields.network import NETWORKS, NetworkField, build_network

__all__ = ["ClosedFormField", "FixedPairsField", "GaussianFlow", "HybridField", "NETWORKS", "NetworkField",
           "build_network"]
