"""Values of the configuration: what is asserted, what is believed, and of which parts."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gemel.twin import Expected

__all__ = [
    "FOREVER",
    "Act",
    "ActKind",
    "Basis",
    "Concession",
    "Expected",
    "Finding",
    "Item",
    "ItemKind",
    "ItemSpec",
    "Level",
    "Node",
    "Nonconformance",
    "Observation",
    "Outcome",
    "Placement",
    "Running",
    "Saw",
    "SoftwareState",
    "Span",
    "Standing",
]

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
    OBSERVED = "observed"
    REPORTED = "reported"
    IDENTIFIED = "identified"
    MERGED = "merged"
    SPLIT = "split"
    JUDGED = "judged"
    """A nonconformance was conceded, closed or opened again."""
    RAISED = "raised"
    """Something is not as it should be, though no rule says so."""


class Level(StrEnum):
    """How bad a finding is."""

    ALLOW = "allow"
    """Not at all; only in rules."""
    WARN = "warn"
    CONCESSION = "concession"
    """Somebody must concede it."""
    BLOCK = "block"


class Saw(StrEnum):
    """What somebody saw in a slot."""

    ITEM = "item"
    NOTHING = "nothing"
    UNKNOWN = "unknown"
    """Something is there, but not what."""


class Standing(StrEnum):
    """How it stands with a nonconformance."""

    OPEN = "open"
    CONCEDED = "conceded"
    CLOSED = "closed"


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
    seen: bool = False
    """It was seen so: what breaks a rule is a nonconformance then, and not refused."""
    expects: tuple[Expected, ...] = ()
    """What is assumed; not kept with the act."""


class Concession(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody takes it upon himself that a rule is not kept."""

    by: str
    """Random id of who concedes it, as in `actor`."""
    reason: str
    until: int = FOREVER
    """Until when; then it is open again."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the parts book that is not kept."""

    rule: str
    """part, revision, effectivity, requires, excludes, count, missing, unknown, slot, kind, limit …"""
    level: Level
    text: str
    """What is wrong, and the way out."""
    slot: str = ""
    item: str = ""
    """What is in the slot; empty: nothing."""
    parent: str = ""
    """What has the slot."""
    safety: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an operation."""

    act: int
    """Its number; 0: it was only tried."""
    repeated: bool = False
    """It was said before, with the same key; nothing was done now."""
    findings: tuple[Finding, ...] = ()
    """What does not keep the rules since."""
    nonconformances: tuple[int, ...] = ()
    """Those that it opened."""


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
    quantity: int = 1
    """How many pieces a lot is of."""
    aliases: dict[str, str] = {}
    """Other names of it, by whose they are: {"inventory": "4711"}."""


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
    quantity: int = 1
    withheld: tuple[str, ...] = ()
    """What of it is not told to who asked, by the terms of a view; `parts`: only some of what it consists of is."""


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
    operation: dict[str, Any] = {}
    """All that was said, by the names of the operation; empty where it is not told, or was taken in from a file."""
    withheld: tuple[str, ...] = ()
    """What of it is not told to who asked."""


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


class SoftwareState(StrEnum):
    """How a module stands against what is required."""

    OK = "ok"
    BEHIND = "behind"
    """It runs a version that is not one of those required."""
    FORBIDDEN = "forbidden"
    """It runs what was withdrawn, or what something in the machine excludes or lacks."""
    UNKNOWN = "unknown"
    """It never reported, or what it reports is not declared; so nobody can say."""
    FREE = "free"
    """Nothing is required of it."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Software that an item runs in one of its slots, as it was reported; what is required is not what runs."""

    slot: str
    part: str
    """Empty: it was not told which software it is."""
    version: str
    """Empty: a version was never reported, and one should be."""
    since: int | None
    """Since when it has run this version."""
    required: tuple[str, ...] = ()
    """Ranges of versions that its machine has to run; all of them hold."""
    state: SoftwareState | None = None
    """How it stands against them; None: that was not asked."""

    @property
    def differs(self) -> bool:
        """Whether it is known to be not what it should be."""
        return self.state in (SoftwareState.BEHIND, SoftwareState.FORBIDDEN)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An item in the tree of a configuration."""

    item: Item
    path: tuple[str, ...]
    """Slots from the root down; empty for the root."""
    since: int
    """Since when it has been in its slot."""
    parts: tuple[Node, ...] = ()
    planned: str = ""
    """Only when plans are asked for: install, remove, move, swap or another operation that is planned of it."""
    software: tuple[Running, ...] = ()
    """What it runs itself, by slot; what runs on its parts is told with these."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody saw, or failed to see, something in a slot."""

    act: int
    parent: str
    slot: str
    time: int
    saw: Saw
    item: str = ""
    """The item that it is, where that is known."""
    part: str = ""
    maker: str = ""
    serial: str = ""
    revision: str = ""


class Nonconformance(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is so, and breaks a rule, or is not as it should be though none says so."""

    number: int
    item: str
    parent: str
    """What has the slot; the item itself, where it is about that, wherever it goes."""
    slot: str
    rule: str
    """Which one it breaks; `raised`: none, somebody said it."""
    level: Level
    text: str
    act: int
    """The act that said so."""
    time: int
    """From when on."""
    state: Standing
    by: str = ""
    """Who conceded or closed it."""
    until: int = FOREVER
    """Until when it is conceded."""
    reason: str = ""
    evidence: str = ""
    """What the act that said so rests on: `record:ID`, a photograph, a protocol."""
