"""Tables of the configuration. Moments are microseconds since the epoch, UTC; `values.FOREVER` is no end.

All but `item`, `alias`, `place` and `planned` are append-only: the database refuses to delete a row, and to change
anything but the end of what is believed (`recorded_to`), once; of a plan, what became of it. It also refuses two
beliefs of the same thing at the same time. A `reason` and a `title` is what a person wrote in their own words:
sealed with the key of who said it (`access.in_own_words`); of files and programs as it is.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, false, text

from gemel.database import metadata

__all__ = [
    "EVIDENCE_NAMES",
    "act",
    "alias",
    "item",
    "nonconformance",
    "observation",
    "part",
    "place",
    "placement",
    "plan",
    "planned",
    "revision",
    "software",
    "standing",
    "trait",
    "usage",
]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
EVIDENCE_NAMES = "evidence <> '' AND length(evidence) <= 500"
"""Acts whose evidence may be the name of something (410 characters at most): those that are found by it. PostgreSQL
refuses to index what is longer than 2,704 bytes. To be said in these words where an act is looked for by evidence."""

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
    Index(
        "ix_configuration_item_merged",
        "merged",
        sqlite_where=text("merged IS NOT NULL"),
        postgresql_where=text("merged IS NOT NULL"),
    ),
)

alias = Table(
    "configuration_alias",
    metadata,
    Column("scheme", String(64), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Index("ix_configuration_alias_item", "item"),
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
    Column("seen", Boolean, nullable=False, server_default=false()),
    Column("operation", Text, nullable=False, server_default=""),  # all that was said, as JSON
    Index(
        "ix_configuration_act_work_order",
        "work_order",
        sqlite_where=text("work_order <> ''"),
        postgresql_where=text("work_order <> ''"),
    ),
    *(
        Index(f"ix_configuration_act_{column}", column, sqlite_where=text(where), postgresql_where=text(where))
        for column, where in (
            ("evidence", EVIDENCE_NAMES),
            ("source", "substr(source, 1, 7) = 'record:'"),
            ("amends", "amends IS NOT NULL"),
        )
    ),
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


def _ended(table: str) -> Index:
    """Of what an act ended: most of what is believed has not ended."""
    ended = text("ended_by IS NOT NULL")
    return Index(f"ix_configuration_{table}_ended_by", "ended_by", sqlite_where=ended, postgresql_where=ended)


def _former(table: str) -> Index:
    """Of what is not believed any more, by when that was: `belief.former` says so to the database."""
    former = text(f"recorded_to < {1 << 62}")
    name = f"ix_configuration_{table}_recorded_to"
    return Index(name, "recorded_to", sqlite_where=former, postgresql_where=former)


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
    _ended("placement"),
    _former("placement"),
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
    _ended("trait"),
    _former("trait"),
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
    _ended("usage"),
    _former("usage"),
)

observation = Table(
    "configuration_observation",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("place", NUMBER, ForeignKey("configuration_place.number"), nullable=False),
    Column("saw", String(8), nullable=False),
    Column("item", NUMBER, ForeignKey("configuration_item.number")),  # what it is, where that is known
    Column("part", String(128), nullable=False),
    Column("maker", String(128), nullable=False),
    Column("serial", String(128), nullable=False),
    Column("revision", String(64), nullable=False),
    *_believed(),
    Index("ix_configuration_observation_place", "place"),
    Index("ix_configuration_observation_item", "item"),
    Index("ix_configuration_observation_begun_by", "begun_by"),
    _ended("observation"),
)

software = Table(
    "configuration_software",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("slot", String(128), nullable=False),
    Column("part", String(128), nullable=False),
    Column("version", String(128), nullable=False),
    *_believed(),
    Index("ix_configuration_software_item_slot", "item", "slot"),
    Index("ix_configuration_software_part_version", "part", "version"),
    Index("ix_configuration_software_begun_by", "begun_by"),
    _ended("software"),
    _former("software"),
)

nonconformance = Table(
    "configuration_nonconformance",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number")),
    Column("parent", NUMBER, ForeignKey("configuration_item.number"), nullable=False),
    Column("slot", String(128), nullable=False),
    Column("rule", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("act", NUMBER, ForeignKey("configuration_act.number"), nullable=False),
    Index("ix_configuration_nonconformance_item", "item"),
    Index("ix_configuration_nonconformance_parent", "parent"),
    Index("ix_configuration_nonconformance_act", "act"),
)

standing = Table(
    "configuration_standing",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("nonconformance", NUMBER, ForeignKey("configuration_nonconformance.number"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("party", String(128), nullable=False),  # who conceded it
    Column("until", BigInteger, nullable=False),  # a concession's end; then it is open again
    Column("reason", Text, nullable=False),
    *_believed(),
    Index("ix_configuration_standing_nonconformance", "nonconformance"),
    Index("ix_configuration_standing_begun_by", "begun_by"),
    _ended("standing"),
)

part = Table(
    "configuration_part",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("part", String(128), nullable=False),
    Column("maker", String(128), nullable=False),
    Column("body", Text, nullable=False),  # `PartType` as JSON
    Column("actor", String(80), nullable=False),
    Column("recorded_from", BigInteger, nullable=False),
    Column("recorded_to", BigInteger, nullable=False),
    Index(
        "uq_configuration_part_identity",
        "part",
        "maker",
        unique=True,
        sqlite_where=text(f"recorded_to = {1 << 62}"),
        postgresql_where=text(f"recorded_to = {1 << 62}"),
    ),
    Index("ix_configuration_part_recorded_to", "recorded_to"),
)

revision = Table(
    "configuration_revision",
    metadata,
    Column("definition", NUMBER, ForeignKey("configuration_part.number"), primary_key=True),
    Column("revision", String(64), primary_key=True),
    Column("ordinal", Integer, nullable=False),  # its place in order, from 0
)

plan = Table(
    "configuration_plan",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("title", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("work_order", String(128), nullable=False),
    Column("operations", Text, nullable=False),  # as JSON
    Column("actor", String(80), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ended", BigInteger, nullable=False),  # when it was carried out or cancelled
    Column("reason", Text, nullable=False),
    Column("acts", Text, nullable=False),  # what came of it, as JSON
    Index("ix_configuration_plan_ended", "ended"),
)

planned = Table(
    "configuration_planned",
    metadata,
    Column("plan", NUMBER, ForeignKey("configuration_plan.number"), primary_key=True),
    Column("item", NUMBER, ForeignKey("configuration_item.number"), primary_key=True),
    Index("ix_configuration_planned_item", "item"),
)
