"""What a caller sees of work: orders and stops of machines whose configuration the caller sees, since then; costs where
the caller sees what is financial of the machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from gemel.access import Action, Resource, ResourceKind
from gemel.errors import Conflict, NotFound
from gemel.server.call import Call
from gemel.services.work import Seeing, Stop, StopQuery, Work, WorkOrder, WorkQuery
from gemel.thread import Sight, is_bulletin
from gemel.twin import Page, PropertyGroup

__all__ = ["WorkSeen"]

_PLATFORM = Resource(ResourceKind.PLATFORM)
_AT_ONCE = 500
"""So many are looked through at once."""
Q = TypeVar("Q", WorkQuery, StopQuery)
T = TypeVar("T", WorkOrder, Stop)


class WorkSeen:
    """Of one request."""

    def __init__(self, call: Call) -> None:
        self._call, self._items = call, call.items
        self._since: dict[str, int | None] = {}
        self.work: Work = call.services.platform.work

    @property
    def seeing(self) -> Seeing:
        return Seeing(self.order, self.stop, self.price)

    def order(self, order: WorkOrder) -> bool:
        """By its machine; what is for an item in no machine, by the item."""
        if self._items.everything:
            return True
        if not order.twin:
            return self._items.sees(order.item)
        return self._twin(order.twin, order.changed)

    def stop(self, stop: Stop) -> bool:
        if self._items.everything:
            return True
        return self._twin(stop.twin, self._call.services.platform.clock.now() if stop.end is None else stop.end)

    def price(self, twin: str) -> bool:
        """Whether what it costs may be told."""
        return self._items.everything or self._items.since(twin, PropertyGroup.FINANCIAL) is not None

    def _twin(self, twin: str, moment: int) -> bool:
        if twin not in self._since:
            self._since[twin] = self._items.since(twin)
        since = self._since[twin]
        return since is not None and since <= moment

    # pages of them: each is full, or the last, so that it says nothing of the others

    def orders(self, query: WorkQuery) -> Page[WorkOrder]:
        return self._full(query, self.work.orders.all, self.order)

    def stops(self, query: StopQuery) -> Page[Stop]:
        return self._full(query, self.work.stops.all, self.stop)

    def _full(self, query: Q, tell: Callable[[Q], Page[T]], sees: Callable[[T], bool]) -> Page[T]:
        if self._items.everything:
            return tell(query)
        found: list[T] = []
        after = query.after
        while len(found) <= query.limit:
            page = tell(msgspec.structs.replace(query, after=after, limit=max(query.limit + 1, _AT_ONCE)))
            found += [one for one in page.items if sees(one)]
            if page.next is None:
                break
            after = int(page.next)
        items = found[: query.limit]
        return Page(items, str(items[-1].number) if len(found) > query.limit else None)

    # one of them

    def found(self, id: str) -> WorkOrder:
        """Raises NotFound, also where it may not be seen."""
        order = self.work.orders.get(id)
        if not self.order(order):
            raise NotFound(f"there is no work order {id!r:.120}; `gemel work` lists them")
        return order

    def stopped(self, id: str) -> Stop:
        """Raises NotFound, also where it may not be seen."""
        stop = self.work.stops.get(id)
        if not self.stop(stop):
            raise NotFound(f"there is no stop {id!r:.60}; `gemel work stops` lists them")
        return stop

    # what may be changed

    def permit(self, twin: str, item: str, detail: str) -> None:
        """Raises Denied, NotFound unless who asks may maintain the machine, and what the item is in, and sees both."""
        call = self._call
        gate, who = call.services.platform.gate, call.who
        asked = []
        if item:
            self._items.require(item)
            held = self._items.holders(item, call.services.platform.clock.now())
            if twin:
                asked.append(next((one for one in map(_of, held) if gate.allows(who, Action.MAINTAIN, one)), _PLATFORM))
            else:
                twin = next(iter(held), "")
        if twin:
            entry = call.view.entry(twin)
            if not self._items.everything and self._items.since(entry.id) is None:
                raise NotFound(f"of the configuration of {twin:.100} nothing is told")
            asked.append(_of(entry.id))
        if not asked or gate.allows(who, Action.MAINTAIN, _PLATFORM):
            asked = [_PLATFORM]
        for resource in dict.fromkeys(asked):
            gate.require(who, Action.MAINTAIN, resource, detail=detail[:300])

    def claim(self, id: str) -> None:
        """Raises Conflict where a record of the thread has the id of a new order already: to write over it is to
        operate the thread."""
        call = self._call
        if id and not call.services.platform.gate.allows(call.who, Action.OPERATE, _PLATFORM):
            with suppress(NotFound):
                call.services.platform.thread.record(id)
                raise Conflict(f"the id {id:.120} is taken by a record of the thread; give your order another one")

    def follows(self, job: str, sight: Sight) -> None:
        """Raises NotFound unless who asks sees the job plan, or the bulletin, that an order is to follow. Who sees
        everything may name one that nobody put into the thread; a plan of operations goes by its number."""
        if sight.everything or not job:
            return
        thread = self._call.services.platform.thread
        if self._items.read(lambda tx: is_bulletin(tx, job)):  # whoever does the order complies with it
            with suppress(NotFound):
                thread.document(job, sight=sight)
                return
            raise NotFound(f"there is no record {job!r:.120}; look for it with `gemel thread records`")
        if not job.isdecimal():
            thread.record(job, sight=sight)

    def may(self, order: WorkOrder) -> bool:
        """Whether who asks may tell of it."""
        gate, who = self._call.services.platform.gate, self._call.who
        resource = _of(order.twin) if order.twin else _PLATFORM
        return gate.allows(who, Action.MAINTAIN, resource) or gate.allows(who, Action.MAINTAIN, _PLATFORM)

    def speaks_for_all(self) -> bool:
        """Whether who asks may say that somebody else went."""
        return self._call.services.platform.gate.allows(self._call.who, Action.MAINTAIN, _PLATFORM)


def _of(twin: str) -> Resource:
    return Resource(ResourceKind.TWIN, twin, PropertyGroup.CONFIGURATION)
