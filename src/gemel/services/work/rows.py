"""The rows of work orders: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from gemel.access import destroy_key, in_own_words, words_of
from gemel.errors import Conflict, NotFound
from gemel.services.work import tables
from gemel.services.work.order import (
    Cause,
    Maintenance,
    Outcome,
    PartWanted,
    ReworkCause,
    Step,
    Visit,
    VisitSpec,
    WorkOrder,
    WorkSpec,
    WorkState,
)
from gemel.twin import Expected

__all__ = [
    "add_step",
    "add_visit",
    "find",
    "forget_exchanged",
    "forget_person",
    "forget_work",
    "known_as",
    "order_of",
    "put",
    "rewrite",
    "told",
    "visits_of",
    "with_all",
]

_JSON: dict[str, Any] = {
    "skills": tuple[str, ...],
    "tools": tuple[str, ...],
    "parts": tuple[PartWanted, ...],
    "expects": tuple[Expected, ...],
}
_WORDS: dict[str, Any] = {"maintenance": Maintenance, "rework": ReworkCause}


def order_of(row: Row[Any]) -> WorkOrder:
    """Without its steps and visits."""
    values = dict(row._mapping)
    for name, kind in _JSON.items():
        values[name] = msgspec.json.decode(values[name], type=kind)
    for name, kind in _WORDS.items():
        values[name] = kind(values[name]) if values[name] else None
    return WorkOrder(**{**values, "state": WorkState(row.state)})


def _row(spec: WorkSpec) -> dict[str, Any]:
    values = {name: getattr(spec, name) for name in WorkSpec.__struct_fields__}
    for name in _JSON:
        values[name] = msgspec.json.encode(values[name]).decode()
    for name in _WORDS:
        values[name] = str(values[name] or "")
    return values


def find(tx: Connection, id: str) -> WorkOrder:
    """Without its steps and visits. Raises NotFound."""
    row = tx.execute(select(tables.order).where(tables.order.c.id == id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no work order {id!r:.120}; `gemel work` lists them")
    return order_of(row)


def known_as(tx: Connection, spec: WorkSpec) -> WorkOrder | None:
    """The order that is told of here, if it is known: by the system that holds it, or by its id.

    Raises Conflict where these are of two orders.
    """
    c = tables.order.c
    found = None
    if spec.external:
        mine = (c.system == spec.system) & (c.external == spec.external)
        found = tx.execute(select(tables.order).where(mine)).one_or_none()
        if found is not None and spec.id not in ("", found.id, spec.derived):
            raise Conflict(
                f"{spec.external:.100} of {spec.system} is another order than {spec.id}; to tell of that, leave out id"
            )
    if found is None and spec.id:
        found = tx.execute(select(tables.order).where(c.id == spec.id)).one_or_none()
    return None if found is None else order_of(found)


def put(tx: Connection, spec: WorkSpec, *, time: int, now: int, actor: str) -> WorkOrder:
    """A new one, planned."""
    values = _row(spec) | {"id": spec.id or f"work-{secrets.token_hex(6)}", "state": str(WorkState.PLANNED)}
    values |= {"revision": 1, "created": now, "changed": now, "actor": actor}
    number = tx.execute(insert(tables.order).values(**values).returning(tables.order.c.number)).scalar_one()
    order = order_of(tx.execute(select(tables.order).where(tables.order.c.number == number)).one())
    add_step(tx, order, WorkState.PLANNED, time=time, now=now, actor=actor)
    return order


def rewrite(tx: Connection, order: WorkOrder, spec: WorkSpec | None = None, *, now: int, **facts: Any) -> WorkOrder:
    """Another state, or other facts; its revision rises."""
    values: dict[str, Any] = {**({} if spec is None else _row(spec)), **facts}
    if "state" in values:
        values["state"] = str(values["state"])
    values |= {"id": order.id, "revision": order.revision + 1, "changed": now}
    c = tables.order.c
    tx.execute(update(tables.order).where(c.number == order.number).values(**values))
    return order_of(tx.execute(select(tables.order).where(c.number == order.number)).one())


def add_step(
    tx: Connection, order: WorkOrder, state: WorkState, *, time: int, now: int, actor: str, reason: str = ""
) -> None:
    values = {"order": order.number, "state": str(state), "time": time, "recorded": now}
    tx.execute(insert(tables.step).values(**values, actor=actor, reason=in_own_words(tx, actor, reason)))


def add_visit(tx: Connection, order: WorkOrder, spec: VisitSpec, *, note: bytes, now: int, actor: str) -> None:
    """One telling of a visit."""
    values = {name: getattr(spec, name) for name in ("key", "who", "start", "end", "time_from")}
    values |= {"outcome": str(spec.outcome), "cause": str(spec.cause or ""), "note": note}
    tx.execute(insert(tables.visit).values(order=order.number, **values, recorded=now, actor=actor))


def visits_of(tx: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[Visit, bytes]]]:
    """Order → its visits as they are known now, in their order, each with its note as it is sealed."""
    v = tables.visit
    found: dict[int, list[tuple[Visit, bytes]]] = {number: [] for number in numbers}
    for some in _some(numbers):
        last = select(func.max(v.c.number)).where(v.c.order.in_(some)).group_by(v.c.order, v.c.key)
        for row in tx.execute(select(v).where(v.c.number.in_(last)).order_by(v.c.start, v.c.number)):
            values = dict(row._mapping)
            order, note = values.pop("order"), values.pop("note")
            values |= {"outcome": Outcome(row.outcome), "cause": Cause(row.cause) if row.cause else None}
            found[order].append((Visit(**values, note=""), bytes(note)))
    return found


def told(tx: Connection, order: WorkOrder, key: str) -> tuple[Visit, bytes] | None:
    """A visit that was told before."""
    return next((one for one in visits_of(tx, [order.number])[order.number] if one[0].key == key), None)


def with_all(tx: Connection, orders: Sequence[WorkOrder]) -> list[tuple[WorkOrder, list[tuple[Visit, bytes]]]]:
    """With their steps, in the order of their times; visits beside them."""
    numbers = [one.number for one in orders]
    steps: dict[int, list[Step]] = {number: [] for number in numbers}
    c = tables.step.c
    for some in _some(numbers):
        for row in tx.execute(select(tables.step).where(c.order.in_(some)).order_by(c.time, c.number)):
            steps[row.order].append(
                Step(
                    state=WorkState(row.state),
                    time=row.time,
                    recorded=row.recorded,
                    actor=row.actor,
                    reason=words_of(tx, row.reason),
                )
            )
    visits = visits_of(tx, numbers)
    return [(msgspec.structs.replace(one, steps=tuple(steps[one.number])), visits[one.number]) for one in orders]


def _some(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (numbers[first : first + 500] for first in range(0, len(numbers), 500))


def forget_work(tx: Connection, twin: str) -> int:
    """Drop what is held of a twin that is erased: its orders, stops and prices; how many orders and stops."""
    o, s = tables.order.c, tables.stop.c
    orders = {row.number: row.id for row in tx.execute(select(o.number, o.id).where(o.twin == twin))}
    stops = list(tx.scalars(select(s.number).where(s.twin == twin)))
    for some in _some(list(orders)):
        tx.execute(delete(tables.step).where(tables.step.c.order.in_(some)))
        tx.execute(delete(tables.visit).where(tables.visit.c.order.in_(some)))
        forget_exchanged(tx, [orders[number] for number in some])
        tx.execute(delete(tables.order).where(o.number.in_(some)))
    for some in _some(stops):
        tx.execute(delete(tables.stop_class).where(tables.stop_class.c.stop.in_(some)))
        tx.execute(delete(tables.stop).where(s.number.in_(some)))
    tx.execute(delete(tables.price).where(tables.price.c.twin == twin))
    return len(orders) + len(stops)


def forget_exchanged(tx: Connection, ours: Sequence[str]) -> None:
    """Drop what other systems told of these orders or records, and were told."""
    for first in range(0, len(ours), 500):
        tx.execute(delete(tables.item).where(tables.item.c.ours.in_(ours[first : first + 500])))


def forget_person(tx: Connection, id: str) -> bool:
    """Forget who somebody of another system is, and what they wrote; whether they were known."""
    known = tx.execute(select(tables.person).where(tables.person.c.id == id)).one_or_none()
    if known is not None:
        tx.execute(delete(tables.person).where(tables.person.c.id == id))
        _forget_name(tx, known.system, known.external, id)
    destroy_key(tx, id)
    return known is not None


def _forget_name(tx: Connection, system: str, name: str, id: str) -> None:
    """In what is kept of exchanges with their system, the random id instead of the name that older rows have."""
    declared = tx.execute(select(tables.exchange.c.id, tables.exchange.c.document))
    exchanges = {row.id for row in declared if row.document and msgspec.json.decode(row.document)["system"] == system}
    i = tables.item.c
    asked = select(i.number, i.theirs, i.sent).where(i.exchange.in_(sorted(exchanges)))
    for row in tx.execute(asked.where(or_(i.theirs.contains('"visit.who"'), i.sent.contains('"visit.who"')))).all():
        theirs, sent = msgspec.json.decode(row.theirs), msgspec.json.decode(row.sent)
        held = [told for told in (theirs, *sent.values()) if isinstance(told, dict) and told.get("visit.who") == name]
        for told in held:
            told["visit.who"] = id
        if held:
            values = {"theirs": _json(theirs), "sent": _json(sent)}
            tx.execute(update(tables.item).where(i.number == row.number).values(**values))


def _json(told: Any) -> str:
    return msgspec.json.encode(told, order="sorted").decode()
