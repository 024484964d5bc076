"""The types of a run folder's documents: what readers of run.json and of the drawn figures' texts rely on.

Only entries that something reads are named; whatever else stands beside them is kept and shown.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

# Names that become part of a file's name.
Name = Annotated[str, Meta(pattern=r"^[\w][\w .+-]*$", max_length=100)]
Count = Annotated[int, Meta(ge=0, le=2**62)]


class Parameters(TypedDict, total=False):
    """What a diagnostic was measured with."""

    command: str
    tables: list[Name]


class Dataset(TypedDict, total=False):
    """`TrainingSet.describe`."""

    name: str | None
    n: Count | None
    shape: list[Count]
    hflip: bool
    fingerprint: str | None


class CheckpointFacts(TypedDict, total=False):
    """File, hash and `Checkpoint.description`."""

    file: str | None
    sha256: str | None
    steps: Count | None
    warnings: list[str] | None


class Effect(TypedDict, total=False):
    """The quantity that decides a verdict."""

    quantity: str
    value: float | None
    low: float | None
    high: float | None


class Power(TypedDict):
    """How often a verdict's rule finds copies that are put in the place of a share of the samples."""

    alternative: str
    share: float
    power: float


class Numbers(TypedDict, total=False):
    """What else a verdict rests on."""

    power: list[Power] | None


class Verdict(TypedDict, total=False):
    """What was found."""

    text: str | None
    answer: str | None
    effect: Effect | None
    p: float | None
    exclusion: float | None
    numbers: Numbers | None
    details: list[str] | str | None


class Side(TypedDict, total=False):
    """One of the runs that a comparison compares."""

    label: str
    verdict: str | None


class Run(TypedDict):
    """run.json."""

    fmdiag: str
    name: NotRequired[str]
    command: NotRequired[str]
    diagnostics: NotRequired[dict[Name, Parameters]]
    dataset: NotRequired[Dataset | None]
    checkpoint: NotRequired[CheckpointFacts | None]
    verdict: NotRequired[Verdict | str | None]
    cautions: NotRequired[list[str] | None]
    limits: NotRequired[list[str] | None]
    pictures: NotRequired[str | None]
    runs: NotRequired[list[Side] | None]
    started: NotRequired[str | None]
    versions: NotRequired[dict[str, str] | None]
    finished: NotRequired[bool | int]


class Caption(TypedDict):
    """The texts of one figure, in figures/captions.json."""

    caption: str
    alt: str


class Curve(TypedDict):
    """A curve of a drawn figure, with the places of its points on the picture."""

    label: str
    points: list[list[Any]]


class Axes(TypedDict):
    """A panel of a drawn figure, in figures/readings.json."""

    box: list[float]
    curves: list[Curve]


Captions = dict[Name, Caption]
Readings = dict[Name, list[Axes]]
