"""How it stands with a bulletin at one machine, by what is known of it there; without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gemel.configuration import Act
from gemel.thread.bulletins.aiming import Aimed
from gemel.thread.bulletins.values import BulletinStanding, BulletinState, Compliance
from gemel.thread.documents import Document, Version

__all__ = ["Judging"]

S = BulletinState


class Judging(NamedTuple):
    """What is known of a bulletin, to tell how it stands at one machine after another."""

    document: Document
    version: Version
    at: int
    done: Mapping[str, Compliance]
    orders: Mapping[str, frozenset[str]]
    endings: Mapping[tuple[str, int], Sequence[Act]]
    parts: Mapping[str, str]

    def standing(self, machine: str, it: Aimed) -> BulletinStanding | None:
        """None: it complied with an earlier version, and this one was never for it."""
        told = BulletinStanding(
            bulletin=self.document.id,
            title=self.document.title,
            version=self.version.version,
            machine=machine,
            part=it.part,
            serial=it.serial,
            state=S.OPEN,
            items=it.items,
            orders=tuple(sorted(order for order, items in self.orders.items() if items & {machine, *it.items})),
        )
        replace = msgspec.structs.replace
        said = self._said_done(machine, it)
        if said is not None and said.version == told.version:
            return replace(told, state=S.COMPLIED, since=said.at, complied=said)
        if said is not None:
            told = replace(told, note=f"version {said.version} of it was complied with, not {told.version}")
        if it.applies:
            return replace(told, since=it.spans[-1].start if it.spans and it.spans[-1].end > self.at else None)
        if it.applies is None:
            return replace(told, state=S.UNKNOWN, note=told.note or "a revision, version or serial number is not known")
        if not it.spans:
            return None
        end = it.spans[-1].end
        acts = sorted(
            {act.number: act for item in it.items for act in self.endings.get((item, end), ())}.values(),
            key=lambda act: act.number,
        )
        named = next((act for act in reversed(acts) if _names(act, told.bulletin, self.orders)), None)
        if named is not None:
            by = Compliance(
                at=end,
                version=told.version,
                item=machine,
                actor=named.actor,
                work_order=named.basis.work_order,
                evidence=named.basis.evidence,
                reason=named.basis.reason,
                act=named.number,
            )
            return replace(told, state=S.COMPLIED, since=end, complied=by)
        return replace(told, state=S.NOT_NEEDED, since=end, ended=acts[-1] if acts else None)

    def _said_done(self, machine: str, it: Aimed) -> Compliance | None:
        """What was said of the machine, or of every part of one kind that the bulletin is about: a part keeps it
        wherever it goes. What is of the version in force goes first; of several parts, what falls short of it."""
        if not self.done:
            return None
        said = [self.done[machine]] if machine in self.done else []
        by_part: dict[str, list[str]] = {}
        for item in it.items:
            by_part.setdefault(self.parts.get(item, ""), []).append(item)
        said += [
            max((self.done[item] for item in items), key=lambda one: (not self._now(one), one.at))
            for items in by_part.values()
            if all(item in self.done for item in items)
        ]
        return max(said, key=lambda one: (self._now(one), one.at), default=None)

    def _now(self, said: Compliance) -> bool:
        return said.version == self.version.version


def _names(act: Act, bulletin: str, orders: Mapping[str, frozenset[str]]) -> bool:
    return act.basis.evidence in (bulletin, f"document:{bulletin}") or act.basis.work_order in orders
