"""What of bulletins is told to whom not all is shown: of machines that they see whole, and while they did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gemel.configuration import Act, Span
from gemel.configuration import Seen as Items
from gemel.errors import GemelError
from gemel.thread.bulletins.aiming import Aimed
from gemel.thread.bulletins.values import BulletinStanding, Compliance

__all__ = ["Telling"]


class Telling:
    """To one caller, as of two moments. Remembers what it found; `items` None: all is told."""

    def __init__(self, items: Items | None, at: int, known: int | None) -> None:
        self._items = None if items is None or items.everything else items
        self._at, self._known = at, known
        self._machines: dict[str, bool] = {}
        self._times: dict[str, list[Span]] = {}
        self._acts: dict[str, dict[int, Act]] = {}

    def machine(self, machine: str) -> bool:
        """Whether a machine is told of: it is seen at the moment that is asked about."""
        if self._items is None:
            return True
        if machine not in self._machines:
            self._machines[machine] = self._items.sees(machine, self._at, known=self._known)
        return self._machines[machine]

    def aimed(self, machine: str, it: Aimed) -> Aimed:
        """As far as the machine was seen: it began to apply, and ceased, when that was first seen; where it applied
        only at other times, it never did."""
        if self._items is None:
            return it
        seen = self._seen(machine)
        spans = tuple(
            Span(_first(seen, one.start, self._at), _end(seen, one.end, self._at))
            for one in it.spans
            if _met(one, seen)
        )
        items = it.items
        if it.applies is False and it.spans:
            items = tuple(item for item in items if any(_met(one, self._seen(item)) for one in spans))
        return msgspec.structs.replace(it, spans=spans, items=items)

    def standing(self, one: BulletinStanding) -> BulletinStanding:
        """Without who complied with it when that was not seen, and without acts."""
        done = one.complied
        if self._items is None:
            return one
        if done is not None and not self._tells(one, done):
            at = _first(self._seen(done.item), done.at, self._at)
            hidden = Compliance(at=at, version=done.version, item=done.item, actor="")
            one = msgspec.structs.replace(one, since=at, complied=hidden)
        return msgspec.structs.replace(one, ended=None)

    def acts(self, one: BulletinStanding, acts: Iterable[Act]) -> list[Act]:
        """Those that are told of the machine and of what it is about, as they are told."""
        if self._items is None:
            return list(acts)
        told = self._told(one)
        return [told[act.number] for act in acts if act.number in told]

    def _tells(self, one: BulletinStanding, done: Compliance) -> bool:
        if done.act:
            return done.act in self._told(one)
        return any(span.covers(done.at) for span in self._seen(done.item))

    def _told(self, one: BulletinStanding) -> dict[int, Act]:
        told: dict[int, Act] = {}
        for item in (one.machine, *one.items):
            if item not in self._acts:
                self._acts[item] = self._acts_of(item)
            told |= self._acts[item]
        return told

    def _acts_of(self, item: str) -> dict[int, Act]:
        assert self._items is not None
        try:
            return {act.number: act for act in self._items.acts(item, known=self._known) if not act.withheld}
        except GemelError:
            return {}  # nothing of it is told

    def _seen(self, item: str) -> Sequence[Span]:
        assert self._items is not None
        if item not in self._times:
            self._times[item] = self._items.seen_spans(item)
        return self._times[item]


def _met(span: Span, seen: Sequence[Span]) -> bool:
    return any(span.meets(one) is not None for one in seen)


def _first(seen: Sequence[Span], moment: int, otherwise: int) -> int:
    """The first moment, from this one on, at which it was seen."""
    return next((max(moment, span.start) for span in seen if span.end > moment), otherwise)


def _end(seen: Sequence[Span], moment: int, otherwise: int) -> int:
    """The same of an end, which is also seen by who saw it until then."""
    return moment if any(span.start <= moment <= span.end for span in seen) else _first(seen, moment, otherwise)
