"""What is asked of records and measurements, and how rows of the thread are read."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from gemel.access import words_of
from gemel.configuration import Basis, Span
from gemel.thread import tables
from gemel.thread.values import Measurement, Origin, Phase, Record, Said, Status

__all__ = ["MeasurementQuery", "RecordQuery", "measurement_of", "record_of", "record_row", "said_of"]


class RecordQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which records; what is empty is not asked for."""

    q: str = ""
    """In id, title or external id."""
    kind: str = ""
    phase: Phase | None = None
    system: str = ""
    external: str = ""
    limit: int = 100
    after: int = 0
    """Go on from here: `next` of the page before."""


class MeasurementQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which measurements; what is empty is not asked for."""

    items: tuple[str, ...] = ()
    inspection: str = ""
    characteristic: str = ""
    status: Status | None = None
    limit: int = 1000
    after: int = 0
    """Go on from here: `next` of the page before."""


def record_row(tx: Connection, id: str, known: int) -> Row[Any] | None:
    c = tables.record.c
    return tx.execute(select(tables.record).where(c.id == id, c.recorded_from <= known, c.recorded_to > known)).first()


def _origin(row: Row[Any]) -> Origin | None:
    return None if row.origin is None else Origin(source=row.origin, place=row.place)


def record_of(row: Row[Any]) -> Record:
    return Record(
        id=row.id,
        kind=row.kind,
        title=row.title,
        phase=Phase(row.phase),
        revision=row.revision,
        system=row.system,
        external=row.external,
        url=row.url,
        attributes=msgspec.json.decode(row.attributes),
        valid=Span(row.valid_from, row.valid_to),
        recorded=Span(row.recorded_from, row.recorded_to),
        act=row.act,
        origin=_origin(row),
    )


def measurement_of(row: Row[Any]) -> Measurement:
    told = dict(row._mapping)
    for name in ("origin", "place", "recorded_from", "recorded_to"):
        del told[name]
    return Measurement(**{**told, "status": Status(row.status)}, origin=_origin(row))


def said_of(tx: Connection, row: Row[Any]) -> Said:
    basis = Basis(
        source=row.source,
        work_order=row.work_order,
        evidence=row.evidence,
        confidence=row.confidence,
        reason=words_of(tx, row.reason),
        key=row.key,
    )
    return Said(number=row.number, what=row.what, recorded=row.recorded, actor=row.actor, basis=basis)
