"""One request as the routes see it: the running services, who asks, and the position it is answered at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar.connection import ASGIConnection

from gemel.access import Principal
from gemel.errors import Unauthenticated

if TYPE_CHECKING:
    from gemel.server.services import Services

__all__ = ["Call", "Once", "call_of"]


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
        "address",
        "cookie",
        "cookies",
        "once",
        "position",
        "principal",
        "secure",
        "services",
        "session",
        "status",
    )

    def __init__(self, services: Services, *, address: str = "", secure: bool = False) -> None:
        self.services = services
        self.address = address
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
        self.position = 0
        self.status = 0

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


def call_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Call:
    """The call that a request belongs to."""
    call: Call = connection.scope["gemel"]  # type: ignore[typeddict-item]
    return call
