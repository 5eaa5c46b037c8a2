"""The configuration of all machines: which item was where, from–to, as known when.

Every verb is one act in one transaction: it is checked against what is believed, believed from then on, and journaled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.configuration import acting, asking, counting
from gemel.configuration.asking import Difference, Stay
from gemel.configuration.belief import Entry
from gemel.configuration.counting import Count
from gemel.configuration.values import FOREVER, Act, ActKind, Basis, ItemSpec, Node, Placement, Span
from gemel.database import Database
from gemel.twin import Change

__all__ = ["Configuration"]

_NO_BASIS = Basis()


class Run(Protocol):
    """Does work in the writer's transaction for an actor, and journals the changes that it returns."""

    def __call__(self, work: Callable[[Connection], Sequence[Change]], /, *, actor: str = "") -> object: ...


class Configuration:
    """Items, where they are and were. Every verb may be called from any thread."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, actor: str = "") -> None:
        """`actor`: on whose behalf; see `as_`."""
        self._database = database
        self._clock = clock
        self._run = run
        self._actor = actor

    def as_(self, actor: str) -> Configuration:
        """The same, on behalf of somebody."""
        return Configuration(self._database, self._clock, self._run, actor=actor)

    # what is said; each returns the number of its act, that of the first time when its key was said before

    def create(self, spec: ItemSpec, at: int, basis: Basis = _NO_BASIS) -> int:
        """Know an item from a moment on. Raises Conflict."""
        return self._do(ActKind.CREATED, at, basis, lambda entry: acting.create(entry, spec, at), spec.id)

    def install(
        self, child: str, parent: str, slot: str, at: int, *, until: int = FOREVER, basis: Basis = _NO_BASIS
    ) -> int:
        """An item came into a slot of another. Raises NotFound, InvalidTime, Conflict."""
        span = Span(at, until)
        return self._do(
            ActKind.INSTALLED, at, basis, lambda entry: acting.install(entry, child, parent, slot, span), child, parent
        )

    def remove(self, child: str, at: int, *, to: tuple[str, str] | None = None, basis: Basis = _NO_BASIS) -> int:
        """An item was taken out, to another place if it is told. Raises NotFound, Conflict."""

        def work(entry: Entry) -> None:
            acting.remove(entry, child, at)
            if to is not None:
                acting.install(entry, child, *to, Span(at))

        return self._do(ActKind.REMOVED if to is None else ActKind.MOVED, at, basis, work, child)

    def swap(
        self,
        parent: str,
        slot: str,
        new: str,
        at: int,
        *,
        to: tuple[str, str] | None = None,
        basis: Basis = _NO_BASIS,
    ) -> int:
        """What a slot holds was taken out, to another place if it is told, and another item put in, at one moment.

        The new one may come out of a place that holds any number, as a store. Raises NotFound, Conflict.
        """

        def work(entry: Entry) -> None:
            old = acting.occupant(entry.tx, parent, slot, at)
            acting.remove(entry, old, at)
            if to is not None:
                acting.install(entry, old, *to, Span(at))
            acting.leave_store(entry, new, at)
            acting.install(entry, new, parent, slot, Span(at))

        return self._do(ActKind.SWAPPED, at, basis, work, parent, new)

    def modify(self, child: str, name: str, value: str, at: int, *, basis: Basis = _NO_BASIS) -> int:
        """A trait of an item, its revision say, has another value from a moment on. Raises NotFound, Conflict."""
        return self._do(ActKind.MODIFIED, at, basis, lambda entry: acting.modify(entry, child, name, value, at), child)

    def retire(self, child: str, at: int, *, basis: Basis = _NO_BASIS) -> int:
        """The item exists no more. Raises NotFound, Conflict."""
        return self._do(ActKind.RETIRED, at, basis, lambda entry: acting.retire(entry, child, at), child)

    def use(self, item: str, kind: str, start: int, end: int, amount: float, *, basis: Basis = _NO_BASIS) -> int:
        """An item, and all that was in it, was used so much in a time. Raises NotFound, InvalidValue, Conflict."""
        span = Span(start, end)
        return self._do(ActKind.USED, start, basis, lambda entry: counting.use(entry, item, kind, span, amount), item)

    def adjust(self, item: str, kind: str, amount: float, at: int, *, basis: Basis) -> int:
        """An item alone has so much more or less than was counted: what its records say, or a correction.

        Raises NotFound, InvalidValue, InvalidInput (no reason).
        """
        return self._do(ActKind.ADJUSTED, at, basis, lambda entry: counting.adjust(entry, item, kind, amount, at), item)

    def correct(self, act: int, at: int, *, basis: Basis) -> int:
        """An earlier act was at another moment. Raises NotFound, Conflict, InvalidInput (no reason)."""
        return self._do(ActKind.CORRECTED, at, basis, lambda entry: acting.correct(entry, act, at), amends=act)

    def withdraw(self, act: int, *, basis: Basis) -> int:
        """An earlier act was not so. Raises NotFound, Conflict, InvalidInput (no reason)."""
        at = self._clock.now()
        return self._do(ActKind.WITHDRAWN, at, basis, lambda entry: acting.withdraw(entry, act), amends=act)

    # what is asked; `known` defaults to now

    def tree(self, root: str, at: int | None = None, *, known: int | None = None) -> Node:
        """An item with all that it consists of. Raises NotFound."""
        now = self._clock.now()
        with self._database.read() as tx:
            return asking.tree(tx, root, now if at is None else at, FOREVER - 1 if known is None else known)

    def history(self, item: str, *, known: int | None = None) -> list[Placement]:
        """Where an item has been. Raises NotFound."""
        with self._database.read() as tx:
            return asking.history(tx, item, FOREVER - 1 if known is None else known)

    def stays(self, item: str, start: int, end: int, *, known: int | None = None) -> list[Stay]:
        """In which machines and stores an item has been in [start, end), through all parents. Raises NotFound."""
        with self._database.read() as tx:
            return asking.stays(tx, item, Span(start, end), FOREVER - 1 if known is None else known)

    def count(self, item: str, kind: str, at: int | None = None, *, known: int | None = None) -> Count:
        """How much an item was used up to a moment, in whatever it was. Raises NotFound."""
        now = self._clock.now()
        with self._database.read() as tx:
            return counting.count(tx, item, kind, now if at is None else at, FOREVER - 1 if known is None else known)

    def difference(self, before: tuple[str, int, int], after: tuple[str, int, int]) -> list[Difference]:
        """What differs between two (root, at, known): two machines, two moments, or two beliefs. Raises NotFound."""
        with self._database.read() as tx:
            return asking.difference(asking.tree(tx, *before), asking.tree(tx, *after))

    def acts(self, item: str, *, known: int | None = None) -> list[Act]:
        """Who asserted what of an item, in the order of its becoming known. Raises NotFound."""
        with self._database.read() as tx:
            return asking.acts(tx, item, FOREVER - 1 if known is None else known)

    # inside

    def _do(
        self,
        kind: ActKind,
        at: int,
        basis: Basis,
        work: Callable[[Entry], None],
        *subjects: str,
        amends: int | None = None,
    ) -> int:
        done: list[int] = []

        def transaction(tx: Connection) -> Sequence[Change]:
            done.clear()
            if (before := acting.said_before(tx, kind, None if kind is ActKind.WITHDRAWN else at, basis)) is not None:
                done.append(before)
                return []
            now = self._clock.now()
            entry = acting.begin(tx, kind, at, now=now, basis=basis, actor=self._actor, amends=amends)
            work(entry)
            done.append(entry.number)
            body: dict[str, Any] = {"act": entry.number, "items": list(subjects)}
            if amends is not None:
                body["amends"] = amends
            subject = subjects[0] if subjects else ""
            return [Change(kind=f"item.{kind.value}", subject=subject, time=at, actor=self._actor, body=body)]

        self._run(transaction, actor=self._actor)
        return done[0]
