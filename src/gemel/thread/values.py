"""Values of the thread: records, links between anything, measurements, and where each statement comes from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gemel.configuration import FOREVER, Basis, Span
from gemel.errors import InvalidInput
from gemel.thread.nodes import Node, NodeKind
from gemel.twin import check_name

__all__ = [
    "COMPLIED_WITH",
    "PHRASES",
    "Link",
    "Measurement",
    "Origin",
    "Phase",
    "Record",
    "RecordSpec",
    "Said",
    "Source",
    "Status",
    "phrase",
]


class Phase(StrEnum):
    """Where in the life of a product something belongs."""

    CONCEPT = "concept"
    DESIGN = "design"
    MANUFACTURING = "manufacturing"
    QUALITY = "quality"
    SERVICE = "service"


RECORD_PHASES = {
    "requirement": Phase.CONCEPT,
    "simulation": Phase.DESIGN,
    "cad": Phase.DESIGN,
    "drawing": Phase.DESIGN,
    "change-order": Phase.DESIGN,
    "nc-program": Phase.MANUFACTURING,
    "operation": Phase.MANUFACTURING,
    "process-log": Phase.MANUFACTURING,
    "work-order": Phase.SERVICE,
    "job-plan": Phase.SERVICE,
    "inspection": Phase.QUALITY,
    "certificate": Phase.QUALITY,
    "deviation": Phase.QUALITY,
    "concession": Phase.QUALITY,
    "bulletin": Phase.SERVICE,
    "manual": Phase.SERVICE,
}
"""The usual phase of a kind of record; kinds are open, and a record may say another."""

COMPLIED_WITH = "complied_with"
"""The kind of links from an item to the bulletin whose work was done on it, from the moment it was done."""
PHRASES = {
    "describes": "is described by",
    "defines": "is defined by",
    "derived_from": "led to",
    "executed": "was executed in",
    "ran_on": "was at work on",
    "made": "was made in",
    "measured": "was measured in",
    "requires": "is required by",
    "satisfies": "is satisfied by",
    "changes": "is changed by",
    "supersedes": "is superseded by",
    "contains": "is contained in",
    "evidence_of": "is shown by",
    "concerns": "is the subject of",
    "rests_on": "is the evidence of",
    "done_under": "is the order of",
    "complied_with": "was complied with by",
    "is_a": "has the item",
    "has_twin": "is the twin of",
    "belongs_to": "has",
    "fits": "takes",
}
"""Kinds of links, and how each is read backwards. Kinds are open too."""


def phrase(kind: str, *, back: bool) -> str:
    """How a link is read in one direction."""
    if not back:
        return kind.replace("_", " ")
    return PHRASES.get(kind, f"({kind.replace('_', ' ')} it)")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """From which file something was read, and where in it."""

    source: int
    """Number of the source; see `Source`."""
    place: str = ""
    """`line 12`, `lines 5-19`, `sheet BOM row 4`, an XPath, `#8604`; empty: the whole file."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that statements were read from, as it was then."""

    number: int
    name: str
    sha256: str
    size: int
    kept: bool
    """Whether its content is kept here."""
    reader: str
    """What read it: qif, process_log, step, bom, files."""
    recorded: int


class RecordSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record of another system, or of none, that is to be known."""

    id: str
    kind: str
    """cad, drawing, requirement, change-order, nc-program, operation, inspection, work-order, …"""
    title: str = ""
    phase: Phase | None = None
    """None: the usual one of its kind."""
    revision: str = ""
    system: str = ""
    """The system that holds it: plm, erp, cmms …"""
    external: str = ""
    """Its id there."""
    url: str = ""
    """Where people find it; never fetched."""
    attributes: dict[str, Any] = {}

    def checked(self) -> RecordSpec:
        """Itself, with its phase. Raises InvalidInput."""
        node = Node(kind=NodeKind.RECORD, id=self.id)
        node.checked()
        check_name(self.kind.replace("-", "_"), "a record's kind")
        if self.url and not self.url.startswith(("https://", "http://")):
            raise InvalidInput(f"{self.url!r:.100} is no address; write it like https://plm.example.com/…")
        for name, longest in (("title", 400), ("revision", 64), ("system", 64), ("external", 200), ("url", 2000)):
            if len(getattr(self, name)) > longest:
                raise InvalidInput(f"{name} of {self.id:.80} is longer than {longest} characters")
        if len(msgspec.json.encode(self.attributes)) > 16_384:
            raise InvalidInput(f"attributes of {self.id:.80} are larger than 16 kB; attach a document instead")
        phase = self.phase or RECORD_PHASES.get(self.kind)
        if phase is None:
            raise InvalidInput(f"say in which phase {self.kind!r:.60} belongs: {', '.join(Phase)}")
        return msgspec.structs.replace(self, phase=phase)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it was believed to be."""

    id: str
    kind: str
    title: str
    phase: Phase
    revision: str
    system: str
    external: str
    url: str
    attributes: dict[str, Any]
    valid: Span
    recorded: Span
    act: int
    """Who said so; see `Said`."""
    origin: Origin | None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """That one thing relates to another, from–to, as it was believed from–to."""

    number: int
    """0: it follows from the configuration itself."""
    kind: str
    source: Node
    target: Node
    valid: Span
    recorded: Span
    act: int
    origin: Origin | None = None


class Status(StrEnum):
    """How a measurement came out."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic of one item, as one inspection found it."""

    number: int = 0
    """0: it is to be known first."""
    inspection: str
    """Id of the record of the inspection."""
    item: str
    characteristic: str
    """As the part's drawing or model names it; unique within the inspection of an item."""
    quantity: str
    """diameter, position, angle …"""
    nominal: float | None = None
    lower: float | None = None
    """Absolute bounds, in `unit`."""
    upper: float | None = None
    value: float | None
    unit: str
    """UCUM."""
    status: Status
    time: int | None = None
    """When it was measured; None: nobody told."""
    act: int = 0
    origin: Origin | None = None

    @property
    def off(self) -> float | None:
        """How far outside of its bounds; None inside."""
        if self.value is None:
            return None
        if self.upper is not None and self.value > self.upper:
            return self.value - self.upper
        if self.lower is not None and self.value < self.lower:
            return self.value - self.lower
        return None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One act: who said it, when it became known, on what it rests."""

    number: int
    what: str
    recorded: int
    actor: str
    basis: Basis


def forever(span: Span) -> bool:
    """Whether it has no end yet."""
    return span.end == FOREVER
