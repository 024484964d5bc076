"""Exact nearest training rows of any points."""

from fmdiag.neighbors.nearest import DistinctNeighbors, Neighbors, nearest, nearest_distinct

__all__ = ["DistinctNeighbors", "Neighbors", "nearest", "nearest_distinct"]
