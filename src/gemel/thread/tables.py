"""Tables of the thread. Moments are microseconds since the epoch, UTC; `configuration.FOREVER` is no end.

All but `source` and `document` are append-only: the database refuses to delete a row, and to change anything but the
end of what is believed (`recorded_to`), once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from gemel.database import metadata

__all__ = ["act", "document", "effectivity", "having", "link", "measurement", "record", "source", "version"]

NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _number() -> Column[int]:
    return Column("number", NUMBER, primary_key=True, autoincrement=True)


def _believed() -> tuple[Column[int], ...]:
    """From–to of the world, from–to of our knowing it, and who said so."""
    return (
        Column("valid_from", BigInteger, nullable=False),
        Column("valid_to", BigInteger, nullable=False),
        Column("recorded_from", BigInteger, nullable=False),
        Column("recorded_to", BigInteger, nullable=False),
        Column("act", NUMBER, ForeignKey("thread_act.number"), nullable=False),
    )


def _origin() -> tuple[Column[int | None], Column[str]]:
    """The file that it was read from, and where in it."""
    return (
        Column("origin", NUMBER, ForeignKey("thread_source.number")),
        Column("place", String(400), nullable=False),
    )


source = Table(
    "thread_source",
    metadata,
    _number(),
    Column("name", String(400), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("reader", String(32), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Index("ix_thread_source_sha256", "sha256"),
)

act = Table(
    "thread_act",
    metadata,
    _number(),
    Column("what", String(64), nullable=False),
    Column("recorded", BigInteger, nullable=False, unique=True),
    Column("actor", String(80), nullable=False),
    Column("source", String(128), nullable=False),
    Column("work_order", String(128), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key", String(200), nullable=False),
    Index("ix_thread_act_source_key", "source", "key"),
    sqlite_autoincrement=True,
)

record = Table(
    "thread_record",
    metadata,
    _number(),
    Column("id", String(200), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("title", String(400), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("system", String(64), nullable=False),
    Column("external", String(200), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("attributes", Text, nullable=False),
    *_origin(),
    *_believed(),
    Index("ix_thread_record_id", "id"),
    Index("ix_thread_record_system_external", "system", "external"),
    Index("ix_thread_record_kind", "kind"),
)


def _end(side: str) -> tuple[Column[Any], ...]:
    return (
        Column(f"{side}_kind", String(16), nullable=False),
        Column(f"{side}_id", String(200), nullable=False),
        Column(f"{side}_sub", String(200), nullable=False),
        Column(f"{side}_start", BigInteger),
        Column(f"{side}_end", BigInteger),
    )


link = Table(
    "thread_link",
    metadata,
    _number(),
    Column("kind", String(64), nullable=False),
    *_end("source"),
    *_end("target"),
    *_origin(),
    *_believed(),
    Index("ix_thread_link_source", "source_kind", "source_id"),
    Index("ix_thread_link_target", "target_kind", "target_id"),
)

measurement = Table(
    "thread_measurement",
    metadata,
    _number(),
    Column("inspection", String(200), nullable=False),
    Column("item", String(128), nullable=False),
    Column("characteristic", String(200), nullable=False),
    Column("quantity", String(64), nullable=False),
    Column("nominal", Float),
    Column("lower", Float),
    Column("upper", Float),
    Column("value", Float),
    Column("unit", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("time", BigInteger),
    *_origin(),
    Column("recorded_from", BigInteger, nullable=False),
    Column("recorded_to", BigInteger, nullable=False),
    Column("act", NUMBER, ForeignKey("thread_act.number"), nullable=False),
    Index("ix_thread_measurement_inspection", "inspection", "item"),
    Index("ix_thread_measurement_item", "item", "status"),
)

document = Table(
    "thread_document",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("title", String(400), nullable=False),
    Column("act", NUMBER, ForeignKey("thread_act.number"), nullable=False),
)

version = Table(
    "thread_document_version",
    metadata,
    _number(),
    Column("document", String(200), ForeignKey("thread_document.id"), nullable=False),
    Column("version", String(64), nullable=False),
    Column("language", String(16), nullable=False),
    Column("name", String(400), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("note", Text, nullable=False),
    *_believed(),
    Index("ix_thread_document_version_document", "document"),
    Index("ix_thread_document_version_sha256", "sha256"),
)

effectivity = Table(
    "thread_document_effectivity",
    metadata,
    _number(),
    Column("of", NUMBER, ForeignKey("thread_document_version.number"), nullable=False),
    Column("part", String(128), nullable=False),
    Column("revisions", Text, nullable=False),  # JSON list; empty: all
    Column("serials", Text, nullable=False),  # JSON list of ranges, of the end item; empty: all
    Column("lots", Text, nullable=False),  # JSON list, of the end item; empty: all
    Index("ix_thread_document_effectivity_of", "of"),
    Index("ix_thread_document_effectivity_part", "part"),
)

having = Table(
    "thread_document_having",
    metadata,
    _number(),
    Column("of", NUMBER, ForeignKey("thread_document_version.number"), nullable=False),
    Column("part", String(128), nullable=False),  # of a part or of software
    Column("below", String(128), nullable=False),
    Column("above", String(128), nullable=False),
    Column("revisions", Text, nullable=False),  # JSON list; empty: all
    Column("unknown", Boolean, nullable=False),
    Index("ix_thread_document_having_of", "of"),
    Index("ix_thread_document_having_part", "part"),
)
