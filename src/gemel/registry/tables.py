"""Tables of the registry. Documents are JSON text; moments are microseconds since the epoch, UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["alias", "attribute", "batch", "connector", "link", "property_number", "setting", "shape", "twin", "type_"]

# Ids sort by their bytes on both databases, so that a cursor means the same on either.
ID = String(128).with_variant(String(128, collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only when it says INTEGER

type_ = Table(
    "registry_type",
    metadata,
    Column("id", ID, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)

property_number = Table(
    "registry_property",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("type", ID, nullable=False),
    Column("place", Integer, nullable=False),  # column of the property in its type, for ever
    Column("generation", Integer, nullable=False),
    Column("name", String(64), nullable=False),  # as it is called now
    Index("uq_registry_property_type_place_generation", "type", "place", "generation", unique=True),
)

# A shape is a combination of types that twins have; there are few, so searches by type or property ask for shapes.
shape = Table(
    "registry_shape",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("types", Text, nullable=False, unique=True),  # JSON list
)

# What one large apply brought in. Rows of a batch that is not live yet are invisible.
batch = Table(
    "registry_batch",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("live", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
)

twin = Table(
    "registry_twin",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False, unique=True),
    Column("shape", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("aliases", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("declared", Boolean, nullable=False),  # by a plant document; else made one by one
    Column("batch", Integer, nullable=False),  # 0: not of a batch
    Index("ix_registry_twin_serial", "serial"),
    Index("ix_registry_twin_shape_id", "shape", "id"),
    Index("ix_registry_twin_stage_id", "stage", "id"),
    Index("ix_registry_twin_batch", "batch"),
)

alias = Table(
    "registry_alias",
    metadata,
    Column("alias", ID, primary_key=True),
    Column("twin", NUMBER, ForeignKey("registry_twin.number"), nullable=False, index=True),
)

attribute = Table(
    "registry_attribute",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("twin", NUMBER, ForeignKey("registry_twin.number"), primary_key=True, index=True),
)

link = Table(
    "registry_link",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", ID, nullable=False),
    Column("source", NUMBER, ForeignKey("registry_twin.number"), nullable=False),
    Column("target", NUMBER, ForeignKey("registry_twin.number"), nullable=False),
    Column("slot", String(64), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("declared", Boolean, nullable=False),
    Column("batch", Integer, nullable=False),
    Index("ix_registry_link_source_kind", "source", "kind"),
    Index("ix_registry_link_target_kind", "target", "kind"),
    Index("ix_registry_link_batch", "batch"),
    Index(
        "uq_registry_link_open",
        "kind",
        "source",
        "target",
        "slot",
        unique=True,
        sqlite_where=text("until IS NULL"),
        postgresql_where=text("until IS NULL"),
    ),
)

connector = Table(
    "registry_connector",
    metadata,
    Column("id", ID, primary_key=True),
    Column("document", Text, nullable=False),
    Column("declared", Boolean, nullable=False),
)

setting = Table(
    "registry_setting",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)
