"""Erasing in two steps: a preview that says what would go, and the erasure that takes its code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
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
from gemel.history import EventQuery, History
from gemel.intake import quarantine_table
from gemel.journal import Journal
from gemel.registry import Registry
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
    held: list[str]
    """Of these a hold forbids it."""
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
        return Preview(
            twins=ids,
            parts=[] if parts else [one.id for one in below],
            readings=readings,
            events=events,
            quarantined=quarantined,
            held=[one for one in ids if one in protected],
            code=_code(twins),
        )

    def erase_twin(
        self, twin: str, code: str, *, parts: bool = False, actor: str = "", progress: Progress | None = None
    ) -> Erased:
        """Erase for good what a preview of now shows. Raises Conflict (a hold, or another preview), UnknownTwin."""
        found, below = self._chosen(twin)
        twins = [found, *below] if parts else [found]
        protected = self._held()
        held = [one.id for one in twins if one.id in protected]
        if held:
            raise Conflict(
                f"{', '.join(held)} is held, by itself or as a part; `gemel storage holds` says by whom and why, "
                "`gemel storage release` ends a hold, if that is right"
            )
        if code != _code(twins):
            raise Conflict("the twin or its parts have changed since this preview; look at it again and confirm that")
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
        progress("quarantine", 0.9)
        counts = {name: count for name, count in counts.items() if count}

        def finish(tx: Connection) -> Sequence[Change]:
            overwrite(tx, True)
            gone = tx.execute(sa.delete(quarantine_table).where(quarantine_table.c.twin == entry.subject)).rowcount
            orders = forget_twin(tx, entry.subject)
            overwrite(tx, False)
            if orders:
                counts["orders"] = orders
            if gone:
                counts["quarantine"] = gone
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
        """Name, password, sessions, tokens and the key of all they wrote go. Raises NotFound, Conflict."""
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

    def _events(self, twin: str) -> Iterable[object]:
        cursor = ""
        while True:
            page = self._history.events(EventQuery(twins=(twin,), limit=1000, cursor=cursor))
            yield from page.items
            if not page.next:
                return
            cursor = page.next


def _code(twins: Sequence[Twin]) -> str:
    """Stands for exactly these twins at these revisions."""
    told = "\n".join(f"{twin.id} {twin.revision}" for twin in sorted(twins, key=lambda twin: twin.id))
    return hashlib.sha256(told.encode()).hexdigest()[:12]
