"""What of a configuration is known, and how long ago somebody made sure of it.

Unknown is not empty: a slot of which nobody ever told is unknown; it is empty when what it held was taken out, or when
somebody looked and saw nothing. And held is not confirmed: what was installed years ago may have been swapped by
somebody who told nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.configuration import tables
from gemel.configuration.belief import known_at
from gemel.configuration.parts.values import SlotSpec
from gemel.configuration.questions import asking
from gemel.configuration.values import Item, ItemKind, Node, Running, Saw

__all__ = ["Completeness", "Holding", "SlotState", "Slots", "completeness"]

_AT_ONCE = 500


class Holding(StrEnum):
    """What is known of a slot."""

    HELD = "held"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    """Nobody ever told, or something was seen there but not what."""
    DIFFERS = "differs"
    """Since it was told what is there, somebody saw something else."""


class SlotState(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a configuration."""

    path: tuple[str, ...]
    """Slots from the root down, this one last."""
    parent: str
    holding: Holding
    item: str = ""
    part: str = ""
    serial: str = ""
    revision: str = ""
    mandatory: bool = False
    safety: bool = False
    confirmed: int | None = None
    """When somebody last saw that it is so, or made it so; None: never."""
    kind: ItemKind = ItemKind.HARDWARE
    """What it is for, by the parts book."""
    software: bool = False
    """What it holds is software that its item reported: `revision` is the version, `confirmed` since when it runs."""

    @property
    def gap(self) -> str:
        """What is missing of it: content, serial, revision; empty: nothing."""
        if self.holding is not Holding.HELD:
            return "content" if self.mandatory or self.holding is not Holding.EMPTY else ""
        if self.software:
            return ""
        return "serial" if not self.serial else "revision" if not self.revision else ""


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """How complete a configuration is."""

    root: str
    slots: tuple[SlotState, ...]
    """The outermost first."""
    held: int
    empty: int
    unknown: int
    differing: int
    missing: int
    """Mandatory ones that are empty or unknown."""
    unserialised: int
    """Items without serial number and lot."""
    unrevised: int
    """Items whose revision is not known."""
    threatens: tuple[str, ...]
    """Why it is not safe to work on or with it: what is missing, unknown or differs in slots that matter for safety."""
    confirmed: int | None
    """When the slot that was longest not looked at was; None: one never was."""
    share: float
    """Of the slots, those of which all is known; 1: complete. 0 of a root without a slot: nothing is recorded."""


Slots = Callable[[Item, Item, int], Iterable[SlotSpec]]
"""(item, root, at) -> the slots that an item has as a part of that end item then."""


def completeness(tx: Connection, root: str, slots: Slots, at: int, known: int) -> Completeness:
    """Of a root, with all that is in it. Raises NotFound."""
    node = asking.tree(tx, root, at, known)
    held = {one.item.id: one for one in _all(node)}
    numbers = _numbers(tx, held)
    told = _told(tx, numbers, at, known)
    states = []
    for one in held.values():
        specs: dict[str, SlotSpec] = {spec.slot: spec for spec in slots(one.item, node.item, at)}
        inside: dict[str, list[Node]] = {}
        for part in one.parts:
            inside.setdefault(part.path[-1], []).append(part)
        spoken = {slot for parent, slot in told if parent == numbers[one.item.id]}
        runs = _fills(one, specs)
        for slot in sorted(specs.keys() | inside.keys() | spoken | runs.keys()):
            if slot in runs and slot not in inside:
                states.append(_running(one, runs[slot], specs.get(slot)))
                continue
            about = told.get((numbers[one.item.id], slot), _Told())
            held_here: Sequence[Node | None] = inside.get(slot) or [None]
            states += [_state(one, slot, part, specs.get(slot), about, numbers) for part in held_here]
    states.sort(key=lambda state: (len(state.path), state.path))
    return _summed(node, states)


class _Told(msgspec.Struct):
    """What was told of one slot up to a moment."""

    emptied: int | None = None
    """When what it held was last taken out."""
    seen: tuple[int, str, int | None] | None = None
    """The last observation: when, what, which item (its number)."""
    agreed: dict[int | None, int] = {}
    """When each item (None: nothing) was last seen there."""


def _state(
    one: Node, slot: str, part: Node | None, spec: SlotSpec | None, about: _Told, numbers: dict[str, int]
) -> SlotState:
    item = part.item if part is not None else None
    number = numbers[item.id] if item is not None else None
    since = part.since if part is not None else about.emptied
    agreed = about.agreed.get(number)
    last = max((moment for moment in (since, agreed) if moment is not None), default=None)
    holding = Holding.HELD if item is not None else Holding.EMPTY if last is not None else Holding.UNKNOWN
    if about.seen is not None and (last is None or about.seen[0] > last):
        saw = about.seen[1]
        if item is None and saw == Saw.UNKNOWN:
            holding = Holding.UNKNOWN
        elif (item is not None or saw != Saw.NOTHING) and about.seen[2] != number:
            holding = Holding.DIFFERS
    return SlotState(
        path=(*one.path, slot),
        parent=one.item.id,
        holding=holding,
        item=item.id if item is not None else "",
        part=item.part if item is not None else "",
        serial=(item.serial or item.lot) if item is not None else "",
        revision=item.revision if item is not None else "",
        mandatory=spec is not None and spec.mandatory,
        safety=spec is not None and spec.safety,
        confirmed=last,
        kind=spec.kind if spec is not None else item.kind if item is not None else ItemKind.HARDWARE,
    )


