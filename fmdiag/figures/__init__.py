"""Figures: saved tables to pictures; nothing is measured here and torch is never imported."""

from fmdiag.figures.captions import CAPTIONS, captions
from fmdiag.figures.draw import FIGURES, draw_all
from fmdiag.figures.run_data import RunData

__all__ = ["CAPTIONS", "FIGURES", "RunData", "captions", "draw_all"]
