"""Bulletins, machine by machine: what is open, what was complied with, and what is not needed any more.

Nothing of it is stored but what nobody could find out: the bulletin itself, and that somebody complied with it. To
which machines it applies is asked of the configuration, as of any two moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, or_, select

from gemel.clock import moment
from gemel.configuration import FOREVER, Basis, Span
from gemel.configuration import Node as Piece
from gemel.configuration import Seen as Items
from gemel.errors import InvalidInput, InvalidTime, NotFound
from gemel.thread import documents as papers
from gemel.thread import tables
from gemel.thread.bulletins.aiming import Aimed, aimed, terms
from gemel.thread.bulletins.judging import Judging
from gemel.thread.bulletins.telling import Telling
from gemel.thread.bulletins.values import Bulletin, BulletinCounts, BulletinStanding, BulletinState, Compliance
from gemel.thread.documents import BULLETIN, Document, Version
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.sight import ALL, Seen, Sight
from gemel.thread.values import COMPLIED_WITH, Link, Said
from gemel.thread.writing import Entry, LinkSpec, begin, link_of
from gemel.twin import Page

if TYPE_CHECKING:
    from gemel.thread.thread import Thread, Woven

__all__ = ["Bulletins", "comply_by_order", "is_bulletin"]

S = BulletinState
_NO_BASIS = Basis()
_AT_ONCE = 500
_WORST = (S.OPEN, S.UNKNOWN, S.NOT_NEEDED, S.COMPLIED)


class Bulletins:
    """`thread.bulletins`. Every verb may be called from any thread; `at` and `known` left out: now. `items`: what the
    caller sees of the configuration, and when; left out: everything."""

    def __init__(self, thread: Thread) -> None:
        self._thread, self._configuration = thread, thread.configuration

    # what is asked

    def all(
        self,
        q: str = "",
        at: int | None = None,
        *,
        known: int | None = None,
        after: str = "",
        limit: int = 100,
        sight: Sight = ALL,
        items: Items | None = None,
    ) -> Page[Bulletin]:
        """Those that are in force, in the order of their ids, with how many machines are in which state."""
        asked = self._thread.asked(at=at, known=known)
        with self._thread.reading() as tx:
            seen = Seen(tx, sight, asked.known)
            ids = papers.documents(tx, q=q, known=asked.known, limit=10_000, after=after, kind=BULLETIN)
            found: list[tuple[Document, Version]] = []
            for id in ids:
                document = papers.document_of(tx, id, asked.known)
                version = in_force(document, asked.at)
                if version is not None and seen(Node(kind=NodeKind.DOCUMENT, id=id)):
                    found.append((document, version))
                if len(found) > limit:
                    break
        telling = Telling(items, asked.at, known)
        told = [_bulletin(one, *self._standings(one, asked.at, asked.known, telling)) for one in found[:limit]]
        return Page(told, told[-1].id if len(found) > limit else None)

    def get(
        self,
        bulletin: str,
        at: int | None = None,
        *,
        known: int | None = None,
        sight: Sight = ALL,
        items: Items | None = None,
    ) -> tuple[Bulletin, list[BulletinStanding]]:
        """A bulletin with its machines, what is open first. Raises NotFound (none of it is in force then)."""
        asked = self._thread.asked(at=at, known=known)
        one = self._one(bulletin, asked.at, asked.known, sight)
        standings, problem = self._standings(one, asked.at, asked.known, Telling(items, asked.at, known))
        return _bulletin(one, standings, problem), self._with_orders(standings, asked.known, sight)

    def of(
        self,
        item: str,
        at: int | None = None,
        *,
        known: int | None = None,
        sight: Sight = ALL,
        items: Items | None = None,
    ) -> list[BulletinStanding]:
        """How it stands with every bulletin at the machine that an item is in, itself perhaps; of a part in it, only
        those that are about it or what is in it. What is open first. Raises NotFound."""
        asked = self._thread.asked(at=at, known=known)
        if not sight.item(item):
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        machine = self._configuration.machine_of(item, asked.at, known=asked.known)
        about = None if machine == item else _within(self._configuration.tree(item, asked.at, known=asked.known))
        found: list[BulletinStanding] = []
        moments = asked.at, asked.known
        with self._thread.reading() as tx:
            seen = Seen(tx, sight, asked.known)
            ids = papers.documents(tx, known=asked.known, limit=10_000, kind=BULLETIN)
            listed = [papers.document_of(tx, id, asked.known) for id in ids]
            told = [
                (document, version)
                for document in listed
                if (version := in_force(document, asked.at)) and seen(Node(kind=NodeKind.DOCUMENT, id=document.id))
            ]
        telling = Telling(items, asked.at, known)
        if not telling.machine(machine):
            return []
        unclear: list[BulletinStanding] = []
        for one in told:
            standings, problem = self._standings(one, *moments, telling, root=machine)
            found += standings
            if problem:
                unclear.append(self._unclear(one, machine, *moments, problem))
        found = self._with_orders(self.with_acts(found, known=asked.known, items=items), asked.known, sight)
        about_it = [one for one in found if about is None or about & set(one.items)]
        return sorted([*about_it, *unclear], key=_worst)

    def with_acts(
        self, standings: Iterable[BulletinStanding], *, known: int | None = None, items: Items | None = None
    ) -> list[BulletinStanding]:
        """Also by which act a part went with what it was in, so that the bulletin is not needed any more: `get` leaves
        that open, for it is looked up machine by machine."""
        told: list[BulletinStanding] = []
        telling = Telling(items, self._thread.asked().at, known)
        for one in standings:
            if one.state is S.NOT_NEEDED and one.ended is None and one.since is not None and one.items:
                acts = telling.acts(one, self._configuration.acts_at(one.items, one.since, known=known))
                one = msgspec.structs.replace(one, ended=acts[-1] if acts else None)
            told.append(one)
        return told

    def _with_orders(self, standings: list[BulletinStanding], known: int, sight: Sight) -> list[BulletinStanding]:
        """With those of the records that are linked to a bulletin that are seen: offers and invoices may not be."""
        if sight.everything:
            return standings
        with self._thread.reading() as tx:
            seen = Seen(tx, sight, known)
            told = {id: seen(Node(kind=NodeKind.RECORD, id=id)) for one in standings for id in one.orders}
        return [msgspec.structs.replace(one, orders=tuple(id for id in one.orders if told[id])) for one in standings]

    # what is said

    def comply(
        self, bulletin: str, item: str, at: int | None = None, *, version: str = "", basis: Basis = _NO_BASIS
    ) -> Woven:
        """What a bulletin says was done, on a machine or on the part that it is about; `version`: left out, the one
        that was in force then. It was not so after all: end the link (`Thread.end`).

        Raises NotFound, InvalidInput (it is no bulletin, or nothing of it was in force), InvalidTime.
        """
        now = self._thread.asked().at
        when = now if at is None else moment(at)
        if when > now:
            raise InvalidTime("what a bulletin says was done now or earlier, not in the future")
        document = self._thread.document(bulletin)
        if document.kind != BULLETIN:
            raise InvalidInput(
                f"{bulletin:.120} is a {document.kind:.60}, no bulletin; there is nothing to comply with"
            )
        self._configuration.tree(item, when)
        held = in_force(document, when) or in_force(document, now)
        name = version or (held.version if held is not None else "")
        if name not in {one.version for one in document.versions}:
            known = ", ".join(one.version for one in document.versions) or "none"
            raise InvalidInput(f"there is no version {name!r:.60} of {bulletin:.120} in force; there are: {known}")

        def work(entry: Entry) -> dict[str, int]:
            return {"links": int(entry.link(complied(item, bulletin, name, when)) > 0)}

        return self._thread.say("complied", item, basis, work, bulletin=bulletin, version=name)

    # inside

    def _one(self, bulletin: str, at: int, known: int, sight: Sight) -> tuple[Document, Version]:
        document = self._thread.document(bulletin, known=known, sight=sight)
        version = in_force(document, at)
        if document.kind != BULLETIN or version is None:
            raise NotFound(f"there is no bulletin {bulletin!r:.120} in force then; `gemel bulletins` lists them")
        return document, version

    def _standings(
        self,
        one: tuple[Document, Version],
        at: int,
        known: int,
        telling: Telling,
        *,
        root: str = "",
    ) -> tuple[list[BulletinStanding], str]:
        """Of each machine that it is or was about, or that complied; and why that cannot be told."""
        document, version = one
        with self._thread.reading() as tx:
            book = self._configuration.parts.book(known=known)
            links = _links(tx, document.id, known)
            work = _orders(tx, links, known)
        try:
            span = Span(version.valid.start, at + 1)
            found = aimed(self._configuration, terms(version, book), span, known=known, root=root, book=book)
        except InvalidInput as error:
            return [], str(error)
        if not (version.applies or version.having):
            named = {
                link.target.id
                for link in links
                if link.kind == "describes" and link.target.kind is NodeKind.ITEM and link.valid.covers(at)
            }
            self._put(found, named, (at, known), root)
        met = {*found, *(item for it in found.values() for item in it.items)}
        said = [
            one for one in links if one.kind == COMPLIED_WITH and one.target.id == document.id and one.valid.covers(at)
        ]
        named_ids = {one.source.id for one in said}.union(*work.values())
        names = self._called(named_ids - met, at, known)
        done = self._done(version, said, names)
        work = {order: frozenset(names.get(id, id) for id in ids) for order, ids in work.items()}
        self._put(found, done.keys() - met, (at, known), root, applies=False)
        found = {machine: telling.aimed(machine, it) for machine, it in found.items() if telling.machine(machine)}
        past = [it for it in found.values() if it.applies is False and it.spans]
        ends = {(item, it.spans[-1].end) for it in past for item in it.items}
        judging = Judging(
            document,
            version,
            at,
            done,
            work,
            self._configuration.endings(ends, known=known) if ends else {},
            self._configuration.parts_of({item for it in found.values() for item in it.items}) if done else {},
        )
        told = [judging.standing(machine, it) for machine, it in found.items()]
        return sorted((telling.standing(each) for each in told if each is not None), key=_worst), ""

    def _unclear(
        self, one: tuple[Document, Version], machine: str, at: int, known: int, problem: str
    ) -> BulletinStanding:
        """Of a machine, where it cannot be told to which ones it applies."""
        of = self._configuration.items([machine], at, known=known)[machine]
        return BulletinStanding(
            bulletin=one[0].id,
            title=one[0].title,
            version=one[1].version,
            machine=machine,
            part=of.part,
            serial=of.serial,
            state=S.UNKNOWN,
            note=problem,
        )

    def _put(
        self, found: dict[str, Aimed], items: Collection[str], when: tuple[int, int], root: str, *, applies: bool = True
    ) -> None:
        """Machines that are not found by what they have, but because they, or parts of them, are named."""
        if not items:
            return
        at, known = when
        machines = {
            item: machine
            for item, machine in self._configuration.machines_of(items, at, known=known).items()
            if root in ("", machine) and machine not in found
        }
        what = self._configuration.items(machines.values(), at, known=known) if machines else {}
        for item, machine in sorted(machines.items()):
            of = what[machine]
            found.setdefault(machine, Aimed(part=of.part, serial=of.serial, applies=applies, items=(item,)))

    def _called(self, ids: Collection[str], at: int, known: int) -> dict[str, str]:
        """By ids as they were said: those of the items now, some of which were merged into others."""
        return {id: one.id for id, one in self._configuration.items(ids, at, known=known).items()} if ids else {}

    def _done(self, version: Version, links: Sequence[Link], names: Mapping[str, str]) -> dict[str, Compliance]:
        """By item, the last that was said of it: of the version in force, else of another."""
        said = self._thread.said(one.act for one in links)
        found: dict[str, Compliance] = {}
        for one in sorted(links, key=lambda one: (one.target.sub == version.version, one.valid.start, one.number)):
            item = names.get(one.source.id, one.source.id)
            found[item] = _compliance(one, item, said[one.act])
        return found


def in_force(document: Document, at: int) -> Version | None:
    """The version of a document that began last among those that apply at a moment."""
    return next((one for one in document.versions if one.valid.covers(at)), None)


def is_bulletin(tx: Connection, id: str) -> bool:
    """Whether there is a bulletin of this id."""
    c = tables.document.c
    return tx.scalar(select(c.kind).where(c.id == id)) == BULLETIN


def comply_by_order(tx: Connection, order: str, bulletin: str, item: str, *, at: int, now: int, actor: str) -> None:
    """A work order that a bulletin was the job of is done; where nothing of the bulletin is in force, nothing is
    said."""
    version = in_force(papers.document_of(tx, bulletin, FOREVER - 1), at)
    if version is not None:
        entry = begin(tx, "complied", now=now, basis=Basis(source="work", work_order=order), actor=actor)
        entry.link(complied(item, bulletin, version.version, at))


def complied(item: str, bulletin: str, version: str, at: int) -> LinkSpec:
    """The link that says so."""
    return LinkSpec(
        kind=COMPLIED_WITH,
        source=Node(kind=NodeKind.ITEM, id=item),
        target=Node(kind=NodeKind.DOCUMENT, id=bulletin, sub=version),
        start=at,
    )


def _links(tx: Connection, bulletin: str, known: int) -> list[Link]:
    c = tables.link.c
    document = str(NodeKind.DOCUMENT)
    here = or_(
        (c.source_kind == document) & (c.source_id == bulletin), (c.target_kind == document) & (c.target_id == bulletin)
    )
    asked = select(tables.link).where(here, c.recorded_from <= known, c.recorded_to > known).order_by(c.number)
    return [link_of(row) for row in tx.execute(asked)]


def _orders(tx: Connection, links: Iterable[Link], known: int) -> dict[str, frozenset[str]]:
    """Records that are linked to it (work orders, job plans), with the items that each concerns."""
    ends = {end.id for link in links for end in (link.source, link.target) if end.kind is NodeKind.RECORD}
    found: dict[str, set[str]] = {id: set() for id in sorted(ends)}
    c, ids = tables.link.c, list(found)
    for first in range(0, len(ids), _AT_ONCE):
        asked = select(c.source_id, c.target_id).where(
            c.source_kind == str(NodeKind.RECORD),
            c.source_id.in_(ids[first : first + _AT_ONCE]),
            c.target_kind == str(NodeKind.ITEM),
            c.recorded_from <= known,
            c.recorded_to > known,
        )
        for record, item in tx.execute(asked):
            found[record].add(item)
    return {id: frozenset(items) for id, items in found.items()}


def _compliance(link: Link, item: str, said: Said) -> Compliance:
    return Compliance(
        at=link.valid.start,
        version=link.target.sub,
        item=item,
        actor=said.actor,
        work_order=said.basis.work_order,
        evidence=said.basis.evidence,
        reason=said.basis.reason,
        link=link.number,
    )


def _bulletin(one: tuple[Document, Version], standings: Sequence[BulletinStanding], problem: str) -> Bulletin:
    document, version = one
    counts = Counter(str(each.state) for each in standings)
    return Bulletin(
        id=document.id,
        title=document.title,
        version=version,
        counts=msgspec.convert(dict(counts), BulletinCounts),
        problem=problem,
    )


def _worst(one: BulletinStanding) -> tuple[int, str, str]:
    return _WORST.index(one.state), one.machine, one.bulletin


def _within(piece: Piece) -> set[str]:
    return {piece.item.id}.union(*(_within(part) for part in piece.parts))
