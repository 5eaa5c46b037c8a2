"""The digital thread: records of all phases of a life, linked to parts, items, twins and times of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, tuple_

from gemel.clock import Clock
from gemel.configuration import FOREVER, Basis, Configuration
from gemel.configuration.acts.acting import item_row
from gemel.database import Database
from gemel.errors import InvalidInput, NotFound
from gemel.thread import documents as papers
from gemel.thread import tables
from gemel.thread.acts import ActTold, act_of
from gemel.thread.bulletins.bulletins import Bulletins
from gemel.thread.documents import Document, DocumentSpec, Version
from gemel.thread.following import Asked, Followed, Reached, follow
from gemel.thread.implied import implied, items_of
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.paging import seen_page
from gemel.thread.reading import (
    MeasurementQuery,
    RecordQuery,
    measurement_of,
    record_of,
    record_row,
    said_of,
)
from gemel.thread.sight import ALL, Seen, Sight
from gemel.thread.store import Content, Store
from gemel.thread.values import Link, Measurement, Origin, Phase, Record, RecordSpec, Said, Source
from gemel.thread.writing import Entry, LinkSpec, begin, link_of, said_before
from gemel.twin import Change, Page

__all__ = ["Thread", "Woven"]

T = TypeVar("T")
_NO_BASIS = Basis()
_LATEST = FOREVER - 1
_LOOK_FOR = {
    NodeKind.ITEM: "look for its serial number with `gemel items`, or make it known with `gemel item create`",
    NodeKind.DOCUMENT: "look for it with `gemel documents`",
}


class Run(Protocol):
    """Does work in the writer's transaction for an actor, and journals the changes that it returns."""

    def __call__(self, work: Callable[[Connection], Sequence[Change]], /, *, actor: str = "") -> object: ...


class Woven(msgspec.Struct, frozen=True, kw_only=True):
    """What one act brought."""

    act: int
    repeated: bool = False
    """It was said before with the same key; nothing was done."""
    records: int = 0
    links: int = 0
    measurements: int = 0
    versions: int = 0


