"""Plan of a neighbour search: exact or not, in how much memory, and what counts as a duplicate."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fmdiag.errors import FmdiagError, check_choice

INDEXES = ("flat", "ivf", "hnsw")
MEMORY = 1 << 30  # bytes that block sizes are made for


@dataclass(frozen=True)
class SearchPlan:
    """Settings of a search.

    Parameters
    ----------
    index : str
        ``"flat"``: exact. ``"ivf"`` or ``"hnsw"``: FAISS's indexes, faster and not exact, whose recall is measured;
        ``"ivf:32"`` visits 32 cells per query, ``"hnsw:128"`` keeps 128 candidates.
    tolerance : float
        A row counts as a duplicate of another within this Euclidean distance in the space that is searched; equal rows
        always do.
    memory : int, optional
        Bytes that blocks of rows, queries and candidates, or an index, may take; default 1 GiB, an index as it needs.
    cache : FeatureCache, optional
        Where features are kept between runs.
    progress : callable
        Wraps the list of batches while the training rows' features are computed.

    Raises
    ------
    FmdiagError
        If the index is unknown or the tolerance negative.
    """

    index: str = "flat"
    tolerance: float = 0.0
    memory: int | None = None
    cache: object = None
    progress: Callable = field(default=iter, compare=False)

    def __post_init__(self):
        """Check the settings."""
        check_choice("index", self.kind, INDEXES)
        effort = self.index.partition(":")[2]
        if ":" in self.index and (self.kind == "flat" or not effort.isdecimal() or int(effort) < 1):
            raise FmdiagError(f"index must be flat, ivf, ivf:CELLS, hnsw or hnsw:CANDIDATES, got {self.index!r}")
        if not 0 <= self.tolerance < float("inf"):
            raise FmdiagError(f"tolerance must be a distance, 0 or more, got {self.tolerance}")

    @property
    def kind(self):
        """Which index."""
        return self.index.partition(":")[0]

    @property
    def effort(self):
        """Cells visited (ivf) or candidates kept (hnsw) per query, or None for the default."""
        return int(self.index.partition(":")[2] or 0) or None

    @property
    def exact(self):
        """Whether every neighbour found is proven."""
        return self.kind == "flat"

    @property
    def scale(self):
        """Share of the usual sizes of blocks that the memory allows."""
        return 1.0 if self.memory is None else min(1.0, self.memory / MEMORY)


EXACT = SearchPlan()
