"""Who used what: how often each principal read, wrote, subscribed to or commanded each twin, by the hour."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, desc, func, insert, select, update

from gemel.access.principal import Principal
from gemel.access.store import WRITE_TIMEOUT_S, Store
from gemel.access.tables import usage
from gemel.clock import SECOND
from gemel.errors import GemelError
from gemel.twin import Change

__all__ = ["Usage", "Used"]

HOUR = 3600 * SECOND
MOST_WAITING = 20_000
"""Sums that wait to be written; when there are more they are written at once."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A sum over some hours."""

    principal: str
    party: str
    twin: str
    action: str
    policy: str
    requests: int
    rows: int
    first: int
    last: int


class _Sum:
    __slots__ = ("last", "party", "requests", "rows")

    def __init__(self, party: str) -> None:
        self.party, self.requests, self.rows, self.last = party, 0, 0, 0


_Sums = dict[tuple[int, str, str, str, str], _Sum]


class Usage:
    """Counted in memory (half a microsecond each), written by `flush`: what counts for rights is the audit log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._sums: _Sums = {}
        self._order = threading.Lock()
        """Held from taking the sums until they are queued, so that who waits for a later write waits for them too."""

    def count(self, who: Principal, action: str, twin: str, policy: str, *, rows: int = 1) -> None:
        """One use of a twin."""
        now = self._store.clock.now()
        key = (now - now % HOUR, who.id, twin, action, policy[:64])
        with self._lock:
            one = self._sums.get(key)
            if one is None:
                one = self._sums[key] = _Sum(who.party)
            one.requests += 1
            one.rows += rows
            one.last = now

    def count_all(self, who: Principal, action: str, twins: Iterable[str], policy: str) -> None:
        """One use of each of these twins."""
        for twin in twins:
            self.count(who, action, twin, policy)

    @property
    def is_full(self) -> bool:
        """Whether it is time to write."""
        return len(self._sums) > MOST_WAITING

    def flush(self, *, wait: bool = False) -> None:
        """Write what was counted, later, or now with `wait` (also what an earlier flush only queued).

        What cannot be written stays.
        """
        if not self._store.writable:
            return
        with self._order:
            with self._lock:
                taken, self._sums = self._sums, {}
            if not taken and not wait:
                return

            def work(tx: Connection) -> tuple[None, Sequence[Change]]:
                for key, one in taken.items():
                    _add(tx, key, one)
                return None, ()

            try:
                done = self._store.submit(work)
            except GemelError:
                self._keep(taken)
                return
        done.add_done_callback(lambda done: self._keep(taken) if done.exception() else None)
        if wait:
            with contextlib.suppress(GemelError):
                done.result(timeout=WRITE_TIMEOUT_S)

    def _keep(self, taken: _Sums) -> None:
        """What could not be written waits for the next time."""
        with self._lock:
            for key, one in taken.items():
                there = self._sums.setdefault(key, one)
                if there is not one:
                    there.requests += one.requests
                    there.rows += one.rows

    def used(self, span: tuple[int, int], *, only: Mapping[str, str] | None = None, limit: int = 100) -> list[Used]:
        """Sums over the hours that begin in [span), whoever used most first; `only`: column → value."""
        self.flush(wait=True)
        c = usage.c
        by = (c.principal, c.party, c.twin, c.action, c.policy)
        requests = func.sum(c.requests).label("requests")
        query = (
            select(
                *by,
                requests,
                func.sum(c.rows).label("rows"),
                func.min(c.hour).label("first"),
                func.max(c.last).label("last"),
            )
            .where(c.hour >= span[0] - span[0] % HOUR, c.hour < span[1])
            .group_by(*by)
            .order_by(desc(requests), c.principal, c.twin, c.action)
            .limit(limit)
        )
        for column, value in (only or {}).items():
            query = query.where(c[column] == value)
        with self._store.database.read() as tx:
            rows = tx.execute(query).all()
        return [
            Used(
                principal=row.principal,
                party=row.party,
                twin=row.twin,
                action=row.action,
                policy=row.policy,
                requests=int(row.requests),
                rows=int(row.rows),
                first=int(row.first),
                last=int(row.last),
            )
            for row in rows
        ]


def _add(tx: Connection, key: tuple[int, str, str, str, str], one: _Sum) -> None:
    c, (hour, principal, twin, action, policy) = usage.c, key
    same = (c.hour == hour, c.principal == principal, c.twin == twin, c.action == action, c.policy == policy)
    more = {"requests": c.requests + one.requests, "rows": c.rows + one.rows, "last": one.last}
    if tx.execute(update(usage).where(*same).values(**more)).rowcount:
        return
    row = {"hour": hour, "principal": principal, "twin": twin, "action": action, "policy": policy, "party": one.party}
    tx.execute(insert(usage).values(**row, requests=one.requests, rows=one.rows, last=one.last))
