"""The outermost layer: who asks and where from, headers of every answer, problems, counting, logging."""

from __future__ import annotations

import base64
import binascii
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gemel.access import SECRET_PREFIX, Gate, Principal, Role
from gemel.errors import Denied, GemelError, Unauthenticated, WrongMediaType
from gemel.server.budget import caller, sharer
from gemel.server.call import Call
from gemel.server.cookies import cookie_name, read_cookie, set_cookie
from gemel.server.forwarded import caller as forwarded
from gemel.server.forwarded import networks
from gemel.server.hot import hot
from gemel.server.idempotency import Remembered
from gemel.server.logs import log_of
from gemel.server.options import API
from gemel.server.problems import told
from gemel.server.services import Services

__all__ = ["Edge"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SLOW_S = 1.0
TOO_MANY = 429
SMALL_BODY = 65_536
"""Bytes; what is smaller needs no room of its own."""
STREAM = f"{API}/stream"
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        b"worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
]
_INTERFACE = ("/api", "/health", "/healthz", "/readyz", "/metrics")
_log = log_of("gemel.server")


class Edge:
    """Wraps the application. What it raises or lets through raises no further: every request gets an answer."""

    def __init__(self, app: Any, services: Services) -> None:
        self._app = app
        self._services = services
        self._clock = services.platform.clock
        self._remembered = Remembered(services)
        self._proxies = networks(services.options.proxies)
        self._demo = Principal(
            id="demo", kind="Demo", role=Role.ADMINISTRATOR, loopback=services.options.is_loopback, ambient=True
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        services, started = self._services, self._clock.monotonic()
        call = scope["gemel"] = self._call(scope)
        call.position = services.platform.state.position
        interface = scope["path"].startswith(_INTERFACE)

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                headers = [*message["headers"], *SECURITY]
                if interface and call.principal is not None:
                    headers.append((b"gemel-position", str(call.position).encode()))
                headers.extend((b"set-cookie", cookie) for cookie in call.cookies)
                message["headers"] = headers
            else:
                call.sent += len(message.get("body", b""))
            await send(message)

        try:
            if not interface:
                await services.pages(scope, answer, call)
                return
            headers = dict(scope["headers"])
            self._identify(call, scope, headers)
            self._measured(call)
            if scope["method"] not in SAFE:
                self._check_origin(call, scope, headers)
            if b"at_position=" in scope["query_string"]:
                _ = call.who  # nobody else may wait here, or learn the position
                await services.wait_for(parse_qs(scope["query_string"].decode("latin-1"))["at_position"][-1])
                call.position = services.platform.state.position
            if headers.get(b"content-encoding", b"identity").lower() not in {b"identity", b""}:
                raise WrongMediaType(
                    f"bodies are taken as they are, not as {headers[b'content-encoding'][:40].decode('latin-1')}; "
                    "leave Content-Encoding out (Arrow streams may have zstd or lz4 inside)"
                )
            with self._room(scope, headers):
                key = headers.get(b"idempotency-key")
                if key is None and (lean := hot(scope)) is not None:
                    await lean(call, scope, receive, answer)
                elif key is not None and scope["method"] not in SAFE and call.principal is not None:
                    await self._remembered.answer(self._app, scope, receive, answer, key.decode("latin-1"))
                else:
                    await self._app(scope, receive, answer)
        except Exception as error:
            if call.status:
                _log.error("an answer broke off", path=scope["path"], error=repr(error))
                raise
            await send_problem(error, scope, answer)
        finally:
            self._count(scope, call, self._clock.monotonic() - started)

    def _room(self, scope: Any, headers: dict[bytes, bytes]) -> AbstractContextManager[None]:
        """Room for the body of a write while it is answered, or for a stream. Raises Overloaded."""
        who = caller.get()
        if scope["path"] == STREAM:
            return self._services.readers.hold(who, 1)
        if scope["method"] in SAFE:
            return nullcontext()
        length = headers.get(b"content-length", b"")
        most = self._services.options.body_bytes
        known = int(length) if length.isdigit() and len(length) < 18 else 0
        size = most if b"transfer-encoding" in headers else min(known, most)
        return self._services.bodies.hold(who, size) if size > SMALL_BODY else nullcontext()

    async def _websocket(self, scope: Any, receive: Any, send: Any) -> None:
        call = scope["gemel"] = self._call(scope)
        headers = dict(scope["headers"])
        try:
            self._identify(call, scope, headers)
            self._measured(call)
            self._check_origin(call, scope, headers)
            _ = call.who
            room = self._services.readers.hold(caller.get(), 1)
            room.__enter__()
        except GemelError as error:
            await _no_socket(error, scope, receive, send)
            return

        async def answer(message: Any) -> None:
            if message["type"] == "websocket.close" and call.refused is not None:
                await _no_socket(call.refused, scope, receive, send)
            else:
                await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            room.__exit__(None, None, None)

    def _measured(self, call: Call) -> None:
        """Whose room this takes, and whether it comes too fast. Raises Overloaded."""
        caller.set(sharer(call.principal, call.address))
        if call.principal is not None:
            self._services.platform.gate.pace.take(call.principal)

    def _call(self, scope: Any) -> Call:
        client = scope.get("client")
        address = client[0] if client else ""
        if self._proxies:
            told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
            address = forwarded(address, told, self._proxies)
        secure = scope.get("scheme") in {"https", "wss"}
        return Call(self._services, address=address, path=scope.get("path", ""), secure=secure)

    def _identify(self, call: Call, scope: Any, headers: dict[bytes, bytes]) -> None:
        """Find out who asks. Bad tokens raise Unauthenticated; a cookie that ended counts as none."""
        gate = self._services.platform.gate
        given = headers.get(b"authorization")
        if given is not None:
            call.principal = identified(gate, given.decode("latin-1"), call.address)
            if call.principal.kind == "Device":
                gate.devices.seen(call.principal, self._clock.now())
            return
        cookie = headers.get(b"cookie")
        if cookie is not None:
            call.cookie = read_cookie(cookie.decode("latin-1"), cookie_name(call.secure))
        if call.cookie:
            try:
                http = scope["type"] == "http"
                call.principal, fresh = gate.sessions.principal(call.cookie, rotate=http)
                if not http:
                    call.session = gate.sessions.id_of(call.cookie)
            except Unauthenticated:
                set_cookie(call, "")
            else:
                if fresh is not None:
                    call.cookie = fresh
                    set_cookie(call, fresh)
                return
        if self._services.options.demo:
            # A page of another name that resolves to this machine must not be taken for the person who sits at it.
            host = urlsplit("//" + headers.get(b"host", b"").decode("latin-1")).hostname
            if host in LOOPBACK_NAMES:
                call.principal = self._demo

    def _check_origin(self, call: Call, scope: Any, headers: dict[bytes, bytes]) -> None:
        """What a browser sends by itself (a cookie, the demo) counts only from our own pages. Raises Denied."""
        origin = headers.get(b"origin")
        ambient = call.principal is not None and call.principal.ambient
        if origin is None:
            if headers.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}:
                raise Denied(
                    "this comes from a page of another site; only Gemel's own pages may do it", policy="same-origin"
                )
            if ambient and call.cookie and scope["type"] == "http":
                raise Denied(
                    "a request with a session cookie needs an Origin header; programs use a token", policy="same-origin"
                )
            return
        given = origin.decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        own = f"{'https' if call.secure else 'http'}://{host}"
        if given.lower() == own.lower() or given in self._services.options.origins:
            return
        raise Denied(
            f"this comes from {given:.100}, not from Gemel's own pages at {own:.100}; "
            "behind a proxy, add the public address to the allowed origins",
            policy="same-origin",
        )

    def _count(self, scope: Any, call: Call, seconds: float) -> None:
        route = scope.get("path_template") or ("web" if call.status else "none")
        method = scope["method"] if scope["method"] in METHODS else "other"  # callers must not make up label values
        self._services.metrics.answered(method, route, call.status, seconds)
        if call.principal is not None:
            caller = self._services.callers.of(call.principal)
            caller.requests += 1
            caller.failed += call.status >= 500
            caller.refused += call.status == TOO_MANY
            caller.busy_s += 0.0 if scope["path"] == STREAM else seconds
            caller.sent_bytes += call.sent
            caller.last = self._clock.now()
        if self._services.telemetry is not None:
            self._services.telemetry.answered(method, route, call.status, seconds, dict(scope["headers"]))
        if call.status >= 500 or seconds > SLOW_S:
            _log.warning(
                "request", method=scope["method"], path=scope["path"], status=call.status, ms=round(seconds * 1000, 1)
            )


