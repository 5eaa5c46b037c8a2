"""One request as the routes see it: the running services, who asks, and the position it is answered at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar.connection import ASGIConnection

from gemel.access import VIEWED, Action, Principal, Projection, Resource, ResourceKind, View
from gemel.clock import MAX_TIME, SECOND
from gemel.configuration import Life, Seen
from gemel.errors import Denied, GemelError, Unauthenticated

if TYPE_CHECKING:
    from gemel.server.services import Services

__all__ = ["Call", "Once", "call_of"]

LOOKED_S = 10
"""What is open is looked at this often, whatever is told of changes."""


class Once(msgspec.Struct, frozen=True):
    """A write that may be told several times and has one effect."""

    who: str
    key: str
    fingerprint: bytes
    carried_out: bool
    """Its change is on stable storage already; only its answer was lost, with the process that was to send it."""


class Call:
    """Kept in the ASGI scope under `gemel`; one for each request or socket."""

    __slots__ = (
        "_looked",
        "_view",
        "action",
        "address",
        "cookie",
        "cookies",
        "once",
        "path",
        "position",
        "principal",
        "refused",
        "secure",
        "sent",
        "services",
        "session",
        "status",
    )

    def __init__(self, services: Services, *, address: str = "", path: str = "", secure: bool = False) -> None:
        self.services = services
        self.address = address
        self.path = path
        self.action: str = Action.READ
        """What its route declared."""
        self._view: View | None = None
        self._looked: tuple[tuple[int, int], int, Projection | None] | None = None
        """Of what, until when, and what was seen at the last look."""
        self.secure = secure
        self.principal: Principal | None = None
        self.cookie = ""
        """The session's secret that came with the request; empty without one."""
        self.session = ""
        """Of a socket: the session's id."""
        self.cookies: list[bytes] = []
        """Set-Cookie headers of the answer."""
        self.once: Once | None = None
        """Of a write with an Idempotency-Key."""
        self.refused: GemelError | None = None
        """Why the guard let it not through: of a socket the framework would not say."""
        self.position = 0
        self.status = 0
        self.sent = 0
        """Bytes of the answer's body so far."""

    @property
    def who(self) -> Principal:
        """Who asks. Raises Unauthenticated."""
        if self.principal is None:
            setup = self.services.platform.gate.accounts.needs_setup
            raise Unauthenticated(
                "nobody is signed in; send Authorization: Bearer <token>, or POST /api/v1/session"
                + (" (no administrator yet: POST /api/v1/setup with the token that the server printed)" * setup),
                setup=setup,
            )
        return self.principal

    @property
    def view(self) -> View:
        """What who asks may see, for this action. Raises Unauthenticated."""
        if self._view is None:
            action = self.action if self.action in VIEWED else Action.READ  # what a change answers with is read
            self._view = self.services.platform.view(self.who, action)
        return self._view

    @property
    def items(self) -> Seen:
        """What who asks may see of the configuration. Raises Unauthenticated."""
        platform = self.services.platform
        return Seen(platform.database, platform.clock, self.view, judged=platform.software.judged)

    @property
    def life(self) -> Life:
        """The past of items, as far as who asks may see it. Raises Unauthenticated."""
        return Life(self.items, self.view, self.services.platform.registry)

    def look(self) -> Projection | None:
        """What may be seen now, for what outlives a request; the same object for as long as that is the same.

        Raises Unauthenticated, and Denied when it is nothing any more.
        """
        gate, now = self.services.platform.gate, self.services.platform.clock.now()
        mark = gate.touched, gate.covers.topology
        if self._looked is not None and self._looked[0] == mark and now < self._looked[1]:
            return self._looked[2]
        who = self.who
        if who.kind == "User" and not self.session:
            self.session = gate.sessions.id_of(self.cookie)
        self.principal = who = gate.current(who, self.session)
        seen = gate.projection(who, self.action)
        if not gate.allows(who, self.action, Resource(ResourceKind.FLEET)):
            raise Denied(f"{self.action} is not granted any more", action=self.action, policy="nothing-granted")
        if self._looked is not None and seen is not None and seen.is_like(self._looked[2]):
            seen = self._looked[2]
        until = min(MAX_TIME if seen is None else seen.until, who.expires or MAX_TIME, now + LOOKED_S * SECOND)
        self._looked = mark, until, seen
        return seen

    def due(self, default: int) -> int:
        """When to look again, even if nothing is told of a change."""
        return default if self._looked is None else self._looked[1]


def call_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Call:
    """The call that a request belongs to."""
    call: Call = connection.scope["gemel"]  # type: ignore[typeddict-item]  # our own key of the scope
    return call
