"""Computed properties: expressions and Python functions over the now, recomputed over the past, with their lineage."""

from gemel.computation.computation import Computation, Standing
from gemel.computation.lane import SOURCE

__all__ = ["SOURCE", "Computation", "Standing"]
