"""People who sign in by another system: which subject of which issuer is which account here."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from gemel.access.accounts import Account, Accounts
from gemel.access.principal import Role
from gemel.access.store import Store
from gemel.access.tables import federated
from gemel.errors import Conflict, Unauthenticated
from gemel.twin import Change

__all__ = ["Federated"]


class Federated:
    """An account is made at the first sign-in; role and party follow what the other system says at each."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def sign_in(self, identity: tuple[str, str], name: str, role: Role | None, party: str) -> Account:
        """The account of (issuer, subject). Raises Unauthenticated when it is locked, Conflict for a name that is
        taken by somebody else here: another system must not become whom it likes."""
        issuer, subject = identity
        with self._store.database.read() as tx:
            c = federated.c
            id = tx.execute(select(c.account).where(c.issuer == issuer, c.subject == subject)).scalar()
        account = self._accounts.find(id) if id is not None else None
        if account is None or not account.name:  # new, or erased here
            if id is not None:
                raise Unauthenticated("this person was erased here; ask an administrator")
            return self._made(identity, name, role, party)
        if not self._accounts.lets_in(account):
            raise Unauthenticated("this account may not sign in; ask an administrator")
        if account.party != party:
            raise Conflict(f"this account belongs to {account.party or 'the operating organisation'} here; ask there")
        if account.role != role:
            return self._accounts.change(account.id, role=role or "", actor="federated")
        return account

    def _made(self, identity: tuple[str, str], name: str, role: Role | None, party: str) -> Account:
        account = self._accounts.add(name, None, role, party=party, actor="federated")
        now = self._store.clock.now()

        def work(tx: Connection) -> tuple[None, Sequence[Change]]:
            row = {"issuer": identity[0], "subject": identity[1], "account": account.id, "created": now}
            tx.execute(insert(federated).values(**row))
            return None, ()

        self._store.write(work, actor=account.id)
        return account
