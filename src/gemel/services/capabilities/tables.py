"""The table of licences. Its shape is made by the migration of services that are sold."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["licence_table"]

_KEYED = text("key <> ''")

licence_table = Table(
    "service_licence",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("capability", String(128), nullable=False),
    Column("machine", String(128), nullable=False),
    Column("twin", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the whole licence as JSON
    Index("ix_service_licence_state", "state", "number"),
    Index("ix_service_licence_twin", "twin"),
    Index("ix_service_licence_machine", "machine"),
    Index("uq_service_licence_actor_key", "actor", "key", unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED),
    sqlite_autoincrement=True,
)
