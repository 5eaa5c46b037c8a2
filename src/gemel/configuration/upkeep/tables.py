"""Tables of how a configuration is kept up: snapshots, promises, events that are translated, attached sources."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from gemel.configuration.tables import NUMBER
from gemel.database import metadata

__all__ = ["followed", "refusal", "reliance", "snapshot", "source", "translation", "upkeep"]

snapshot = Table(
    "configuration_snapshot",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("root", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("valid", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("items", Integer, nullable=False),
    Column("every", String(8), nullable=False),  # month, quarter, year; empty: somebody asked for it
    Column("title", Text, nullable=False),  # of a person, sealed with their key
    Column("actor", String(80), nullable=False),
    Index("ix_configuration_snapshot_root_valid", "root", "valid"),
)

upkeep = Table(
    "configuration_upkeep",
    metadata,
    Column("root", NUMBER, ForeignKey("configuration_item.number"), primary_key=True),
    Column("within", BigInteger, nullable=False),  # microseconds; 0: nothing is promised
    Column("every", String(8), nullable=False),  # snapshots; empty: none by themselves
    Column("next", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),  # when the promise breaks by what was known when it was last looked at
    Column("broken", BigInteger, nullable=False),  # since when the promise is; 0: it is kept
    Column("since", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_configuration_upkeep_next", "next"),
    Index("ix_configuration_upkeep_due", "due"),
)

translation = Table(
    "configuration_translation",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("body", Text, nullable=False),
    Column("actor", String(80), nullable=False),
)

refusal = Table(
    "configuration_refusal",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("translation", String(128), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("twin", String(128), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),  # open, done, discarded
    Index("uq_configuration_refusal_translation_position", "translation", "position", unique=True),
    Index("ix_configuration_refusal_state", "state"),
)

followed = Table(
    "configuration_followed",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

source = Table(
    "configuration_source",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("actor", String(80), nullable=False),
)

reliance = Table(
    "configuration_reliance",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("root", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("valid", BigInteger, nullable=False),
    Column("known", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_configuration_reliance_root", "root"),
    Index("uq_configuration_reliance_kind_reference_root", "kind", "reference", "root", unique=True),
)
