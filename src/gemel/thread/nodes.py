"""What the thread goes through: parts, items, slots, twins, times of them, acts, records, documents, measurements."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from gemel.clock import moment, parse_time, to_rfc3339
from gemel.errors import InvalidInput

__all__ = ["Node", "NodeKind"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
LONGEST = 200
"""Characters of an id."""


class NodeKind(StrEnum):
    """What a node is."""

    PART = "part"
    """A part number; `sub` is a revision of it, or empty for all."""
    ITEM = "item"
    """With `start` and `end` that time of it."""
    SLOT = "slot"
    """A place for a part: `id` is that of the item, or `part:` and a part number; `sub` is the slot; with `start` and
    `end` that time of it, but not of a part's."""
    TWIN = "twin"
    """A twin, `sub` a property of it, or empty; with `start` and `end` that time of it."""
    RECORD = "record"
    DOCUMENT = "document"
    """`sub` is a version, or empty for the document as such."""
    MEASUREMENT = "measurement"
    ACT = "act"
    """What somebody said was done to items, by its number."""


_WITH_TIME = {NodeKind.ITEM, NodeKind.SLOT, NodeKind.TWIN}
_WITH_SUB = {NodeKind.PART, NodeKind.SLOT, NodeKind.TWIN, NodeKind.DOCUMENT}


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One end of a link. Written `kind:id`, `part:PN#B`, `slot:box-3#lid`, `twin:mill#load@START/END`, `act:17`."""

    kind: NodeKind
    id: str
    sub: str = ""
    """Revision, slot, property or version."""
    start: int | None = None
    end: int | None = None
    """Half-open, microseconds UTC; of items, their slots and twins."""

    @classmethod
    def parse(cls, text: str) -> Node:
        """Of its written form. Raises InvalidInput."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in set(NodeKind):
            known = ", ".join(NodeKind)
            raise InvalidInput(f"{text!r:.120} is no KIND:ID; kinds are {known}, like item:box-3 or part:PN#B")
        start = end = None
        if kind in _WITH_TIME and "@" in rest and (kind != NodeKind.SLOT or "/" in rest.rpartition("@")[2]):
            rest, _, span = rest.rpartition("@")
            since, slash, until = span.partition("/")
            if not slash:
                raise InvalidInput(f"{span!r:.80} is no START/END, both like 2026-01-31T12:00:00Z")
            start, end = parse_time(since), parse_time(until)
        sub = ""
        if kind in _WITH_SUB and "#" in rest:
            rest, _, sub = rest.rpartition("#")
        return cls(kind=NodeKind(kind), id=rest, sub=sub, start=start, end=end).checked()

    def checked(self) -> Node:
        """Itself. Raises InvalidInput where it cannot be."""
        if not self.id or len(self.id) > LONGEST or len(self.sub) > LONGEST:
            told = max(len(self.id), len(self.sub)) if self.id else 0
            raise InvalidInput(f"an id has 1 to {LONGEST} characters, not {told}: {self.id[:40]!r}")
        if _CONTROL.search(self.id + self.sub):
            raise InvalidInput(f"{self.id[:80]!r} has characters that cannot be written; leave them out")
        if self.sub and self.kind not in _WITH_SUB:
            raise InvalidInput(f"{self.kind} {self.id:.80} has no {self.sub!r:.80}: only {', '.join(_WITH_SUB)} have")
        if self.kind is NodeKind.SLOT and not self.sub:
            raise InvalidInput(f"a slot has an owner and a name, like slot:{self.id:.80}#lid")
        if self.kind is NodeKind.ACT and not (self.id.isdecimal() and len(self.id) < 19):
            raise InvalidInput(f"an act is named by its number, like act:17, not {self.id:.40}")
        if self.kind is NodeKind.MEASUREMENT and not (self.id.isdecimal() and len(self.id) < 19):
            raise InvalidInput(f"a measurement is named by its number, like measurement:17, not {self.id:.40}")
        timed = self.kind in _WITH_TIME and not (self.kind is NodeKind.SLOT and self.id.startswith("part:"))
        if (self.start is None) != (self.end is None) or (self.start is not None and not timed):
            raise InvalidInput("a time has a beginning and an end, and is one of an item, a slot of one, or a twin")
        for time in (self.start, self.end):
            if time is not None:
                moment(time)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise InvalidInput(f"{to_rfc3339(self.end)} is not after {to_rfc3339(self.start)}")
        return self

    def __str__(self) -> str:
        sub = f"#{self.sub}" if self.sub else ""
        if self.start is None or self.end is None:
            return f"{self.kind}:{self.id}{sub}"
        return f"{self.kind}:{self.id}{sub}@{to_rfc3339(self.start)}/{to_rfc3339(self.end)}"

    @property
    def whole(self) -> Node:
        """What it is a revision, version, slot or time of; itself, if it is whole."""
        if self.kind is NodeKind.SLOT:
            kind, colon, id = self.id.partition(":")
            return Node(kind=NodeKind.PART, id=id) if colon and kind == "part" else Node(kind=NodeKind.ITEM, id=self.id)
        return self if not self.sub and self.start is None else Node(kind=self.kind, id=self.id)
