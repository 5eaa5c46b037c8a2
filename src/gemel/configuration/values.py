"""Values of the configuration: what is asserted, what is believed, and of which parts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["FOREVER", "Act", "ActKind", "Basis", "Item", "ItemKind", "ItemSpec", "Node", "Placement", "Span"]

FOREVER = 1 << 62
"""The end of what has no end yet, in microseconds."""


class ItemKind(StrEnum):
    """What sort of thing an item is."""

    HARDWARE = "hardware"
    ELECTRICAL = "electrical"
    SOFTWARE = "software"
    DOCUMENT = "document"
    LOCATION = "location"
    """A store, a repair shop, a van: parts are always somewhere."""


class ActKind(StrEnum):
    """What somebody says was done."""

    CREATED = "created"
    INSTALLED = "installed"
    REMOVED = "removed"
    SWAPPED = "swapped"
    MOVED = "moved"
    MODIFIED = "modified"
    RETIRED = "retired"
    USED = "used"
    ADJUSTED = "adjusted"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


class Span(msgspec.Struct, frozen=True):
    """Half-open [start, end), microseconds UTC; `FOREVER` is no end."""

    start: int
    end: int = FOREVER

    def meets(self, other: Span) -> Span | None:
        """What both cover, if anything."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def covers(self, moment: int) -> bool:
        return self.start <= moment < self.end


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """On what an assertion rests."""

    source: str = ""
    """Where it comes from: a person's entry, a work order system, a device."""
    work_order: str = ""
    evidence: str = ""
    """A reference to a photograph, a protocol, a record."""
    confidence: float = 1.0
    """0 to 1."""
    uncertainty_s: float = 0.0
    """The moment may be wrong by so much either way."""
    reason: str = ""
    """Why; a correction always has one."""
    key: str = ""
    """The caller's own id of this assertion: said again, it has no second effect."""


class ItemSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An item to be known from now on."""

    id: str
    part: str
    """Part number."""
    revision: str = ""
    """Empty: not known."""
    maker: str = ""
    serial: str = ""
    """Empty: not known yet, or a lot."""
    lot: str = ""
    kind: ItemKind = ItemKind.HARDWARE
    twin: str = ""
    """The twin that is this item's live face, if it has one of its own."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item as it is believed to be."""

    id: str
    part: str
    revision: str
    maker: str
    serial: str
    lot: str
    kind: ItemKind
    twin: str
    born: int
    retired: int | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One assertion, for ever: who said what of which moment, and when it became known."""

    number: int
    kind: ActKind
    time: int
    """When it happened, as it was said."""
    recorded: int
    """When it became known here; strictly increasing."""
    actor: str
    basis: Basis
    amends: int | None = None
    """The act that this one corrects or withdraws."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """That an item was in a slot of another, from–to, as it was believed from–to."""

    child: str
    parent: str
    slot: str
    valid: Span
    recorded: Span
    begun_by: int
    """The act that put it there."""
    ended_by: int | None
    """The act that took it away; None: it is there still."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An item in the tree of a configuration."""

    item: Item
    path: tuple[str, ...]
    """Slots from the root down; empty for the root."""
    since: int
    """Since when it has been in its slot."""
    parts: tuple[Node, ...] = ()
