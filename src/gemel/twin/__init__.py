"""Values without I/O: what a twin, its type, a reading, a frame and a change are."""

from gemel.twin.binding import MANUAL, Binding, Conflict, ConnectorSpec, Direction, Scale
from gemel.twin.change import Block, Change, Position
from gemel.twin.check import check_connector, check_plant, check_spec, check_type
from gemel.twin.computed import (
    computed_problems,
    dependencies,
    expressions_of,
    formulas,
    part_types,
    property_named,
    quantity,
)
from gemel.twin.control import Control, FailSafe, Interlock, Mode, Pace, Prepare
from gemel.twin.conversion import convert_generation
from gemel.twin.documents import located, merge_plants, parse_plant, parse_type
from gemel.twin.evolution import evolve, former
from gemel.twin.frame import MAX_PROPERTIES, PROPERTY_BITS, VALUE_TYPES, Frame, series_of, split_series
from gemel.twin.goal import GoalMember, GoalType, OnFailure
from gemel.twin.ids import check_id, check_name
from gemel.twin.page import Page
from gemel.twin.reading import Form, Kind, Quality, Reading
from gemel.twin.retention import FOREVER, Retention, parse_duration
from gemel.twin.schema import json_schema
from gemel.twin.spec import PartOf, Plant, Site, TwinSpec
from gemel.twin.stages import TRANSITIONS
from gemel.twin.tabular import Tabular
from gemel.twin.types import (
    CommandType,
    Computed,
    Conversion,
    EventType,
    Freshness,
    FreshnessMode,
    LifeStage,
    Link,
    PropertyGroup,
    PropertyType,
    Slot,
    Twin,
    TwinType,
)

__all__ = [
    "FOREVER",
    "MANUAL",
    "MAX_PROPERTIES",
    "PROPERTY_BITS",
    "TRANSITIONS",
    "VALUE_TYPES",
    "Binding",
    "Block",
    "Change",
    "CommandType",
    "Computed",
    "Conflict",
    "ConnectorSpec",
    "Control",
    "Conversion",
    "Direction",
    "EventType",
    "FailSafe",
    "Form",
    "Frame",
    "Freshness",
    "FreshnessMode",
    "GoalMember",
    "GoalType",
    "Interlock",
    "Kind",
    "LifeStage",
    "Link",
    "Mode",
    "OnFailure",
    "Pace",
    "Page",
    "PartOf",
    "Plant",
    "Position",
    "Prepare",
    "PropertyGroup",
    "PropertyType",
    "Quality",
    "Reading",
    "Retention",
    "Scale",
    "Site",
    "Slot",
    "Tabular",
    "Twin",
    "TwinSpec",
    "TwinType",
    "check_connector",
    "check_id",
    "check_name",
    "check_plant",
    "check_spec",
    "check_type",
    "computed_problems",
    "convert_generation",
    "dependencies",
    "evolve",
    "expressions_of",
    "former",
    "formulas",
    "json_schema",
    "located",
    "merge_plants",
    "parse_duration",
    "parse_plant",
    "parse_type",
    "part_types",
    "property_named",
    "quantity",
    "series_of",
    "split_series",
]
