"""Answers that are remembered by Idempotency-Key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, LargeBinary, String, Table, Text, delete, insert

from gemel.database import metadata

if TYPE_CHECKING:
    from gemel.server.call import Once

__all__ = ["CARRIED_OUT", "carried_out", "forget", "remembered_answer"]

remembered_answer = Table(
    "remembered_answer",
    metadata,
    Column("principal", String(80), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index("ix_remembered_answer_created", "created"),
)

CARRIED_OUT = 0
"""In place of a status: the change is made, its answer not known yet."""


def forget(tx: Connection, once: Once) -> None:
    """Make room for what is remembered of a key now."""
    table = remembered_answer
    tx.execute(delete(table).where(table.c.principal == once.who, table.c.key == once.key))


def carried_out(tx: Connection, once: Once, now: int) -> None:
    """Note, in the change's own transaction, that it was made."""
    forget(tx, once)
    row = {"principal": once.who, "key": once.key, "fingerprint": once.fingerprint, "created": now}
    tx.execute(insert(remembered_answer).values(**row, status=CARRIED_OUT, headers="[]", body=b""))
