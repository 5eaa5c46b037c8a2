"""Accounts: a random id, a role, a password hash; the person's name is apart and can be erased."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.parties import Parties, check_named
from gemel.access.principal import Role
from gemel.access.sealed import destroy_key
from gemel.access.store import Store, hash_secret, new_id, new_secret, same
from gemel.access.tables import account, federated, one_time_link, person, second_factor, session, setup, token
from gemel.access.throttle import Throttle
from gemel.database import overwrite
from gemel.errors import Conflict, InvalidInput, NotFound, RevisionConflict, Unauthenticated
from gemel.twin import Change

__all__ = ["Account", "Accounts"]

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
SETUP_PREFIX = "gemel_setup"
KINDS = ("person", "service")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as an administrator sees it; `name` is empty once the person was erased."""

    id: str
    name: str
    role: Role | None
    """In the operating organisation; None: it has what is granted to it, and nothing else."""
    party: str = ""
    """The organisation it belongs to; empty: the operating one."""
    kind: str = "person"
    """person, or service: a program, which has tokens and never signs in."""
    disabled: bool
    created: int
    changed: int
    revision: int


class Accounts:
    """People who can sign in. All are held in memory; every change is durable before it counts."""

    def __init__(self, store: Store, parties: Parties, *, hasher: PasswordHasher | None = None) -> None:
        self._store = store
        self._parties = parties
        self._lock = threading.Lock()
        self._setting_up = threading.Lock()
        self._hasher = hasher or PasswordHasher()
        self.throttle = Throttle(store.clock)
        self._accounts: dict[str, Account] = {}
        self._passwords: dict[str, str] = {}
        self.signed_out: list[Callable[[str], None]] = []
        """Called with the id of an account whose sessions have just been ended."""
        self.reload()

    def reload(self) -> None:
        """Read the tables again (at start, and after another process wrote them)."""
        query = select(account, person.c.name.label("name")).outerjoin(person, person.c.id == account.c.id)
        with self._store.database.read() as connection:
            rows = connection.execute(query).all()
        with self._lock:
            self._accounts = {
                row.id: Account(
                    id=row.id,
                    name=row.name or "",
                    role=Role(row.role) if row.role else None,
                    party=row.party,
                    kind=row.kind,
                    disabled=row.disabled,
                    created=row.created,
                    changed=row.changed,
                    revision=row.revision,
                )
                for row in rows
            }
            self._passwords = {row.id: row.password for row in rows}
        self._store.touch()

    # reading

    def all(self) -> list[Account]:
        """Every account, oldest first."""
        return sorted(self._accounts.values(), key=lambda one: (one.created, one.id))

    def get(self, id_or_name: str) -> Account:
        """Raises NotFound."""
        found = self._accounts.get(id_or_name) or self._named(id_or_name)
        if found is None:
            raise NotFound(f"there is no user {id_or_name!r:.80}; GET /users lists them")
        return found

    def name(self, id: str) -> str:
        """The person's name, empty if there is none (any more)."""
        found = self._accounts.get(id)
        return found.name if found else ""

    def find(self, id: str) -> Account | None:
        return self._accounts.get(id)

    def has_password(self, id: str) -> bool:
        """Whether it has ever set one: who has not is still invited, or signs in by another system."""
        return bool(self._passwords.get(id))

    def checked_password(self, password: str, account: Account) -> str:
        """Raises InvalidInput for a weak one."""
        return _checked_password(password, account.name)

    def lets_in(self, account: Account) -> bool:
        """Whether it, and its tokens, are let in now."""
        return not account.disabled and self._parties.lets_in(account.party)

    @cached_property
    def _decoy(self) -> str:
        return self._hasher.hash(new_secret("decoy"))

    def _named(self, name: str) -> Account | None:
        wanted = name.casefold()
        return next((one for one in self._accounts.values() if one.name and one.name.casefold() == wanted), None)

    # signing in

    def verify(self, name: str, password: str, *, address: str = "") -> Account:
        """The account whose name and password these are; takes as long when there is no such name.

        Raises Unauthenticated, and Overloaded after repeated failures of this name or from this address. Costs some
        50 ms of CPU: call it in a thread.
        """
        keys = [f"name:{name.casefold()[:128]}", *([f"address:{address}"] if address else [])]
        self.throttle.check(*keys)
        found = self._named(name) if name else None
        stored = (self._passwords.get(found.id) if found else None) or self._decoy
        try:
            self._hasher.verify(stored, password[:LONGEST_PASSWORD])
            right = True
        except (VerificationError, InvalidHashError):
            right = False
        if not right or found is None or not self.lets_in(found):
            self.throttle.failed(*keys)
            raise Unauthenticated("the name or the password is not right; after five failures sign-in slows down")
        self.throttle.succeeded(*keys)
        return found

    # changing

    def add(
        self,
        name: str,
        password: str | None,
        role: Role | str | None,
        *,
        party: str = "",
        kind: str = "person",
        actor: str = "",
    ) -> Account:
        """Create an account. Without a password it cannot sign in: a program, or a person who is still invited.

        Raises Conflict when the name is taken, InvalidInput for a weak password or a role in another organisation,
        NotFound for a party that is not there.
        """
        made, person_name = _role(role), check_named(name)
        if party:
            self._parties.get(party)
        if kind not in KINDS or (kind == "service" and password is not None):
            raise InvalidInput(f"an account is a person, or a service, which has no password; not {kind!r:.40}")
        _fits(made, party)
        hashed = "" if password is None else self._hasher.hash(_checked_password(password, person_name))
        now, id_ = self._store.clock.now(), new_id("user")

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            taken = select(person.c.name)
            if any(row.name.casefold() == person_name.casefold() for row in tx.execute(taken)):
                raise Conflict(f"there is a user named {person_name!r} already; choose another name")
            tx.execute(insert(person).values(id=id_, name=person_name))
            tx.execute(
                insert(account).values(
                    id=id_,
                    role=made,
                    party=party,
                    kind=kind,
                    password=hashed,
                    disabled=False,
                    created=now,
                    changed=now,
                    revision=1,
                )
            )
            return None, [_change("access.user_created", id_, now, actor, role=made, party=party, account=kind)]

        self._store.write(work, actor=actor)
        self.reload()
        return self.get(id_)

    def change(
        self,
        id_or_name: str,
        *,
        role: Role | str | None = None,
        password: str | None = None,
        disabled: bool | None = None,
        if_revision: int | None = None,
        actor: str = "",
    ) -> Account:
        """Change role ("" for none), password or whether it may sign in; a changed password or a disabled account ends
        its sessions.

        Raises NotFound, RevisionConflict, Conflict (the last administrator must stay), InvalidInput.
        """
        before = self.get(id_or_name)
        wanted = (before.role or "") if role is None else _role(role)
        _fits(wanted, before.party)
        if before.kind == "service" and password is not None:
            raise InvalidInput("a service has no password; make a token for it")
        off = before.disabled if disabled is None else disabled
        hashed = None if password is None else self._hasher.hash(_checked_password(password, before.name))
        now = self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            row = tx.execute(select(account).where(account.c.id == before.id)).one()
            if if_revision is not None and row.revision != if_revision:
                raise RevisionConflict(
                    f"user {before.id} is at revision {row.revision}, not {if_revision}; read it again and retry",
                    revision=row.revision,
                )
            if off or wanted != Role.ADMINISTRATOR:
                _keep_an_administrator(tx, before.id)
            values = {"role": wanted, "disabled": off, "changed": now, "revision": row.revision + 1}
            if hashed is not None:
                values["password"] = hashed
            tx.execute(update(account).where(account.c.id == before.id).values(**values))
            if hashed is not None or off:
                tx.execute(delete(session).where(session.c.account == before.id))
            body = {"role": wanted, "disabled": off, "password_changed": hashed is not None}
            return None, [_change("access.user_changed", before.id, now, actor, **body)]

        self._store.write(work, actor=actor)
        self.reload()
        if hashed is not None or off:
            self._sign_out(before.id)
        return self.get(before.id)

    def erase(self, id_or_name: str, *, actor: str = "") -> None:
        """Erase the person: name, password, tokens, sessions and the key of all they wrote; the random id stays."""
        before, now = self.get(id_or_name), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            _keep_an_administrator(tx, before.id)
            overwrite(tx, True)
            tx.execute(delete(person).where(person.c.id == before.id))
            destroy_key(tx, before.id)
            for kept in (one_time_link, second_factor, federated):
                tx.execute(delete(kept).where(kept.c.account == before.id))
            tx.execute(delete(session).where(session.c.account == before.id))
            tx.execute(delete(token).where(token.c.owner == before.id))
            values = {"password": "", "disabled": True, "changed": now, "revision": before.revision + 1}
            tx.execute(update(account).where(account.c.id == before.id).values(**values))
            overwrite(tx, False)
            return None, [_change("access.user_erased", before.id, now, actor)]

        self._store.write(work, actor=actor)
        self.reload()
        self._sign_out(before.id)

    def _sign_out(self, id: str) -> None:
        for listener in self.signed_out:
            listener(id)

    # the first administrator

    @property
    def needs_setup(self) -> bool:
        """True while there is no administrator who can sign in."""
        return not any(one.role is Role.ADMINISTRATOR and not one.disabled for one in self._accounts.values())

    def setup_token(self) -> str | None:
        """A new one-time token for the first administrator (an earlier one is void); None when there is one already.

        Only its hash is stored; whoever starts the server prints it.
        """
        if not self.needs_setup:
            return None
        secret, now = new_secret(SETUP_PREFIX), self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(setup))
            tx.execute(insert(setup).values(id=1, hash=hash_secret(secret), created=now))
            return None, ()

        self._store.write(work)
        return secret

    def set_up(self, secret: str, name: str, password: str, *, address: str = "") -> Account:
        """Create the first administrator with the one-time token. Raises Unauthenticated, Conflict, Overloaded."""
        with self._setting_up:
            return self._set_up(secret, name, password, address)

    def _set_up(self, secret: str, name: str, password: str, address: str) -> Account:
        keys = ["setup", *([f"address:{address}"] if address else [])]
        self.throttle.check(*keys)
        if not self.needs_setup:
            raise Conflict("there is an administrator already; sign in, or ask one for an account")
        with self._store.database.read() as connection:
            stored = connection.execute(select(setup.c.hash)).scalar()
        if stored is None or not same(stored, hash_secret(secret)):
            self.throttle.failed(*keys)
            raise Unauthenticated("this is not the set-up token; start the server again to have a new one printed")
        made = self.add(name, password, Role.ADMINISTRATOR, actor="setup")

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(setup))
            return None, ()

        self._store.write(work)
        return made


def _keep_an_administrator(tx: Connection, without: str) -> None:
    """Raises Conflict when `without` is the only administrator who can sign in."""
    able = select(account.c.id).where(account.c.role == Role.ADMINISTRATOR.value, account.c.disabled.is_(False))
    left = [row.id for row in tx.execute(able)]
    if left == [without]:
        raise Conflict("this is the only administrator who can sign in; make another one first")


def _role(role: Role | str | None) -> str:
    if role and role not in set(Role):
        raise InvalidInput(f"{role!r:.40} is not a role; use {', '.join(Role)}, or none")
    return str(role or "")


def _fits(role: str, party: str) -> None:
    if role and party:
        raise InvalidInput(
            f"{role} is a role in the operating organisation, over all its twins; leave it out for {party}, and grant "
            "its people what they may do"
        )


def _checked_password(password: str, name: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; a sentence is good")
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise InvalidInput("this password is too easy to guess; a sentence of some words is good")
    return password


def _change(kind: str, subject: str, time: int, actor: str, **body: object) -> Change:
    return Change(kind=kind, subject=subject, time=time, actor=actor, body=dict(body))
