"""Twin types: the versioned description of a kind of object for a purpose. Values only, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gemel.twin.control import Control
from gemel.twin.effectiveness import Effectiveness
from gemel.twin.goal import GoalType
from gemel.twin.reading import Form, Kind
from gemel.twin.retention import Retention

__all__ = [
    "CommandType",
    "Computed",
    "Conversion",
    "EventType",
    "Freshness",
    "FreshnessMode",
    "LifeStage",
    "Link",
    "PropertyGroup",
    "PropertyType",
    "Slot",
    "Twin",
    "TwinType",
]


class FreshnessMode(StrEnum):
    """SAMPLES: a bound on the age of the last reading. CHANGES: the source reports only changes, so an old value is
    fresh for as long as the source's heartbeat is."""

    SAMPLES = "samples"
    CHANGES = "changes"


class Freshness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How old a value may be before it is shown as stale."""

    mode: FreshnessMode = FreshnessMode.CHANGES
    within_s: float = 60.0
    """SAMPLES: greatest age of the last reading. CHANGES: greatest silence of the source, heartbeats included."""


class Conversion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier shape of a retyped property, and how its readings become those of the generation after it.

    `how`: "unit" (both have units of one dimension), "cast" (integer↔number, boolean→integer, anything→text),
    "map" (`mapping` old value → new value, both as text), or "none" (old readings stay readable under their own
    generation but are not converted). Readers go from generation to generation: `gemel.twin.convert_generation`.
    """

    generation: int = 0
    """0 in a document: the shape before this one."""
    kind: Kind
    unit: str = ""
    how: str = "none"
    mapping: dict[str, Any] = {}


class PropertyGroup(StrEnum):
    """What a property tells of, as far as sharing goes: rights are granted by group, not property by property."""

    IDENTITY = "identity"
    CONFIGURATION = "configuration"
    CONDITION = "condition"
    USAGE = "usage"
    PROCESS = "process"
    QUALITY = "quality"
    LOCATION = "location"
    PERSONAL = "personal"
    FINANCIAL = "financial"
    SAFETY = "safety"


class Computed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a property is computed: an expression, or a Python function and what it is given."""

    expression: str = ""
    """In the expression language: power / speed, spindle.load > 80, sum(parts.power)."""
    function: str = ""
    """package.module:name of a function that an installed distribution declares in the group gemel.functions."""
    inputs: tuple[str, ...] = ()
    """Of a function: expressions, whose values it gets in this order."""
    timeout_s: float = 5.0
    """Of a function: how long a call for up to 10,000 twins may last."""
    memory_mb: int = 1024
    """Of a function: how much memory its process may take."""


class PropertyType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A typed quantity of a twin type."""

    name: str
    kind: Kind = Kind.NUMBER
    unit: str = ""
    """UCUM code; empty for kinds without one."""
    title: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    """A reading outside [minimum, maximum] is impossible: it goes to quarantine."""
    normal: tuple[float, float] | None = None
    """The normal band that screens draw; a reading outside it is abnormal, not wrong."""
    values: tuple[str, ...] = ()
    """Allowed values of an enumeration; empty for an open one."""
    semantic_id: str = ""
    """IRI or IRDI that says what it means (ECLASS, IEC CDD, an MTConnect type …)."""
    freshness: Freshness | None = None
    writable: bool = False
    """A value of it can be desired: the platform has the object set it."""
    tolerance: float | None = None
    """How far the reported value may be from the desired one and count as it; None: a millionth of it."""
    computed: Computed | None = None
    """Computed from other properties, of the twin and of its parts; nothing else brings its values."""
    headline: bool = False
    """Shown on overviews of the twin and of the twins it is part of."""
    group: PropertyGroup | None = None
    """What it tells of, for sharing; None: a condition is `condition`, everything else is `process`, which is shared
    least readily."""
    slot: str = ""
    """Of what it tells, if not of the object as a whole: what is in this slot of it, `spindle` or `spindle/bearing`.
    Its readings are of the item that was there."""
    retention: Retention | None = None
    """How long the history keeps its readings; what it leaves out is as the type says."""
    aliases: tuple[str, ...] = ()
    """Earlier names; reads and writes by them keep working."""
    deprecated: str = ""
    """Why, and what to use instead; empty when it is in use."""
    generation: int = 1
    """Counts retypings; each generation is a series of its own."""
    earlier: tuple[Conversion, ...] = ()

    @property
    def form(self) -> Form:
        return self.kind.form

    @property
    def shared_as(self) -> PropertyGroup:
        """Its group; what nobody classified is shared least readily."""
        if self.group is not None:
            return self.group
        return PropertyGroup.CONDITION if self.kind is Kind.CONDITION else PropertyGroup.PROCESS


