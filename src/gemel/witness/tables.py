"""Tables of what is countersigned. Their shape is made by migration 0010."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from gemel.database import metadata

__all__ = ["node", "note"]

# Signed heads: of others as we saw them, with our countersignature; and our own with another party's.
note = Table(
    "witness_note",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", String(100), nullable=False),
    Column("log", String(16), nullable=False),
    Column("signer", String(100), nullable=False),
    Column("epoch", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("told", Text, nullable=False),
    Column("accepted", BigInteger),
    Column("note", Text, nullable=False),
    Index("ix_witness_note_owner", "owner", "log", "signer", "size"),
)

# Hashes of complete subtrees of 256^level entries; made again from the entries when they are missing.
node = Table(
    "witness_node",
    metadata,
    Column("log", String(16), primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)
