"""Work orders: told, moved on, visited. Every verb may be called from any thread; each is one transaction.

An order is also a record of the thread, in the same transaction: what is linked to it, and its work pack, are found by
its id.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, func, select

from gemel.access import seal, unseal
from gemel.clock import SECOND, Clock
from gemel.configuration import (
    FOREVER,
    Act,
    Basis,
    Configuration,
    Operation,
    Reliance,
    latest_known,
    rely,
)
from gemel.database import Database
from gemel.errors import (
    ConfigurationDiffers,
    Conflict,
    InvalidInput,
    MessageConflict,
    NotFound,
    RevisionConflict,
    RuleBroken,
)
from gemel.registry import Directory
from gemel.services.base import Run
from gemel.services.work import rows, tables
from gemel.services.work.going import may_go
from gemel.services.work.order import (
    NEXT,
    Outcome,
    Visit,
    VisitSpec,
    WorkOrder,
    WorkSpec,
    WorkState,
    in_range,
)
from gemel.services.work.search import WorkQuery, conditions
from gemel.thread import (
    LinkSpec,
    Node,
    NodeKind,
    RecordSpec,
    Thread,
    begin,
    comply_by_order,
    is_bulletin,
)
from gemel.thread.reading import record_row
from gemel.twin import Change, Page

__all__ = ["RECORD", "Orders", "Put"]

RECORD = "work-order"
"""Kind of the records of orders in the thread."""
S = WorkState
_TOLD = {S.PLANNED: "planned", S.ASSIGNED: "assigned", S.ON_THE_WAY: "set_out", S.WORKING: "begun", S.DONE: "done"}
_TOLD |= {S.FAILED: "failed", S.CANCELLED: "cancelled"}
_FOLLOWS = {Outcome.UNDER_WAY: S.WORKING, Outcome.DONE: S.DONE, Outcome.FAILED: S.FAILED}
_SENT = (S.ASSIGNED, S.ON_THE_WAY, S.WORKING)
"""States in which a crew goes by what was known of the machine; set to work, it was sent before."""
_AHEAD = 3600 * SECOND
"""So much may a telephone's clock be ahead."""
T = TypeVar("T")


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order that was told."""

    order: WorkOrder
    what: str
    """new, changed, same."""


class Orders:
    """`platform.work.orders`."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, directory: Directory, thread: Thread) -> None:
        self._database, self._clock, self._run = database, clock, run
        self._directory, self._thread = directory, thread

    @property
    def configuration(self) -> Configuration:
        return self._thread.configuration

    # what is told

    def put(self, spec: WorkSpec, *, actor: str = "", if_revision: int | None = None, time: int | None = None) -> Put:
        """Know an order, or know it differently: by its system and id there, else by its id. The same again is no
        change. `time`: of a new one, when it was planned; None: now.

        Raises InvalidInput, NotFound (twin, item, the order that it repairs), RevisionConflict, Conflict (also where
        another record of the thread has its id).
        """
        spec = self._placed(spec.checked())
        stale = self._concerned(spec)

        def work(tx: Connection) -> tuple[Put, Sequence[Change]]:
            now = self._clock.now()
            known = rows.known_as(tx, spec)
            if spec.repairs:
                rows.find(tx, spec.repairs)
            if known is None:
                then = _then(time, now)
                _own_record(tx, spec.id, spec.system)
                order = rows.put(tx, spec, time=then, now=now, actor=actor)
                self._weave(tx, order, stale, now, actor)
                return Put(order=order, what="new"), [change_of(order, "planned", then, actor)]
            _at_revision(known, if_revision)
            wanted = msgspec.structs.replace(spec, id=known.id)
            if not spec.external:  # told by id alone: it stays the other system's
                wanted = msgspec.structs.replace(wanted, system=known.system, external=known.external)
            if wanted == known.spec:
                return Put(order=known, what="same"), []
            if known.state in (S.DONE, S.CANCELLED) and _scope(wanted) != _scope(known.spec):
                raise Conflict(f"{known.id} is {known.state}; what it was for stays. Make another order, or a rework")
            changed = sorted(
                name for name in WorkSpec.__struct_fields__ if getattr(wanted, name) != getattr(known.spec, name)
            )
            _own_record(tx, known.id, known.system)
            order = rows.rewrite(tx, known, wanted, now=now)
            self._weave(tx, order, stale, now, actor)
            return Put(order=order, what="changed"), [change_of(order, "changed", now, actor, fields=changed)]

        return self._do(work, actor)

    def move(
        self,
        id: str,
        state: WorkState,
        *,
        time: int | None = None,
        reason: str = "",
        concession: str = "",
        actor: str = "",
        if_revision: int | None = None,
        noted: bool = False,
    ) -> WorkOrder:
        """Bring an order into a state; in it already, nothing is done. `time`: when it was so, not after now.

        `concession`: why somebody takes it upon himself to go although the machine is not safe, or not as assumed.
        `noted`: another system tells that it is so; whether somebody may go is not asked.

        Raises NotFound, Conflict, RevisionConflict, InvalidInput, ConfigurationDiffers, RuleBroken (`may_go`).
        """
        concession = concession.strip()
        if len(reason) + len(concession) > 900:
            raise InvalidInput("a reason and a concession have at most 900 characters together")
        revisions = self.configuration.order()

        def work(tx: Connection) -> tuple[WorkOrder, Sequence[Change]]:
            order, now = rows.find(tx, id), self._clock.now()
            if order.state is state:
                return order, []
            _at_revision(order, if_revision)
            if state not in NEXT[order.state]:
                raise Conflict(f"{id} is {order.state}, and stays so; make another order that repairs it")
            said = reason or concession
            try:
                if not noted:
                    may_go(tx, self.configuration, order, state, revisions)
            except (RuleBroken, ConfigurationDiffers):
                if not concession:
                    raise
                said = f"conceded: {concession}" + (f"; {reason}" if reason else "")
            return self._moved(tx, order, state, time=_then(time, now), now=now, actor=actor, reason=said)

        return self._do(work, actor)

    def visit(
        self, id: str, spec: VisitSpec, *, actor: str = "", may_speak_for: bool = True, noted: bool = False
    ) -> WorkOrder:
        """Note a visit; told again with its key it is the same visit, as it is known now. The order goes along, unless
        it has ended: under way → working, done → done, failed → failed.

        `may_speak_for`: who tells it may say that somebody else went. Raises NotFound, InvalidInput, MessageConflict;
        of one that begins now as `move` to working. What was done already, or (`noted`) another system
        tells, is only noted.
        """
        revisions = self.configuration.order()
        spec = spec.checked()
        if spec.who not in ("", actor) and not may_speak_for:
            raise InvalidInput("tell your own visits; leave `who` out")
        spec = msgspec.structs.replace(spec, who=spec.who or actor or "library")

        def work(tx: Connection) -> tuple[WorkOrder, Sequence[Change]]:
            order, now = rows.find(tx, id), self._clock.now()
            if spec.start > now + _AHEAD:
                raise InvalidInput(
                    "a visit that has begun does not start in the future; plan it with the order's window"
                )
            known = rows.told(tx, order, spec.key)
            if known is not None:
                if self._told(known) == spec:
                    return order, []
                if known[0].who != spec.who:
                    raise MessageConflict(
                        f"visit {spec.key:.80} of {id} is another person's; give yours a key of its own"
                    )
            note = seal(tx, spec.who, spec.note) if spec.note else b""
            rows.add_visit(tx, order, spec, note=note, now=now, actor=actor)
            body = {"visit": spec.key, "outcome": str(spec.outcome), "who": spec.who}
            if spec.cause:
                body["cause"] = str(spec.cause)
            changes = [change_of(order, "visited", spec.end or spec.start, actor, **body)]
            state = _FOLLOWS[spec.outcome]
            if order.state not in (S.DONE, S.CANCELLED, state):
                if state is S.WORKING and spec.end is None and not noted:
                    may_go(tx, self.configuration, order, state, revisions)
                reason = f"visit: {spec.cause.replace('_', ' ')}" if spec.cause else "visit"
                when = min(spec.end or spec.start, now)
                order, more = self._moved(tx, order, state, time=when, now=now, actor=actor, reason=reason)
                changes += more
            else:
                order = rows.rewrite(tx, order, now=now)
            return order, changes

        done = self._do(work, actor)
        return self.get(done.id)

    def person(self, system: str, external: str, *, new: bool = True) -> str:
        """The random id of somebody whom another system knows; the same for as long as it is not erased. Without
        `new`, empty for whom it has not told of yet. Raises InvalidInput."""
        if len(external) > 200:
            raise InvalidInput(f"who went has at most 200 characters, not {len(external)}")
        if not new:
            with self._database.read() as tx:
                return str(tx.scalar(_person(system, external)) or "")
        done: list[str] = []

        def work(tx: Connection) -> Sequence[Change]:
            done.clear()
            known = tx.scalar(_person(system, external))
            if known is None:
                known = f"person-{secrets.token_hex(8)}"
                tx.execute(tables.person.insert().values(id=known, system=system, external=external))
            done.append(str(known))
            return []

        self._run(work, actor="")
        return done[0]

    def knows_person(self, id: str) -> bool:
        """Whether somebody of another system has this random id, and is not erased."""
        p = tables.person.c
        with self._database.read() as tx:
            return tx.scalar(select(p.id).where(p.id == id)) is not None

    # what is asked

    def get(self, id: str) -> WorkOrder:
        """With its steps and visits. Raises NotFound."""
        with self._database.read() as tx:
            ((order, visits),) = rows.with_all(tx, [rows.find(tx, id)])
        return msgspec.structs.replace(order, visits=tuple(self._read(visits)))

    def find(self, system: str, external: str) -> WorkOrder | None:
        """The order of another system, without its steps and visits."""
        with self._database.read() as tx:
            return rows.known_as(tx, WorkSpec(system=system, external=external))

    def known(self, spec: WorkSpec) -> WorkOrder | None:
        """The order that is told of here, if it is known; without its steps and visits."""
        with self._database.read() as tx:
            return rows.known_as(tx, spec.checked())

    def all(self, query: WorkQuery | None = None) -> Page[WorkOrder]:
        """The newest first, without steps and visits. `next`: a number for `after`."""
        asked = query or WorkQuery()
        c = tables.order.c
        with self._database.read() as tx:
            told = tx.execute(
                select(tables.order).where(*conditions(asked)).order_by(c.number.desc()).limit(asked.limit + 1)
            ).all()
        page = [rows.order_of(row) for row in told[: asked.limit]]
        return Page(page, str(page[-1].number) if len(told) > asked.limit else None)

    def each(self, query: WorkQuery) -> Iterator[WorkOrder]:
        """All that fit, with steps and visits, but without the words of people: for counting."""
        c = tables.order.c
        after = query.after
        while True:
            asked = msgspec.structs.replace(query, after=after)
            with self._database.read() as tx:
                some = tx.execute(
                    select(tables.order).where(*conditions(asked)).order_by(c.number.desc()).limit(500)
                ).all()
                found = rows.with_all(tx, [rows.order_of(row) for row in some])
            for order, visits in found:
                yield msgspec.structs.replace(order, visits=tuple(one for one, _ in visits))
            if len(some) < 500:
                return
            after = some[-1].number

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        c = tables.order.c
        with self._database.read() as tx:
            rows_ = tx.execute(select(c.state, func.count().label("many")).group_by(c.state)).all()
        return {row.state: row.many for row in rows_}

    def repaired(self) -> frozenset[str]:
        """Ids of orders whose work others repair."""
        c = tables.order.c
        with self._database.read() as tx:
            return frozenset(tx.scalars(select(c.repairs).where(c.repairs != "").distinct()))

    def repaired_by(self, id: str) -> list[WorkOrder]:
        """Orders that repair what this one did."""
        return self.all(WorkQuery(repairs=id)).items

    def acts(self, id: str) -> list[tuple[Act, Operation | None]]:
        """What of the configuration was changed under it."""
        return self.configuration.acts_under(id)

    # inside

    def _placed(self, spec: WorkSpec) -> WorkSpec:
        """With the twin of its item, or the item of its twin, where there is one. Raises NotFound."""
        twin, item = spec.twin, spec.item
        if twin:
            entry = self._directory.twin(twin)
            if entry is None:
                raise NotFound(f"there is no twin {twin!r:.100}; search for a part of its name")
            twin = entry.id
        if item:
            own = self.configuration.twin_of(item)
            twin = twin or own
        elif twin:
            item = self.configuration.item_of(twin)
        return msgspec.structs.replace(spec, twin=twin, item=item)

    def _moved(
        self, tx: Connection, order: WorkOrder, state: WorkState, *, time: int, now: int, actor: str, reason: str
    ) -> tuple[WorkOrder, list[Change]]:
        rows.add_step(tx, order, state, time=time, now=now, actor=actor, reason=reason)
        after = rows.rewrite(tx, order, now=now, state=state)
        did = {"job": order.job, "item": order.item} if state is S.DONE else {}
        changes = [change_of(after, _TOLD[state], time, actor, **did)]  # words of people are not for ever
        if state in _SENT and order.item:
            on = Reliance(kind=RECORD, reference=order.id, root=order.item, valid=now, known=latest_known(tx, now))
            changes += rely(tx, on, actor, now, anew=state is not S.WORKING)
        if state is S.DONE and order.item and is_bulletin(tx, order.job):
            comply_by_order(tx, order.id, order.job, order.item, at=time, now=now, actor=actor)
        return after, changes

    def _weave(self, tx: Connection, order: WorkOrder, stale: Mapping[Node, int], now: int, actor: str) -> None:
        """The order as a record of the thread, linked to what it is for."""
        basis = Basis(source=order.system, work_order=order.id)
        entry = begin(tx, "recorded", now=now, basis=basis, actor=actor)
        kit: dict[str, Any] = {"skills": order.skills, "tools": order.tools, "parts": order.parts, "steps": order.what}
        entry.record(
            RecordSpec(
                id=order.id,
                kind=RECORD,
                title=order.title or order.what[:100],
                system=order.system,
                external=order.external,
                attributes={name: msgspec.to_builtins(told) for name, told in kit.items() if told},
            )
        )
        record = Node(kind=NodeKind.RECORD, id=order.id)
        about = [Node(kind=NodeKind.ITEM, id=order.item)] if order.item else []
        about += [Node(kind=NodeKind.TWIN, id=order.twin)] if order.twin else []
        for node in about:
            entry.link(LinkSpec(kind="concerns", source=record, target=node))
        for node, number in stale.items():
            if node not in about:
                entry.end_link(number, None)
        for kind, id in (("follows", order.job), ("repairs", order.repairs)):
            if id and not id.isdecimal():
                what = NodeKind.DOCUMENT if is_bulletin(tx, id) else NodeKind.RECORD
                with suppress(NotFound):  # a job plan that nobody put into the thread
                    entry.link(LinkSpec(kind=kind, source=record, target=Node(kind=what, id=id)))

    def _concerned(self, spec: WorkSpec) -> dict[Node, int]:
        """What the order's record is linked to now, by the numbers of the links."""
        known = None
        with self._database.read() as tx:
            known = rows.known_as(tx, spec)
        if known is None:
            return {}
        record = Node(kind=NodeKind.RECORD, id=known.id)
        links = self._thread.links(record)
        return {one.target: one.number for one in links if one.kind == "concerns" and one.source == record}

    def _told(self, known: tuple[Visit, bytes]) -> VisitSpec:
        (visit,) = self._read([known])
        told: dict[str, Any] = {name: getattr(visit, name) for name in VisitSpec.__struct_fields__}
        return VisitSpec(**told)

    def _read(self, visits: Iterable[tuple[Visit, bytes]]) -> Iterator[Visit]:
        for visit, note in visits:
            yield msgspec.structs.replace(visit, note=unseal(self._database, visit.who, note)) if note else visit

    def _do(self, work: Callable[[Connection], tuple[T, Sequence[Change]]], actor: str) -> T:
        done: list[T] = []

        def transaction(tx: Connection) -> Sequence[Change]:
            done.clear()
            result, changes = work(tx)
            done.append(result)
            return changes

        self._run(transaction, actor=actor)
        return done[0]


