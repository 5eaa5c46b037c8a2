"""Effectiveness: OEE and the other key figures of ISO 22400-2, of machines and of items, by configuration."""

from gemel.services.effectiveness.comparing import Setting
from gemel.services.effectiveness.effectiveness import Effectiveness, Whole
from gemel.services.effectiveness.elements import Elements
from gemel.services.effectiveness.figures import KPIS, Figures, Loss, Missing, figures
from gemel.services.effectiveness.grouping import By
from gemel.services.effectiveness.shifts import BUCKETS
from gemel.services.effectiveness.values import (
    BucketFigures,
    Compared,
    Declared,
    Group,
    Pair,
    Report,
    StateSpan,
    StayFigures,
)

__all__ = [
    "BUCKETS",
    "KPIS",
    "BucketFigures",
    "By",
    "Compared",
    "Declared",
    "Effectiveness",
    "Elements",
    "Figures",
    "Group",
    "Loss",
    "Missing",
    "Pair",
    "Report",
    "Setting",
    "StateSpan",
    "StayFigures",
    "Whole",
    "figures",
]
