"""Figures: saved tables to pictures; nothing is measured here and torch is never imported."""

from fmdiag.figures.captions import captions
from fmdiag.figures.cards import figure_cards
from fmdiag.figures.draw import draw_all
from fmdiag.figures.run_data import RunData

__all__ = ["RunData", "captions", "draw_all", "figure_cards"]
