"""Plans: operations that are meant to be done. Nothing of them is so, until they are carried out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from gemel.access import in_own_words, words_of
from gemel.clock import Clock, moment
from gemel.configuration import operations as ops
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row, occupants
from gemel.configuration.acts.desk import Desk
from gemel.configuration.acts.doing import Wish, subjects
from gemel.configuration.acts.identity import identities
from gemel.configuration.acts.nonconformances import numbers_of
from gemel.configuration.operations import Operation
from gemel.configuration.questions import asking
from gemel.configuration.values import FOREVER, Basis, Concession, Item, ItemSpec, Node, Outcome
from gemel.database import Database
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound
from gemel.twin import Change

__all__ = ["Plan", "PlanState", "Plans", "marked", "planned", "plans_of"]

MAX_OPERATIONS = 1000
_NOT_PLANNED = (
    ops.Correct | ops.Withdraw | ops.Merge | ops.Split | ops.Observe | ops.Report | ops.Use | ops.Judge | ops.Raise
)


class PlanState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Operations that are meant to be done."""

    number: int
    title: str
    at: int
    """When."""
    work_order: str
    operations: tuple[Operation, ...]
    state: PlanState
    recorded: int
    actor: str
    ended: int = FOREVER
    """When it was known to be done, or cancelled."""
    reason: str = ""
    """Why it was cancelled."""
    acts: tuple[int, ...] = ()
    """What came of it, once it was carried out."""


