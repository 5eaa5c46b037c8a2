"""Twins and links as tables, for SQL over the fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
from sqlalchemy import Select, select

from gemel.database import Database
from gemel.registry.tables import batch, link, shape, twin

__all__ = ["relations"]

_MOMENT = pa.timestamp("us", tz="UTC")
_TWINS = pa.schema(
    [
        ("twin", pa.string()),
        ("name", pa.string()),
        ("types", pa.string()),
        ("serial", pa.string()),
        ("stage", pa.string()),
        ("attributes", pa.string()),
        ("revision", pa.int32()),
        ("created", _MOMENT),
        ("changed", _MOMENT),
    ]
)
_LINKS = pa.schema(
    [
        ("kind", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("slot", pa.string()),
        ("since", _MOMENT),
        ("until", _MOMENT),
    ]
)


def relations(database: Database) -> Mapping[str, Callable[[], pa.Table]]:
    """`twins` (a row each; types as JSON) and `links` (also those that have ended), read when a query names them."""
    live = select(batch.c.number).where(batch.c.live)

    def twins() -> pa.Table:
        columns = [twin.c.id, twin.c.name, shape.c.types, twin.c.serial, twin.c.stage, twin.c.attributes]
        query = select(*columns, twin.c.revision, twin.c.created, twin.c.changed)
        query = query.join_from(twin, shape, twin.c.shape == shape.c.number)
        return _read(database, query.where((twin.c.batch == 0) | twin.c.batch.in_(live)), _TWINS)

    def links() -> pa.Table:
        source, target = twin.alias("source"), twin.alias("target")
        query = select(link.c.kind, source.c.id, target.c.id, link.c.slot, link.c.since, link.c.until)
        query = query.join_from(link, source, link.c.source == source.c.number)
        query = query.join(target, link.c.target == target.c.number)
        return _read(database, query.where((link.c.batch == 0) | link.c.batch.in_(live)), _LINKS)

    return {"twins": twins, "links": links}


def _read(database: Database, query: Select[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    with database.read() as tx:
        rows = tx.execute(query).all()
    columns = [[row[index] for row in rows] for index in range(len(schema))]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)
