"""The intake's tables. Their shape is made by migrations 0003 and 0006."""

from __future__ import annotations

import sqlalchemy as sa

from gemel.database import metadata

__all__ = ["identity_table", "quarantine_table", "watermark_table"]

identity_table = sa.Table(
    "intake_identity",
    metadata,
    sa.Column("source", sa.String(128), primary_key=True),
    sa.Column("id", sa.String(256), primary_key=True),
    sa.Column("content", sa.LargeBinary(16), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

watermark_table = sa.Table(
    "intake_watermark",
    metadata,
    sa.Column("source", sa.String(128), primary_key=True),
    sa.Column("epoch", sa.String(128), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("gaps", sa.LargeBinary, nullable=False),
)

quarantine_table = sa.Table(
    "intake_quarantine",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("source", sa.String(128), nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("code", sa.String(32), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("twin", sa.String(128), nullable=False),
    sa.Column("property", sa.String(128), nullable=False),
    sa.Column("form", sa.String(16), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("readings", sa.BigInteger, nullable=False, server_default="1"),
    sa.Index("ix_intake_quarantine_state_id", "state", "id"),
    sa.Index("ix_intake_quarantine_source_id", "source", "id"),
    sqlite_autoincrement=True,
)
