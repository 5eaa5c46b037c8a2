"""Rows of exchanges: what is declared, what is agreed with the other system of each thing, and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gemel.errors import NotFound
from gemel.services.work import tables
from gemel.services.work.exchange.declared import Exchange
from gemel.services.work.exchange.mapping import Fields
from gemel.twin import Page

__all__ = [
    "Agreed",
    "Fault",
    "Ran",
    "Thing",
    "add_run",
    "declare",
    "declared",
    "drop",
    "keep",
    "look",
    "look_again",
    "looked",
    "place_of",
    "put_place",
    "runs",
    "thing",
    "things",
    "unanswered",
]

ThingState = Literal["same", "waiting", "conflict", "refused"]
KEPT_RUNS = 1000
"""Of one exchange."""
_json = msgspec.json.Encoder(order="sorted")


class Agreed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a thing stood when both sides last said the same."""

    fields: Fields = {}
    """Of a new one that they have not answered: as they were told it."""
    conflict: Fields = {}
    """Theirs, of fields that both changed since; a person says whose they are."""
    refused: str = ""
    """Digest of what they did not want: told again the same, they are not asked."""


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of an exchange."""

    number: int
    exchange: str
    external: str
    ours: str
    state: ThingState
    theirs: Fields
    """As they last told it."""
    mark: str
    agreed: Agreed
    attempts: int
    due: int
    detail: str
    changed: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A row, or a thing, with which something is wrong."""

    place: str
    """`orders.csv line 12`, `page 2 row 3`, or our id of it."""
    external: str
    message: str


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did."""

    number: int = 0
    exchange: str
    direction: Literal["pull", "push"]
    start: int
    end: int
    outcome: Literal["done", "failed"]
    counts: dict[str, int]
    """new, updated, same, late, conflict, refused; sent, waiting."""
    faults: tuple[Fault, ...] = ()
    """The first hundred."""
    detail: str = ""


# what is declared


def declared(tx: Connection) -> dict[str, Exchange]:
    """By id."""
    e = tables.exchange.c
    last = select(func.max(e.number)).group_by(e.id)
    rows = tx.execute(select(tables.exchange).where(e.number.in_(last), e.document != "").order_by(e.id))
    return {row.id: msgspec.json.decode(row.document, type=Exchange) for row in rows}


def declare(tx: Connection, id: str, exchange: Exchange | None, *, now: int, actor: str) -> None:
    document = "" if exchange is None else msgspec.json.encode(exchange).decode()
    tx.execute(insert(tables.exchange).values(id=id, recorded=now, actor=actor, document=document))


# things


def _thing(row: Row[Any]) -> Thing:
    values = dict(row._mapping)
    values["agreed"] = msgspec.json.decode(values.pop("sent"), type=Agreed)
    values["theirs"] = msgspec.json.decode(values["theirs"])
    return Thing(**values)


def thing(tx: Connection, exchange: str, *, external: str = "", ours: str = "") -> Thing | None:
    """By their id, else by ours."""
    i = tables.item.c
    for column, name in ((i.external, external), (i.ours, ours)):
        if name:
            row = tx.execute(select(tables.item).where(i.exchange == exchange, column == name)).one_or_none()
            if row is not None:
                return _thing(row)
    return None


def keep(tx: Connection, one: Thing) -> None:
    """Write it: a new one (number 0), or again."""
    values = {name: getattr(one, name) for name in Thing.__struct_fields__ if name not in ("number", "agreed")}
    values |= {"theirs": _json.encode(one.theirs).decode(), "sent": _json.encode(one.agreed).decode()}
    values["detail"] = values["detail"][:1000]
    if one.number:
        tx.execute(update(tables.item).where(tables.item.c.number == one.number).values(**values))
    else:
        tx.execute(insert(tables.item).values(**values))


def drop(tx: Connection, number: int) -> None:
    """It is another one's."""
    tx.execute(delete(tables.item).where(tables.item.c.number == number))


def unanswered(tx: Connection, exchange: str) -> list[Thing]:
    """New ones that they were told, and may have made: their answer was lost, or we stopped before it."""
    i = tables.item.c
    asked = select(tables.item).where(
        i.exchange == exchange, i.external == "", i.ours != "", i.attempts > 0, i.state == "waiting"
    )
    return [one for one in map(_thing, tx.execute(asked.order_by(i.number))) if one.agreed.fields]


