"""The one gate: who are you, and may you do this to that? Decided by Cedar policies, remembered, audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gemel.access.accounts import Accounts
from gemel.access.audit import Audit
from gemel.access.devices import KIND as DEVICE
from gemel.access.devices import Devices
from gemel.access.policy import Decision, Policies
from gemel.access.principal import AUDITED, Action, Principal, Resource, ResourceKind
from gemel.access.sessions import Sessions
from gemel.access.store import Store, Writer
from gemel.access.tokens import Tokens
from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import Denied, NotFound

__all__ = ["Gate"]

CACHED_DECISIONS = 50_000


class Gate:
    """Identities, decisions and the audit log of one platform.

    `writer` (the intake) runs a piece of SQL in its transaction; without one nobody can be added, and what would be
    audited is refused (a read-only folder). `position` tells the journal position for the audit log.
    """

    def __init__(
        self,
        database: Database,
        writer: Writer | None,
        clock: Clock,
        *,
        position: Callable[[], int] = lambda: 0,
        policies: Policies | None = None,
        devices: Devices | None = None,
    ) -> None:
        store = Store(database, clock, writer)
        self._clock = clock
        self._policies = policies or Policies.shipped()
        self._cache: dict[tuple[Any, ...], Decision] = {}
        self.audit = Audit(store, position)
        self.accounts = Accounts(store)
        self.tokens = Tokens(store, self.accounts)
        self.sessions = Sessions(store, self.accounts)
        self.devices = devices or Devices(database, writer, clock)

    def decide(self, principal: Principal, action: str, resource: Resource) -> Decision:
        """May `principal` do `action` to such a thing? Never raises, writes nothing.

        One evaluation (60 µs) per principal, action and kind of thing until the credentials expire; then a look-up.
        """
        own = (
            principal.kind == DEVICE
            and resource.kind is ResourceKind.TWIN
            and resource.id in self.devices.twins(principal)
        )
        if principal.expires is not None and principal.expires <= (now := self._clock.now()):
            return self._policies.decide(principal, action, resource, now, own=own)
        key = (principal, action, resource.kind, resource.types, resource.group, own)
        found = self._cache.get(key)
        if found is None:
            found = self._policies.decide(principal, action, resource, self._clock.now(), own=own)
            if len(self._cache) >= CACHED_DECISIONS:
                self._cache.clear()
            self._cache[key] = found
        return found

    def allows(self, principal: Principal, action: str, resource: Resource) -> bool:
        """`decide(…).allowed`, for filtering lists."""
        return self.decide(principal, action, resource).allowed

    def require(
        self,
        principal: Principal,
        action: str,
        resource: Resource,
        *,
        missing: NotFound | None = None,
        detail: str = "",
    ) -> Decision:
        """Return the decision if it is yes; audit it where the action, or a refusal, is audited.

        Raises Denied; or `missing`, when given and the principal may not even read such a thing, so that a refusal
        does not tell that it exists. Raises Overloaded when the audit log cannot take the entry: no audit, no action.
        """
        decision = self.decide(principal, action, resource)
        if not decision.allowed or action in AUDITED:
            self.audit.record(principal.id, action, resource, decision=decision, detail=detail)
        if decision.allowed:
            return decision
        if missing is not None and not self.allows(principal, Action.READ, resource):
            raise missing
        raise Denied(
            f"{action} on {resource.kind.lower()} {resource.id or '(any)'} is not granted to "
            f"{principal.id if principal.role is None else f'the role {principal.role}'} ({decision.policy}); "
            "ask an administrator",
            action=str(action),
            policy=decision.policy,
        )

    def close(self) -> None:
        """Write what the audit log still holds, and who was seen last; call before the intake closes."""
        self.devices.close()
        self.audit.close()