class Thread:
    """Records, links, measurements and documents. Every verb may be called from any thread."""

    def __init__(self, database: Database, clock: Clock, run: Run, configuration: Configuration, store: Store) -> None:
        """`store`: keeps the contents of documents."""
        self.store = store
        self.configuration = configuration
        self._database, self._clock, self._run = database, clock, run
        self._actor = ""

    def as_(self, actor: str) -> Thread:
        """The same, on behalf of somebody."""
        other = Thread(self._database, self._clock, self._run, self.configuration.as_(actor), self.store)
        other._actor = actor
        return other

    # what is said: each is one act in one transaction

    def weave(
        self,
        records: Iterable[RecordSpec | tuple[RecordSpec, Origin | None]] = (),
        links: Iterable[LinkSpec | tuple[LinkSpec, Origin | None]] = (),
        measurements: Iterable[tuple[Measurement, Origin | None]] = (),
        *,
        basis: Basis = _NO_BASIS,
        what: str = "recorded",
        outside: bool = False,
    ) -> Woven:
        """Know records, links and measurements, all or none. What is known already is not said again. `outside`:
        another system says it, which may know items sooner than they are known here.

        Raises InvalidInput, InvalidTime, NotFound (a link to a record, item, document, act or measurement that nobody
        knows; of parts and twins the thread knows those that it leads to).
        """
        given = [one if isinstance(one, tuple) else (one, None) for one in records]
        joined = [one if isinstance(one, tuple) else (one, None) for one in links]
        found = list(measurements)

        def work(entry: Entry) -> dict[str, int]:
            counts = {
                "records": sum(entry.record(spec, origin) for spec, origin in given),
                "links": sum(bool(entry.link(spec, origin)) for spec, origin in joined),
                "measurements": entry.measure(found),
            }
            if not outside:
                self._check_known(entry.tx, [end for spec, _ in joined for end in (spec.source, spec.target)])
            return counts

        subject = given[0][0].id if given else str(joined[0][0].source) if joined else ""
        return self._say(what, subject, basis, work)

    def end(self, link: int, at: int | None, *, basis: Basis) -> Woven:
        """A link was so only until a moment; None: never. Raises NotFound, Conflict, InvalidInput (no reason)."""
        if not basis.reason.strip():
            raise InvalidInput("say why the link ends: give a reason")

        def work(entry: Entry) -> dict[str, int]:
            entry.end_link(link, at)
            return {"links": 1}

        return self._say("ended", f"link {link}", basis, work)

    def add_document(
        self,
        spec: DocumentSpec,
        data: bytes | Iterable[bytes] | Content,
        *,
        links: Sequence[Node] = (),
        basis: Basis = _NO_BASIS,
    ) -> Woven:
        """Keep a version of a document, and link it to what it describes. Raises Conflict, InvalidInput, TooLarge."""
        spec = spec.checked()
        content = data if isinstance(data, Content) else self.store.keep(data)
        paper = Node(kind=NodeKind.DOCUMENT, id=spec.id)

        def work(entry: Entry) -> dict[str, int]:
            papers.add(entry, spec, content)
            self._check_known(entry.tx, links)
            joined = [entry.link(LinkSpec(kind="describes", source=paper, target=node)) for node in links]
            return {"versions": 1, "links": sum(map(bool, joined))}

        return self._say("document", spec.id, basis, work, version=spec.version, sha256=content.sha256)

    def withdraw_document(self, document: str, version: str, *, basis: Basis) -> Woven:
        """A version is not to be used any more. Raises NotFound, InvalidInput (no reason)."""
        if not basis.reason.strip():
            raise InvalidInput("say why it is withdrawn: give a reason")

        def work(entry: Entry) -> dict[str, int]:
            papers.withdraw(entry, document, version)
            return {"versions": 1}

        return self._say(papers.WITHDRAWN, document, basis, work, version=version)

    def source(self, tx: Connection, *, name: str, content: Content, kept: bool, reader: str) -> int:
        """The number of a file that is read from; the same file is the same source."""
        c = tables.source.c
        known = tx.scalar(select(c.number).where(c.sha256 == content.sha256, c.name == name, c.reader == reader))
        if known is not None:
            return int(known)
        told = {"name": name[-400:], "sha256": content.sha256, "size": content.size, "kept": kept, "reader": reader}
        key = tx.execute(insert(tables.source).values(**told, recorded=self._clock.now())).inserted_primary_key
        assert key is not None
        return int(key[0])

    def say(self, what: str, subject: str, basis: Basis, work: Callable[[Entry], dict[str, int]], **body: Any) -> Woven:
        """Do work as one act, journaled as `thread.<what>`; with a key that was said before, nothing."""
        return self._say(what, subject, basis, work, **body)

    def _say(
        self, what: str, subject: str, basis: Basis, work: Callable[[Entry], dict[str, int]], **body: Any
    ) -> Woven:
        done: list[Woven] = []

        def transaction(tx: Connection) -> Sequence[Change]:
            done.clear()
            if (before := said_before(tx, basis)) is not None:
                done.append(Woven(act=before, repeated=True))
                return []
            now = self._clock.now()
            entry = begin(tx, what, now=now, basis=basis, actor=self._actor)
            counts = work(entry)
            done.append(msgspec.convert({"act": entry.number, **counts}, Woven))
            told = {"act": entry.number, **counts, **body}
            return [Change(kind=f"thread.{what}", subject=subject[:200], time=now, actor=self._actor, body=told)]

        self._run(transaction, actor=self._actor)
        return done[0]

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment of the thread; never write through it."""
        return self._database.read()

    # what is asked; `known` defaults to now

    def follow(self, start: Node, asked: Asked | None = None, *, sight: Sight = ALL) -> Followed:
        """Everything that a node leads to. Raises NotFound, also where it may not be seen."""
        asked = asked or self.asked()
        with self._database.read() as tx:
            seen = Seen(tx, sight, asked.known)
            if not self.exists(tx, start, asked) or not seen(start):
                raise NotFound(f"there is no {start.kind} {start.id!r:.120}, or nothing is known of it")
            links = implied(tx, self.configuration, asked, start=start, sees=seen)
            found = follow(tx, start, asked, implied=links, sees=seen)
            if start.kind is NodeKind.PART:
                found = msgspec.structs.replace(found, next=items_of(tx, start, asked.after, seen)[1])
            if not asked.phases:
                return found
            chosen = tuple(one for one in found.reached if self._phase(tx, one, asked) in asked.phases)
            return msgspec.structs.replace(found, reached=chosen)

    def asked(self, **how: Any) -> Asked:
        """How to follow, as of now unless said otherwise."""
        given = {name: value for name, value in how.items() if value is not None}
        return Asked(**{"at": self._clock.now(), "known": _LATEST, **given})

    def exists(self, tx: Connection, node: Node, asked: Asked) -> bool:
        """Whether there is such a thing. Of parts and twins the thread knows those that it leads to."""
        if node.kind is NodeKind.RECORD:
            return record_row(tx, node.id, asked.known) is not None
        if node.kind is NodeKind.DOCUMENT:
            return tx.scalar(select(tables.document.c.id).where(tables.document.c.id == node.id)) is not None
        if node.kind is NodeKind.MEASUREMENT:
            c = tables.measurement.c
            return node.id.isdecimal() and tx.scalar(select(c.number).where(c.number == int(node.id))) is not None
        if node.kind is NodeKind.ACT:
            return act_of(tx, int(node.id), asked.known) is not None
        if node.kind is NodeKind.ITEM:
            try:
                item_row(tx, node.id)
            except NotFound:
                return False
        return True

    def _check_known(self, tx: Connection, ends: Iterable[Node]) -> None:
        """What is linked is there. Raises NotFound, InvalidInput."""
        asked = self.asked()
        for end in ends:
            node = end.checked().whole
            if not self.exists(tx, node, asked):
                where = _LOOK_FOR.get(node.kind, "look for it with `gemel thread follow`")
                raise NotFound(f"there is no {node.kind} {node.id!r:.160} that could be linked; {where}")

    def _phase(self, tx: Connection, reached: Reached, asked: Asked) -> Phase | None:
        node = reached.node
        if node.kind is NodeKind.RECORD:
            row = record_row(tx, node.id, asked.known)
            return None if row is None else Phase(row.phase)
        if node.kind is NodeKind.DOCUMENT:
            found = tx.scalar(select(tables.document.c.phase).where(tables.document.c.id == node.id))
            return None if found is None else Phase(found)
        return Phase.QUALITY if node.kind is NodeKind.MEASUREMENT else None

    def record(self, id: str, *, known: int | None = None, sight: Sight = ALL) -> Record:
        """A record. Raises NotFound."""
        at = _LATEST if known is None else known
        with self._database.read() as tx:
            row = record_row(tx, id, at)
            if row is None or not Seen(tx, sight, at)(Node(kind=NodeKind.RECORD, id=id)):
                raise NotFound(f"there is no record {id!r:.120}; look for it with `gemel thread records`")
            return record_of(row)

    def records(self, query: RecordQuery, *, known: int | None = None, sight: Sight = ALL) -> Page[Record]:
        """Records in the order of their ids."""
        at = _LATEST if known is None else known
        c = tables.record.c
        wanted = [c.recorded_from <= at, c.recorded_to > at]
        wanted += [c[name] == value for name in ("kind", "system", "external") if (value := getattr(query, name))]
        if query.phase is not None:
            wanted.append(c.phase == str(query.phase))
        if query.q:
            wanted.append(
                c.id.icontains(query.q, autoescape=True)
                | c.title.icontains(query.q, autoescape=True)
                | c.external.icontains(query.q, autoescape=True)
            )
        with self._database.read() as tx:
            seen = Seen(tx, sight, at)
            begin = tx.scalar(select(c.id).where(c.number == query.after)) or ""

            def read(last: Row[Any] | None, count: int) -> Sequence[Row[Any]]:
                rest = c.id > (begin if last is None else last.id)
                return tx.execute(select(tables.record).where(*wanted, rest).order_by(c.id).limit(count)).all()

            found, last = seen_page(read, lambda row: seen(Node(kind=NodeKind.RECORD, id=row.id)), query.limit)
        return Page([record_of(row) for row in found], None if last is None else str(last.number))

    def measurements(
        self, query: MeasurementQuery, *, known: int | None = None, sight: Sight = ALL
    ) -> Page[Measurement]:
        """What inspections found, in the order of items and characteristics."""
        at = _LATEST if known is None else known
        c = tables.measurement.c
        wanted = [c.recorded_from <= at, c.recorded_to > at]
        if query.items:
            wanted.append(c.item.in_(query.items))
        wanted += [c[name] == value for name in ("inspection", "characteristic") if (value := getattr(query, name))]
        if query.status is not None:
            wanted.append(c.status == str(query.status))
        with self._database.read() as tx:
            begin = tx.execute(select(c.item, c.number).where(c.number == query.after)).first()

            def read(last: Row[Any] | None, count: int) -> Sequence[Row[Any]]:
                after = begin if last is None else last
                rest = () if after is None else (tuple_(c.item, c.number) > tuple_(after.item, after.number),)
                asked = select(tables.measurement).where(*wanted, *rest).order_by(c.item, c.number)
                return tx.execute(asked.limit(count)).all()

            found, last = seen_page(read, lambda row: sight.everything or sight.item(row.item), query.limit)
        return Page([measurement_of(row) for row in found], None if last is None else str(last.number))

    def measurement(self, number: int) -> Measurement:
        """One measurement. Raises NotFound."""
        with self._database.read() as tx:
            row = tx.execute(select(tables.measurement).where(tables.measurement.c.number == number)).first()
        if row is None:
            raise NotFound(f"there is no measurement {number}")
        return measurement_of(row)

    def act(self, number: int, *, known: int | None = None) -> ActTold:
        """An act of the configuration, and what it is about. Raises NotFound."""
        with self._database.read() as tx:
            found = act_of(tx, number, _LATEST if known is None else known)
        if found is None:
            raise NotFound(f"there is no act {number}")
        return found

    def links(self, node: Node, *, known: int | None = None, sight: Sight = ALL) -> list[Link]:
        """Links that name a node as it is written, whatever time they are of, and lead to what is seen."""
        at = _LATEST if known is None else known
        c = tables.link.c
        here = ((c.source_kind == str(node.kind)) & (c.source_id == node.id)) | (
            (c.target_kind == str(node.kind)) & (c.target_id == node.id)
        )
        with self._database.read() as tx:
            seen = Seen(tx, sight, at)
            rows = tx.execute(
                select(tables.link).where(here, c.recorded_from <= at, c.recorded_to > at).order_by(c.number)
            ).all()
            return [link for row in rows if seen((link := link_of(row)).source) and seen(link.target)]

    def sources(self, numbers: Iterable[int]) -> dict[int, Source]:
        """The files that statements were read from."""
        wanted = sorted(set(numbers))
        with self._database.read() as tx:
            rows = tx.execute(select(tables.source).where(tables.source.c.number.in_(wanted))).all()
        return {row.number: Source(**row._mapping) for row in rows}

    def said(self, numbers: Iterable[int]) -> dict[int, Said]:
        """Who said what of acts."""
        with self._database.read() as tx:
            rows = tx.execute(select(tables.act).where(tables.act.c.number.in_(sorted(set(numbers))))).all()
            return {row.number: said_of(tx, row) for row in rows}

    # documents

    @property
    def bulletins(self) -> Bulletins:
        """What is to be done to some machines, and how each stands to it."""
        return Bulletins(self)

    def document(self, id: str, *, known: int | None = None, sight: Sight = ALL) -> Document:
        """A document with its versions. Raises NotFound."""
        at = _LATEST if known is None else known
        with self._database.read() as tx:
            found = papers.document_of(tx, id, at)
            if not Seen(tx, sight, at)(Node(kind=NodeKind.DOCUMENT, id=id)):
                raise NotFound(f"there is no document {id!r:.120}; look for it with `gemel documents`")
            return found

    def documents(
        self, q: str = "", *, known: int | None = None, limit: int = 100, after: int = 0, sight: Sight = ALL
    ) -> Page[Document]:
        """Documents in the order of their ids."""
        at = _LATEST if known is None else known
        v = tables.version.c
        with self._database.read() as tx:
            seen = Seen(tx, sight, at)
            begin = tx.scalar(select(v.document).where(v.number == after)) or ""

            def read(last: str | None, count: int) -> Sequence[str]:
                return papers.documents(tx, q=q, known=at, limit=count, after=begin if last is None else last)

            found, last = seen_page(read, lambda id: seen(Node(kind=NodeKind.DOCUMENT, id=id)), limit)
            place = None if last is None else tx.scalar(select(func.min(v.number)).where(v.document == last))
            return Page([papers.document_of(tx, id, at) for id in found], None if place is None else str(place))

    def valid_documents(
        self, item: str, at: int | None = None, *, known: int | None = None, language: str = "", sight: Sight = ALL
    ) -> list[Version]:
        """The versions that apply to an item at a moment: "the manual valid for this serial number today".

        By part, revision and the nearest end item that it is in then, and by links to the item itself; of each document
        and language the version that began last. Raises NotFound.
        """
        moment = self._clock.now() if at is None else at
        believed = _LATEST if known is None else known
        me = self.configuration.items([item], moment, known=believed).get(item)
        if me is None or not sight.item(item):
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        end = self.configuration.end_item(item, moment, known=known)
        root = end or msgspec.structs.replace(me, serial="", lot="")
        v, e, c = tables.version.c, tables.effectivity.c, tables.link.c
        with self._database.read() as tx:
            part = self.configuration.parts.read(tx, known).of(me.part, me.maker)
            numbers = tx.scalars(select(e.of).where(e.part == me.part)).all()
            named = tx.scalars(
                select(c.source_id).where(
                    c.kind == "describes",
                    c.source_kind == "document",
                    c.target_kind == "item",
                    c.target_id == item,
                    c.valid_from <= moment,
                    c.valid_to > moment,
                    c.recorded_from <= believed,
                    c.recorded_to > believed,
                )
            ).all()
            seen = Seen(tx, sight, believed)
            found: dict[tuple[str, str], Version] = {}
            for one in papers.versions(tx, v.number.in_(numbers) | v.document.in_(named), believed):
                fits = (one.document in named and not one.applies) or any(
                    told.covers(me, root, part, moment) for told in one.applies
                )
                if not fits or not one.valid.covers(moment) or (language and one.language not in ("", language)):
                    continue
                if seen(Node(kind=NodeKind.DOCUMENT, id=one.document)):
                    found.setdefault((one.document, one.language), one)
        return sorted(found.values(), key=lambda one: (one.document, one.language))
