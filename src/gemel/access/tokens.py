"""API tokens: random, shown once, stored as a hash; a name, a role, an end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.accounts import Account, Accounts
from gemel.access.principal import Action, Principal, Role
from gemel.access.selector import Selector, check_selector
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
    role: Role | None
    """The highest that it acts in; None: it has what is granted to its owner, and nothing else."""
    owner: str
    created: int
    expires: int | None = None
    last_used: int | None = None
    actions: tuple[Action, ...] = ()
    """The only ones it is for; empty: all that its owner may do."""
    selector: Selector | None = None
    """The only twins it is for."""


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
        self._by_id: dict[str, _Known] = {}
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
                role=Role(row.role) if row.role else None,
                owner=row.owner,
                created=row.created,
                expires=row.expires,
                last_used=row.last_used,
                actions=msgspec.json.decode(row.actions, type=tuple[Action, ...]),
                selector=msgspec.json.decode(row.selector, type=Selector) if row.selector else None,
            )
            who = Principal(
                id=row.id,
                kind="Token",
                role=made.role,
                expires=row.expires,
                owner=row.owner,
                actions=made.actions,
                selector=made.selector,
            )
            known[row.hash] = _Known(row.hash, made, who, row.last_used or 0)
        with self._lock:
            self._known = known
            if self._local is not None:
                known[self._local.hash] = self._local
            self._by_id = {one.token.id: one for one in known.values()}
        self._store.touch()

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
            self._local = self._known[hashed] = self._by_id[LOCAL] = _Known(hashed, made, who, MAX_TIME)
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

    def known(self, id: str) -> Principal:
        """As whom a token acts, expired or not. Raises NotFound."""
        found = self._by_id.get(id)
        if found is None:
            raise NotFound(f"there is no token {id!r:.80}; GET /tokens lists them")
        owner = self._accounts.find(found.principal.owner) if found.principal.owner else None
        return found.principal if owner is None else _no_more_than(found.principal, owner)

    def alive(self, id: str) -> Principal:
        """The principal of a token's id, for a connection that outlives requests. Raises Unauthenticated."""
        with self._lock:
            known = self._by_id.get(id)
        if known is None:
            raise Unauthenticated("this token was withdrawn")
        return self._checked(known)

    def _checked(self, known: _Known) -> Principal:
        now = self._store.clock.now()
        who = known.principal
        if who.expires is not None and who.expires <= now:
            raise Unauthenticated("this token has expired; ask for a new one")
        owner = self._accounts.find(who.owner) if who.owner else None
        if owner is not None and not self._accounts.lets_in(owner):
            raise Unauthenticated("the owner of this token may not sign in any more")
        if owner is not None:
            who = _no_more_than(who, owner)
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
        self,
        name: str,
        role: Role | str | None,
        *,
        owner: str = "",
        expires: int | None = None,
        only: tuple[Iterable[Action | str], Selector | None] = ((), None),
        actor: str = "",
    ) -> tuple[Token, str]:
        """Create a token, kept to `only` these actions and twins; returns it and its secret, which is shown this once.

        Raises InvalidInput.
        """
        if role and role not in set(Role):
            raise InvalidInput(f"{role!r:.40} is not a role; use {', '.join(Role)}, or none")
        actions, selector = tuple(dict.fromkeys(only[0])), only[1]
        if unknown := set(actions) - set(Action):
            raise InvalidInput(f"{', '.join(sorted(unknown))!r:.80} is no action; use some of {', '.join(Action)}")
        if selector is not None:
            check_selector(selector)
        if not name.strip() or len(name) > 128 or not name.isprintable():
            raise InvalidInput(f"the token's name {name!r:.80} is not allowed; use 1 to 128 printable characters")
        now = self._store.clock.now()
        if expires is not None and expires <= now:
            raise InvalidInput("the token's end lies in the past; choose a later one, or none")
        made = Token(
            id=new_id("token"),
            name=name,
            role=Role(role) if role else None,
            owner=owner,
            created=now,
            expires=expires,
            actions=tuple(Action(one) for one in actions),
            selector=selector,
        )
        secret = new_secret(PREFIX)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            told = {
                "role": str(made.role or ""),
                "actions": msgspec.json.encode(made.actions).decode(),
                "selector": "" if selector is None else msgspec.json.encode(selector).decode(),
            }
            tx.execute(insert(token).values(**{**msgspec.structs.asdict(made), **told, "hash": hash_secret(secret)}))
            body = {**told, "owner": owner, "expires": expires}
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


def _no_more_than(who: Principal, owner: Account) -> Principal:
    """A token is of its owner's party, and never can more than its owner."""
    role = who.role
    if role is not None and (owner.role is None or owner.role.rank < role.rank):
        role = owner.role
    if role == who.role and owner.party == who.party:
        return who
    return msgspec.structs.replace(who, role=role, party=owner.party)
