"""Questions about many nodes at once, in portions that servers accept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from asyncua import Client, ua

__all__ = ["PORTION", "children_named", "portions", "read_attribute"]

PORTION = 500
"""Nodes per request; many servers refuse more than 1,000."""

T = TypeVar("T")


def portions(items: Sequence[T], size: int = PORTION) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def read_attribute(client: Client, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds) -> list[ua.DataValue]:
    """One attribute of many nodes, in their order; a bad status where a node has none. Raises ua.UaError."""
    values: list[ua.DataValue] = []
    for portion in portions(nodes):
        values += await client.uaclient.read_attributes(list(portion), attribute)
    return values


async def children_named(client: Client, nodes: Sequence[ua.NodeId], name: str) -> list[ua.NodeId | None]:
    """The child of each node with a browse name of the standard (namespace 0), or None. Raises ua.UaError."""
    found: list[ua.NodeId | None] = []
    for portion in portions(nodes):
        paths = [_path(node, name) for node in portion]
        for result in await client.uaclient.translate_browsepaths_to_nodeids(paths):
            target = result.Targets[0].TargetId if result.StatusCode.is_good() and result.Targets else None
            found.append(ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType) if target else None)
    return found


def _path(node: ua.NodeId, name: str) -> ua.BrowsePath:
    element: Any = ua.RelativePathElement()  # the library's types of attributes are classes without constructors
    element.ReferenceTypeId = ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences))
    element.IsInverse = False
    element.IncludeSubtypes = True
    element.TargetName = ua.QualifiedName(name, ua.UInt16(0))
    return ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath(Elements=[element]))
