"""What is known: twin types and their versions, twins, links and connectors, in SQL; and the directory in memory."""

from gemel.registry.assembly import Assemblies, Assembly
from gemel.registry.composition import Composition
from gemel.registry.connectors import connector_specs as connectors_in
from gemel.registry.directory import Directory, Entry, PropertyRef, Shape
from gemel.registry.files import load_plant
from gemel.registry.plan import Action, FieldChange, Plan, Step, differences
from gemel.registry.query import LinkPath, LinkStep, PropertyCondition, TwinQuery
from gemel.registry.registry import Registry
from gemel.registry.relations import relations
from gemel.registry.search import cursor_at

__all__ = [
    "Action",
    "Assemblies",
    "Assembly",
    "Composition",
    "Directory",
    "Entry",
    "FieldChange",
    "LinkPath",
    "LinkStep",
    "Plan",
    "PropertyCondition",
    "PropertyRef",
    "Registry",
    "Shape",
    "Step",
    "TwinQuery",
    "connectors_in",
    "cursor_at",
    "differences",
    "load_plant",
    "relations",
]
