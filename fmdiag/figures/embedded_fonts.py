"""Fonts embedded in PDF figures, without the tables that only setting text needs.

A PDF places every glyph itself. Cutting the font's rules of ligatures and kerning down to the glyphs of a figure took
longer than drawing the figure.
"""

import contextlib

from fontTools.subset import Options  # what matplotlib cuts them by

LAYOUT_TABLES = ("GSUB", "GPOS", "GDEF", "kern")


@contextlib.contextmanager
def without_layout_tables():
    """Leave LAYOUT_TABLES out of the fonts that are cut to their glyphs within the context."""
    kept = getattr(Options, "_drop_tables_default", [])   # no public way reaches the options that matplotlib makes
    Options._drop_tables_default = [*kept, *LAYOUT_TABLES]
    try:
        yield
    finally:
        Options._drop_tables_default = kept
