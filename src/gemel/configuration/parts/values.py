"""Values of the parts book: part types, the order of their revisions, and what may be in their slots."""

from __future__ import annotations

from typing import Literal

import msgspec

from gemel.configuration.values import ItemKind, Level

__all__ = [
    "Condition",
    "Effectivity",
    "LifeLimit",
    "Material",
    "PartType",
    "PartsDocument",
    "Replaced",
    "Revision",
    "SlotRule",
    "SlotSpec",
]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a document: what is not told is as by default."""


class Effectivity(_Value, frozen=True, rename={"start": "from"}):
    """For what something applies: all kinds that are told must hold; of serial numbers, one range is enough."""

    serials: tuple[str, ...] = ()
    """Serial numbers of the end item (the machine, not the part): "A100..A250", "A300..", "..A99" or "A7"; none: all.
    They are ordered as people read them: A9 is before A10."""
    lots: tuple[str, ...] = ()
    """Lots of the end item; none: all."""
    start: str = ""
    """From this moment on: RFC 3339, or a date (its beginning, UTC); empty: from ever."""
    until: str = ""
    """Until this moment, itself not in it; empty: for ever."""


class Condition(_Value, frozen=True):
    """Something that must be, or must not be, in the same end item."""

    part: str
    revisions: tuple[str, ...] = ()
    """"B", "B..", "..D" or "B..D" in the order of the part's revisions; none: any."""
    slot: str = ""
    """Only in a slot of this name; empty: anywhere."""


class Replaced(_Value, frozen=True):
    """What a revision may stand in for on conditions; all that are told must hold."""

    what: str
    """"A" of the same part, "PUMP-7" (any revision) or "PUMP-7/B" of another."""
    effectivity: Effectivity = Effectivity()
    requires: tuple[Condition, ...] = ()
    excludes: tuple[Condition, ...] = ()
    alone: bool = False
    """Only where that one itself belongs, not where it stands in for others."""

    @property
    def conditional(self) -> bool:
        return bool(self.requires or self.excludes) or self.effectivity != _ALWAYS


_ALWAYS = Effectivity()


class Revision(_Value, frozen=True):
    """One revision of a part; the order of a part's revisions is the order in which they are written."""

    revision: str
    replaces: tuple[str | Replaced, ...] = ()
    """What it may stand in for, one way: "A" of the same part, "PUMP-7" (any revision) or "PUMP-7/B" of another; with
    that, also all that this one may stand in for."""
    note: str = ""

    @property
    def stands_for(self) -> tuple[Replaced, ...]:
        """The same, each with its conditions."""
        return tuple(Replaced(what=one) if isinstance(one, str) else one for one in self.replaces)


class SlotRule(_Value, frozen=True):
    """That a part may be in a slot, and when: one line of the 150 % structure."""

    slot: str
    part: str
    maker: str = ""
    """Only of this maker; empty: of any."""
    revisions: tuple[str, ...] = ()
    """"B", "B..", "..D" or "B..D" in the order of the part's revisions; none: any."""
    of: tuple[str, ...] = ()
    """Only in these revisions of what has the slot; none: in any."""
    effectivity: Effectivity = Effectivity()
    requires: tuple[Condition, ...] = ()
    excludes: tuple[Condition, ...] = ()
    level: Level = Level.ALLOW
    """allow; warn: it may, but say so; concession: it needs one; block: never, whatever else allows it."""


class SlotSpec(_Value, frozen=True):
    """A place in a part for others."""

    slot: str
    name: str = ""
    """For people."""
    count: int = 1
    """So many pieces at most."""
    mandatory: bool = False
    kind: ItemKind = ItemKind.HARDWARE
    safety: bool = False
    """What is missing or unknown here makes the machine unsafe to work on or with."""
    effectivity: Effectivity = Effectivity()
    """Which end items have this slot."""
    otherwise: Level = Level.BLOCK
    """What becomes of a part that no rule of this slot allows. A slot without rules takes any."""


class LifeLimit(_Value, frozen=True):
    """How long a part may be used."""

    kind: str
    """hours, strokes, starts …, as they are counted; days: of the calendar since it was made."""
    limit: float
    hard: bool = True
    """Past a hard limit it is not installed any more."""
    revisions: tuple[str, ...] = ()
    """"B", "B..", "..D" or "B..D" in the order of the part's revisions; none: any."""
    effectivity: Effectivity = Effectivity()


class Material(_Value, frozen=True):
    """What one piece of a part is made of, without the parts that are in its slots."""

    material: str
    """As a material passport names it: "steel 1.4301", "PA66-GF30", "NdFeB"."""
    mass: float
    """kg in one piece."""
    recycled: float = 0.0
    """The share of it that had been recycled before, from 0 to 1."""
    hazard: str = ""
    """Why whoever takes it apart must take care: "lead, CAS 7439-92-1", "under pressure"; empty: nothing."""
    recovery: str = ""
    """What is done with it in the end: reuse, steel scrap, hazardous waste 16 02 15* …"""


class PartType(_Value, frozen=True):
    """A part number: what all items with it have in common."""

    part: str
    maker: str = ""
    """Empty: the number is ours, or means the same of any maker."""
    name: str = ""
    kind: ItemKind = ItemKind.HARDWARE
    end_item: bool = False
    """A machine, say: ranges of serial numbers in rules mean the number of the nearest end item that a part is in."""
    revisions: tuple[Revision, ...] = ()
    """In order, the oldest first."""
    slots: tuple[SlotSpec, ...] = ()
    rules: tuple[SlotRule, ...] = ()
    limits: tuple[LifeLimit, ...] = ()
    materials: tuple[Material, ...] = ()
    """For the material passport of machines that it is in."""
    traits: dict[str, str] = {}
    """What else there is to say of it, for people and searches: colour, supplier …"""

    def slot(self, name: str) -> SlotSpec | None:
        """Its slot of this name."""
        return next((slot for slot in self.slots if slot.slot == name), None)

    def order(self, revision: str) -> int | None:
        """The place of a revision in order, from 0; None: it is not listed."""
        return next((i for i, known in enumerate(self.revisions) if known.revision == revision), None)


class PartsDocument(_Value, frozen=True, dict=True):
    """`parts.yaml`: part types as they shall be."""

    gemel: Literal[1] = 1
    """The form of this document."""
    parts: tuple[PartType, ...] = ()