class Plans:
    """What is planned. Every verb may be called from any thread."""

    def __init__(self, database: Database, clock: Clock, desk: Desk, *, actor: str = "") -> None:
        self._database = database
        self._clock = clock
        self._desk = desk
        self._actor = actor

    def make(self, operations: Sequence[Operation], *, at: int, title: str = "", work_order: str = "") -> Plan:
        """Plan operations for a moment; they take it, whatever moment they have themselves. What would become of them
        by now is not asked (`check` does): the parts may be elsewhere still.

        Raises NotFound (an item that no operation creates), InvalidInput.
        """
        made: list[int] = []

        def work(tx: Connection, _done: Sequence[Outcome]) -> Sequence[Change]:
            number, changes = self.put(tx, operations, at=at, title=title, work_order=work_order)
            made[:] = [number]
            return changes

        self._desk.together((), work)
        return self.get(made[0])

    def put(
        self, tx: Connection, operations: Sequence[Operation], *, at: int, title: str = "", work_order: str = ""
    ) -> tuple[int, list[Change]]:
        """`make` in a transaction of the writer: its number, and what changed. Raises the same."""
        moment(at)
        if not operations or len(operations) > MAX_OPERATIONS:
            raise InvalidInput(f"a plan is of 1 to {MAX_OPERATIONS} operations, not {len(operations)}")
        if wrong := next((o for o in operations if isinstance(o, _NOT_PLANNED)), None):
            raise InvalidInput(f"{type(wrong).__name__.lower()} tells what was; it cannot be planned")
        meant = tuple(_at(operation, at) for operation in operations)
        about = _items(tx, meant)
        values = {
            "title": in_own_words(tx, self._actor, title[:200]),
            "time": at,
            "work_order": work_order,
            "operations": msgspec.json.encode(meant).decode(),
            "actor": self._actor,
            "recorded": self._clock.now(),
            "state": PlanState.PLANNED.value,
            "ended": FOREVER,
            "reason": "",
            "acts": "[]",
        }
        key = tx.execute(insert(tables.plan).values(**values)).inserted_primary_key
        assert key is not None
        number = int(key[0])
        if about:
            tx.execute(insert(tables.planned), [{"plan": number, "item": item} for item in about])
        return number, [self._change(tx, "made", number, at)]

    def done(self, tx: Connection, number: int, acts: Sequence[int], *, at: int) -> list[Change]:
        """In a transaction of the writer: what was planned came about otherwise than by carrying it out, by these acts.

        Raises NotFound, Conflict (it was ended already).
        """
        self._end(tx, number, {"state": PlanState.DONE.value, "acts": msgspec.json.encode(list(acts)).decode()})
        return [self._change(tx, "carried_out", number, at)]

    def dropped(self, tx: Connection, number: int, reason: str) -> list[Change]:
        """`cancel` in a transaction of the writer. Raises NotFound, Conflict (it was ended already)."""
        self._end(tx, number, {"state": PlanState.CANCELLED.value, "reason": in_own_words(tx, self._actor, reason)})
        return [self._change(tx, "cancelled", number, self._clock.now())]

    def check(self, number: int) -> list[Outcome | GemelError]:
        """What would become of each operation if it was carried out by what is known now. Raises NotFound."""
        return self._desk.each([Wish(operation=operation) for operation in self.get(number).operations], dry_run=True)

    def get(self, number: int) -> Plan:
        """One plan. Raises NotFound."""
        with self._database.read() as tx:
            return _plan(tx, _row(tx, number))

    def of(self, root: str, *, known: int | None = None) -> list[Plan]:
        """What is planned of an item and all that is in it, in order of its times. Raises NotFound.

        With `known`: what was planned, and neither done nor cancelled, at that moment.
        """
        with self._database.read() as tx:
            return plans_of(tx, root, self._clock.now(), known)

    def all(self, *, state: PlanState | None = PlanState.PLANNED) -> list[Plan]:
        """All plans in a state, or in any, in order of their times."""
        c = tables.plan.c
        query = select(tables.plan).order_by(c.time, c.number)
        with self._database.read() as tx:
            rows = tx.execute(query if state is None else query.where(c.state == state.value)).all()
            return [_plan(tx, row) for row in rows]

    def carry_out(
        self, number: int, *, at: int | None = None, basis: Basis | None = None, concession: Concession | None = None
    ) -> list[Outcome]:
        """It was done, at the moment that was planned or at another; all of it, or an error and nothing.

        Raises NotFound, Conflict (it was ended already), and what its operations raise.
        """
        plan = self.get(number)
        if plan.state is not PlanState.PLANNED:
            raise Conflict(f"plan {number} is {plan.state} already")
        told = basis or Basis()
        order = told.work_order or plan.work_order
        first = msgspec.structs.replace(told, work_order=order, source=told.source or "plan")
        rest = msgspec.structs.replace(first, expects=())  # what was assumed is so before the first of them
        wishes = [
            Wish(
                operation=operation if at is None else _at(operation, at),
                basis=msgspec.structs.replace(rest if i else first, key=f"{told.key or f'plan-{number}'}-{i}"),
                concession=concession,
            )
            for i, operation in enumerate(plan.operations)
        ]

        def work(tx: Connection, done: Sequence[Outcome]) -> Sequence[Change]:
            return self.done(tx, number, [one.act for one in done], at=plan.at if at is None else at)

        return self._desk.together(wishes, work)

    def cancel(self, number: int, reason: str) -> Plan:
        """It will not be done. Raises NotFound, Conflict (it was ended already), InvalidInput (no reason)."""
        if not reason.strip():
            raise InvalidInput("say why the plan is cancelled")

        def work(tx: Connection, _done: Sequence[Outcome]) -> Sequence[Change]:
            return self.dropped(tx, number, reason)

        self._desk.together((), work)
        return self.get(number)

    def _end(self, tx: Connection, number: int, values: dict[str, str]) -> None:
        c = tables.plan.c
        row = _row(tx, number)
        if row.state != PlanState.PLANNED.value:
            raise Conflict(f"plan {number} is {row.state} already")
        tx.execute(update(tables.plan).where(c.number == number).values(**values, ended=self._clock.now()))

    def _change(self, tx: Connection, what: str, number: int, at: int) -> Change:
        x, c = tables.item.c, tables.planned.c
        ids = tx.scalars(
            select(x.id).join(tables.planned, c.item == x.number).where(c.plan == number).order_by(x.id)
        ).all()
        body = {"plan": number, "items": list(ids)}
        return Change(kind=f"plan.{what}", subject=ids[0] if ids else "", time=at, actor=self._actor, body=body)


def plans_of(tx: Connection, root: str, at: int, known: int | None = None) -> list[Plan]:
    """What is planned of an item and of all that is in it now, in order of its times. Raises NotFound."""
    c = tables.plan.c
    numbers = numbers_of(tx, asking.tree(tx, root, at, FOREVER - 1))
    rows: dict[int, Row[Any]] = {}
    about = list(identities(tx, numbers))
    for first in range(0, len(about), 500):
        which = select(tables.planned.c.plan).where(tables.planned.c.item.in_(about[first : first + 500]))
        query = select(tables.plan).where(c.number.in_(which))
        if known is None:
            query = query.where(c.state == PlanState.PLANNED.value)
        else:
            query = query.where(c.recorded <= known, c.ended > known)
        rows |= {row.number: row for row in tx.execute(query).all()}
    return [_plan(tx, row) for row in sorted(rows.values(), key=lambda row: (row.time, row.number))]


