"""Every route, stream and export, tried by everybody: a route that is new has to be placed here, or the build fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute, WebSocketRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gemel.access import Action, ResourceKind, Role, Selector
from gemel.clock import SECOND, SteppedClock
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.app import make_litestar
from tests.server.test_server_guard import FRAMEWORK, declared
from tests.server.test_server_parties import OF_A, OF_B, READS, TYPES, token_of

NAMES = {
    "twin": "press-a",
    "name": "oil_temperature",
    "type_id": "press",
    "kind": "feeds",
    "target": "press-b",
    "user": "nobody",
    "token": "none",
}
ROLES = [str(role) for role in Role]
CALLERS = ["anonymous", "party a", "party b", *ROLES, "device", "expired token", "revoked token", "narrow token"]

# Who is let in where: by what a route declares. What is not here is refused, and a pair that is new fails below.
EVERYBODY, INSIDE = {*ROLES}, {"operator", "engineer", "administrator"}
HIGHER = {"engineer", "administrator"}
PARTIES = {"party a", "party b"}
ALLOWED: dict[tuple[str, str], set[str]] = {
    ("read", "Fleet"): EVERYBODY | PARTIES | {"narrow token"},
    ("subscribe", "Fleet"): EVERYBODY | PARTIES,
    ("query", "Fleet"): EVERYBODY | PARTIES,
    ("export", "Fleet"): EVERYBODY | PARTIES,
    ("read", "Twin"): EVERYBODY | {"party a", "device", "narrow token"},
    ("write", "Twin"): INSIDE | {"device"},
    ("command", "Twin"): INSIDE,
    ("configure", "Twin"): HIGHER,
    ("write", "Intake"): INSIDE | {"device"},
    ("read", "Platform"): EVERYBODY,
    ("query", "Platform"): EVERYBODY,
    ("read", "TwinType"): EVERYBODY,
    ("read", "Connector"): EVERYBODY,
    ("read", "Quarantine"): EVERYBODY,
    ("read", "Journal"): EVERYBODY,
    ("read", "Device"): EVERYBODY,
    ("witness", "Journal"): EVERYBODY,
    ("operate", "Connector"): INSIDE,
    ("operate", "Quarantine"): INSIDE,
    ("operate", "Journal"): INSIDE,
    ("operate", "Platform"): INSIDE,
    ("command", "Platform"): INSIDE,
    ("maintain", "Platform"): INSIDE,
    ("write", "Platform"): INSIDE,
    ("configure", "Platform"): HIGHER,
    ("configure", "TwinType"): HIGHER,
    ("configure", "Connector"): HIGHER,
    ("configure", "Device"): HIGHER,
    ("administer", "Identity"): {"administrator"},
    ("administer", "Platform"): {"administrator"},
}
HIDDEN = {404}
"""What a party, a device or a narrow token gets of a twin that is not theirs."""


@pytest.fixture(scope="module")
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("shared"), clock=clock, run_connectors=False) as platform:
        platform.apply(f"{TYPES}\ntwins:\n{OF_A}\n{OF_B}")
        for twin in ("press-a", "press-b"):
            platform.write(twin, "oil_temperature", 40.0)
            platform.write(twin, "recipe", "secret")
        platform.gate.parties.add("a", "A Ltd")
        platform.gate.parties.add("b", "B Ltd")
        platform.gate.grant("party:a", READS, Selector(twins=("press-a",)), groups=["condition"])
        platform.gate.grant("party:b", READS, Selector(twins=("hall", "pump-b")))
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def callers(server: Server, platform: Platform, clock: SteppedClock) -> Iterator[dict[str, httpx.Client]]:
    gate = platform.gate
    secrets = {"anonymous": "", **{role: gate.tokens.add(role, role)[1] for role in ROLES}}
    secrets |= {f"party {one}": token_of(platform, one, f"reader of {one}") for one in ("a", "b")}
    _, code = gate.devices.add("gauge", ["press-a"])
    secrets["device"] = gate.devices.claim(code).secret
    secrets["expired token"] = gate.tokens.add("short", Role.ADMINISTRATOR, expires=clock.now() + SECOND)[1]
    made, secrets["revoked token"] = gate.tokens.add("gone", Role.ADMINISTRATOR)
    gate.tokens.withdraw(made.id)
    only = ([Action.READ], Selector(twins=("press-a",)))
    secrets["narrow token"] = gate.tokens.add("narrow", Role.ADMINISTRATOR, only=only)[1]
    clock.step(1)
    clients = {}
    for name, secret in secrets.items():
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        clients[name] = httpx.Client(base_url=server.url, headers=headers, timeout=60)
    yield clients
    for one in clients.values():
        one.close()


def address_of(path: str, names: dict[str, str]) -> str:
    path = re.sub(r"\{(\w+):int\}", "1", path)
    return re.sub(r"\{(\w+):str\}", lambda found: names.get(found[1], found[1]), path)


def test_every_route_has_its_decision(server: Server) -> None:
    """A route with a need that nobody has thought about fails here, not in production."""
    for method, path, opt in declared(server):
        if path.startswith(FRAMEWORK) and not path.startswith("/api/v1/schemas"):
            continue
        if opt["action"] not in {"public", "self"}:
            assert (str(opt["action"]), str(opt["kind"])) in ALLOWED, f"{method} {path} is not in the matrix"


@pytest.mark.parametrize("caller", CALLERS)
def test_who_may_use_which_route(server: Server, callers: dict[str, httpx.Client], caller: str) -> None:
    """Each caller on each route: let in exactly where the matrix says so, and never an error of ours."""
    client = callers[caller]
    known = caller not in {"anonymous", "expired token", "revoked token"}
    for method, path, opt in declared(server):
        if method in {"WEBSOCKET", "HEAD"} or opt["action"] == "public" or path == "/api/v1/stream":
            continue
        address = address_of(path, NAMES)
        if method == "DELETE":
            address = address.replace("press-a", "no-such-twin")
        body = {} if method == "GET" else {"content": b"\x00 none", "headers": {"Content-Type": "text/plain"}}
        answer = client.request(method, address, **body)  # type: ignore[arg-type]
        said = f"{caller} {method} {address}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code < 500 or answer.status_code == 503, said
        if not known:
            assert answer.status_code == 401, said
        elif opt["action"] != "self":
            allowed = caller in ALLOWED[str(opt["action"]), str(opt["kind"])]
            refused = {403, *(HIDDEN if opt["kind"] is ResourceKind.TWIN or opt.get("through") else ())}
            assert not allowed or answer.status_code not in {401, 403}, said
            assert allowed or answer.status_code in refused, said


STREAMS = {
    "/api/v1/live": "followed and refused below, one twin and all",
    "/api/v1/stream": "followed and refused below",
    "/api/v1/export": "downloaded and refused below",
    "/api/v1/audit.csv": "an answer as any other, for administrators: above",
}
"""What goes on after the guard has said yes, and how it is tried."""


def test_every_stream_has_its_decision(server: Server) -> None:
    """A socket, a stream or a download that is new has to be tried here, or the build fails."""
    found = set()
    for route in make_litestar(server.services).routes:
        if isinstance(route, WebSocketRoute):
            found.add(route.path)
        elif isinstance(route, HTTPRoute):
            streams = [one for one in route.route_handlers if "Stream" in str(one.fn.__annotations__.get("return"))]
            found |= {route.path} if streams else set()
    assert found == set(STREAMS)


@pytest.mark.parametrize("caller", CALLERS)
def test_who_may_open_a_socket_and_follow_what(server: Server, callers: dict[str, httpx.Client], caller: str) -> None:
    """A subscription to one twin, to one of others, and to all that there is."""
    headers = {name: value for name, value in callers[caller].headers.items() if name == "authorization"}
    address = server.url.replace("http", "ws") + "/api/v1/live"
    if caller not in {*ROLES, *PARTIES}:
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers).close()
        assert refused.value.response.status_code in {401, 403}
        return
    told = {}
    with connect(address, additional_headers=headers) as socket:
        for number, twins in enumerate((["press-a"], ["press-b"], [])):
            asked = {"t": "sub", "s": number, "twins": twins, "rate_hz": None}
            socket.send(msgspec.msgpack.encode(asked))
            names: set[tuple[str, str]] = set()
            while (one := msgspec.msgpack.decode(socket.recv(timeout=60)))["t"] not in {"snap", "error"}:
                names |= {(key[1], key[2]) for key in one.get("keys", ())}
            told[number] = one.get("code") or names
    everything = {(twin, name) for twin in ("press-a", "press-b") for name in ("oil_temperature", "recipe")}
    if caller in ROLES:
        assert told == {0: _of(everything, "press-a"), 1: _of(everything, "press-b"), 2: everything}
    elif caller == "party a":
        own = {("press-a", "oil_temperature")}
        assert told == {0: own, 1: "unknown-twin", 2: own}
    else:
        own = _of(everything, "press-b")
        assert told == {0: "unknown-twin", 1: own, 2: own}


def _of(everything: set[tuple[str, str]], twin: str) -> set[tuple[str, str]]:
    return {one for one in everything if one[0] == twin}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_who_may_take_what_along(callers: dict[str, httpx.Client], caller: str, form: str) -> None:
    """Every form of export, and a query as Arrow."""
    client = callers[caller]
    for twin, own in (("press-a", "party a"), ("press-b", "party b")):
        answer = client.get("/api/v1/export", params={"twins": twin, "format": form})
        assert (answer.status_code == 200) == (caller in {*ROLES, own}), answer.text[:200]
    headers = {"Accept": "application/vnd.apache.arrow.stream"} if form == "arrow" else {}
    answer = client.post("/api/v1/query", json={"sql": "SELECT twin FROM twins"}, headers=headers)
    assert (answer.status_code == 200) == (caller in {*ROLES, *PARTIES})
    if caller == "party a":
        assert b"press-b" not in answer.content


@pytest.mark.parametrize("caller", CALLERS)
def test_who_may_follow_and_download(server: Server, callers: dict[str, httpx.Client], caller: str) -> None:
    client, inside = callers[caller], {*ROLES, "party a"}
    with client.stream("GET", "/api/v1/stream", params={"twins": "press-a"}) as answer:
        followed = answer.status_code
    asked = {"twins": "press-a", "properties": "oil_temperature"}
    downloaded = client.get("/api/v1/export", params=asked).status_code
    if caller in inside:
        assert (followed, downloaded) == (200, 200)
    else:
        assert followed in {401, 403, 404}
        assert downloaded in {401, 403, 404}


@pytest.mark.parametrize(
    "path",
    [
        "/twins/press-b",
        "/twins/press-b/now",
        "/twins/press-b/now/oil_temperature",
        "/twins/press-b/parts",
        "/twins/press-b/links",
        "/twins/press-b/events",
        "/twins/press-b/at?time=2026-03-01T10:00:00Z",
        "/twins/press-b/history/oil_temperature",
        "/twins/press-b/history/oil_temperature/average",
        "/twins/press-a/now/recipe",
        "/twins/press-a/history/recipe",
        "/types/pump",
        "/types/pump/versions",
        "/export?twins=press-b",
        "/export?twins=press-a&properties=recipe",
        "/stream?twins=press-b",
        "/events?twin=press-b",
        "/odata/Twins('press-b')",
        "/odata/Readings?$filter=Twin eq 'press-b' and Property eq 'oil_temperature'",
        "/odata/Readings?$filter=Twin eq 'press-a' and Property eq 'recipe'",
    ],
)
def test_what_is_of_others_is_not_there(callers: dict[str, httpx.Client], path: str) -> None:
    assert callers["party a"].get(f"/api/v1{path}").status_code == 404
    if "stream" not in path:
        assert callers["viewer"].get(f"/api/v1{path}").status_code == 200
