"""What is said of the thread: acts, and the rows that they begin to believe and cease to. Append-only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, func, insert, select, update

from gemel.access import in_own_words
from gemel.clock import moment, to_rfc3339
from gemel.configuration import FOREVER, Basis, Span
from gemel.errors import Conflict, InvalidInput, InvalidTime, NotFound
from gemel.thread import tables
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import Link, Measurement, Origin, RecordSpec
from gemel.twin import check_name

__all__ = ["Entry", "LinkSpec", "MeasurementSpec", "begin", "link_of", "said_before"]

_ALWAYS = -(1 << 62)
"""The beginning of what has no known beginning."""


class LinkSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link that is to be known: `source` `kind` `target`."""

    kind: str
    """describes, derived_from, executed, ran_on, made, measured, supersedes, concerns … or another word."""
    source: Node
    target: Node
    start: int | None = None
    """Since when it is so; None: for as long as both are there."""
    end: int | None = None


MeasurementSpec = Measurement
"""As it is to be known; `number`, `act` and `origin` are given by who takes it in."""


def said_before(tx: Connection, basis: Basis) -> int | None:
    """The number of the act that the same source said with the same key."""
    if not basis.key:
        return None
    c = tables.act.c
    found = tx.scalar(select(c.number).where(c.source == basis.source, c.key == basis.key))
    return None if found is None else int(found)


def begin(tx: Connection, what: str, *, now: int, basis: Basis, actor: str) -> Entry:
    """Note an act; what it says is said through the entry. Raises InvalidInput."""
    if not 0.0 <= basis.confidence <= 1.0:
        raise InvalidInput(f"confidence is from 0 to 1, not {basis.confidence}")
    last = tx.scalar(select(func.max(tables.act.c.recorded)))
    recorded = now if last is None else max(now, last + 1)
    done = tx.execute(
        insert(tables.act).values(
            what=what,
            recorded=recorded,
            actor=actor,
            source=basis.source,
            work_order=basis.work_order,
            evidence=basis.evidence,
            confidence=basis.confidence,
            reason=in_own_words(tx, actor, basis.reason),
            key=basis.key,
        )
    )
    key = done.inserted_primary_key
    assert key is not None
    return Entry(tx, int(key[0]), recorded, actor)


