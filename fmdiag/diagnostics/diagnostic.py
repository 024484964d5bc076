"""Diagnostic card: everything that is known of a diagnostic without running it, from which the rest is made.

Command, options and help, captions, the sections of the page, the documentation, and the contract test that runs over
all diagnostics, a user's own included, come from cards. A card imports neither torch nor the code that it names:

    CARD = Diagnostic(name="speed", title="Speed of samples", question="How fast do samples move?", ...,
                      parameters=Parameters, run="their_package.speed:run")
    fmdiag.register(CARD)

`run(context, parameters)` returns a `fmdiag.Result`; `context` is the `Context` of `fmdiag.diagnostics.context`.
"""

import re
from dataclasses import dataclass, fields

from fmdiag.diagnostics.parameters import checked
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.registry import Registry, resolve

NEEDS = ("field", "map", "states", "samples", "held_out", "images", "gradients", "checkpoint", "second_checkpoint",
         "canaries", "points", "unguided")


@dataclass(frozen=True)
class Figure:
    """A figure of a diagnostic.

    Parameters
    ----------
    name : str
        File name of the figure, without suffix.
    draw : str or callable
        The function or ``"module:function"``, called with a `fmdiag.figures.RunData`; returns a matplotlib Figure, or
        None where the run has nothing to draw.
    caption, alt : str
        Texts; ``{data}``, ``{interval}``, ``{pairs}``, ``{feature}`` and others stand for facts of the run.
    intervals : tuple of str, optional
        Quantities of the summary whose intervals are drawn; empty for all of them, None where there are none.
    panel : str or callable, optional
        The function or ``"module:function"`` (summary rows, ax) -> Axes, which draws the main panel.
    points_caption, points_alt : str
        Texts where the examples are points and not pictures.
    """

    name: str
    draw: object
    caption: str = ""
    alt: str = ""
    intervals: tuple | None = None
    panel: object = None
    points_caption: str = ""
    points_alt: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Texts and figures of a section of the page.

    Parameters
    ----------
    name : str
        Lower case words joined by hyphens or underscores: its table, and its rows in the summary.
    title, question : str
        Heading, and what it asks, in one sentence.
    memorization, generalization : str
        What either looks like in its outcome.
    definition, reference : str
        What exactly is measured, and where it comes from.
    figures : tuple of Figure
        In the order of the page.
    """

    name: str
    title: str
    question: str = ""
    memorization: str = ""
    generalization: str = ""
    definition: str = ""
    reference: str = ""
    figures: tuple = ()


@dataclass(frozen=True, kw_only=True)
class Diagnostic(Card):
    """A diagnostic's card; its name, with hyphens, is its command.

    Parameters
    ----------
    parameters : type
        Frozen dataclass of its parameters, each a `fmdiag.diagnostics.parameters.parameter`.
    run : str or callable
        ``run(context, parameters) -> Result``, or ``"module:function"``.
    applies_if : str or callable, optional
        ``applies(context, parameters) -> bool``: what a report asks before it measures it.
    data : str or callable, optional
        ``data(parameters, seed) -> TrainingSet or None``: for what makes its own data from its parameters.
    needs : tuple of str
        Of NEEDS: what a run must have for it. A sampler of a few steps has no "field"; "map" (from noise to samples)
        and "states" (from states at any time) are what it may have instead, and a velocity field has.
    cost : str
        What its time grows with, in a few words.
    ranks : bool
        Whether several processes share its work under torchrun.
    tables : dict of str to str
        Its tables and what a row of each is; the first is the raw table.
    examples : tuple of str
        Command lines for its help.
    short : str
        Line of the list of commands.
    command : bool
        Whether it is a command of its own.
    page : bool
        Whether its command writes a page, index.html, as a report does.
    """

    parameters: type
    run: object
    applies_if: object = None
    data: object = None
    needs: tuple = ()
    cost: str = ""
    ranks: bool = True
    tables: dict | None = None
    examples: tuple = ()
    short: str = ""
    command: bool = True
    page: bool = False

    def __post_init__(self):
        """Refuse names that are no command, and needs that no run has."""
        if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", self.name):
            raise FmdiagError(f"a diagnostic's name is lower case words joined by hyphens, got {self.name!r}")
        for need in self.needs:
            check_choice("need of a diagnostic", need, NEEDS)

    @property
    def method(self):
        """Name of the method of `fmdiag.Run` that measures it."""
        return self.name.replace("-", "_")

    def made(self, given):
        """Return the parameters that `given`, a dict, makes, checked.

        Raises
        ------
        FmdiagError
            If a name is unknown, or a value is of another kind or outside its range.
        """
        for name in given:
            check_choice(f"parameter of {self.name}", name, [f.name for f in fields(self.parameters)])
        return checked(self.parameters(**given), self.name)

    def applies(self, context, given):
        """Return whether a report should measure it with the parameters in `given`, a dict, that others take too."""
        try:
            parameters = self.made(given)
        except FmdiagError:  # of fewer samples than it needs, for instance
            return False
        return self.applies_if is None or self._called(self.applies_if, context, parameters)

    def own_data(self, given, seed):
        """Return the TrainingSet that the diagnostic makes from its parameters, a dict; None where it needs one."""
        return None if self.data is None else self._called(self.data, self.made(given), seed)

    def measured(self, context, parameters):
        """Return the Result of `run`."""
        return self._called(self.run, context, parameters)

    def _called(self, function, *arguments):
        return resolve(function, f"diagnostic {self.name!r}")(*arguments)


NAMES = ("alignment", "error", "hybrid", "memorization", "quality", "membership", "provenance", "agreement",
         "gradient-variance", "pairing", "metrics", "canaries", "theories", "uturn", "symmetry", "duplicates",
         "geometry", "patches")
DIAGNOSTICS = Registry("diagnostic", {
    name: f"fmdiag.diagnostics.{name.replace('-', '_')}.card:CARD" for name in NAMES}, group="fmdiag.diagnostics")


def register(card):
    """Add a diagnostic, so that it is a command, a method of `fmdiag.Run` and a section of the page like ours.

    Parameters
    ----------
    card : Diagnostic
        Its name must be none of ours; one of yours takes the place of the one before, as when a cell is run again.

    Raises
    ------
    FmdiagError
        If it is no Diagnostic, or the name is one of ours.

    Examples
    --------
    >>> import fmdiag
    >>> import pandas as pd
    >>> from dataclasses import dataclass
    >>> from fmdiag.stats import summarise
    >>> @dataclass(frozen=True)
    ... class Parameters:
    ...     n_samples: int = fmdiag.parameter(10, "Samples.")
    >>> def speed(context, parameters):
    ...     samples = context.samples(parameters.n_samples, 10)
    ...     velocity = context.field(samples, 0.9).flatten(1).norm(dim=1)
    ...     table = pd.DataFrame({"t": 0.9, "sample": range(len(samples)), "speed": velocity})
    ...     return fmdiag.Result("speed", table, summarise("speed", table, ["speed"], by=["t"]))
    >>> card = fmdiag.Diagnostic(name="speed", title="Speed", parameters=Parameters, run=speed)
    >>> fmdiag.register(card).method
    'speed'
    >>> train = fmdiag.load_dataset("digits", n=50)
    >>> run = fmdiag.Run(field=fmdiag.ClosedFormField(train), train=train)
    >>> len(run.speed(n_samples=4).table)
    4
    """
    if not isinstance(card, Diagnostic):
        raise FmdiagError(f"register takes a Diagnostic, got a {type(card).__name__}")
    return DIAGNOSTICS.add(card.name, card)
