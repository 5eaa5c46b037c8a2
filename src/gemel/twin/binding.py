"""How values travel between an object and its twin: bindings, and the connector that carries them."""

from __future__ import annotations

import builtins
from enum import StrEnum
from typing import Any

import msgspec

from gemel.twin.types import FreshnessMode

__all__ = ["MANUAL", "Binding", "Conflict", "ConnectorSpec", "Direction", "Scale"]

MANUAL = "manual"
"""The kind of connector that stands for people, and the source of what they enter by hand."""


class Direction(StrEnum):
    """IN: from the object to the twin. OUT: from the twin to the object. BOTH: either way."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


class Conflict(StrEnum):
    """What counts when somebody other than its source tells a value that a binding brings."""

    LAST_WRITE = "last-write"
    """Whatever has the later time."""
    DEVICE_WINS = "device-wins"
    """The source; others only while its value is stale."""
    REFUSE = "refuse"
    """The source alone; what others tell is refused."""


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """raw · factor + offset gives the value in the binding's unit; outward, the inverse."""

    factor: float = 1.0
    offset: float = 0.0


class Binding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One property, event or command of a twin, and where its source keeps it."""

    address: str
    """Where the connector finds it; its form is the connector's (a node id, a topic and path, a data item …)."""
    twin: str
    """Its id; {variables} that the address fills make one binding serve many twins."""
    property: str
    """Name of the property (or event, or command) of the twin."""
    unit: str = ""
    """UCUM code of the source's values; empty: the property's own. Converted by the intake."""
    mode: FreshnessMode = FreshnessMode.CHANGES
    within_s: float | None = None
    """Freshness bound in seconds; None: the property's own, or the default of the mode."""
    rate_hz: float | None = None
    """How often the source samples, when it does; None: whenever it reports."""
    buffers_s: float | None = None
    """For how long the source keeps what it cannot hand over; None: not known. What is cut off for longer is lost."""
    conflict: Conflict = Conflict.LAST_WRITE
    """Inward: what counts when somebody else tells the value."""
    direction: Direction = Direction.IN
    scale: Scale | None = None
    deadline_s: float | None = None
    """Outward: how long an order has until it is applied, when it does not say so itself; None: 30 seconds."""
    deduplicates: bool = False
    """Outward: the object knows an order again by its id, so one that may have been sent can be sent again."""
    out: dict[str, Any] = {}
    """Outward: how it is sent, where that differs from how it is read; its form is the connector's."""

    @builtins.property  # the field `property` hides the plain word here
    def is_template(self) -> bool:
        """Whether `twin` or `property` has {variables} that the address fills: one binding for many devices."""
        return "{" in self.twin or "{" in self.property


class ConnectorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connector as declared: which plug-in, its settings, and what it carries.

    Secrets in `settings` are references, never values: {env: NAME}, {file: path} or {keyring: name}.
    """

    id: str
    kind: str
    """Name of the plug-in in the entry-point group `gemel.connectors`."""
    title: str = ""
    settings: dict[str, Any] = {}
    bindings: tuple[Binding, ...] = ()
    enabled: bool = True
