"""The rows of orders, desired values and control: what is read, and what is written in the writer's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gemel.commands.carrying import Outcome, Result
from gemel.commands.missing import no_order
from gemel.commands.order import ABOUT_VALUES, ENDED, Desired, Late, Order, OrderKind, OrderState, Step
from gemel.commands.tables import desired_table, order_table
from gemel.twin import Change, Expected

__all__ = [
    "MAX_STEPS",
    "answered_late",
    "change_of",
    "desired_of",
    "find",
    "find_by_key",
    "moved",
    "note",
    "open_orders",
    "order_of",
    "put_desired",
    "put_order",
    "rewritten",
]

MAX_STEPS = 50
"""Of one order; what is told of it after that is in the journal alone."""
MAX_LATE = 10
"""Late answers that are kept of one order."""
_LATE = frozenset({Result.DELIVERED, Result.ACKNOWLEDGED, Result.DONE, Result.REFUSED})
_OPEN_ENDS = frozenset({OrderState.UNKNOWN, OrderState.TIMED_OUT, OrderState.EXPIRED, OrderState.SUPERSEDED})
"""Ends that the object did not tell."""
_json = msgspec.json.Encoder(enc_hook=str)


def order_of(row: Row[Any]) -> Order:
    """The order that a row holds."""
    told = dict(row._mapping)
    told.pop("note", None)
    told |= {"kind": OrderKind(row.kind), "state": OrderState(row.state)}
    told |= {"input": msgspec.json.decode(row.input), "output": msgspec.json.decode(row.output)}
    told["steps"] = msgspec.json.decode(row.steps, type=tuple[Step, ...])
    told["late"] = msgspec.json.decode(row.late, type=tuple[Late, ...])
    told["expects"] = msgspec.json.decode(row.expects, type=tuple[Expected, ...])
    return Order(**told)


def _row(order: Order) -> dict[str, Any]:
    told = msgspec.structs.asdict(order)
    for name in ("input", "output", "steps", "late", "expects"):
        told[name] = _json.encode(told[name]).decode()
    told |= {"kind": str(order.kind), "state": str(order.state)}
    return told


def find(tx: Connection, id: str) -> Order:
    """Raises NotFound."""
    row = tx.execute(select(order_table).where(order_table.c.id == id)).one_or_none()
    if row is None:
        raise no_order(id)
    return order_of(row)


def find_by_key(tx: Connection, actor: str, key: str) -> Order | None:
    """The order that this person asked for under this key."""
    c = order_table.c
    row = tx.execute(select(order_table).where(c.actor == actor, c.key == key)).one_or_none()
    return None if row is None else order_of(row)


def put_order(tx: Connection, order: Order) -> Order:
    """Write a new order; it gets its id and number."""
    order = replace(
        order,
        id=f"order-{secrets.token_hex(8)}",
        steps=(Step(state=order.state, time=order.created, detail=order.detail),),
    )
    row = _row(order)
    del row["number"]
    number = tx.execute(insert(order_table).values(**row).returning(order_table.c.number)).scalar_one()
    return replace(order, number=number)


def moved(
    tx: Connection, order: Order, state: OrderState, now: int, *, actor: str = "", **facts: Any
) -> tuple[Order, Change]:
    """Bring an order into its next state; returns it and what is to be journaled. `actor`: who did it, if a person."""
    step = Step(state=state, time=now, detail=str(facts.get("detail", ""))[:500])
    after = replace(order, state=state, steps=(*order.steps, step)[:MAX_STEPS], **facts)
    rewritten(tx, after)
    return after, change_of(after, now, actor=actor)


def rewritten(tx: Connection, order: Order) -> None:
    """Write an order again, in the state that it is in."""
    tx.execute(update(order_table).where(order_table.c.number == order.number).values(**_row(order)))


def answered_late(tx: Connection, order: Order, outcome: Outcome, now: int) -> tuple[Order, Change] | None:
    """Keep what the object said of an order after its end, where it had not told that end itself; the end stays."""
    if order.state not in _OPEN_ENDS and order.reason != "settled":
        return None
    said = Late(time=now, result=str(outcome.result), detail=outcome.detail[:500], output=outcome.output)
    before = [replace(one, time=now) for one in order.late]
    if outcome.result not in _LATE or said in before or len(before) >= MAX_LATE:
        return None
    after = replace(order, late=(*order.late, said))
    rewritten(tx, after)
    body = {"order": order.id, str(order.kind): order.name, "result": said.result, "detail": said.detail}
    body |= {"output": msgspec.json.decode(_json.encode(said.output))} if said.output else {}
    return after, Change(kind="command.answered_late", subject=order.twin, time=now, body=body)


def note(tx: Connection, order: Order, sealed: bytes) -> None:
    """Keep what a person said of an order."""
    tx.execute(update(order_table).where(order_table.c.number == order.number).values(note=sealed))


def change_of(order: Order, now: int, *, actor: str = "", kind: str = "") -> Change:
    """What the journal says of an order that has just come into its state; about the twin."""
    body: dict[str, Any] = {"order": order.id, str(order.kind): order.name}
    if order.state is OrderState.REQUESTED:
        body |= {"input": order.input, "deadline": order.deadline}
        if order.revision:
            body["revision"] = order.revision
    elif order.state is OrderState.SENT:
        body |= {"connector": order.connector, "attempt": order.attempts}
    detail = "" if order.reason.startswith(ABOUT_VALUES) else order.detail
    told = {"reason": order.reason, "detail": detail, "output": order.output, "approval": order.approval}
    body |= {name: value for name, value in told.items() if value not in ("", None)}
    named = kind or f"command.{order.state}"
    body = msgspec.json.decode(_json.encode(body))
    return Change(kind=named, subject=order.twin, time=now, actor=actor, body=body)


def desired_of(tx: Connection, twin: str, names: Sequence[str] | None = None) -> dict[str, Desired]:
    """What the properties of a twin are to be, by property."""
    query = select(desired_table).where(desired_table.c.twin == twin).order_by(desired_table.c.property)
    if names is not None:
        query = query.where(desired_table.c.property.in_(names))
    return {
        row.property: Desired(**{**row._mapping, "value": msgspec.json.decode(row.value)}) for row in tx.execute(query)
    }


def put_desired(tx: Connection, desired: Desired) -> None:
    """Write what a property is to be, in place of what it was to be."""
    row = msgspec.structs.asdict(desired)
    row["value"] = _json.encode(desired.value).decode()
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    wanted = dialect.insert(desired_table).values(**row)
    keys = {"twin", "property"}
    tx.execute(
        wanted.on_conflict_do_update(
            index_elements=["twin", "property"],
            set_={name: wanted.excluded[name] for name in row.keys() - keys},
        )
    )


def open_orders(tx: Connection) -> list[Order]:
    """Those that have not ended, and desired values of which nothing is known; by number."""
    c = order_table.c
    ended = [str(state) for state in ENDED]
    doubtful = (c.state == str(OrderState.UNKNOWN)) & (c.kind == str(OrderKind.PROPERTY))
    query = select(order_table).where(c.state.not_in(ended) | doubtful).order_by(c.number)
    return [order_of(row) for row in tx.execute(query)]
