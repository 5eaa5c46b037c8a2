"""How twins are tied to their objects: what flows, how fresh, how late, what is lost; now and as history."""

from gemel.entanglement.alarms import SHOP_TWIN, SHOP_TYPE, shop_values
from gemel.entanglement.declared import Declared
from gemel.entanglement.entanglement import Entanglement
from gemel.entanglement.flows import ENTERED, Loss
from gemel.entanglement.latency import Latency
from gemel.entanglement.level import Flow, Level
from gemel.entanglement.past import LevelSpan, Stretch, shared_past
from gemel.entanglement.tie import Shop, Tie, TwinTie, shared, summed

__all__ = [
    "ENTERED",
    "SHOP_TWIN",
    "SHOP_TYPE",
    "Declared",
    "Entanglement",
    "Flow",
    "Latency",
    "Level",
    "LevelSpan",
    "Loss",
    "Shop",
    "Stretch",
    "Tie",
    "TwinTie",
    "shared",
    "shared_past",
    "shop_values",
    "summed",
]
