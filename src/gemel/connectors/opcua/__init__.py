"""OPC UA: watch any nodes of any server, browse it, and propose types, twins and bindings for it."""

from gemel.connectors.opcua.browse import BrowsedNode, browse
from gemel.connectors.opcua.proposal import propose
from gemel.connectors.opcua.settings import OpcuaSettings
from gemel.connectors.opcua.source import OpcuaSource

__all__ = ["BrowsedNode", "OpcuaSettings", "OpcuaSource", "browse", "propose"]
