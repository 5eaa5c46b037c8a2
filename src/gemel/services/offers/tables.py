"""The table of offers. Its shape is made by the migration of services that are sold."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["offer_table"]

_KEYED = text("key <> ''")

offer_table = Table(
    "service_offer",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("part", String(128), nullable=False),
    Column("party", String(64), nullable=False),
    Column("item", String(128), nullable=False),  # empty until it is ordered
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the whole offer as JSON
    Index("ix_service_offer_state_number", "state", "number"),
    Index("ix_service_offer_item", "item"),
    Index("uq_service_offer_actor_key", "actor", "key", unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED),
    sqlite_autoincrement=True,
)
