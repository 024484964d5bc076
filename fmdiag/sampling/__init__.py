"""Carrying noise along a velocity field; û* by its own step, which lands on training rows."""

from fmdiag.sampling.closed_form import closed_form_samples, closed_form_states
from fmdiag.sampling.integrate import METHODS, integrate, nearest_time, time_grid
from fmdiag.sampling.noise import draw_noise
from fmdiag.sampling.sample import sample
from fmdiag.sampling.trajectory import path_energy, trajectory

__all__ = ["METHODS", "closed_form_samples", "closed_form_states", "draw_noise", "integrate", "nearest_time",
           "path_energy", "sample", "time_grid", "trajectory"]
