"""Node addresses: `ns=2;s=Press.Oil`, or `nsu=http://maker.example/press;s=Press.Oil`, whose index is looked up at
every connection, because servers may number their namespaces anew at every start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from gemel.errors import InvalidInput

__all__ = ["check_address", "node_id", "portable", "resolve_address"]

_FORM = "write it like ns=2;s=Press.Oil, ns=3;i=1001 or nsu=http://maker.example/press;s=Press.Oil"


def node_id(identifier: Any, namespace: Any = 0) -> ua.NodeId:
    """A node id of plain values; the library's own types for them (Int16, String …) only annotate."""
    return ua.NodeId(identifier, namespace)


def check_address(address: str) -> None:
    """Raises InvalidInput when `address` cannot be a node's."""
    uri, rest = _split(address)
    _parse(rest, address)
    if uri == "" and address.startswith("nsu="):
        raise InvalidInput(f"address {address!r:.200} has an empty namespace; {_FORM}")


def resolve_address(address: str, namespaces: Sequence[str]) -> ua.NodeId:
    """The node id at a server whose namespace array is `namespaces`. Raises InvalidInput."""
    uri, rest = _split(address)
    node = _parse(rest, address)
    if not uri:
        return node
    if uri not in namespaces:
        raise InvalidInput(f"the server has no namespace {uri!r:.200}; it has {', '.join(namespaces)}")
    return ua.NodeId(node.Identifier, ua.Int16(namespaces.index(uri)), node.NodeIdType)


def portable(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """The address of a node that holds when the server numbers its namespaces anew."""
    if node.NamespaceIndex == 0 or node.NamespaceIndex >= len(namespaces):
        return str(node.to_string())
    plain = ua.NodeId(node.Identifier, ua.Int16(0), node.NodeIdType).to_string()
    return f"nsu={namespaces[node.NamespaceIndex]};{plain.removeprefix('ns=0;')}"


def _split(address: str) -> tuple[str, str]:
    if not address.startswith("nsu="):
        return "", address
    # a URI may hold semicolons; the identifier begins at the first ";i=", ";s=", ";g=" or ";b="
    places = [place for kind in "isgb" if (place := address.find(f";{kind}=")) > 0]
    if not places:
        raise InvalidInput(f"address {address!r:.200} names no node; {_FORM}")
    return address[4 : min(places)], address[min(places) + 1 :]


def _parse(text: str, address: str) -> ua.NodeId:
    try:
        node = ua.NodeId.from_string(text)
    except (ua.UaError, ValueError, KeyError) as error:
        raise InvalidInput(f"address {address!r:.200} is not a node id; {_FORM}") from error
    if node.is_null():
        raise InvalidInput(f"address {address!r:.200} is the null node id; {_FORM}")
    return node
