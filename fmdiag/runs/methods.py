"""Diagnostics as methods of a Run: `run.error(n_pairs=8)` is `run.measure("error", n_pairs=8)`."""

from typing import Any

from fmdiag.diagnostics import DIAGNOSTICS


class Methods:
    """What has a method for every diagnostic that is known, those of other packages too."""

    def __getattr__(self, name: str) -> Any:
        """Return the method that measures the diagnostic of this name."""
        card = None if name.startswith("_") else next((c for c in DIAGNOSTICS.values() if c.method == name), None)
        if card is None:
            raise AttributeError(f"a Run has no {name!r}: its diagnostics are {', '.join(DIAGNOSTICS)}")

        def measure(**parameters):
            return self.measure(card, **parameters)

        measure.__name__, measure.__doc__ = name, f"{card.question}\n\n{card.definition}"
        return measure

    def __dir__(self):
        return [*super().__dir__(), *(card.method for card in DIAGNOSTICS.values())]
