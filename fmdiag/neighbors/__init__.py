"""Nearest training rows of any points, exact unless asked otherwise."""

from fmdiag.neighbors.nearest import DistinctNeighbors, Neighbors, nearest, nearest_distinct
from fmdiag.neighbors.plan import EXACT, SearchPlan

__all__ = ["EXACT", "DistinctNeighbors", "Neighbors", "SearchPlan", "nearest", "nearest_distinct"]
