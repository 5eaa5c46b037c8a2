"""What is kept for ever: heads of others with our countersignature, our own with theirs, and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from gemel.clock import SECOND
from gemel.database import Database
from gemel.twin import Change
from gemel.witness.judge import FAULTS, Verdict
from gemel.witness.logs import Run
from gemel.witness.note import Head, Note
from gemel.witness.tables import note

__all__ = ["Book", "Entry"]

KEY = "key"
WHOLE_US, HOUR_US = 7 * 86_400 * SECOND, 3_600 * SECOND
"""For a week every head is kept, then the last one of each hour: the later ones stand for the earlier ones."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One note of the book."""

    id: int
    owner: str
    """Whose log it is."""
    log: str
    signer: str
    """Who countersigned it; of what is wrong, who found it."""
    epoch: str
    size: int
    position: int
    root: bytes
    seen: int
    """When, by our clock."""
    verdict: str
    told: str = ""
    accepted: int | None = None
    """When somebody here took note of what was wrong; None: it is open."""
    note: str

    @property
    def open(self) -> bool:
        return bool(self.told) and self.accepted is None

    @property
    def head(self) -> Head:
        return Head.parse(Note.parse(self.note).text)


class Book:
    """The table of notes. Writes go through the writer; reads from any thread."""

    def __init__(self, database: Database, run: Run) -> None:
        self._database, self._run = database, run

    def put(
        self,
        head: Head,
        written: Note,
        *,
        signer: str,
        seen: int,
        verdict: Verdict,
        told: str = "",
        changes: Sequence[Change] = (),
    ) -> None:
        """Keep a head; `told`: what is wrong with it, which is then open until it is accepted."""
        row = {
            "owner": head.owner, "log": head.log, "signer": signer, "epoch": head.epoch, "size": head.size,
            "position": head.position, "root": head.root, "seen": seen, "verdict": str(verdict), "told": told,
            "note": str(written),
        }  # fmt: skip
        self._insert(row, changes)

    def put_keys(self, owner: str, rotations: Sequence[str], seen: int, changes: Sequence[Change]) -> None:
        """Another party's key named its next one, and we took it."""
        for at, written in enumerate(rotations):
            row = {"owner": owner, "log": KEY, "signer": owner, "epoch": "", "size": at, "position": 0, "root": b"",
                   "seen": seen, "verdict": "", "told": "", "note": written}  # fmt: skip
            self._insert(row, changes if at == 0 else ())

    def _insert(self, row: dict[str, object], changes: Sequence[Change]) -> None:
        def work(tx: Connection) -> Sequence[Change]:
            number = (tx.execute(select(func.max(note.c.id))).scalar() or 0) + 1
            tx.execute(insert(note), {"id": number, **row})
            _thin(tx, row, number)
            return changes

        self._run(work)

    def accept(self, party: str, now: int, changes: Sequence[Change]) -> None:
        """What was wrong between `party` and us is known from now on."""

        def work(tx: Connection) -> Sequence[Change]:
            between = or_(note.c.owner == party, note.c.signer == party)
            mine = and_(between, note.c.told != "", note.c.accepted.is_(None))
            tx.execute(update(note).where(mine).values(accepted=now))
            return changes

        self._run(work)

    def keys(self, owner: str) -> list[str]:
        """Rotations of another party's keys that we took, the oldest first."""
        return [one.note for one in self._some(note.c.owner == owner, note.c.log == KEY)]

    def last(self, owner: str, log: str, signer: str) -> Entry | None:
        """The newest head that stands: what was wrong only if it was accepted, or told by itself (a restore)."""
        mine = note.c.owner == owner, note.c.log == log, note.c.signer == signer
        return next(iter(self._some(*mine, _STANDS, newest=1)), None)

    def held(self, owner: str, log: str, signer: str = "") -> list[Entry]:
        """All heads that stand, the oldest first; by whomever they are countersigned, or by one."""
        mine = [note.c.owner == owner, note.c.log == log, _STANDS]
        return self._some(*mine, *([note.c.signer == signer] if signer else []))

    def knows(self, head: Head, signer: str) -> bool:
        """Whether this very head is kept as countersigned by `signer`."""
        same = note.c.root == head.root, note.c.size == head.size, note.c.epoch == head.epoch
        mine = note.c.owner == head.owner, note.c.log == head.log, note.c.signer == signer
        return bool(self._some(*mine, *same, newest=1))

    def open(self) -> list[Entry]:
        """What is wrong and not accepted yet, the oldest first."""
        return self._some(note.c.told != "", note.c.accepted.is_(None))

    def _some(self, *where: ColumnElement[bool], newest: int | None = None) -> list[Entry]:
        wanted = select(note).where(*where)
        wanted = wanted.order_by(note.c.id) if newest is None else wanted.order_by(note.c.id.desc()).limit(newest)
        with self._database.read() as connection:
            return [Entry(**{str(k): v for k, v in row._mapping.items()}) for row in connection.execute(wanted)]


_STANDS = or_(note.c.verdict.not_in([str(one) for one in FAULTS]), note.c.accepted.is_not(None))


def _thin(tx: Connection, row: dict[str, object], number: int) -> None:
    c = note.c
    alike = and_(c.owner == row["owner"], c.log == row["log"], c.signer == row["signer"], c.told == "", c.log != KEY)
    old = and_(alike, c.seen < int(str(row["seen"])) - WHOLE_US, c.id != number)
    hour = (c.seen - c.seen % HOUR_US, c.epoch)
    kept = select(func.max(c.id)).where(alike).group_by(*hour)
    tx.execute(delete(note).where(old, c.id.not_in(kept)))