def things(
    tx: Connection, exchange: str, *, states: Sequence[str] = (), limit: int = 100, after: int | None = None
) -> Page[Thing]:
    """The last told first."""
    i = tables.item.c
    asked = select(tables.item).where(i.exchange == exchange).order_by(i.number.desc()).limit(limit + 1)
    if states:
        asked = asked.where(i.state.in_(states))
    if after is not None:
        asked = asked.where(i.number < after)
    found = [_thing(row) for row in tx.execute(asked)]
    return Page(found[:limit], str(found[limit - 1].number) if len(found) > limit else None)


def looked(tx: Connection, exchange: str) -> dict[str, int]:
    """Our id → when both sides said the same of it; what has not changed here since need not be looked at."""
    i = tables.item.c
    asked = select(i.ours, i.changed).where(i.exchange == exchange, i.state == "same", i.ours != "")
    return {row.ours: row.changed for row in tx.execute(asked)}


def look(tx: Connection, numbers: Sequence[int], moment: int) -> None:
    """There was nothing to tell of these at a moment: both sides say the same."""
    for first in range(0, len(numbers), 500):
        some = numbers[first : first + 500]
        tx.execute(update(tables.item).where(tables.item.c.number.in_(some)).values(changed=moment, state="same"))


def look_again(tx: Connection, exchange: str) -> None:
    """What there is to tell may be something else now."""
    i = tables.item.c
    tx.execute(update(tables.item).where(i.exchange == exchange, i.state == "same").values(changed=0))


def counts(tx: Connection) -> dict[str, dict[str, int]]:
    """Exchange → state → how many things."""
    i = tables.item.c
    found: dict[str, dict[str, int]] = {}
    for row in tx.execute(select(i.exchange, i.state, func.count().label("many")).group_by(i.exchange, i.state)):
        found.setdefault(row.exchange, {})[row.state] = row.many
    return found


# runs, and where the next one goes on


def add_run(tx: Connection, ran: Ran) -> None:
    values = {name: getattr(ran, name) for name in ("exchange", "direction", "start", "end", "outcome")}
    values |= {"counts": _json.encode(ran.counts).decode(), "faults": _json.encode(ran.faults).decode()}
    tx.execute(insert(tables.run).values(**values, detail=ran.detail[:1000]))
    r = tables.run.c
    oldest = tx.scalar(
        select(r.number).where(r.exchange == ran.exchange).order_by(r.number.desc()).offset(KEPT_RUNS).limit(1)
    )
    if oldest is not None:
        tx.execute(delete(tables.run).where(r.exchange == ran.exchange, r.number <= oldest))


def runs(tx: Connection, exchange: str, *, limit: int = 100, after: int | None = None) -> Page[Ran]:
    """The newest first."""
    r = tables.run.c
    asked = select(tables.run).where(r.exchange == exchange).order_by(r.number.desc()).limit(limit + 1)
    if after is not None:
        asked = asked.where(r.number < after)
    found = []
    for row in tx.execute(asked):
        values = dict(row._mapping)
        values["counts"] = msgspec.json.decode(row.counts)
        values["faults"] = msgspec.json.decode(row.faults, type=tuple[Fault, ...])
        found.append(Ran(**values))
    return Page(found[:limit], str(found[limit - 1].number) if len(found) > limit else None)


def place_of(tx: Connection, exchange: str) -> tuple[str, int | None]:
    """(cursor, when the last pull went well)."""
    row = tx.execute(select(tables.place).where(tables.place.c.exchange == exchange)).one_or_none()
    return ("", None) if row is None else (row.cursor, row.pulled)


def put_place(tx: Connection, exchange: str, cursor: str, now: int) -> None:
    done = tx.execute(update(tables.place).where(tables.place.c.exchange == exchange).values(cursor=cursor, pulled=now))
    if not done.rowcount:
        tx.execute(insert(tables.place).values(exchange=exchange, cursor=cursor, pulled=now))


def must(exchanges: dict[str, Exchange], id: str) -> Exchange:
    """Raises NotFound."""
    if id not in exchanges:
        known = ", ".join(exchanges) or "none is declared: gemel exchanges apply FILE"
        raise NotFound(f"there is no exchange {id!r:.80}; there are {known}")
    return exchanges[id]
