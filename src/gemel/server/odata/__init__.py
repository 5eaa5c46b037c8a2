"""OData 4.01 (read only) for Excel, Power BI and the like: the entity sets, their CSDL, and what a query may ask."""

from gemel.server.odata.filters import Comparison, Filter, parse_filter
from gemel.server.odata.model import SETS, EntitySet, metadata, service
from gemel.server.odata.options import PAGE, Asked, asked_of

__all__ = [
    "PAGE",
    "SETS",
    "Asked",
    "Comparison",
    "EntitySet",
    "Filter",
    "asked_of",
    "metadata",
    "parse_filter",
    "service",
]
