"""Tables of the configuration. Moments are microseconds since the epoch, UTC; `values.FOREVER` is no end.

`act`, `placement`, `trait` and `usage` are append-only: the database refuses to delete a row, and to change anything
but the end of what is believed (`recorded_to`), once. It also refuses two beliefs of the same thing at the same time.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from gemel.database import metadata

__all__ = ["act", "alias", "item", "place", "placement", "trait", "usage"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")

item = Table(
    "configuration_item",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(128), nullable=False, unique=True),
    Column("part", String(128), nullable=False),
    Column("maker", String(128), nullable=False),
    Column("serial", String(128), nullable=False),
    Column("lot", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("twin", String(128), nullable=False),
    Column("born", BigInteger, nullable=False),
    Column("merged", NUMBER),  # into this item; its own id is an alias of that one
    Index(
        "uq_configuration_item_identity",
        "part",
        "serial",
        "maker",
        unique=True,
        sqlite_where=text("serial <> '' AND merged IS NULL"),
        postgresql_where=text("serial <> '' AND merged IS NULL"),
    ),
    Index("ix_configuration_item_serial", "serial"),
    Index("ix_configuration_item_twin", "twin"),
)

alias = Table(
    "configuration_alias",
    metadata,
    Column("scheme", String(64), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
)

act = Table(
    "configuration_act",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("recorded", BigInteger, nullable=False, unique=True),
    Column("actor", String(80), nullable=False),
    Column("source", String(128), nullable=False),
    Column("work_order", String(128), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("uncertainty", BigInteger, nullable=False),  # microseconds
    Column("reason", Text, nullable=False),
    Column("key", String(200), nullable=False),
    Column("amends", NUMBER),
    Index(
        "uq_configuration_act_source_key",
        "source",
        "key",
        unique=True,
        sqlite_where=text("key <> ''"),
        postgresql_where=text("key <> ''"),
    ),
    sqlite_autoincrement=True,
)

place = Table(
    "configuration_place",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("parent", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("slot", String(128), nullable=False),
    Index("uq_configuration_place_parent_slot", "parent", "slot", unique=True),
)


def _believed() -> tuple[Column[int] | Column[int | None], ...]:
    return (
        Column("valid_from", BigInteger, nullable=False),
        Column("valid_to", BigInteger, nullable=False),
        Column("recorded_from", BigInteger, nullable=False),
        Column("recorded_to", BigInteger, nullable=False),
        Column("begun_by", NUMBER, ForeignKey("configuration_act.number"), nullable=False),
        Column("ended_by", NUMBER, ForeignKey("configuration_act.number")),
    )


placement = Table(
    "configuration_placement",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("child", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("parent", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("place", NUMBER, ForeignKey("configuration_place.number"), nullable=False),
    Column("single", Boolean, nullable=False),  # False: the place holds any number, as a store does
    *_believed(),
    Index("ix_configuration_placement_child", "child"),
    Index("ix_configuration_placement_parent", "parent"),
    Index("ix_configuration_placement_place", "place"),
    Index("ix_configuration_placement_begun_by", "begun_by"),
    Index("ix_configuration_placement_ended_by", "ended_by"),
)

trait = Table(
    "configuration_trait",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("name", String(64), nullable=False),  # revision, retired, software, …
    Column("value", Text, nullable=False),
    *_believed(),
    Index("ix_configuration_trait_item_name", "item", "name"),
    Index("ix_configuration_trait_name_value", "name", "value"),
    Index("ix_configuration_trait_begun_by", "begun_by"),
    Index("ix_configuration_trait_ended_by", "ended_by"),
)

usage = Table(
    "configuration_usage",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("kind", String(64), nullable=False),  # hours, strokes, starts …
    Column("amount", Float, nullable=False),
    Column("own", Boolean, nullable=False),  # an adjustment: of this item alone, not of what is in it
    *_believed(),
    Index("ix_configuration_usage_item_kind", "item", "kind"),
    Index("ix_configuration_usage_begun_by", "begun_by"),
    Index("ix_configuration_usage_ended_by", "ended_by"),
)