def planned(tx: Connection, root: Node, at: int, known: int | None) -> Node:
    """A configuration marked with what is planned of it, as it was planned at `known`."""
    plans = plans_of(tx, root.item.id, at, known)
    names = {_coming(operation)[0] for plan in plans for operation in plan.operations} - {""}
    new = {o.spec.id: o.spec for plan in plans for o in plan.operations if isinstance(o, ops.Create)}
    items = {spec.id: _item(spec, at) for spec in new.values()}
    for name in names - items.keys():
        items[name] = asking.tree(tx, name, at, FOREVER - 1).item
    return marked(root, plans, items)


def _item(spec: ItemSpec, born: int) -> Item:
    names = ("id", "part", "revision", "maker", "serial", "lot", "kind", "twin", "quantity")
    return Item(**{name: getattr(spec, name) for name in names}, born=born)


def marked(root: Node, plans: Sequence[Plan], items: dict[str, Item]) -> Node:
    """A configuration with what is planned of it: on what is there, and as more nodes what is to come.

    `items`: those that the plans name.
    """
    for plan in plans:
        for operation in plan.operations:
            root = _mark(root, operation, plan.at, items)
    return root


def _mark(node: Node, said: Operation, at: int, items: dict[str, Item]) -> Node:
    parts = [_mark(part, said, at, items) for part in node.parts]
    me, planned = node.item.id, node.planned
    if isinstance(said, ops.Swap) and me == said.parent:
        parts = [_leaving(part, said) for part in parts]
    elif not isinstance(said, ops.Install | ops.Create) and me in (
        getattr(said, "child", ""),
        getattr(said, "item", ""),
    ):
        planned = type(said).__name__.lower()
    comes, to = _coming(said)
    if to is not None and to[0] == me and comes in items:
        parts.append(Node(item=items[comes], path=(*node.path, to[1]), since=at, planned="install"))
        parts.sort(key=lambda part: (part.path[-1], part.item.id))
    return msgspec.structs.replace(node, parts=tuple(parts), planned=planned)


def _leaving(part: Node, said: ops.Swap) -> Node:
    out = part.path[-1] == said.slot and said.old in ("", part.item.id) and part.planned != "install"
    return msgspec.structs.replace(part, planned="remove") if out else part


def _coming(said: Operation) -> tuple[str, tuple[str, str] | None]:
    """The item that comes somewhere, and where: an item and its slot."""
    if isinstance(said, ops.Swap):
        return said.new, (said.parent, said.slot)
    if isinstance(said, ops.Install | ops.Move):
        return said.child, (said.parent, said.slot)
    return (said.child, said.to) if isinstance(said, ops.Remove) else ("", None)


def _at(operation: Operation, at: int) -> Operation:
    return msgspec.structs.replace(operation, at=at)


def _items(tx: Connection, operations: Sequence[Operation]) -> list[int]:
    """The items that a plan is about; those that it creates itself are not there yet. Raises NotFound."""
    made = {operation.spec.id for operation in operations if isinstance(operation, ops.Create)}
    names: dict[str, None] = {}
    for operation in operations:
        names |= dict.fromkeys(name for name in subjects(operation) if name not in made)
        if isinstance(operation, ops.Swap) and not operation.old and operation.parent not in made:
            names |= dict.fromkeys(occupants(tx, operation.parent, operation.slot, operation.at))
    return list(dict.fromkeys(item_row(tx, name).number for name in names))


def _row(tx: Connection, number: int) -> Row[Any]:
    row = tx.execute(select(tables.plan).where(tables.plan.c.number == number)).first()
    if row is None:
        raise NotFound(f"there is no plan {number}")
    return row


def _plan(tx: Connection, row: Row[Any]) -> Plan:
    return Plan(
        number=row.number,
        title=words_of(tx, row.title),
        at=row.time,
        work_order=row.work_order,
        operations=msgspec.json.decode(row.operations, type=tuple[Operation, ...]),
        state=PlanState(row.state),
        recorded=row.recorded,
        actor=row.actor,
        ended=row.ended,
        reason=words_of(tx, row.reason),
        acts=msgspec.json.decode(row.acts, type=tuple[int, ...]),
    )
