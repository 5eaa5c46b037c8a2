"""How the platform is, as gauges for Prometheus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gemel.diagnosis import Level

if TYPE_CHECKING:
    from gemel.server.services import Services

__all__ = ["tell_health"]


def tell_health(services: Services) -> None:
    """Set the gauges of health and room to what is so now."""
    gauges, room = services.metrics, services.platform.storage.standing()
    ranks = list(Level)
    gauges.health.clear()
    for check in services.platform.health.look():
        gauges.health.labels(check.part).set(ranks.index(check.level))
    for what in ("disk", "free", "used", "left", "database", "history"):
        gauges.room.labels(what).set(getattr(room, what))
    gauges.days_left.set(math.nan if room.forecast.days is None else room.forecast.days)
