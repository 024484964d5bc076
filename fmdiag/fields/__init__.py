"""Velocity fields v(x, t): the closed form, those between Gaussians, networks, hybrids, and the contract for others."""

from fmdiag.fields.answers import read_velocity
from fmdiag.fields.closed_form import ClosedFormField
from fmdiag.fields.contract import AskedField, as_field, evaluation_mode, non_finite_allowed
from fmdiag.fields.differentiable import DifferentiableVelocity, JacobianProducts
from fmdiag.fields.fixed_pairs import FixedPairsField
from fmdiag.fields.gaussian import GaussianFlow
from fmdiag.fields.held_modules import held_modules
from fmdiag.fields.hybrid import HybridField
from fmdiag.fields.network import NETWORKS, NetworkField, build_network
from fmdiag.fields.samplers import GivenSampler, beside, is_sampler, recorded_beside

__all__ = ["AskedField", "ClosedFormField", "DifferentiableVelocity", "FixedPairsField", "GaussianFlow", "GivenSampler",
           "HybridField", "JacobianProducts", "NETWORKS", "NetworkField", "as_field", "beside", "build_network",
           "evaluation_mode", "held_modules", "is_sampler", "non_finite_allowed", "read_velocity",
           "recorded_beside"]
