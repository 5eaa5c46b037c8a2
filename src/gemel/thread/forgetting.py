"""What the thread holds of a twin, so that it goes when the twin is erased; that it was there stays known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, or_, select, text, update

from gemel.thread import tables
from gemel.thread.nodes import NodeKind

__all__ = ["IMPORTED", "Paper", "forget_papers", "forget_twin_records", "only_about", "papers_of"]

IMPORTED = "thread.imported"
"""Tells in `twins` whose readings a file (`sha256`) brought."""
_AT_ONCE = 500
"""Ids in one query."""
_LOGS = ("process_log",)
"""Readers of files that are readings."""
_ABOUT = (tables.effectivity, tables.having)
"""What says to what else a document applies."""


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """One content that is kept: of a file that readings were taken from, or of a document about the twin alone."""

    sha256: str
    name: str
    size: int
    documents: tuple[str, ...]
    """Of which it is a version."""
    twins: tuple[str, ...]
    """Of which else it tells."""


def papers_of(tx: Connection, twin: str, told: Collection[str] = ()) -> list[Paper]:
    """What is kept of logs that tell of a twin, and of documents that are linked to nothing else, by its name.

    `told`: hashes of files whose readings were its.
    """
    s, k = tables.source.c, tables.link.c
    about = select(k.origin).where(
        or_(
            (k.source_kind == NodeKind.TWIN.value) & (k.source_id == twin),
            (k.target_kind == NodeKind.TWIN.value) & (k.target_id == twin),
        )
    )
    asked = select(tables.source).where(s.reader.in_(_LOGS), or_(s.number.in_(about), s.sha256.in_(sorted(told))))
    found: dict[str, Paper] = {}
    for row in tx.execute(asked.order_by(s.name, s.number)).all():
        others = _twins(tx, row.number) - {twin}
        contents = {row.sha256: row.size} if row.kept else {}
        named: dict[str, set[str]] = {}
        for version in _versions(tx, row.sha256):
            contents[version.sha256] = version.size
            named.setdefault(version.sha256, set()).add(version.document)
        for sha256, size in contents.items():
            before = found.get(sha256)
            found[sha256] = Paper(
                sha256=sha256,
                name=row.name,
                size=size,
                documents=tuple(sorted({*named.get(sha256, ()), *(before.documents if before else ())})),
                twins=tuple(sorted({*others, *(before.twins if before else ())})),
            )
    for one in _own(tx, twin):
        found.setdefault(one.sha256, one)
    return list(found.values())


def _own(tx: Connection, twin: str) -> Iterator[Paper]:
    """Of documents about this twin alone; a content that something else has, too, stays."""
    v, s = tables.version.c, tables.source.c
    for id in only_about(tx, twin, NodeKind.DOCUMENT):
        told = (select(of.c.number).join(tables.version, v.number == of.c.of).where(v.document == id) for of in _ABOUT)
        if any(tx.execute(one.limit(1)).first() for one in told):
            continue
        for row in tx.execute(select(tables.version).where(v.document == id)).all():
            shared = select(v.number).where(v.sha256 == row.sha256, v.document != id)
            read = select(s.number).where(s.sha256 == row.sha256, s.kept)
            if not tx.execute(shared.limit(1)).first() and not tx.execute(read.limit(1)).first():
                yield Paper(sha256=row.sha256, name=row.name or id, size=row.size, documents=(id,), twins=())


def _twins(tx: Connection, source: int) -> set[str]:
    k = tables.link.c
    sides = ((k.source_kind, k.source_id), (k.target_kind, k.target_id))
    return {id for kind, id_ in sides for id in tx.scalars(select(id_).where(k.origin == source, kind == "twin"))}


def _versions(tx: Connection, sha256: str) -> list[Row[Any]]:
    """Versions with this content, and those that were read from a file with it: it may have been unpacked."""
    s, v, k = tables.source.c, tables.version.c, tables.link.c
    same = select(s.number).where(s.sha256 == sha256)
    with_it = (
        select(v.number)
        .join(tables.link, (k.source_id == v.document) & (k.act == v.act))
        .where(k.origin.in_(same), k.kind == "contains", k.source_kind == NodeKind.DOCUMENT.value)
    )
    return list(tx.execute(select(tables.version).where(or_(v.sha256 == sha256, v.number.in_(with_it)))).all())


def forget_papers(tx: Connection, contents: Collection[str]) -> None:
    """These files are not kept any more; that they were read, and their hashes, stays known."""
    s = tables.source
    tx.execute(update(s).where(s.c.sha256.in_(sorted(contents))).values(kept=False))


def only_about(tx: Connection, twin: str, kind: NodeKind) -> list[str]:
    """Ids of records or documents that are linked to this twin, and to no other twin and no item: they are of nothing
    else."""
    k = tables.link.c
    sides = (
        (k.source_kind, k.source_id, k.target_kind, k.target_id),
        (k.target_kind, k.target_id, k.source_kind, k.source_id),
    )
    of_twin = NodeKind.TWIN.value
    mine, shared = set[str](), set[str]()
    for one, id_, other, anchor in sides:
        mine |= set(tx.scalars(select(id_).where(other == of_twin, anchor == twin, one == str(kind))))
    for some in _some(sorted(mine)):
        for one, id_, other, anchor in sides:
            else_ = or_(other == NodeKind.ITEM.value, (other == of_twin) & (anchor != twin))
            shared |= set(tx.scalars(select(id_).where(one == str(kind), id_.in_(some), else_)))
    return sorted(mine - shared)


def forget_twin_records(tx: Connection, twin: str) -> int:
    """Take out what the thread says of a twin: links to it and to times of it, and the words of records and documents
    that are about it alone. That these were there, and their kinds, stays known; how many links and records went."""
    k, r, v, d = tables.link, tables.record, tables.version, tables.document
    records, papers = only_about(tx, twin, NodeKind.RECORD), only_about(tx, twin, NodeKind.DOCUMENT)
    with _unguarded(tx, k.name, r.name, v.name):
        words = dict.fromkeys(("title", "revision", "external", "url"), "") | {"attributes": "{}"}
        for some in _some(records):
            tx.execute(update(r).where(r.c.id.in_(some)).values(**words))
        for some in _some(papers):
            tx.execute(update(v).where(v.c.document.in_(some)).values(name="", note=""))
            tx.execute(update(d).where(d.c.id.in_(some)).values(title=""))
        kind = NodeKind.TWIN.value
        mine = or_(
            (k.c.source_kind == kind) & (k.c.source_id == twin), (k.c.target_kind == kind) & (k.c.target_id == twin)
        )
        gone = int(tx.execute(delete(k).where(mine)).rowcount)
    return gone + len(records)


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE))


@contextmanager
def _unguarded(tx: Connection, *names: str) -> Iterator[None]:
    """What the database refuses of these tables otherwise, within this transaction; nobody else sees it so."""
    if tx.dialect.name != "sqlite":
        for name in names:
            tx.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER USER"))
        yield
        for name in names:
            tx.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER USER"))
        return
    asked = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name")
    guards = [row for name in names for row in tx.execute(asked, {"name": name}).all()]
    for guard in guards:
        tx.execute(text(f"DROP TRIGGER {guard.name}"))
    yield
    for guard in guards:
        tx.exec_driver_sql(guard.sql)
