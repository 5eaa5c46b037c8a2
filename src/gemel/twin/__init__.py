"""Values without I/O: what a twin, its type, a reading, a frame and a change are."""

from typing import TYPE_CHECKING

from gemel.later import later
from gemel.twin.binding import MANUAL, Binding, Conflict, ConnectorSpec, Direction, Scale
from gemel.twin.change import Block, Change, Position
from gemel.twin.control import Control, FailSafe, Interlock, Mode, Pace, Prepare
from gemel.twin.effectiveness import Counting, Effectiveness, ProductionState, Shift, StateRule
from gemel.twin.expected import MOST_EXPECTED, Expected, check_expected, parse_expected
from gemel.twin.goal import GoalMember, GoalType, OnFailure
from gemel.twin.ids import check_id, check_name
from gemel.twin.page import Page
from gemel.twin.reading import Form, Kind, Now, Quality, Reading
from gemel.twin.retention import FOREVER, Retention, parse_duration
from gemel.twin.schema import json_schema, schema_of
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

if TYPE_CHECKING:
    from gemel.twin.check import check_connector, check_plant, check_spec, check_type
    from gemel.twin.computed import (
        computed_problems,
        dependencies,
        expressions_of,
        formula_of,
        formulas,
        part_types,
        property_named,
        quantity,
    )
    from gemel.twin.conversion import convert_generation
    from gemel.twin.documents import located, merge_plants, parse_plant, parse_type
    from gemel.twin.effectiveness_check import effectiveness_problems
    from gemel.twin.evolution import evolve, former
    from gemel.twin.frame import MAX_PROPERTIES, PROPERTY_BITS, VALUE_TYPES, Frame, series_of, split_series
else:  # what reckons with Arrow, expressions and units: whoever only talks to a platform needs none of it
    __getattr__ = later(
        __name__,
        {
            "check": ("check_connector", "check_plant", "check_spec", "check_type"),
            "computed": (
                *("computed_problems", "dependencies", "expressions_of", "formula_of", "formulas", "part_types"),
                *("property_named", "quantity"),
            ),
            "conversion": ("convert_generation",),
            "documents": ("located", "merge_plants", "parse_plant", "parse_type"),
            "effectiveness_check": ("effectiveness_problems",),
            "evolution": ("evolve", "former"),
            "frame": (*("MAX_PROPERTIES", "PROPERTY_BITS", "VALUE_TYPES", "Frame", "series_of", "split_series"),),
        },
    )

__all__ = [
    "FOREVER",
    "MANUAL",
    "MAX_PROPERTIES",
    "MOST_EXPECTED",
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
    "Counting",
    "Direction",
    "Effectiveness",
    "EventType",
    "Expected",
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
    "Now",
    "OnFailure",
    "Pace",
    "Page",
    "PartOf",
    "Plant",
    "Position",
    "Prepare",
    "ProductionState",
    "PropertyGroup",
    "PropertyType",
    "Quality",
    "Reading",
    "Retention",
    "Scale",
    "Shift",
    "Site",
    "Slot",
    "StateRule",
    "Tabular",
    "Twin",
    "TwinSpec",
    "TwinType",
    "check_connector",
    "check_expected",
    "check_id",
    "check_name",
    "check_plant",
    "check_spec",
    "check_type",
    "computed_problems",
    "convert_generation",
    "dependencies",
    "effectiveness_problems",
    "evolve",
    "expressions_of",
    "former",
    "formula_of",
    "formulas",
    "json_schema",
    "located",
    "merge_plants",
    "parse_duration",
    "parse_expected",
    "parse_plant",
    "parse_type",
    "part_types",
    "property_named",
    "quantity",
    "schema_of",
    "series_of",
    "split_series",
]
