"""`platform.work`: work orders, stops, prices, exchanges, and what is asked of them. A service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from gemel.clock import Clock
from gemel.connectors.reach import Reach
from gemel.database import Database
from gemel.errors import InvalidInput, NotFound
from gemel.registry import Registry
from gemel.services.base import Run
from gemel.services.work.exchange import Exchanges
from gemel.services.work.order import WorkOrder
from gemel.services.work.orders import Orders
from gemel.services.work.prices import Priced, Prices
from gemel.services.work.report import By, Report, grouped, report
from gemel.services.work.search import WorkQuery
from gemel.services.work.stop import Stop, StopQuery
from gemel.services.work.stops import Stops
from gemel.thread import Thread
from gemel.twin import Block

__all__ = ["Asked", "Seeing", "Work"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Of what a report is; what is empty is not asked for."""

    start: int
    end: int
    twin: str = ""
    type: str = ""
    party: str = ""
    part: str = ""
    revision: str = ""
    by: By | None = None
    """A report for each; None: one of all."""


class Seeing(msgspec.Struct, frozen=True):
    """What who asks may see."""

    order: Callable[[WorkOrder], bool] = lambda _: True
    stop: Callable[[Stop], bool] = lambda _: True
    price: Callable[[str], bool] = lambda _: True
    """Of which twins."""


ALL = Seeing()


class Work:
    """Every verb may be called from any thread."""

    def __init__(
        self, folder: Path, rooms: tuple[Database, Clock, Run], *, registry: Registry, thread: Thread, reach: Reach
    ) -> None:
        """`reach`: what of this machine, and from it, exchanges may use."""
        database, clock, run = rooms
        self._clock, self._directory = clock, registry.directory
        directory = registry.directory
        self.orders = Orders(database, clock, run, directory=directory, thread=thread)
        self.stops = Stops(database, clock, run, directory=directory)
        self.prices = Prices(database, clock, run, directory=directory)
        self.exchanges = Exchanges(folder, rooms, registry=registry, reach=reach, orders=self.orders, thread=thread)

    # a service

    def follow(self, block: Block) -> None:
        """What may have to be told to other systems."""
        self.exchanges.follow(block)

    def start(self) -> None:
        """Begin to exchange."""
        self.exchanges.start()

    def close(self) -> None:
        """Exchange nothing more."""
        self.exchanges.close()

    # what is asked

    def report(self, asked: Asked, *, seeing: Seeing = ALL) -> list[Report]:
        """One report, or with `by` one for each, in order of their names. Raises InvalidInput."""
        if asked.end <= asked.start:
            raise InvalidInput("the time ends before it begins; give start < end")
        if asked.revision and not asked.part:
            raise InvalidInput("a revision is one of a part: give part, too")
        end = min(asked.end, self._clock.now())
        parts = _Parts(self.orders)
        orders = [
            one
            for one in self.orders.each(WorkQuery(twin=asked.twin, party=asked.party, start=asked.start, end=asked.end))
            if self._fits(one, asked, parts) and seeing.order(one)
        ]
        parties = {one.id for one in orders} if asked.party else None
        stops = [
            one
            for one in self.stops.each(StopQuery(twin=asked.twin, start=asked.start, end=end))
            if self._fits(one, asked, parts) and (parties is None or one.order in parties) and seeing.stop(one)
        ]
        priced = Priced(self.prices.book(), seeing.price)
        repaired = self.orders.repaired()
        during = asked.start, max(end, asked.start + 1)
        if asked.by is None:
            return [report(orders, stops, *during, priced=priced, repaired=repaired)]
        groups = grouped(asked.by, orders, stops, types=self._types, parts=parts.name)
        return [report(*some, *during, priced=priced, repaired=repaired, group=name) for name, some in groups.items()]

    def _types(self, twin: str) -> tuple[str, ...]:
        entry = self._directory.twin(twin) if twin else None
        return () if entry is None else tuple(entry.types)

    def _fits(self, one: WorkOrder | Stop, asked: Asked, parts: _Parts) -> bool:
        if asked.type and asked.type not in self._types(one.twin):
            return False
        if not asked.part:
            return True
        wanted = [(each.part, each.revision) for each in one.parts] if isinstance(one, WorkOrder) else []
        return any(
            part == asked.part and (not asked.revision or revision == asked.revision)
            for part, revision in [*wanted, parts.of(one.item)]
        )


class _Parts:
    """Which part an item is; remembers what it found."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._known: dict[str, tuple[str, str]] = {"": ("", "")}

    def of(self, item: str) -> tuple[str, str]:
        if item not in self._known:
            try:
                found: Any = self._orders.configuration.tree(item).item
                self._known[item] = found.part, found.revision
            except NotFound:
                self._known[item] = "", ""
        return self._known[item]

    def name(self, item: str) -> str:
        return self.of(item)[0]
