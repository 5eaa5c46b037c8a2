"""The table of holds. Its shape is made by migration 0007."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from gemel.database import metadata

__all__ = ["hold_table"]

hold_table = Table(
    "retention_hold",
    metadata,
    Column("twin", String(128), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("reason", LargeBinary, nullable=False),  # sealed with the actor's key
)
