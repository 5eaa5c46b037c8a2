"""The second factor: a code of an authenticator app (TOTP, RFC 6238), or one of ten recovery codes, each good once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from gemel.access.sealed import seal, unseal
from gemel.access.store import Store, hash_secret, same
from gemel.access.tables import second_factor
from gemel.clock import SECOND
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.twin import Change

__all__ = ["SecondFactors"]

STEP_S = 30
EARLY = (-1, 0, 1)
"""Steps around now that are accepted: clocks of phones are not exact."""
RECOVERY_CODES = 10


class SecondFactors:
    """Who has one is known in memory; secrets are sealed with the person's key and gone with the person."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._confirmed: frozenset[str] = frozenset()
        self.reload()

    def reload(self) -> None:
        """Read the table again."""
        with self._store.database.read() as tx:
            c = second_factor.c
            self._confirmed = frozenset(tx.execute(select(c.account).where(c.confirmed.is_not(None))).scalars())

    def has(self, account: str) -> bool:
        """Whether it must be shown at sign-in."""
        return account in self._confirmed

    def begin(self, account: str, name: str) -> tuple[str, str]:
        """A new secret and its otpauth: address, shown this once; it counts once a code of it was shown.

        Raises Conflict when there is one already.
        """
        if self.has(account):
            raise Conflict("there is a second factor already; remove it first")
        secret = pyotp.random_base32()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            tx.execute(delete(second_factor).where(second_factor.c.account == account))
            row = {"account": account, "secret": seal(tx, account, secret), "step": 0, "recovery": "[]"}
            tx.execute(insert(second_factor).values(**row))
            return None, ()

        self._store.write(work, actor=account)
        return secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Gemel")

    def confirm(self, account: str, code: str) -> list[str]:
        """From now on it is asked for; returns the recovery codes, shown this once. Raises NotFound, InvalidInput."""
        row = self._row(account)
        if row is None or row.confirmed is not None:
            raise NotFound("there is no second factor to confirm; begin with a new one")
        step = self._step(account, row, code)
        if step is None:
            raise InvalidInput("this is not the code that the app shows now; look at the clock of your phone")
        codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
        hashes = msgspec.json.encode([hash_secret(one).hex() for one in codes]).decode()
        now = self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            values = {"confirmed": now, "step": step, "recovery": hashes}
            tx.execute(update(second_factor).where(second_factor.c.account == account).values(**values))
            return None, [Change(kind="access.second_factor_added", subject=account, time=now, actor=account)]

        self._store.write(work, actor=account)
        self.reload()
        return codes

    def passes(self, account: str, code: str) -> bool:
        """Whether this is the present code, not used before, or a recovery code, which is then spent."""
        row = self._row(account)
        if row is None or row.confirmed is None:
            return True
        step = self._step(account, row, code)
        left = msgspec.json.decode(row.recovery, type=list[str])
        hashed = hash_secret(code.strip().lower()).hex()
        if step is None and not any(same(one.encode(), hashed.encode()) for one in left):
            return False
        kept = left if step is not None else [one for one in left if one != hashed]
        values = {"recovery": msgspec.json.encode(kept).decode(), "step": row.step if step is None else step}

        def work(tx: Connection) -> tuple[bool, Sequence[Change]]:
            c = second_factor.c  # the same code twice at once: one of them is later
            unused = (c.account == account, c.step == row.step, c.recovery == row.recovery)
            return bool(tx.execute(update(second_factor).where(*unused).values(**values)).rowcount), ()

        return self._store.write(work, actor=account)

    def remove(self, account: str, *, actor: str = "") -> None:
        """Sign in without it again. Raises NotFound."""
        now = self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            if not tx.execute(delete(second_factor).where(second_factor.c.account == account)).rowcount:
                raise NotFound("there is no second factor to remove")
            return None, [Change(kind="access.second_factor_removed", subject=account, time=now, actor=actor)]

        self._store.write(work, actor=actor)
        self.reload()

    def _row(self, account: str) -> Any:
        with self._store.database.read() as tx:
            return tx.execute(select(second_factor).where(second_factor.c.account == account)).one_or_none()

    def _step(self, account: str, row: Any, code: str) -> int | None:
        """The time step whose code this is, if it is later than the last one used."""
        given = code.replace(" ", "")
        if not (given.isascii() and given.isdecimal()):
            return None
        counted = pyotp.HOTP(unseal(self._store.database, account, row.secret))  # TOTP counts steps of time
        now = self._store.clock.now() // SECOND // STEP_S
        for step in (now + early for early in EARLY):
            if step > row.step and same(counted.at(step).encode(), given.encode()):
                return step
        return None