class Entry:
    """One act, within one transaction."""

    def __init__(self, tx: Connection, number: int, recorded: int, actor: str) -> None:
        self.tx, self.number, self.recorded, self.actor = tx, number, recorded, actor

    def record(self, spec: RecordSpec, origin: Origin | None = None, *, since: int | None = None) -> bool:
        """Know a record, or know it differently from now on; whether that is new."""
        spec = spec.checked()
        values = {
            "id": spec.id,
            "kind": spec.kind,
            "phase": str(spec.phase),
            "title": spec.title,
            "revision": spec.revision,
            "system": spec.system,
            "external": spec.external,
            "url": spec.url,
            "attributes": msgspec.json.encode(spec.attributes, order="sorted").decode(),
        }
        before = self._held(tables.record, tables.record.c.id == spec.id)
        if before is not None and all(getattr(before, name) == value for name, value in values.items()):
            return False
        start = _ALWAYS if since is None else since
        if before is not None:
            self.cease(tables.record, [before])
            start = before.valid_from if since is None else since
        self._believe(tables.record, [{**values, **_from(origin), "valid_from": start, "valid_to": FOREVER}])
        return True

    def link(self, spec: LinkSpec, origin: Origin | None = None) -> int:
        """Link two things; 0 when that is known already. Raises InvalidInput, InvalidTime, NotFound (a record)."""
        check_name(spec.kind, "a link's kind")
        source, target = spec.source.checked(), spec.target.checked()
        if source == target:
            raise InvalidInput(f"{source} cannot be linked to itself")
        for node in (source, target):
            if node.kind is NodeKind.RECORD:
                self._known(node.id)
        start = _ALWAYS if spec.start is None else moment(spec.start)
        end = FOREVER if spec.end is None else moment(spec.end)
        if start >= end:
            raise InvalidTime(f"{to_rfc3339(end)} is not after {to_rfc3339(start)}")
        values = {"kind": spec.kind, **_of_node("source", source), **_of_node("target", target)}
        c = tables.link.c
        same = [c[name] == value for name, value in values.items()]  # SQLAlchemy makes IS NULL of None
        if self.tx.scalar(
            select(c.number).where(*same, c.recorded_to == FOREVER, c.valid_from <= start, c.valid_to >= end)
        ):
            return 0
        return self._believe(tables.link, [{**values, **_from(origin), "valid_from": start, "valid_to": end}])

    def end_link(self, number: int, time: int | None) -> Row[Any]:
        """A link was so only until a moment; None: it never was. Raises NotFound, Conflict, InvalidTime."""
        row = self._row(tables.link, number)
        if time is not None and not row.valid_from < time:
            raise InvalidTime(f"link {number} begins at {to_rfc3339(row.valid_from)}; withdraw it instead")
        if time is not None and time >= row.valid_to:
            raise Conflict(f"link {number} ended already at {to_rfc3339(row.valid_to)}")
        self.cease(tables.link, [row])
        if time is not None:
            self.again(tables.link, row, valid_to=time)
        return row

    def measure(self, measurements: Iterable[tuple[Measurement, Origin | None]]) -> int:
        """Know what an inspection found; returns how many."""
        rows = []
        for one, origin in measurements:
            told = msgspec.structs.asdict(one)
            for name in ("number", "origin", "act"):
                del told[name]
            rows.append({**told, "status": str(one.status), **_from(origin)})
        if rows:
            self._believe(tables.measurement, rows)
        return len(rows)

    # rows

    def _row(self, table: Table, number: int) -> Row[Any]:
        row = self.tx.execute(select(table).where(table.c.number == number)).first()
        if row is None:
            raise NotFound(f"there is no {table.name.removeprefix('thread_')} {number}")
        if row.recorded_to != FOREVER:
            raise Conflict(f"{table.name.removeprefix('thread_')} {number} is not believed any more")
        return row

    def _held(self, table: Table, what: Any) -> Row[Any] | None:
        return self.tx.execute(select(table).where(what, table.c.recorded_to == FOREVER)).first()

    def _known(self, record: str) -> None:
        if self._held(tables.record, tables.record.c.id == record) is None:
            raise NotFound(f"there is no record {record!r:.120}; put it first")

    def cease(self, table: Table, rows: Sequence[Row[Any]]) -> None:
        """These rows are what was believed until now."""
        for row in rows:
            self.tx.execute(update(table).where(table.c.number == row.number).values(recorded_to=self.recorded))

    def again(self, table: Table, row: Row[Any], **changed: Any) -> int:
        """Believe the same with other values; returns the new row's number."""
        kept = {name: value for name, value in row._mapping.items() if name not in ("number", "act", "recorded_to")}
        return self._believe(table, [{**kept, **changed}])

    def believe(self, table: Table, **values: Any) -> int:
        """Say something new; returns the row's number."""
        return self._believe(table, [values])

    def _believe(self, table: Table, rows: list[dict[str, Any]]) -> int:
        said = {"recorded_from": self.recorded, "recorded_to": FOREVER, "act": self.number}
        if len(rows) > 1:
            self.tx.execute(insert(table), [{**row, **said} for row in rows])
            return 0
        key = self.tx.execute(insert(table).values(**{**rows[0], **said})).inserted_primary_key
        assert key is not None
        return int(key[0])


def _from(origin: Origin | None) -> dict[str, Any]:
    return {"origin": None if origin is None else origin.source, "place": "" if origin is None else origin.place}


def _of_node(side: str, node: Node) -> dict[str, Any]:
    return {
        f"{side}_kind": str(node.kind),
        f"{side}_id": node.id,
        f"{side}_sub": node.sub,
        f"{side}_start": node.start,
        f"{side}_end": node.end,
    }


def link_of(row: Row[Any]) -> Link:
    """A row of links as a value."""
    ends = [
        Node(
            kind=NodeKind(row._mapping[f"{side}_kind"]),
            id=row._mapping[f"{side}_id"],
            sub=row._mapping[f"{side}_sub"],
            start=row._mapping[f"{side}_start"],
            end=row._mapping[f"{side}_end"],
        )
        for side in ("source", "target")
    ]
    return Link(
        number=row.number,
        kind=row.kind,
        source=ends[0],
        target=ends[1],
        valid=Span(row.valid_from, row.valid_to),
        recorded=Span(row.recorded_from, row.recorded_to),
        act=row.act,
        origin=None if row.origin is None else Origin(source=row.origin, place=row.place),
    )
