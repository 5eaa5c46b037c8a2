"""How this room reads and writes its tables: reads directly, writes only through the one writer."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import Conflict
from gemel.twin import Change

__all__ = ["Store", "Writer", "hash_secret", "new_id", "new_secret", "same"]

T = TypeVar("T")
Work = Callable[[Connection], tuple[T, Sequence[Change]]]
WRITE_TIMEOUT_S = 30.0


class Writer(Protocol):
    """The one writer of the database (`Intake`)."""

    def transact(self, work: Work[Any], *, actor: str = "") -> Future[Any]:
        """Run `work` in a transaction and journal the changes it returns; resolves to (its result, position)."""


class Store:
    """The database, the clock and the way to the writer."""

    def __init__(self, database: Database, clock: Clock, writer: Writer | None) -> None:
        self.database = database
        self.clock = clock
        self._writer = writer
        self.touched = 0
        """Rises whenever somebody's rights may have changed: what was decided before may not hold any more."""
        self.on_touch: list[Callable[[], None]] = []
        """Called after that, on any thread; must be quick."""

    def touch(self) -> None:
        """Somebody's rights may have changed."""
        self.touched += 1
        for listener in self.on_touch:
            listener()

    @property
    def writable(self) -> bool:
        return self._writer is not None

    def submit(self, work: Work[T], *, actor: str = "") -> Future[Any]:
        """Queue a write; the future's result is (what `work` returned, position)."""
        if self._writer is None:
            raise Conflict(
                "this folder is open read-only; open it for writing to change accounts, tokens or the audit log"
            )
        return self._writer.transact(work, actor=actor)

    def write(self, work: Work[T], *, actor: str = "") -> T:
        """Write and wait until it is durable; raises what `work` raised."""
        result: T = self.submit(work, actor=actor).result(timeout=WRITE_TIMEOUT_S)[0]
        return result


def new_id(kind: str) -> str:
    """A random id that says nothing about whom it is for: user-3f9a…"""
    return f"{kind}-{secrets.token_hex(8)}"


def new_secret(prefix: str) -> str:
    """256 random bits as text, with a prefix by which a scanner of leaked secrets knows it."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_secret(secret: str) -> bytes:
    """SHA-256: enough for 256 random bits (passwords go through argon2 instead)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def same(first: bytes, second: bytes) -> bool:
    """Equality in a time that does not depend on where they differ."""
    return hmac.compare_digest(first, second)
