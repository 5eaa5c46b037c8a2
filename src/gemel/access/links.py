"""One-time links: who is invited, or has lost a password, sets one with a link that an administrator hands over."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from gemel.access.accounts import Account, Accounts
from gemel.access.store import Store, hash_secret, new_secret
from gemel.access.tables import one_time_link
from gemel.clock import SECOND
from gemel.errors import Conflict, Unauthenticated
from gemel.twin import Change

__all__ = ["LIFE_S", "Links"]

PREFIX = "gemel_link"
LIFE_S = {"invitation": 7 * 86_400, "reset": 86_400}


class Links:
    """What is stored is the hash of the secret in a link; it is good once, and for some days."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def make(self, account: Account, *, actor: str = "") -> tuple[str, int]:
        """A new link's secret, shown this once, and when it ends; an earlier one is void. Raises Conflict."""
        if account.kind == "service":
            raise Conflict("a service never signs in; make a token for it")
        kind = "reset" if self._accounts.has_password(account.id) else "invitation"
        secret, now = new_secret(PREFIX), self._store.clock.now()
        ends = now + LIFE_S[kind] * SECOND

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            c = one_time_link.c
            tx.execute(delete(one_time_link).where((c.account == account.id) | (c.ends <= now)))
            row = {"hash": hash_secret(secret), "account": account.id, "kind": kind, "created": now, "ends": ends}
            tx.execute(insert(one_time_link).values(**row))
            body = {"link": kind, "ends": ends}
            return None, [Change(kind="access.link_made", subject=account.id, time=now, actor=actor, body=body)]

        self._store.write(work, actor=actor)
        return secret, ends

    def look(self, secret: str) -> tuple[Account, str]:
        """Whose it is, and of which kind (invitation or reset). Raises Unauthenticated."""
        now = self._store.clock.now()
        with self._store.database.read() as tx:
            query = select(one_time_link).where(one_time_link.c.hash == hash_secret(secret), one_time_link.c.ends > now)
            row = tx.execute(query).one_or_none()
        account = self._accounts.find(row.account) if row is not None else None
        if row is None or account is None or not self._accounts.lets_in(account):
            raise Unauthenticated("this link is not known, was used already, or has ended; ask for a new one")
        return account, str(row.kind)

    def use(self, secret: str, password: str) -> Account:
        """Set the password; the link is spent, and earlier sessions end. Raises Unauthenticated, InvalidInput."""
        account, _ = self.look(secret)
        self._accounts.checked_password(password, account)

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            spent = tx.execute(delete(one_time_link).where(one_time_link.c.hash == hash_secret(secret)))
            if not spent.rowcount:
                raise Unauthenticated("this link was used already; ask for a new one")
            return None, ()

        self._store.write(work, actor=account.id)
        return self._accounts.change(account.id, password=password, actor=account.id)
