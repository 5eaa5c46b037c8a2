"""An edge node: what this plant journals goes on to another Gemel, in order, once, whenever the line is there."""

from gemel.edge.edge import Edge
from gemel.edge.standing import EdgeStanding

__all__ = ["Edge", "EdgeStanding"]
