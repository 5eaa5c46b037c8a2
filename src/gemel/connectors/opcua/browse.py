"""What a server has: its objects and variables as a tree, with types, units and ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import Client, ua

from gemel.connectors.opcua.addresses import node_id, portable, resolve_address
from gemel.connectors.opcua.bulk import children_named, portions, read_attribute
from gemel.connectors.opcua.connection import connect
from gemel.connectors.opcua.enumerations import INTEGERS, Names, enumerations_of
from gemel.connectors.opcua.settings import OpcuaSettings
from gemel.connectors.opcua.units import ucum_of
from gemel.connectors.reach import Reach
from gemel.errors import InvalidInput
from gemel.twin import Kind

__all__ = ["MAX_NODES", "BrowsedNode", "browse"]

MAX_NODES = 100_000
_SERVER = ua.ObjectIds.Server
_NOT_PARTS = {ua.ObjectIds.HasProperty, ua.ObjectIds.HasSubtype, ua.ObjectIds.HasEventSource, ua.ObjectIds.HasNotifier}
_WRITABLE = 0x02
"""CurrentWrite of AccessLevel. OPC 10000-3, 8.57."""
_KINDS: dict[Any, Kind] = {
    ua.ObjectIds.Boolean: Kind.BOOLEAN,
    ua.ObjectIds.Float: Kind.NUMBER,
    ua.ObjectIds.Double: Kind.NUMBER,
    ua.ObjectIds.Number: Kind.NUMBER,
    ua.ObjectIds.Duration: Kind.NUMBER,
    **dict.fromkeys(INTEGERS, Kind.INTEGER),
    ua.ObjectIds.Structure: Kind.OBJECT,
}
_FIRST_NOT_BUILT_IN = 26


@dataclass(slots=True)
class BrowsedNode:
    """An object or a variable. What is only said of variables is empty on objects."""

    address: str
    """For a binding; holds when the server numbers its namespaces anew."""
    name: str
    is_variable: bool
    type_definition: str = ""
    """Address of the object type; empty for plain objects and folders."""
    description: str = ""
    kind: Kind | None = None
    unit: str = ""
    """UCUM; empty when the server tells none that is known."""
    normal: tuple[float, float] | None = None
    """EURange: what is likely in normal operation. OPC 10000-8, 5.6.2."""
    limits: tuple[float, float] | None = None
    """InstrumentRange: what the instrument can return."""
    values: tuple[str, ...] = ()
    """Names of an enumeration."""
    writable: bool = False
    children: list[BrowsedNode] = field(default_factory=list)

    def walk(self) -> Iterator[BrowsedNode]:
        """Itself and everything below, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


async def browse(
    settings: OpcuaSettings,
    root: str = "",
    *,
    reach: Reach | None = None,
    most: int = MAX_NODES,
) -> BrowsedNode:
    """The tree under `root` (an address; empty: the Objects folder without the server's own object).

    Raises ConnectionError, and InvalidInput when there are more than `most` nodes or no such root.
    """
    async with connect(settings, reach or Reach()) as connection:
        client = connection.client
        namespaces = await client.get_namespace_array()
        start = resolve_address(root, namespaces) if root else node_id(ua.ObjectIds.ObjectsFolder)
        name = (await read_attribute(client, [start], ua.AttributeIds.BrowseName))[0]
        if name.Value is None or name.Value.Value is None:
            raise InvalidInput(f"{settings.url} has no node {root!r:.200}")
        top = BrowsedNode(portable(start, namespaces), name.Value.Value.Name or "", is_variable=False)
        variables = await _descend(client, start, top, namespaces, most)
        await _explain(client, variables)
        return top


async def _descend(
    client: Client, start: ua.NodeId, top: BrowsedNode, namespaces: Sequence[str], most: int
) -> list[tuple[ua.NodeId, BrowsedNode]]:
    """Fill the tree, level by level; returns its variables. A node reached on two ways is told once."""
    seen = {start, node_id(_SERVER)}
    level = [(start, top)]
    variables: list[tuple[ua.NodeId, BrowsedNode]] = []
    while level:
        following: list[tuple[ua.NodeId, BrowsedNode]] = []
        for portion in portions(level):
            for (_, parent), references in zip(portion, await _references(client, portion), strict=True):
                for reference in references:
                    if _is_no_part(reference) or (id := _local(reference.NodeId)) in seen:
                        continue
                    seen.add(id)
                    node = _browsed(reference, id, namespaces)
                    parent.children.append(node)
                    following.append((id, node))
                    if node.is_variable:
                        variables.append((id, node))
        if len(seen) > most:
            raise InvalidInput(f"the server has more than {most} nodes there; name a part of it")
        level = following
    return variables


