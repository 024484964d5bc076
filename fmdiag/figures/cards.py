"""Cards as figures and pages read them: those of diagnostics, of studies, and of the training itself."""

from fmdiag.diagnostics.diagnostic import DIAGNOSTICS, Card
from fmdiag.studies.cards import STUDIES


def cards():
    """Return {name: Card} of everything that has a section of its own."""
    return {**DIAGNOSTICS, **STUDIES}


def card(name):
    """Return the Card of a name; one without texts where nothing is registered under it."""
    known = cards()
    return known[name] if name in known else Card(name=name, title=name.replace("_", " ").capitalize())


def figure_cards():
    """Return {figure name: its Figure card}, in the order of cards."""
    return {figure.name: figure for one in cards().values() for figure in one.figures}


def owner(figure):
    """Return the name of the diagnostic or study that a figure belongs to; None for an unknown one."""
    return next((name for name, one in cards().items() if any(figure == own.name for own in one.figures)), None)
