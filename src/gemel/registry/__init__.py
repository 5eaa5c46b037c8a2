"""What is known: twin types and their versions, twins, links and connectors, in SQL; and the directory in memory."""

from gemel.registry.directory import Directory, Entry, PropertyRef, Shape
from gemel.registry.query import LinkPath, LinkStep, PropertyCondition, TwinQuery
from gemel.registry.registry import Registry

__all__ = [
    "Directory",
    "Entry",
    "LinkPath",
    "LinkStep",
    "PropertyCondition",
    "PropertyRef",
    "Registry",
    "Shape",
    "TwinQuery",
]
