"""Computed properties: expressions and Python functions over the now, recomputed over the past, with their lineage."""

from gemel.computation.computation import Computation, Standing
from gemel.computation.deviation import Deviation
from gemel.computation.function import FunctionHealth
from gemel.computation.lineage import Lineage, Origin
from gemel.computation.redo import Redone

__all__ = ["Computation", "Deviation", "FunctionHealth", "Lineage", "Origin", "Redone", "Standing"]
