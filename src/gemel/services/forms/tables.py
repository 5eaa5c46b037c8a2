"""The table of forms that were filled in. What is declared of forms is in `service_declared`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["filled_table"]

_KEYED = text("key <> ''")
_TELLING = text("telling <> ''")

filled_table = Table(
    "service_filled",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("form", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("item", String(128), nullable=False),  # empty: of a twin alone
    Column("twin", String(128), nullable=False),
    Column("work_order", String(128), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("digest", String(64), nullable=False),  # SHA-256 of what was handed in under the key
    Column("time", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("telling", Text, nullable=False),  # readings as JSON that are not handed in yet; empty: all are
    Column("body", Text, nullable=False),  # the rest as JSON; what people wrote is sealed
    Index("ix_service_filled_item", "item", "number"),
    Index("ix_service_filled_twin", "twin", "number"),
    Index("ix_service_filled_form", "form", "number"),
    Index("ix_service_filled_work_order", "work_order", "number"),
    Index("ix_service_filled_telling", "number", sqlite_where=_TELLING, postgresql_where=_TELLING),
    Index("uq_service_filled_actor_key", "actor", "key", unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED),
    sqlite_autoincrement=True,
)