class CommandType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An imperative that the object (or its twin) understands: start_cycle."""

    name: str
    title: str = ""
    description: str = ""
    input: tuple[PropertyType, ...] = ()
    optional: tuple[str, ...] = ()
    """Names of inputs that may be left out."""
    output: tuple[PropertyType, ...] = ()
    effect: dict[str, Computed] = {}
    """Of a command to the twin itself: what its properties become. Expressions read its properties, and input.<name>.
    Empty: the object carries it out."""
    undo: str = ""
    """The command that takes it back, when a transaction has to; it needs no input."""
    deprecated: str = ""
    """Why, and what to use instead; empty when it is in use."""


class EventType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens to the object, in the past participle: overheated."""

    name: str
    title: str = ""
    description: str = ""
    fields: tuple[PropertyType, ...] = ()
    severity: str = "info"
    """info, warning or fault."""
    deprecated: str = ""
    """Why, and what to use instead; empty when it is in use."""


class Slot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place for a component twin: its type, and how many fit."""

    name: str
    type: str
    title: str = ""
    minimum: int = 0
    maximum: int | None = 1
    """None: any number."""
    deprecated: str = ""
    """Why, and what to use instead; empty when it is in use."""


class TwinType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A versioned description of a kind of object, for a purpose."""

    id: str
    version: int = 1
    """Given by the registry; what a document says here is not used."""
    title: str = ""
    description: str = ""
    purpose: str = ""
    """What it is for (operation, maintenance, training …): several types can describe one object."""
    semantic_id: str = ""
    retention: Retention | None = None
    """How long the history keeps readings of its twins; what it leaves out is as the plant's settings say."""
    properties: tuple[PropertyType, ...] = ()
    commands: tuple[CommandType, ...] = ()
    events: tuple[EventType, ...] = ()
    slots: tuple[Slot, ...] = ()
    goals: tuple[GoalType, ...] = ()
    control: Control | None = None
    """Who may command it, and what must hold when something is sent to the object."""
    effectiveness: Effectiveness | None = None
    """From what its key figures (OEE and its kin) are told: states, parts, what was planned."""
    picture: str = ""
    """An SVG with places for live values, for screens: shapes and words, whose look is the app's."""


class LifeStage(StrEnum):
    """planned → built → commissioned → in_service ⇄ down → retired → recycled."""

    PLANNED = "planned"
    BUILT = "built"
    COMMISSIONED = "commissioned"
    IN_SERVICE = "in_service"
    DOWN = "down"
    RETIRED = "retired"
    RECYCLED = "recycled"


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A typed, directed relation that held from–to: (source) part_of (target)."""

    kind: str
    source: str
    target: str
    slot: str = ""
    """For part_of: the slot of the target that the source fills."""
    since: int
    until: int | None = None
    """Half-open [since, until); None: it holds still. Microseconds since the epoch, UTC."""


class Twin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A twin as the registry knows it: who it is, not what it reads."""

    id: str
    number: int
    """Dense, for ever; the upper part of its series ids."""
    types: tuple[str, ...]
    name: str = ""
    description: str = ""
    serial: str = ""
    aliases: tuple[str, ...] = ()
    stage: LifeStage = LifeStage.PLANNED
    attributes: dict[str, Any] = {}
    """Static facts: maker, model, location as text, purchase date … JSON-able, searchable."""
    revision: int = 1
    created: int = 0
    changed: int = 0
