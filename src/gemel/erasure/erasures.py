"""Erasing in two steps: a preview that says what would go, and the erasure that takes its code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from gemel.access import Gate
from gemel.clock import Clock
from gemel.commands import forget_twin
from gemel.database import Database, overwrite
from gemel.erasure.ledger import Entry, Ledger, read_ledger
from gemel.errors import Conflict, NotFound, UnknownTwin
from gemel.history import EventQuery, Fact, History
from gemel.intake import quarantine_table
from gemel.journal import Journal
from gemel.registry import Registry
from gemel.services.campaigns import forget_targets
from gemel.services.capabilities import forget_licences
from gemel.services.forms import forget_filled
from gemel.services.offers import forget_offers
from gemel.services.work import forget_exchanged, forget_person, forget_work
from gemel.thread import IMPORTED, NodeKind, Paper, Store, forget_papers, forget_twin_records, only_about, papers_of
from gemel.twin import Change, Twin

__all__ = ["Erased", "Erasures", "Preview"]

KIND = "twin.erased"
Run = Callable[[Callable[[Connection], Sequence[Change]]], Any]
Progress = Callable[[str, float], None]
"""(what is being done, how much of it)."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure would take. Nothing has been done; `code` confirms exactly this."""

    twins: list[str]
    """The twin, and its parts if they were asked for."""
    parts: list[str]
    """Parts that stay."""
    readings: int
    """Rows of the history."""
    events: int
    quarantined: int
    documents: list[Paper]
    """Contents of imported files that hold its readings (of other twins', too, where `twins` names these), and of
    documents that are linked to it alone."""
    records: int
    """Records of the thread that are linked to it alone: their words go."""
    held: list[str]
    """Twins of which a hold forbids it: of these, and of those of which the documents tell."""
    code: str


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What went; the same is on record in the ledger and the journal."""

    twins: list[str]
    counts: dict[str, int]


class Erasures:
    """Of one open platform."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        rooms: tuple[Registry, Journal, History, Gate],
        clock: Clock,
        *,
        held: Callable[[], Container[str]],
        run: Run,
        forget: Callable[[int], None],
    ) -> None:
        """`held`: ids of twins that a hold protects. `run`: work in the writer's transaction, whose changes are
        journaled. `forget`: writes the live state down anew without the twin of a number."""
        self._database = database
        self._registry, self._journal, self._history, self._gate = rooms
        self._clock = clock
        self._held = held
        self._run = run
        self._forget = forget
        self._folder = folder
        self._store = Store(folder / "documents")
        self.ledger = Ledger(database, folder)

    # twins

    def preview(self, twin: str, *, parts: bool = False) -> Preview:
        """Raises UnknownTwin."""
        found, below = self._chosen(twin)
        twins = [found, *below] if parts else [found]
        ids, protected = [one.id for one in twins], self._held()
        readings = sum(self._readings(one.number) for one in twins)
        events = sum(1 for one in ids for _ in self._events(one))
        with self._database.read() as connection:
            query = sa.select(sa.func.count()).where(quarantine_table.c.twin.in_(ids))
            quarantined = int(connection.execute(query).scalar_one())
        papers = self._papers(ids)
        return Preview(
            twins=ids,
            parts=[] if parts else [one.id for one in below],
            readings=readings,
            events=events,
            quarantined=quarantined,
            documents=papers,
            records=self._records(ids),
            held=_held(ids, papers, protected),
            code=_code(twins, papers),
        )

    def erase_twin(
        self, twin: str, code: str, *, parts: bool = False, actor: str = "", progress: Progress | None = None
    ) -> Erased:
        """Erase for good what a preview of now shows. Raises Conflict (a hold, or another preview), UnknownTwin."""
        found, below = self._chosen(twin)
        twins = [found, *below] if parts else [found]
        papers = self._papers([one.id for one in twins])
        held = _held([one.id for one in twins], papers, self._held())
        if held:
            raise Conflict(
                f"{', '.join(held)} is held, by itself, as a part or in the same file; `gemel storage holds` says by "
                "whom and why, `gemel storage release` ends a hold, if that is right"
            )
        if code != _code(twins, papers):
            raise Conflict(
                "the twin, its parts or its documents have changed since this preview; look again and confirm that"
            )
        totals: dict[str, int] = {}
        for one in reversed(twins):  # parts first
            for name, count in self._erase(one, actor, progress or (lambda *_: None)).items():
                totals[name] = totals.get(name, 0) + count
        return Erased(twins=[one.id for one in twins], counts=totals)

    def _chosen(self, twin: str) -> tuple[Twin, list[Twin]]:
        found = self._registry.twin(twin)
        return found, [part for _, part in self._registry.parts(found.id)]

    def _erase(self, twin: Twin, actor: str, progress: Progress) -> dict[str, int]:
        """In an order that a crash may cut anywhere: `resume` goes on."""
        entry = Entry(kind="twin", subject=twin.id, time=self._clock.now(), actor=actor)

        def begin(tx: Connection) -> Sequence[Change]:
            self.ledger.put(tx, entry)
            return []

        self._run(begin)
        self.ledger.copy()
        return self._carry_out(entry, twin.number, progress)

    def _carry_out(self, entry: Entry, number: int, progress: Progress) -> dict[str, int]:
        self._run(lambda tx: self._registry.empty_twin(tx, entry.subject))
        progress("history", 0.1)
        counts = self._history.erase(number, entry.subject)
        progress("journal", 0.5)
        counts["journal"] = self._journal.erase(number, entry.subject, run=self._run_quietly)
        progress("documents", 0.8)
        papers = self._papers([entry.subject])
        for paper in papers:
            self._store.erase(paper.sha256)
        counts["documents"] = len(papers)
        progress("quarantine", 0.9)

        def finish(tx: Connection) -> Sequence[Change]:
            overwrite(tx, True)
            gone = tx.execute(sa.delete(quarantine_table).where(quarantine_table.c.twin == entry.subject)).rowcount
            orders = forget_twin(tx, entry.subject)
            forget_targets(tx, entry.subject)
            forget_offers(tx, entry.subject)
            forget_licences(tx, entry.subject)
            forget_filled(tx, entry.subject)
            counts["work"] = forget_work(tx, entry.subject)
            forget_exchanged(tx, only_about(tx, entry.subject, NodeKind.RECORD))
            forget_papers(tx, [paper.sha256 for paper in papers])
            counts["thread"] = forget_twin_records(tx, entry.subject)
            overwrite(tx, False)
            if orders:
                counts["orders"] = orders
            if gone:
                counts["quarantine"] = gone
            for name in [name for name, count in counts.items() if not count]:
                del counts[name]
            self.ledger.put(tx, msgspec.structs.replace(entry, done=True, counts=counts))
            now = self._clock.now()
            return [Change(kind=KIND, subject=entry.subject, time=now, actor=entry.actor, body=dict(counts))]

        self._run(finish)
        self._forget(number)
        self.ledger.copy()
        self._database.checkpoint()
        return counts

    def _run_quietly(self, work: Callable[[Connection], None]) -> None:
        def told(tx: Connection) -> Sequence[Change]:
            work(tx)
            return []

        self._run(told)

    # people

    def erase_person(self, id_or_name: str, *, actor: str = "") -> Entry:
        """Name, password, sessions, tokens and the key of all they wrote go. Raises NotFound, Conflict.

        Of somebody whom another system told of (`person-…`): who they are there, and the key.
        """
        if id_or_name.startswith("person-"):
            return self._erase_stranger(id_or_name, actor)
        account = self._gate.accounts.get(id_or_name)
        entry = Entry(kind="person", subject=account.id, time=self._clock.now(), actor=actor, done=True)
        self._gate.accounts.erase(account.id, actor=actor)
        self._gate.tokens.reload()

        def note(tx: Connection) -> Sequence[Change]:
            self.ledger.put(tx, entry)
            return []

        self._run(note)
        self.ledger.copy()
        self._database.checkpoint()
        return entry

    def _erase_stranger(self, id: str, actor: str) -> Entry:
        entry = Entry(kind="person", subject=id, time=self._clock.now(), actor=actor, done=True)

        def forget(tx: Connection) -> Sequence[Change]:
            if not forget_person(tx, id):
                raise NotFound(f"there is nobody {id!r:.80} whom another system told of")
            self.ledger.put(tx, entry)
            return []

        self._run(forget)
        self.ledger.copy()
        self._database.checkpoint()
        return entry

    # after a crash, and after a restore

    def resume(self) -> int:
        """At opening: carry on what a crash cut short, and erase again what the ledger beside the database has and the
        database has not, because it was restored from before; how many."""
        known = self.ledger.all()
        done = {(entry.kind, entry.subject) for entry in known if entry.done}
        wanted = {(entry.kind, entry.subject): entry for entry in [*known, *read_ledger(self._folder)]}
        return self.reapply(entry for key, entry in wanted.items() if key not in done)

    def reapply(self, entries: Iterable[Entry]) -> int:
        """Erase again what was erased in the plant that this folder was restored for; how many were there.

        A restore calls it with `read_ledger(folder)` of the plant as it was, before anybody can read.
        """
        done, own = 0, {entry.subject for entry in self.ledger.all() if entry.done}
        for entry in entries:
            if entry.kind == "person":
                try:
                    if entry.subject.startswith("person-"):
                        self._erase_stranger(entry.subject, entry.actor)
                        done += 1
                        continue
                    known = self._gate.accounts.get(entry.subject)
                except NotFound:
                    continue
                if known.name:
                    self.erase_person(entry.subject, actor=entry.actor)
                    done += 1
                continue
            try:
                known_twin = self._registry.twin(entry.subject)
            except UnknownTwin:
                continue
            if entry.done and not known_twin.types and entry.subject in own:
                continue
            self._carry_out(entry, known_twin.number, lambda *_: None)
            done += 1
        return done

    def _readings(self, number: int) -> int:
        return self._history.count(number)

    def _papers(self, twins: Sequence[str]) -> list[Paper]:
        """What is kept of imported files that hold readings of these twins, by name."""
        told: dict[str, set[str]] = {}
        for fact in self._facts(EventQuery(kinds=(IMPORTED,), limit=1000)):
            for twin in fact.change.body.get("twins", ()):
                told.setdefault(twin, set()).add(str(fact.change.body["sha256"]))
        found: dict[str, Paper] = {}
        with self._database.read() as tx:
            for twin in twins:
                found |= {one.sha256: one for one in papers_of(tx, twin, told.get(twin, ()))}
        return sorted(
            (_also(one, told, twins) for one in found.values() if self._store.has(one.sha256)),
            key=lambda one: (one.name, one.sha256),
        )

    def _records(self, twins: Sequence[str]) -> int:
        with self._database.read() as tx:
            return sum(len(only_about(tx, one, NodeKind.RECORD)) for one in twins)

    def _events(self, twin: str) -> Iterable[Fact]:
        return self._facts(EventQuery(twins=(twin,), limit=1000))

    def _facts(self, query: EventQuery) -> Iterable[Fact]:
        while True:
            page = self._history.events(query)
            yield from page.items
            if not page.next:
                return
            query = msgspec.structs.replace(query, cursor=page.next)


def _also(paper: Paper, told: Mapping[str, Container[str]], twins: Container[str]) -> Paper:
    """With all the other twins whose readings it holds."""
    others = {*paper.twins, *(twin for twin, files in told.items() if paper.sha256 in files)}
    return msgspec.structs.replace(paper, twins=tuple(sorted(one for one in others if one not in twins)))


def _held(twins: Sequence[str], papers: Sequence[Paper], protected: Container[str]) -> list[str]:
    others = sorted({twin for paper in papers for twin in paper.twins})
    return [one for one in (*twins, *others) if one in protected]


def _code(twins: Sequence[Twin], papers: Sequence[Paper]) -> str:
    """Stands for exactly these twins at these revisions, and these documents."""
    told = [f"{twin.id} {twin.revision}" for twin in sorted(twins, key=lambda twin: twin.id)]
    told += sorted(paper.sha256 for paper in papers)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
