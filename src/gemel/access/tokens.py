"""API tokens: random, shown once, stored as a hash; a name, a role, an end."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.accounts import Accounts
from gemel.access.principal import Principal, Role
from gemel.access.store import Store, hash_secret, new_id, new_secret, same
from gemel.access.tables import token
from gemel.clock import MAX_TIME, SECOND
from gemel.errors import GemelError, InvalidInput, NotFound, Unauthenticated
from gemel.twin import Change

__all__ = ["Token", "Tokens"]

PREFIX = "gemel"
LOCAL = "local"
USE_NOTED_EVERY_S = 60


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as an administrator sees it: never the secret."""

    id: str
    name: str
    role: Role
    owner: str
    created: int
    expires: int | None = None
    last_used: int | None = None


class _Known(msgspec.Struct):
    hash: bytes
    token: Token
    principal: Principal
    noted: int = 0


class Tokens:
    """Tokens of programs. All are held in memory by hash; every change is durable before it counts."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._lock = threading.Lock()
        self._known: dict[bytes, _Known] = {}
        self._local: _Known | None = None
        accounts.signed_out.append(lambda _account: self.reload())
        self.reload()

    def reload(self) -> None:
        """Read the table again."""
        with self._store.database.read() as connection:
            rows = connection.execute(select(token)).all()
        known = {}
        for row in rows:
            made = Token(
                id=row.id,
                name=row.name,
                role=Role(row.role),
                owner=row.owner,
                created=row.created,
                expires=row.expires,
                last_used=row.last_used,
            )
            who = Principal(id=row.id, kind="Token", role=made.role, expires=row.expires, owner=row.owner)
            known[row.hash] = _Known(row.hash, made, who, row.last_used or 0)
        with self._lock:
            self._known = known
            if self._local is not None:
                known[self._local.hash] = self._local

    def local(self) -> str:
        """A secret for whoever may read this platform's folder anyway: it opens everything until this process ends,
        and is never stored."""
        secret = new_secret(PREFIX)
        made = Token(id=LOCAL, name="this computer", role=Role.ADMINISTRATOR, owner="", created=0)
        who = Principal(id=LOCAL, kind="Token", role=made.role)
        hashed = hash_secret(secret)
        with self._lock:
            if self._local is not None:
                self._known.pop(self._local.hash, None)
            self._local = self._known[hashed] = _Known(hashed, made, who, MAX_TIME)
        return secret

    def all(self) -> list[Token]:
        """Every token, oldest first."""
        with self._lock:
            listed = [known.token for known in self._known.values() if known is not self._local]
        return sorted(listed, key=lambda one: (one.created, one.id))

    def principal(self, secret: str) -> Principal:
        """Whose token this is. Raises Unauthenticated when it is unknown, expired, or its owner may not sign in."""
        hashed = hash_secret(secret)
        known = self._known.get(hashed)
        if known is None or not same(known.hash, hashed):
            raise Unauthenticated("this token is not known; it may have been withdrawn")
        return self._checked(known)

    def alive(self, id: str) -> Principal:
        """The principal of a token's id, for a connection that outlives requests. Raises Unauthenticated."""
        with self._lock:
            known = next((one for one in self._known.values() if one.token.id == id), None)
        if known is None:
            raise Unauthenticated("this token was withdrawn")
        return self._checked(known)

    def _checked(self, known: _Known) -> Principal:
        now = self._store.clock.now()
        who = known.principal
        if who.expires is not None and who.expires <= now:
            raise Unauthenticated("this token has expired; ask for a new one")
        owner = self._accounts.find(who.owner) if who.owner else None
        if owner is not None and owner.disabled:
            raise Unauthenticated("the owner of this token may not sign in any more")
        if owner is not None and owner.role.rank < known.token.role.rank:
            who = msgspec.structs.replace(who, role=owner.role)  # a token never can more than its owner
        if now - known.noted > USE_NOTED_EVERY_S * SECOND:
            known.noted = now
            self._note_use(known, now)
        return who

    def _note_use(self, known: _Known, now: int) -> None:
        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(update(token).where(token.c.id == known.token.id).values(last_used=now))
            return None, ()

        known.token = msgspec.structs.replace(known.token, last_used=now)
        try:
            self._store.submit(work)
        except GemelError:
            known.noted = 0  # the writer is full, or the folder is read-only: the next use tries again

    def add(
        self, name: str, role: Role | str, *, owner: str = "", expires: int | None = None, actor: str = ""
    ) -> tuple[Token, str]:
        """Create a token; returns it and its secret, which is shown this once. Raises InvalidInput."""
        if role not in set(Role):
            raise InvalidInput(f"{role!r:.40} is not a role; use {', '.join(Role)}")
        if not name.strip() or len(name) > 128 or not name.isprintable():
            raise InvalidInput(f"the token's name {name!r:.80} is not allowed; use 1 to 128 printable characters")
        now = self._store.clock.now()
        if expires is not None and expires <= now:
            raise InvalidInput("the token's end lies in the past; choose a later one, or none")
        made = Token(id=new_id("token"), name=name, role=Role(role), owner=owner, created=now, expires=expires)
        secret = new_secret(PREFIX)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            values = {**msgspec.structs.asdict(made), "role": str(made.role), "hash": hash_secret(secret)}
            tx.execute(insert(token).values(**values))
            body = {"role": str(made.role), "owner": owner, "expires": expires}
            return None, [Change(kind="access.token_created", subject=made.id, time=now, actor=actor, body=body)]

        self._store.write(work, actor=actor)
        self.reload()
        return made, secret

    def withdraw(self, id: str, *, actor: str = "") -> None:
        """End a token at once. Raises NotFound."""

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            if not tx.execute(delete(token).where(token.c.id == id)).rowcount:
                raise NotFound(f"there is no token {id!r:.80}; GET /tokens lists them")
            now = self._store.clock.now()
            return None, [Change(kind="access.token_withdrawn", subject=id, time=now, actor=actor)]

        self._store.write(work, actor=actor)
        self.reload()
