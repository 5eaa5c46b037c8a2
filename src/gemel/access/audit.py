"""The audit log: who asked for what, what the gate said, by which policy, when, at which position."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from gemel.access.policy import Decision
from gemel.access.principal import Resource
from gemel.access.store import Store
from gemel.access.tables import audit
from gemel.errors import Overloaded
from gemel.twin import Change

__all__ = ["Audit", "AuditEntry"]

QUEUE = 10_000
BATCH = 1_000
DETAIL_CHARACTERS = 500


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    time: int
    principal: str
    action: str
    kind: str
    resource: str
    allowed: bool
    policy: str
    position: int
    detail: str = ""


class Audit:
    """A bounded queue in front of the writer: entries of one moment are written together, in order."""

    def __init__(self, store: Store, position: Callable[[], int]) -> None:
        self._store = store
        self._position = position
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[dict[str, Any]] = deque()
        self._writing = 0

    def record(self, principal: str, action: str, resource: Resource, *, decision: Decision, detail: str = "") -> None:
        """Queue one entry. Raises Overloaded when the queue is full, Conflict when the folder is read-only."""
        self.note(
            principal,
            str(action),
            kind=str(resource.kind),
            resource=resource.id,
            decision=decision,
            detail=detail,
        )

    def note(
        self, principal: str, action: str, *, kind: str, resource: str, decision: Decision, detail: str = ""
    ) -> None:
        """Queue an entry that no gate decided: a sign-in, a sign-out, a failed attempt."""
        if not self._store.writable and not decision.allowed:
            return  # a refused attempt on a read-only folder changes nothing and has nowhere to be written
        row = {
            "time": self._store.clock.now(),
            "principal": principal,
            "action": action,
            "kind": kind,
            "resource": resource[:DETAIL_CHARACTERS],
            "allowed": decision.allowed,
            "policy": decision.policy[:64],
            "position": self._position(),
            "detail": detail[:DETAIL_CHARACTERS],
        }
        with self._lock:
            if len(self._waiting) >= QUEUE:
                raise Overloaded("the audit log cannot keep up; nothing was done, try again in a second")
            self._waiting.append(row)
        self._write_next()

    def _write_next(self) -> None:
        with self._lock:
            if self._writing or not self._waiting:
                return
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._writing = len(batch)

        def work(tx: Connection) -> tuple[int, Sequence[Change]]:
            tx.execute(insert(audit), batch)
            return len(batch), ()

        try:
            self._store.submit(work).add_done_callback(lambda future: self._written(batch, future))
        except Exception:
            with self._lock:
                self._waiting.extendleft(reversed(batch))
                self._writing = 0
                self._idle.notify_all()
            raise

    def _written(self, batch: list[dict[str, Any]], future: Future[Any]) -> None:
        failed = future.cancelled() or future.exception() is not None
        with self._lock:
            self._writing = 0
            if failed:  # kept: the next entry, or closing, tries again
                self._waiting.extendleft(reversed(batch))
            self._idle.notify_all()
        if not failed:
            self._write_next()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything recorded so far is durable; False if that took too long."""
        self._write_next()
        with self._idle:
            return self._idle.wait_for(lambda: not self._writing and not self._waiting, timeout_s)

    def entries(
        self, *, before: int | None = None, limit: int = 100, principal: str = "", allowed: bool | None = None
    ) -> list[AuditEntry]:
        """The newest entries first, at most `limit`, those with an id below `before`."""
        self.flush()
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        if principal:
            query = query.where(audit.c.principal == principal)
        if allowed is not None:
            query = query.where(audit.c.allowed == allowed)
        with self._store.database.read() as connection:
            return [AuditEntry(**row._mapping) for row in connection.execute(query)]

    def close(self) -> None:
        """Write what still waits."""
        if self._store.writable:
            self.flush()