def identified(gate: Gate, header: str, address: str) -> Principal:
    """Whose Authorization header this is: a token (also as `token` and its secret), a device's secret, or its id and
    secret.

    Raises Unauthenticated, and Overloaded after repeated failures of devices from one address.
    """
    scheme, _, given = header.partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer" and given:
        return (gate.devices.bearer if given.startswith(SECRET_PREFIX) else gate.tokens.principal)(given)
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise Unauthenticated("the Basic header cannot be read; it is the base64 of <device>:<secret>") from None
        if name == "token" and not secret.startswith(SECRET_PREFIX):
            return gate.tokens.principal(secret)  # Excel and other tools know no bearer tokens
        found = gate.devices.authenticate(name, secret, address=address)
        if found is None:
            raise Unauthenticated("there is no device of this name with this secret; claim it again")
        return found
    raise Unauthenticated(
        "this way to sign in is not known; send Authorization: Bearer <token>, or Basic with a device's id and secret"
    )


async def send_problem(error: BaseException, scope: Any, send: Any) -> None:
    """Answer with the problem document of an error."""
    status, headers, body = told(error, scope["path"])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _no_socket(error: GemelError, scope: Any, receive: Any, send: Any) -> None:
    """Answer a request for a socket with the problem, as any other request."""
    status, headers, body = told(error, scope["path"])
    await receive()
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
