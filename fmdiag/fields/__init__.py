"""Velocity fields v(x, t): the closed form, networks, and hybrids of both."""

from fmdiag.fields.closed_form import ClosedFormField
from fmdiag.fields.hybrid import HybridField
from fmdiag.fields.network import NETWORKS, NetworkField, build_network

__all__ = ["ClosedFormField", "HybridField", "NETWORKS", "NetworkField", "build_network"]
