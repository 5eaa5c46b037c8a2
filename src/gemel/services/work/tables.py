"""Tables of work: orders with their steps and visits, stops, prices, exchanges. Made by migration 0018."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from gemel.database import metadata

__all__ = ["exchange", "item", "order", "person", "place", "price", "run", "step", "stop", "stop_class", "visit"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_EXTERNAL, _KEYED, _OURS = text("external <> ''"), text("key <> ''"), text("ours <> ''")


def _number() -> Column[int]:
    return Column("number", NUMBER, primary_key=True, autoincrement=True)


order = Table(
    "service_work",
    metadata,
    _number(),
    Column("id", String(128), nullable=False, unique=True),
    Column("system", String(128), nullable=False),
    Column("external", String(200), nullable=False),
    Column("twin", String(128), nullable=False),
    Column("item", String(128), nullable=False),
    Column("title", String(400), nullable=False),
    Column("what", Text, nullable=False),
    Column("job", String(200), nullable=False),
    Column("maintenance", String(20), nullable=False),
    Column("start", BigInteger),
    Column("end", BigInteger),
    Column("party", String(80), nullable=False),
    Column("skills", Text, nullable=False),  # JSON
    Column("tools", Text, nullable=False),  # JSON
    Column("parts", Text, nullable=False),  # JSON
    Column("repairs", String(128), nullable=False),
    Column("rework", String(32), nullable=False),
    Column("expects", Text, nullable=False, server_default="[]"),  # JSON
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_service_work_twin", "twin"),
    Index("ix_service_work_item", "item"),
    Index("ix_service_work_state_number", "state", "number"),
    Index(
        "uq_service_work_system_external",
        "system",
        "external",
        unique=True,
        sqlite_where=_EXTERNAL,
        postgresql_where=_EXTERNAL,
    ),
    sqlite_autoincrement=True,
)

step = Table(
    "service_work_step",
    metadata,
    _number(),
    Column("order", NUMBER, ForeignKey("service_work.number"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_service_work_step_order", "order"),
    sqlite_autoincrement=True,
)

visit = Table(
    "service_visit",  # a row for each time that it was told; the last one with a key is what is known
    metadata,
    _number(),
    Column("order", NUMBER, ForeignKey("service_work.number"), nullable=False),
    Column("key", String(200), nullable=False),
    Column("who", String(80), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger),
    Column("outcome", String(16), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("note", LargeBinary, nullable=False),  # sealed with the key of `who`; empty: none
    Column("time_from", String(128), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_service_visit_order", "order"),
    sqlite_autoincrement=True,
)

person = Table(
    "service_work_person",  # who other systems' people are: erasing the row leaves a random id
    metadata,
    Column("id", String(80), primary_key=True),
    Column("system", String(128), nullable=False),
    Column("external", String(200), nullable=False),
    Index("uq_service_work_person_system_external", "system", "external", unique=True),
)

stop = Table(
    "service_stop",
    metadata,
    _number(),
    Column("id", String(40), nullable=False, unique=True),
    Column("twin", String(128), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger),
    Column("seen", String(200), nullable=False),  # property=value; empty: entered by hand
    Column("order", String(128), nullable=False),
    Column("item", String(128), nullable=False),
    Column("key", String(300), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_service_stop_twin_start", "twin", "start"),
    Index("uq_service_stop_key", "key", unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED),
    sqlite_autoincrement=True,
)

stop_class = Table(
    "service_stop_class",  # append-only: the last row of a stop is its class
    metadata,
    _number(),
    Column("stop", NUMBER, ForeignKey("service_stop.number"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_service_stop_class_stop", "stop"),
    sqlite_autoincrement=True,
)

price = Table(
    "service_price",  # append-only: of an hour, of a twin, of a type or of all, from a moment on
    metadata,
    _number(),
    Column("kind", String(16), nullable=False),
    Column("twin", String(128), nullable=False),
    Column("type", String(128), nullable=False),
    Column("per_hour", String(40), nullable=False),  # decimal; empty: no price any more
    Column("currency", String(3), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("rests_on", Text, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    sqlite_autoincrement=True,
)

exchange = Table(
    "service_exchange",  # append-only: the last row of an id is what is declared
    metadata,
    _number(),
    Column("id", String(128), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("document", Text, nullable=False),  # JSON; empty: withdrawn
    Index("ix_service_exchange_id_number", "id", "number"),
    sqlite_autoincrement=True,
)

item = Table(
    "service_exchange_item",
    metadata,
    _number(),
    Column("exchange", String(128), nullable=False),
    Column("external", String(200), nullable=False),
    Column("ours", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("theirs", Text, nullable=False),  # JSON: the fields as they were last told
    Column("mark", String(200), nullable=False),  # their version or time of change
    Column("sent", Text, nullable=False),  # JSON: the fields as they were last taken there
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Index(
        "uq_service_exchange_item_external",
        "exchange",
        "external",
        unique=True,
        sqlite_where=_EXTERNAL,
        postgresql_where=_EXTERNAL,
    ),
    Index("uq_service_exchange_item_ours", "exchange", "ours", unique=True, sqlite_where=_OURS, postgresql_where=_OURS),
    sqlite_autoincrement=True,
)

run = Table(
    "service_exchange_run",
    metadata,
    _number(),
    Column("exchange", String(128), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("counts", Text, nullable=False),  # JSON
    Column("faults", Text, nullable=False),  # JSON
    Column("detail", Text, nullable=False),
    Index("ix_service_exchange_run_exchange_number", "exchange", "number"),
    sqlite_autoincrement=True,
)

place = Table(
    "service_exchange_place",
    metadata,
    Column("exchange", String(128), primary_key=True),
    Column("cursor", Text, nullable=False),  # where the next pull goes on, in the words of the other system
    Column("pulled", BigInteger, nullable=False),
)
