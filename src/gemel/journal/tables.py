"""The journal's tables. Their shape is made by migration 0001."""

from __future__ import annotations

import sqlalchemy as sa

from gemel.database import metadata

__all__ = ["block_table", "witness_table"]

block_table = sa.Table(
    "journal_block",
    metadata,
    sa.Column("partition", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.LargeBinary(32), nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("recorded", sa.BigInteger, nullable=False),
    sa.Column("telemetry", sa.Integer, nullable=False),
    sa.Column("peaks", sa.LargeBinary, nullable=False),
    sa.Column("salts", sa.LargeBinary(32), nullable=False),
    sa.Column("expired", sa.Boolean, nullable=False),
    sa.Column("checksum", sa.LargeBinary(32), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),  # last: other columns are read without touching it
    sa.Index("ix_journal_block_partition_first", "partition", "first", unique=True),
)

witness_table = sa.Table(
    "journal_witness",
    metadata,
    sa.Column("partition", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("party", sa.String(128), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)
