"""Names of enumerated values: from the data type (EnumStrings, EnumValues), or from a multi-state node itself."""

from __future__ import annotations

from collections.abc import Sequence

from asyncua import Client, ua

from gemel.connectors.opcua.bulk import children_named, read_attribute

__all__ = ["INTEGERS", "Names", "enumerations_of"]

Names = dict[int, str]

INTEGERS = {
    ua.ObjectIds.SByte,
    ua.ObjectIds.Byte,
    ua.ObjectIds.Int16,
    ua.ObjectIds.UInt16,
    ua.ObjectIds.Int32,
    ua.ObjectIds.UInt32,
    ua.ObjectIds.Int64,
    ua.ObjectIds.UInt64,
    ua.ObjectIds.Integer,
    ua.ObjectIds.UInteger,
}
_BUILT_IN = 29
"""Data types up to this one are numbers, text, …; 29 is Enumeration."""


async def enumerations_of(client: Client, nodes: Sequence[ua.NodeId]) -> list[Names | None]:
    """For each variable the names of its values, or None where it is not an enumeration. Raises ua.UaError."""
    types = [
        value.Value.Value if value.Value is not None else None
        for value in await read_attribute(client, nodes, ua.AttributeIds.DataType)
    ]
    by_type = [one for one in dict.fromkeys(types) if isinstance(one, ua.NodeId) and not _is_built_in(one)]
    multi_state = [node for node, kind in zip(nodes, types, strict=True) if _is_integer(kind)]
    owners = [*by_type, *multi_state]
    names = dict(zip(owners, await _names(client, owners), strict=True))
    return [
        names.get(kind or node) if not _is_integer(kind) else names.get(node)
        for node, kind in zip(nodes, types, strict=True)
    ]


async def _names(client: Client, owners: Sequence[ua.NodeId]) -> list[Names | None]:
    strings = await children_named(client, owners, "EnumStrings")
    pairs = await children_named(client, owners, "EnumValues")
    found = [string or pair for string, pair in zip(strings, pairs, strict=True)]
    wanted = [node for node in found if node is not None]
    values = iter(await read_attribute(client, wanted, ua.AttributeIds.Value))
    return [_as_names(next(values)) if node is not None else None for node in found]


def _as_names(value: ua.DataValue) -> Names | None:
    listed = value.Value.Value if value.Value is not None else None
    if not isinstance(listed, list):
        return None
    names: Names = {}
    for number, entry in enumerate(listed):
        if isinstance(entry, ua.LocalizedText):
            names[number] = entry.Text or str(number)
        elif isinstance(entry, ua.EnumValueType):
            names[int(entry.Value)] = entry.DisplayName.Text or str(entry.Value)
    return names or None


def _is_built_in(kind: ua.NodeId) -> bool:
    return kind.NamespaceIndex == 0 and isinstance(kind.Identifier, int) and kind.Identifier < _BUILT_IN


def _is_integer(kind: ua.NodeId | None) -> bool:
    return kind is not None and kind.NamespaceIndex == 0 and kind.Identifier in INTEGERS