async def _references(
    client: Client, nodes: Sequence[tuple[ua.NodeId, BrowsedNode]]
) -> list[list[ua.ReferenceDescription]]:
    parameters: Any = ua.BrowseParameters()
    parameters.RequestedMaxReferencesPerNode = 1_000
    parameters.NodesToBrowse = [_description(id) for id, _ in nodes]
    results = await client.uaclient.browse(parameters)
    found = [list(result.References or ()) for result in results]
    pending = [(place, result.ContinuationPoint) for place, result in enumerate(results) if result.ContinuationPoint]
    while pending:
        more: Any = ua.BrowseNextParameters()
        more.ReleaseContinuationPoints = False
        more.ContinuationPoints = [point for _, point in pending]
        further = await client.uaclient.browse_next(more)
        for (place, _), result in zip(pending, further, strict=True):
            found[place] += result.References or ()
        pending = [
            (place, result.ContinuationPoint)
            for (place, _), result in zip(pending, further, strict=True)
            if result.ContinuationPoint
        ]
    return found


def _description(id: ua.NodeId) -> Any:
    description: Any = ua.BrowseDescription()
    description.NodeId = id
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = node_id(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.NodeClassMask = ua.NodeClass.Object | ua.NodeClass.Variable
    description.ResultMask = ua.BrowseResultMask.All
    return description


def _is_no_part(reference: ua.ReferenceDescription) -> bool:
    kind = reference.ReferenceTypeId
    return kind.NamespaceIndex == 0 and kind.Identifier in _NOT_PARTS


def _local(id: ua.NodeId) -> ua.NodeId:
    return node_id(id.Identifier, id.NamespaceIndex)


def _browsed(reference: ua.ReferenceDescription, id: ua.NodeId, namespaces: Sequence[str]) -> BrowsedNode:
    definition = reference.TypeDefinition
    told = definition is not None and not definition.is_null() and definition.NamespaceIndex != 0
    return BrowsedNode(
        address=portable(id, namespaces),
        name=reference.BrowseName.Name or str(id.Identifier),
        is_variable=reference.NodeClass == ua.NodeClass.Variable,
        type_definition=portable(_local(definition), namespaces) if told else "",
    )


async def _explain(client: Client, variables: Sequence[tuple[ua.NodeId, BrowsedNode]]) -> None:
    """Kinds, names of values, units, ranges and rights of the variables, asked in bulk."""
    ids = [id for id, _ in variables]
    attribute = ua.AttributeIds
    types = [_value(one) for one in await read_attribute(client, ids, attribute.DataType)]
    ranks = [_value(one) for one in await read_attribute(client, ids, attribute.ValueRank)]
    levels = [_value(one) for one in await read_attribute(client, ids, attribute.AccessLevel)]
    texts = [_value(one) for one in await read_attribute(client, ids, attribute.Description)]
    names = await enumerations_of(client, ids)
    units = await _children(client, ids, "EngineeringUnits")
    ranges = await _children(client, ids, "EURange")
    limits = await _children(client, ids, "InstrumentRange")
    for place, (_, node) in enumerate(variables):
        node.kind = _kind(types[place], ranks[place], names[place])
        node.values = tuple((names[place] or {}).values()) if node.kind is Kind.ENUMERATION else ()
        node.writable = bool((levels[place] or 0) & _WRITABLE)
        node.description = (texts[place].Text or "") if isinstance(texts[place], ua.LocalizedText) else ""
        if isinstance(units[place], ua.EUInformation) and node.kind in (Kind.NUMBER, Kind.INTEGER, Kind.ARRAY):
            node.unit = ucum_of(units[place])
        node.normal, node.limits = _range(ranges[place]), _range(limits[place])


async def _children(client: Client, ids: Sequence[ua.NodeId], name: str) -> list[Any]:
    """The value of a property that each node may have; None where it has none."""
    found = await children_named(client, ids, name)
    values = iter(await read_attribute(client, [id for id in found if id is not None], ua.AttributeIds.Value))
    return [_value(next(values)) if id is not None else None for id in found]


def _kind(kind: ua.NodeId | None, rank: int | None, names: Names | None) -> Kind:
    plain = _KINDS.get(kind.Identifier) if kind is not None and kind.NamespaceIndex == 0 else None
    if names and (rank is None or rank < 0):
        return Kind.ENUMERATION
    if rank is not None and rank >= 0:
        return Kind.ARRAY if plain in (Kind.NUMBER, Kind.INTEGER) else Kind.OBJECT
    if plain is not None:
        return plain
    built_in = kind is None or (kind.NamespaceIndex == 0 and int(kind.Identifier) < _FIRST_NOT_BUILT_IN)
    return Kind.TEXT if built_in else Kind.OBJECT


def _range(span: Any) -> tuple[float, float] | None:
    return (float(span.Low), float(span.High)) if isinstance(span, ua.Range) and span.Low < span.High else None


def _value(one: ua.DataValue) -> Any:
    return one.Value.Value if one.Value is not None else None
