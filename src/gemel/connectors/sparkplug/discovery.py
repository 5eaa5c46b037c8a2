"""What is born at a broker, as points."""

from __future__ import annotations

import secrets

import msgspec

from gemel.connectors.discovery import Found, Search, points_of
from gemel.connectors.drafts import name_of
from gemel.connectors.reach import Reach
from gemel.connectors.sparkplug.proposal import born, document_of_births, values_of
from gemel.connectors.sparkplug.settings import SparkplugSettings
from gemel.twin import Plant

__all__ = ["discover"]


async def discover(settings: SparkplugSettings, search: Search, reach: Reach) -> Found:
    """The births heard within `search.seconds`; `search.where`: only of this group/node, or what begins so.

    Raises ConnectionError.
    """
    own = msgspec.structs.replace(settings, client_id=f"gemel-look-{secrets.token_hex(4)}")
    births = await born(own, reach=reach, listen_s=search.seconds)
    births = {key: metrics for key, metrics in births.items() if "/".join(key).startswith(search.where)}
    plant = msgspec.convert(document_of_births(births, connector="sparkplug", settings={}), Plant)
    points = points_of(plant, name_of, values_of(births))
    notes = [] if births else [f"no edge node was born within {search.seconds:g} s; listen longer, or start it again"]
    name = plant.twins[0].name if plant.twins else ""
    return Found(kind="sparkplug", settings={}, points=points, name=name, notes=notes)
