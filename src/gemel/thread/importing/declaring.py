"""What a structure says of parts, as the parts book has it: slots for positions, and what may be in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gemel.configuration import PartsDocument, PartType, Revision, SlotRule, SlotSpec
from gemel.thread.importing.found import Found, Use
from gemel.thread.nodes import NodeKind

__all__ = ["declared"]


def declared(found: Sequence[Found], known: Iterable[PartType]) -> PartsDocument | None:
    """Parts of the book with what structures add to them; None where they add nothing.

    Nothing is taken away: what somebody declared of a part, its other slots and rules, stays.
    """
    book = {part.part: part for part in known}
    touched: dict[str, PartType] = {}

    def part(name: str) -> PartType:
        return touched.get(name) or book.get(name) or PartType(part=name)

    for one in found:
        if not one.book:
            continue
        for link, _, _ in one.links:
            if link.kind == "defines" and link.target.kind is NodeKind.PART:
                touched[link.target.id] = _with_revision(part(link.target.id), link.target.sub)
        several = _several(one)
        for use in one.structure:
            touched[use.child] = part(use.child)
            touched[use.parent] = _with_slot(part(use.parent), use, several)
    changed = tuple(one for name, one in touched.items() if book.get(name) != one)
    return PartsDocument(parts=changed) if changed else None


def _with_revision(part: PartType, revision: str) -> PartType:
    if not revision or part.order(revision) is not None:
        return part
    return msgspec.structs.replace(part, revisions=(*part.revisions, Revision(revision=revision)))


def _several(found: Found) -> set[str]:
    """Parts that a structure has at more than one revision."""
    told: dict[str, set[str]] = {}
    for link, _, _ in found.links:
        if link.kind == "defines" and link.target.kind is NodeKind.PART and link.target.sub:
            told.setdefault(link.target.id, set()).add(link.target.sub)
    return {part for part, revisions in told.items() if len(revisions) > 1}


def _with_slot(part: PartType, use: Use, several: set[str]) -> PartType:
    """With a slot, and a rule for what is in it; which names revisions where there are several of a part."""
    slots, rules, slot = part.slots, part.rules, use.position
    if part.slot(slot) is None:
        slots = (*slots, SlotSpec(slot=slot, count=max(1, round(use.quantity))))
    revisions = (use.revision,) if use.child in several and use.revision else ()
    of = (use.of,) if use.parent in several and use.of else ()
    same = [rule for rule in rules if rule.slot == slot and rule.part == use.child]
    if not any(rule.revisions in ((), revisions) and rule.of in ((), of) for rule in same):
        rules = (*rules, SlotRule(slot=slot, part=use.child, revisions=revisions, of=of))
    return msgspec.structs.replace(part, slots=slots, rules=rules)
