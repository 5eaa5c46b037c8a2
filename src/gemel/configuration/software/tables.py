"""The table of software as it was declared: append-only; its shape is made by migration 0016."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from gemel.database import metadata

__all__ = ["module"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

module = Table(
    "configuration_module",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("part", String(128), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("document", Text, nullable=False),  # JSON; empty: withdrawn
    Index("ix_configuration_module_part_number", "part", "number"),
    sqlite_autoincrement=True,
)
