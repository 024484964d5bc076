"""Carrying noise along a velocity field; û* by its own step, which lands on training rows."""

from fmdiag.sampling.closed_form import closed_form_samples, closed_form_states
from fmdiag.sampling.integrate import ADAPTIVE, METHODS, integrate, nearest_time, solver_text, time_grid
from fmdiag.sampling.noise import draw_noise, seeded
from fmdiag.sampling.sample import carry_noise, lost_sentence, sample
from fmdiag.sampling.trajectory import path_energy, trajectory

__all__ = ["ADAPTIVE", "METHODS", "carry_noise", "closed_form_samples", "closed_form_states", "draw_noise", "integrate",
           "lost_sentence", "nearest_time", "path_energy", "sample", "seeded", "solver_text", "time_grid", "trajectory"]
