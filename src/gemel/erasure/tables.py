"""The ledger of erasures. Its shape is made by migration 0007."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, String, Table, Text

from gemel.database import metadata

__all__ = ["erasure_table"]

erasure_table = Table(
    "erasure",
    metadata,
    Column("kind", String(16), primary_key=True),  # person or twin
    Column("subject", String(128), primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("done", Boolean, nullable=False),
    Column("counts", Text, nullable=False),
)
