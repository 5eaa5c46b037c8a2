"""Every route declares what it needs; nothing is readable before it is granted; no role gets more than its own."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from litestar.routes import HTTPRoute, WebSocketRoute

from gemel.access import Action, Principal, Resource, Role
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.app import make_litestar

PUBLIC = {
    "/health",
    "/healthz",
    "/readyz",
    "/api/v1/session",
    "/api/v1/devices/claim",
    "/api/v1/devices/renew",
    "/api/v1/setup",
    "/api/v1/sign-in",
    "/api/v1/sign-in/callback",
    "/api/v1/sign-in/other",
    "/api/v1/links/look",
    "/api/v1/links/use",
    "/api/v1/docs",
    "/api/v1/openapi.json",
    "/api/v1/schemas/{name:str}",
    "/api/v1/schemas/parts.json",
}
FRAMEWORK = "/api/v1/schema"
PATHS = {"twin": "press-7", "name": "oil_temperature", "type_id": "press", "kind": "feeds", "target": "press-8"}


def declared(server: Server) -> list[tuple[str, str, dict]]:  # type: ignore[type-arg]
    found = []
    for route in make_litestar(server.services).routes:
        if isinstance(route, WebSocketRoute):
            found.append(("WEBSOCKET", route.path, route.route_handler.opt))
        elif isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                found += [(method, route.path, handler.opt) for method in handler.http_methods if method != "OPTIONS"]
    return found


def test_every_route_declares_an_action(server: Server) -> None:
    routes = declared(server)
    assert len(routes) > 40
    for method, path, opt in routes:
        assert opt.get("action") in {*Action, "public", "self"}, f"{method} {path} declares nothing"


def test_only_these_are_open_to_everybody(server: Server) -> None:
    for method, path, opt in declared(server):
        if not path.startswith(FRAMEWORK) or path.startswith("/api/v1/schemas"):
            assert (opt["action"] == "public") == (path in PUBLIC), f"{method} {path}"


def test_every_action_and_kind_that_a_route_declares_is_in_the_schema(server: Server, platform: Platform) -> None:
    root = Principal(id="user-1", kind="User", role=Role.ADMINISTRATOR)
    for method, path, opt in declared(server):
        if opt["action"] not in {"public", "self"}:
            assert platform.gate.allows(root, opt["action"], Resource(opt["kind"])), f"{method} {path}"


def test_a_route_that_declares_nothing_is_refused(as_role: Callable[[str], httpx.Client]) -> None:
    from litestar import Litestar, get
    from litestar.testing import TestClient

    from gemel.server.app import _problem
    from gemel.server.guard import guard

    @get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    app = Litestar([forgotten], guards=[guard], exception_handlers={Exception: _problem}, logging_config=None)

    class Signed:
        who = Principal(id="user-1", kind="User", role=Role.ADMINISTRATOR)

    async def wrapped(scope, receive, send):  # type: ignore[no-untyped-def]
        scope["gemel"] = Signed
        await app(scope, receive, send)

    with TestClient(wrapped) as client:  # type: ignore[arg-type]
        answer = client.get("/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_the_matrix_of_roles_and_routes(server: Server, as_role: Callable[[str], httpx.Client]) -> None:
    """Each role on each route: refused exactly where the policies refuse the declared action."""
    gate = server.services.platform.gate
    for method, path, opt in declared(server):
        if method in {"WEBSOCKET", "HEAD"} or opt["action"] in {"public", "self"} or "stream" in path:
            continue
        address = path
        for name, value in PATHS.items():
            address = address.replace(f"{{{name}:str}}", value)
        address = (
            address.replace("{user:str}", "nobody").replace("{token:str}", "none").replace("{connector:str}", "none")
        )
        address = re.sub(r"\{\w+:int\}", "1", address)
        body = {} if method == "GET" else {"content": b"\x00 no document", "headers": {"Content-Type": "text/plain"}}
        if method == "DELETE":
            address = address.replace("press-7", "no-such-twin")
        nobody = as_role("").request(method, address, **body)  # type: ignore[arg-type]
        assert nobody.status_code == 401, f"{method} {address} without credentials: {nobody.status_code}"
        told = nobody.json()
        assert told.get("error", told)["code"] == "unauthenticated"  # OData has a form of its own for errors
        for role in Role:
            who = Principal(id="x", kind="Token", role=role)
            allowed = gate.allows(who, opt["action"], Resource(opt["kind"]))
            answer = as_role(str(role)).request(method, address, **body)  # type: ignore[arg-type]
            refused = {403, 404} if opt.get("through") else {403}  # of an order that is not there nothing is told
            assert allowed or answer.status_code in refused, f"{role} {method} {address}: {answer.text}"
            assert not allowed or answer.status_code != 403, f"{role} {method} {address}: {answer.text}"
            assert answer.status_code < 500, f"{role} {method} {address}: {answer.text}"


def test_a_refusal_is_audited_with_who_and_what(as_role: Callable[[str], httpx.Client], admin: httpx.Client) -> None:
    assert as_role("viewer").patch("/api/v1/twins/press-7", json={"name": "x"}).status_code == 403
    newest = admin.get("/api/v1/audit", params={"allowed": False, "limit": 1}).json()["items"][0]
    assert (newest["action"], newest["resource"], newest["allowed"]) == ("configure", "press-7", False)
    assert newest["principal"].startswith("token-")
    assert newest["detail"] == "PATCH /api/v1/twins/press-7"


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer nope", "Bearer " + "x" * 5000, "gemel"])
def test_wrong_credentials_are_refused_at_once(server: Server, header: str) -> None:
    answer = httpx.get(server.url + "/api/v1/site", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
