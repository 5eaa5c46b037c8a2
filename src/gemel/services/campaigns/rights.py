"""Whether somebody still may command a machine: rights end while campaigns go on."""

from __future__ import annotations

from gemel.access import Action, Gate, Principal, Resource, ResourceKind
from gemel.errors import Unauthenticated

__all__ = ["Rights"]


class Rights:
    """As they are now, of those on whose behalf something is sent."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def objection(self, actor: str, twin: str) -> str:
        """Why nothing is sent to a twin on behalf of somebody; empty: they may command it.

        Of a person all rights count, whichever token they used. What a program began that has the plant open itself
        has no account that could lose a right.
        """
        try:
            who = self._principal(actor)
        except Unauthenticated as error:
            return f"it is sent on behalf of {actor}: {error.detail}; somebody else has to take the campaign over"
        if who is None or self._gate.allows(who, Action.COMMAND, Resource(ResourceKind.TWIN, twin)):
            return ""
        return (
            f"{actor}, on whose behalf it is sent, may not command {twin} any more; "
            "ask an administrator, or have somebody else take the campaign over"
        )

    def _principal(self, actor: str) -> Principal | None:
        """Raises Unauthenticated."""
        if actor.startswith("user-"):
            account = self._gate.accounts.find(actor)
            if account is None or not self._gate.accounts.lets_in(account):
                raise Unauthenticated("there is no such account any more, or it may not sign in")
            return Principal(id=account.id, kind="User", role=account.role, party=account.party)
        if actor.startswith("token-"):
            return self._gate.tokens.alive(actor)
        if actor.startswith("device:"):
            return self._gate.devices.alive(Principal(id=actor, kind="Device"))
        return None