def _fills(one: Node, specs: Mapping[str, SlotSpec]) -> dict[str, Running]:
    """By slot the software that was reported; the same name may be that of a slot for something else."""
    kinds = {name: spec.kind for name, spec in specs.items()}
    told = (each for each in one.software if each.version)
    return {each.slot: each for each in told if kinds.get(each.slot, ItemKind.SOFTWARE) is ItemKind.SOFTWARE}


def _running(one: Node, runs: Running, spec: SlotSpec | None) -> SlotState:
    """What is reported is what runs: nobody has to look."""
    return SlotState(
        path=(*one.path, runs.slot),
        parent=one.item.id,
        holding=Holding.HELD,
        part=runs.part,
        revision=runs.version,
        mandatory=spec is not None and spec.mandatory,
        safety=spec is not None and spec.safety,
        confirmed=runs.since,
        kind=ItemKind.SOFTWARE,
        software=True,
    )


def _summed(node: Node, states: list[SlotState]) -> Completeness:
    def count(holding: Holding) -> int:
        return sum(state.holding is holding for state in states)

    filled = [state for state in states if state.holding is Holding.HELD]
    # a report says when a version began to run, not when it was told last: it is not what was longest not looked at
    moments = [state.confirmed for state in states if not state.software]
    return Completeness(
        root=node.item.id,
        slots=tuple(states),
        held=len(filled),
        empty=count(Holding.EMPTY),
        unknown=count(Holding.UNKNOWN),
        differing=count(Holding.DIFFERS),
        missing=sum(s.mandatory and s.holding in (Holding.EMPTY, Holding.UNKNOWN) for s in states),
        unserialised=sum(not state.serial for state in filled if not state.software),
        unrevised=sum(not state.revision for state in filled),
        threatens=tuple(_threat(state) for state in states if state.safety and state.gap),
        confirmed=None if not moments or None in moments else min(one for one in moments if one is not None),
        share=sum(not state.gap for state in states) / len(states) if states else 0.0,
    )


def _threat(state: SlotState) -> str:
    where = " / ".join(state.path)
    if state.holding is Holding.HELD:
        return f"{where}: the {state.gap} of {state.item} is not known"
    told = {
        Holding.EMPTY: "is empty",
        Holding.UNKNOWN: "is unknown: nobody told what is there",
        Holding.DIFFERS: "was seen to hold something else",
    }
    return f"{where} {told[state.holding]}"


def _told(tx: Connection, numbers: dict[str, int], at: int, known: int) -> dict[tuple[int, str], _Told]:
    """By parent and slot: what was taken out of it, and what was seen in it."""
    s, p, o = tables.place, tables.placement, tables.observation
    found: dict[tuple[int, str], _Told] = {}
    for some in _some(sorted(numbers.values())):
        for row in tx.execute(
            select(s.c.parent, s.c.slot, p.c.valid_to)
            .join(s, s.c.number == p.c.place)
            .where(p.c.parent.in_(some), p.c.valid_to <= at, known_at(p, known))
        ):
            about = found.setdefault((row.parent, row.slot), _Told())
            about.emptied = max(about.emptied or row.valid_to, row.valid_to)
        for seen in tx.execute(
            select(s.c.parent, s.c.slot, o.c.valid_from, o.c.saw, o.c.item)
            .join(s, s.c.number == o.c.place)
            .where(s.c.parent.in_(some), o.c.valid_from <= at, known_at(o, known))
            .order_by(o.c.valid_from, o.c.number)
        ):
            about = found.setdefault((seen.parent, seen.slot), _Told())
            about.seen = (seen.valid_from, seen.saw, seen.item)
            if seen.saw == Saw.NOTHING or seen.item is not None:
                about.agreed = {**about.agreed, seen.item: seen.valid_from}
    return found


def _numbers(tx: Connection, held: dict[str, Node]) -> dict[str, int]:
    c = tables.item.c
    found: dict[str, int] = {}
    for some in _some(sorted(held)):
        found |= {row.id: row.number for row in tx.execute(select(c.id, c.number).where(c.id.in_(some)))}
    return found


def _all(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _all(part)


def _some(values: list[Any]) -> Iterable[list[Any]]:
    return (values[first : first + _AT_ONCE] for first in range(0, len(values), _AT_ONCE))
