"""Who has control of a twin now: taken, handed over, released, lapsed, or taken by force; every turn is journaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from gemel.access import seal, unseal
from gemel.clock import SECOND, Clock
from gemel.commands.tables import control_table
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.twin import Change

__all__ = ["LAPSES_S", "Authority", "Held"]

Wholes = Callable[[str], Iterable[str]]
"""What a twin is part of, at any depth."""
Run = Callable[[Callable[[Connection], Sequence[Change]], str], Any]
LONGEST_REASON = 500
LAPSES_S = 900.0
LONGEST_S = 7 * 86_400.0
_HANDED_S = 60
"""Whoever gets control has it for at least so long."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Who has control of a twin, and of all that is part of it."""

    twin: str
    holder: str
    since: int
    until: int
    """It lapses then, unless it is renewed: taken again."""


class Authority:
    """Control of all twins, in memory and in the database. `run` works in the writer's transaction."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, wholes: Wholes) -> None:
        self._database, self._clock, self._run, self._wholes = database, clock, run, wholes
        self._held: dict[str, Held] = {}
        self.reload()

    def reload(self) -> None:
        """Read again what is on stable storage."""
        with self._database.read() as connection:
            rows = connection.execute(select(control_table)).all()
        self._held = {row.twin: _held(row) for row in rows}

    def of(self, twin: str, now: int) -> Held | None:
        """Who has control of a twin, itself or as a part of something; None if nobody has."""
        held = self._held
        if not held:
            return None
        for one in (twin, *self._wholes(twin)):
            found = held.get(one)
            if found is not None and found.until > now:
                return found
        return None

    def objection(self, twin: str, actor: str, now: int, *, required: bool) -> str:
        """Why somebody may not command a twin now; empty if they may."""
        found = self.of(twin, now)
        if found is None:
            return f"{twin} is commanded by who has taken control, and nobody has: take control first" * required
        if found.holder == actor:
            return ""
        where = twin if found.twin == twin else f"{twin} (a part of {found.twin})"
        return f"{found.holder} has control of {where}; ask for a hand-over, or take control when it is released"

    def why(self, held: Held) -> str:
        """The reason of control taken by force."""
        with self._database.read() as connection:
            sealed = connection.execute(
                select(control_table.c.reason).where(control_table.c.twin == held.twin)
            ).scalar()
        return unseal(self._database, held.holder, sealed) if sealed else ""

    def take(self, twin: str, actor: str, *, for_s: float = LAPSES_S, force: str = "") -> Held:
        """Take control, or renew it. `force`: the reason to take it from somebody who has it.

        Raises Conflict when somebody has it, of this twin, of what it is part of, or of a part.
        """
        if not 0 < for_s <= LONGEST_S:
            raise InvalidInput(f"control is for more than 0 seconds and at most {LONGEST_S:.0f} (a week), not {for_s}")
        if len(force) > LONGEST_REASON:
            raise InvalidInput(f"a reason has at most {LONGEST_REASON} characters")
        held: list[Held] = []

        def work(tx: Connection) -> Sequence[Change]:
            now = self._clock.now()
            others = [one for one in self._standing(tx, twin, now) if one.holder != actor]
            if others and not force.strip():
                one = others[0]
                raise Conflict(f"{one.holder} has control of {one.twin}; ask for a hand-over, or wait", twin=one.twin)
            before = _read(tx, twin)
            renewed = before is not None and before.holder == actor and before.until > now
            since = before.since if before is not None and renewed else now
            until = now + round(for_s * SECOND)
            after = Held(twin=twin, holder=actor, since=since, until=until)
            for one in others:
                tx.execute(delete(control_table).where(control_table.c.twin == one.twin))
            _write(tx, after, seal(tx, actor, force.strip()) if others else None)
            held.append(after)
            if renewed:
                return ()
            kind = "control.forced" if others else "control.taken"
            body: dict[str, Any] = {"holder": actor, "until": until}
            body |= {"from": [one.holder for one in others]} if others else {}
            return [Change(kind=kind, subject=twin, time=now, actor=actor, body=body)]

        self._run(work, actor)
        self.reload()
        return held[0]

    def hand_over(self, twin: str, actor: str, to: str) -> Held:
        """Give control to somebody else. Raises Conflict when `actor` does not have it."""
        if not to or len(to) > 80 or not to.isprintable():
            raise InvalidInput("name whom to hand it over to, by id")
        held: list[Held] = []

        def work(tx: Connection) -> Sequence[Change]:
            now = self._clock.now()
            before = self._own(tx, twin, actor, now)
            after = Held(twin=twin, holder=to, since=now, until=max(before.until, now + _HANDED_S * SECOND))
            _write(tx, after, None)
            held.append(after)
            body = {"holder": to, "from": actor, "until": after.until}
            return [Change(kind="control.handed_over", subject=twin, time=now, actor=actor, body=body)]

        self._run(work, actor)
        self.reload()
        return held[0]

    def release(self, twin: str, actor: str) -> None:
        """Give control up. Raises NotFound when nobody has it, Conflict when somebody else has."""

        def work(tx: Connection) -> Sequence[Change]:
            now = self._clock.now()
            self._own(tx, twin, actor, now)
            tx.execute(delete(control_table).where(control_table.c.twin == twin))
            return [Change(kind="control.released", subject=twin, time=now, actor=actor, body={"holder": actor})]

        self._run(work, actor)
        self.reload()

    def sweep(self, now: int) -> None:
        """Journal what has lapsed."""
        over = [one for one in self._held.values() if one.until <= now]
        if not over:
            return

        def work(tx: Connection) -> Sequence[Change]:
            changes = []
            for one in over:
                row = _read(tx, one.twin)
                if row is None or row.until > now:
                    continue
                tx.execute(delete(control_table).where(control_table.c.twin == one.twin))
                body = {"holder": row.holder}
                changes.append(Change(kind="control.lapsed", subject=one.twin, time=now, body=body))
            return changes

        self._run(work, "")
        self.reload()

    def _own(self, tx: Connection, twin: str, actor: str, now: int) -> Held:
        row = _read(tx, twin)
        if row is None or row.until <= now:
            raise NotFound(f"nobody has control of {twin}; take it first")
        if row.holder != actor:
            raise Conflict(f"{row.holder} has control of {twin}, not you; ask for a hand-over")
        return row

    def _standing(self, tx: Connection, twin: str, now: int) -> list[Held]:
        """Control of this twin, of what it is part of, and of its parts."""
        rows = [_held(row) for row in tx.execute(select(control_table).where(control_table.c.until > now))]
        above = {twin, *self._wholes(twin)}
        return [one for one in rows if one.twin in above or twin in set(self._wholes(one.twin))]


def _held(row: Any) -> Held:
    return Held(twin=row.twin, holder=row.holder, since=row.since, until=row.until)


def _read(tx: Connection, twin: str) -> Held | None:
    row = tx.execute(select(control_table).where(control_table.c.twin == twin)).one_or_none()
    return None if row is None else _held(row)


def _write(tx: Connection, held: Held, reason: bytes | None) -> None:
    row: dict[str, Any] = {**msgspec.structs.asdict(held), "reason": reason}
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    wanted = dialect.insert(control_table).values(**row)
    tx.execute(
        wanted.on_conflict_do_update(
            index_elements=["twin"], set_={name: wanted.excluded[name] for name in row.keys() - {"twin"}}
        )
    )
