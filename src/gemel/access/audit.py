"""The audit log: who asked for what, what the gate said, by which policy, when, at which position."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from gemel.access.policy import Decision
from gemel.access.principal import Principal, Resource
from gemel.access.store import Store
from gemel.access.tables import audit
from gemel.clock import MAX_TIME, MIN_TIME, SECOND
from gemel.errors import Overloaded
from gemel.twin import Change

__all__ = ["SEALED", "Audit", "AuditEntry", "AuditVerification", "Told", "entry_hash"]

SEALED = "access.audit_sealed"
SEALED_EVERY = 1_000
"""Entries, after which the journal gets to know the hash of the last one."""
QUEUE = 10_000
BATCH = 1_000
DETAIL_CHARACTERS = 500
LOOKS, LOOKS_S = 10_000, 3600
"""Who looked where is remembered for so many, and for so long."""


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
    party: str = ""
    """Of who asked; empty: the operating organisation."""
    rows: int | None = None
    """How many were told."""
    since: int | None = None
    until: int | None = None
    """Of when the data was."""


class Told(msgspec.Struct, frozen=True):
    """What somebody was told: how many rows, and of when."""

    rows: int | None = None
    since: int | None = None
    until: int | None = None


class AuditVerification(msgspec.Struct, frozen=True):
    """What was found when every hash was computed again."""

    ok: bool
    entries: int
    damaged: int | None
    """The first entry that is not as it was, or is missing."""
    reason: str
    unchained: int
    """Entries from before there was a chain."""


def entry_hash(before: bytes, row: Mapping[str, Any]) -> bytes:
    """SHA-256 over the hash before and the entry, as JSON with sorted names."""
    return hashlib.sha256(before + msgspec.json.encode(dict(row), order="sorted")).digest()


class Audit:
    """A bounded queue in front of the writer: entries of one moment are written together, in order.

    Each has a hash over the one before and itself, so a change or a removal in between is found; what the journal holds
    of it now and then (`access.audit_sealed`) finds a removal at the end.
    """

    def __init__(self, store: Store, position: Callable[[], int]) -> None:
        self._store = store
        self._position = position
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[dict[str, Any]] = deque()
        self._writing = 0
        self._looked: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def record(
        self,
        principal: Principal,
        action: str,
        resource: Resource,
        *,
        decision: Decision,
        detail: str = "",
        told: Told | None = None,
    ) -> None:
        """Queue one entry. Raises Overloaded when the queue is full, Conflict when the folder is read-only."""
        more = {"party": principal.party, **msgspec.structs.asdict(told or Told())}
        self._queue(principal.id, str(action), (str(resource.kind), resource.id), decision, {"detail": detail, **more})

    def knows(self, principal: Principal, action: str, detail: str) -> bool:
        """Whether the same was asked here within the last hour; from now on it was."""
        key, now = (principal.id, action, detail), self._store.clock.now()
        with self._lock:
            before = self._looked.pop(key, None)
            self._looked[key] = now if before is None or now - before >= LOOKS_S * SECOND else before
            if len(self._looked) > LOOKS:
                self._looked.popitem(last=False)
        return before is not None and now - before < LOOKS_S * SECOND

    def note(
        self, principal: str, action: str, *, kind: str, resource: str, decision: Decision, detail: str = ""
    ) -> None:
        """Queue an entry that no gate decided: a sign-in, a sign-out, a failed attempt."""
        more = {"detail": detail, "party": "", **msgspec.structs.asdict(Told())}
        self._queue(principal, action, (kind, resource), decision, more)

    def _queue(
        self, principal: str, action: str, what: tuple[str, str], decision: Decision, more: dict[str, Any]
    ) -> None:
        if not self._store.writable and not decision.allowed:
            return  # a refused attempt on a read-only folder changes nothing and has nowhere to be written
        row = {
            "time": self._store.clock.now(),
            "principal": principal,
            "action": action,
            "kind": what[0],
            "resource": what[1][:DETAIL_CHARACTERS],
            "allowed": decision.allowed,
            "policy": decision.policy[:64],
            "position": self._position(),
            **more,
            "detail": more["detail"][:DETAIL_CHARACTERS],
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
            return len(batch), self._chained(tx, batch)

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

    def _chained(self, tx: Connection, batch: list[dict[str, Any]]) -> Sequence[Change]:
        """Write entries, each with its hash; now and then the journal gets to know how far the chain is."""
        last = tx.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).one_or_none()
        number, before = (last.id, last.hash or b"") if last is not None else (0, b"")
        rows = []
        for row in batch:
            number += 1
            before = entry_hash(before, {"id": number, **row})
            rows.append({"id": number, **row, "hash": before})
        tx.execute(insert(audit), rows)
        if number // SEALED_EVERY == (number - len(rows)) // SEALED_EVERY:
            return ()
        now = self._store.clock.now()
        return [Change(kind=SEALED, subject="audit", time=now, body={"id": number, "hash": before.hex()})]

    def verify(self, sealed: Iterable[tuple[int, str]] = ()) -> AuditVerification:
        """Compute every hash again; `sealed`: (id, hash) of entries as the journal knows them.

        Entries from before there was a chain have no hash, and are counted apart.
        """
        self.flush()
        known, before, unchained, count = dict(sealed), b"", 0, 0
        with self._store.database.read() as connection:
            expected = 0
            for row in connection.execute(select(audit).order_by(audit.c.id)):
                count += 1
                if row.hash is None:
                    if before:
                        return AuditVerification(
                            False, count, row.id, "it has no hash, though earlier ones do", unchained
                        )
                    unchained, expected = unchained + 1, row.id
                    continue
                told = {str(name): value for name, value in row._mapping.items() if name != "hash"}
                if expected and row.id != expected + 1:
                    return AuditVerification(False, count, row.id, "entries before it are missing", unchained)
                if (found := entry_hash(before, told)) != row.hash:
                    return AuditVerification(False, count, row.id, "it is not as it was written", unchained)
                if known.pop(row.id, found.hex()) != found.hex():
                    return AuditVerification(False, count, row.id, "the journal knows another one", unchained)
                before, expected = row.hash, row.id
        if known:
            missing = min(known)
            return AuditVerification(False, count, missing, "the journal knows it, and it is missing", unchained)
        return AuditVerification(True, count, None, "", unchained)

    def chained(self) -> tuple[int, int]:
        """The numbers of the first and the last entry that have a hash; (1, 0): there is none."""
        with self._store.database.read() as connection:
            first = connection.execute(select(func.min(audit.c.id)).where(audit.c.hash.is_not(None))).scalar()
            last = connection.execute(select(func.max(audit.c.id))).scalar()
        return (1, 0) if first is None or last is None else (int(first), int(last))

    def hashes(self, first: int, last: int) -> list[bytes]:
        """Of entries first … last, as far as there are."""
        wanted = select(audit.c.hash).where(audit.c.id >= first, audit.c.id <= last).order_by(audit.c.id)
        with self._store.database.read() as connection:
            return [one or b"" for one in connection.execute(wanted).scalars()]

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything recorded so far is durable; False if that took too long."""
        self._write_next()
        with self._idle:
            return self._idle.wait_for(lambda: not self._writing and not self._waiting, timeout_s)

    def entries(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        only: Mapping[str, str] | None = None,
        allowed: bool | None = None,
        span: tuple[int, int] = (MIN_TIME, MAX_TIME),
    ) -> list[AuditEntry]:
        """The newest entries first, at most `limit`, with an id below `before`, of [span); `only`: column → value."""
        self.flush()
        c = audit.c
        query = select(audit).where(c.time >= span[0], c.time < span[1]).order_by(c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        for column, value in (only or {}).items():
            query = query.where(audit.c[column] == value)
        if allowed is not None:
            query = query.where(audit.c.allowed == allowed)
        with self._store.database.read() as connection:
            rows = connection.execute(query).all()
        return [AuditEntry(**{str(k): v for k, v in row._mapping.items() if k != "hash"}) for row in rows]

    def close(self) -> None:
        """Write what still waits."""
        if self._store.writable:
            self.flush()
