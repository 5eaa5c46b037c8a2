"""Sessions of browsers: a random secret in a cookie, renewed while in use, ended by time or by signing out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.accounts import Account, Accounts
from gemel.access.principal import Principal
from gemel.access.store import Store, hash_secret, new_id, new_secret, same
from gemel.access.tables import session
from gemel.clock import SECOND
from gemel.errors import GemelError, Unauthenticated
from gemel.twin import Change

__all__ = ["IDLE_S", "LONGEST_S", "ROTATE_S", "Sessions"]

IDLE_S = 8 * 3600
"""A session ends when it was not used for this long: one shift."""
LONGEST_S = 7 * 86_400
"""A session ends after this long in any case."""
ROTATE_S = 15 * 60
"""After this long in use a session gets a new secret."""
GRACE_S = 60
"""The earlier secret is good for this long after a rotation: answers cross requests."""
PREFIX = "gemel_session"


class _Known(msgspec.Struct):
    id: str
    hash: bytes
    account: str
    created: int
    rotated: int
    seen: int
    earlier: bool = False


class Sessions:
    """Signed-in browsers. All are held in memory by hash; a session starts and ends durably."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._lock = threading.Lock()
        self._known: dict[bytes, _Known] = {}
        self._by_id: dict[str, _Known] = {}
        with store.database.read() as connection:
            for row in connection.execute(select(session)):
                self._keep(_Known(row.id, row.hash, row.account, row.created, row.rotated, row.seen))
        accounts.signed_out.append(self._forget_account)

    def start(self, account: Account) -> str:
        """Begin a session and return the cookie's secret."""
        secret, now = new_secret(PREFIX), self._store.clock.now()
        known = _Known(new_id("session"), hash_secret(secret), account.id, now, now, now)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(session).where(session.c.created < now - LONGEST_S * SECOND))
            row = {"id": known.id, "hash": known.hash, "account": known.account}
            tx.execute(insert(session).values(**row, created=now, rotated=now, seen=now))
            return None, ()

        self._store.write(work, actor=account.id)
        with self._lock:
            self._drop(lambda one: one.created < now - LONGEST_S * SECOND)
            self._keep(known)
        return secret

    def _keep(self, known: _Known) -> None:
        self._known[known.hash] = self._by_id[known.id] = known

    def _drop(self, over: Callable[[_Known], bool]) -> None:
        self._known = {hashed: one for hashed, one in self._known.items() if not over(one)}
        self._by_id = {id: one for id, one in self._by_id.items() if not over(one)}
        self._store.touch()

    def id_of(self, secret: str) -> str:
        """The session's id, for `alive`; empty when it is not known."""
        known = self._known.get(hash_secret(secret))
        return known.id if known is not None else ""

    def alive(self, id: str) -> Principal:
        """Whose session this is, for a connection that outlives requests. Raises Unauthenticated when it has ended."""
        known = self._by_id.get(id)
        if known is None:
            raise Unauthenticated("this session has ended; sign in again")
        return self._checked(known, self._store.clock.now())

    def principal(self, secret: str, *, rotate: bool = True) -> tuple[Principal, str | None]:
        """Whose session this is, and a new secret when it is time to rotate (else None). Raises Unauthenticated.

        `rotate=False` where no cookie can be set.
        """
        hashed, now = hash_secret(secret), self._store.clock.now()
        known = self._known.get(hashed)
        if known is None or not same(known.hash, hashed):
            raise Unauthenticated("this session is not known; sign in again")
        who = self._checked(known, now)
        fresh = None
        if rotate and not known.earlier and now - known.rotated > ROTATE_S * SECOND:
            fresh = self._rotate(known, now)
        known.seen = now
        return who, fresh

    def _checked(self, known: _Known, now: int) -> Principal:
        account = self._accounts.find(known.account)
        ends = min(known.created + LONGEST_S * SECOND, known.seen + IDLE_S * SECOND)
        if known.earlier:
            ends = min(ends, known.rotated + GRACE_S * SECOND)
        if account is None or not self._accounts.lets_in(account) or now >= ends:
            with self._lock:
                self._known.pop(known.hash, None)
                if self._by_id.get(known.id) is known:
                    del self._by_id[known.id]
            raise Unauthenticated("this session has ended; sign in again")
        # The end is coarse (the hour) so that the decisions remembered for this principal stay few.
        hour = 3600 * SECOND
        expires = min((now // hour + 2) * hour + IDLE_S * SECOND, known.created + LONGEST_S * SECOND)
        return Principal(
            id=account.id, kind="User", role=account.role, party=account.party, expires=expires, ambient=True
        )

    def _rotate(self, known: _Known, now: int) -> str | None:
        secret = new_secret(PREFIX)
        fresh = msgspec.structs.replace(known, hash=hash_secret(secret), rotated=now, seen=now)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(update(session).where(session.c.id == known.id).values(hash=fresh.hash, rotated=now, seen=now))
            return None, ()

        try:
            self._store.submit(work)
        except GemelError:
            return None  # the writer is full: the next request tries again
        with self._lock:
            known.earlier, known.rotated = True, now
            self._keep(fresh)
        return secret

    def _forget_account(self, account: str) -> None:
        with self._lock:
            self._drop(lambda one: one.account == account)

    def end(self, secret: str) -> None:
        """Sign out; nothing happens when there is no such session."""
        known = self._known.get(hash_secret(secret))
        if known is None:
            return

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(session).where(session.c.id == known.id))
            return None, ()

        with self._lock:
            self._drop(lambda one: one.id == known.id)
        self._store.write(work, actor=known.account)
