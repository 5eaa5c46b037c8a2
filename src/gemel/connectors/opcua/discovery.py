"""What an OPC UA server has, as points with live values."""

from __future__ import annotations

from asyncua import ua

from gemel.connectors.discovery import Found, Point, Search, points_of, sample_of
from gemel.connectors.drafts import name_of
from gemel.connectors.opcua.addresses import resolve_address
from gemel.connectors.opcua.browse import browse
from gemel.connectors.opcua.bulk import read_attribute
from gemel.connectors.opcua.connection import connect
from gemel.connectors.opcua.enumerations import enumerations_of
from gemel.connectors.opcua.proposal import plant_of
from gemel.connectors.opcua.settings import OpcuaSettings
from gemel.connectors.opcua.values import plain, quality_of
from gemel.connectors.reach import Reach
from gemel.twin import PropertyType

__all__ = ["discover"]

_MOST_NODES = 20_000


async def discover(settings: OpcuaSettings, search: Search, reach: Reach) -> Found:
    """Browse below `search.where` (a node's address), and read what is found. Raises ConnectionError, InvalidInput."""
    if search.addresses:  # no need to trouble the machine with its whole tree
        values = await read(settings, list(search.addresses), reach)
        again = [
            Point(address=address, property=PropertyType(name="value"), value=sample_of(value), quality=quality)
            for address, (value, quality) in values.items()
        ]
        return Found(kind="opcua", settings={}, points=again)
    top = await browse(settings, search.where, reach=reach, most=_MOST_NODES)
    plant = plant_of(top, connector="opcua", settings={})
    points = points_of(plant, name_of)
    addresses = [point.address for point in points[: search.most]]
    values = await read(settings, addresses, reach)
    roots = [twin for twin in plant.twins if not twin.part_of]
    notes = [] if points else ["the server has no variables there; name another node, or leave it empty for all"]
    return Found(
        kind="opcua",
        settings={},
        points=points_of(plant, name_of, values),
        name=roots[0].name if roots else "",
        notes=notes,
    )


async def read(settings: OpcuaSettings, addresses: list[str], reach: Reach) -> dict[str, tuple[object, str]]:
    """The present value and quality of nodes, by address. Raises ConnectionError."""
    async with connect(settings, reach) as connection:
        client = connection.client
        namespaces = await client.get_namespace_array()
        ids = [resolve_address(address, namespaces) for address in addresses]
        values = await read_attribute(client, ids, ua.AttributeIds.Value)
        names = await enumerations_of(client, ids)
    found = {}
    for address, value, named in zip(addresses, values, names, strict=True):
        said = value.Value.Value if value.Value is not None else None
        quality = quality_of(value.StatusCode, empty=said is None)
        found[address] = (plain(said, named), quality.name.lower())
    return found