def _person(system: str, external: str) -> Any:
    p = tables.person.c
    return select(p.id).where(p.system == system, p.external == external)


def change_of(order: WorkOrder, what: str, time: int, actor: str, **facts: Any) -> Change:
    """What the journal says of it, about the machine."""
    body = {"order": order.id, "title": order.title, "state": str(order.state), **facts}
    return Change(kind=f"work.{what}", subject=order.twin or order.item, time=time, actor=actor, body=body)


def _own_record(tx: Connection, id: str, system: str) -> None:
    """Raises Conflict where a record that is not of such an order has its id: that is not written over."""
    held = record_row(tx, id, FOREVER - 1)
    if held is not None and (held.kind, held.system) != (RECORD, system):
        raise Conflict(f"{id} is another record of the thread; give the order an id of its own")


def _at_revision(order: WorkOrder, revision: int | None) -> None:
    if revision is not None and revision != order.revision:
        raise RevisionConflict(f"{order.id} is at revision {order.revision}, not {revision}; read it again and retry")


def _then(time: int | None, now: int) -> int:
    in_range(time)
    if time is not None and time > now + _AHEAD:
        raise InvalidInput("an order comes into a state now or earlier, not in the future; plan it with its window")
    return now if time is None else time


def _scope(spec: WorkSpec) -> tuple[str, str]:
    return spec.twin, spec.item
