"""Tables of campaigns and of files of software. Their shape is made by migration 0016."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["artifact_table", "campaign_table", "target_table"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_KEYED = text("key <> ''")

campaign_table = Table(
    "service_campaign",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("part", String(128), nullable=False),
    Column("version", String(128), nullable=False),
    Column("selection", Text, nullable=False),  # JSON
    Column("groups", Text, nullable=False),  # JSON
    Column("at_once", Integer, nullable=False),
    Column("deadline_s", Float, nullable=False),
    Column("settle_s", Float, nullable=False),
    Column("start", BigInteger),
    Column("approval", String(80), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("key", String(200), nullable=False),  # of the actor's; empty for none
    Column("created", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("group", Integer, nullable=False),
    Column("reason", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Column("steps", Text, nullable=False),  # JSON
    Column("signed", Text, nullable=False),  # JSON; null: not signed off
    Index("ix_service_campaign_state_number", "state", "number"),
    Index("uq_service_campaign_actor_key", "actor", "key", unique=True, sqlite_where=_KEYED, postgresql_where=_KEYED),
    sqlite_autoincrement=True,
)

target_table = Table(
    "service_campaign_target",
    metadata,
    Column("campaign", NUMBER, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("group", Integer, nullable=False),
    Column("machine", String(128), nullable=False),
    Column("item", String(128), nullable=False),
    Column("twin", String(128), nullable=False),
    Column("slot", String(128), nullable=False),
    Column("before", String(128), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("order", String(40), nullable=False),
    Column("sent_after", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("reason", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Column("proof", Text, nullable=False),  # JSON; null: none
    Column("steps", Text, nullable=False),  # JSON
    Index("ix_service_campaign_target_twin", "twin"),
    Index("ix_service_campaign_target_item", "item"),
)

artifact_table = Table(
    "service_artifact",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("signature", String(128), nullable=False),  # Ed25519 of the SHA-256, base64; empty: none
    Column("added", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
)
