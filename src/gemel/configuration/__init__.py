"""Configuration: which serialised item was in which slot, from–to, as known when."""

from gemel.configuration.asking import Difference, Stay
from gemel.configuration.configuration import Configuration
from gemel.configuration.counting import Count
from gemel.configuration.values import (
    FOREVER,
    Act,
    ActKind,
    Basis,
    Item,
    ItemKind,
    ItemSpec,
    Node,
    Placement,
    Span,
)

__all__ = [
    "FOREVER",
    "Act",
    "ActKind",
    "Basis",
    "Configuration",
    "Count",
    "Difference",
    "Item",
    "ItemKind",
    "ItemSpec",
    "Node",
    "Placement",
    "Span",
    "Stay",
]
