"""Two organisations that see parts of one plant: each sees its own part, by every way, and nothing of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from gemel.access import Action, Selector
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import PropertyGroup

API = "/api/v1"
TYPES = """
gemel: 1
types:
  - id: press
    properties:
      - {name: oil_temperature, kind: number, unit: Cel, group: condition, headline: true}
      - {name: recipe, kind: text, group: process}
      - {name: hours, kind: integer, group: usage, aliases: [running_hours]}
      - {name: hydraulics, kind: condition}
    events: [{name: overheated, severity: warning}]
  - id: pump
    properties: [{name: flow, kind: number, group: condition}]
"""
OF_A = """
  - {id: press-a, types: [press], name: Press of A, serial: SN-A, aliases: [first], attributes: {maker: Adam}}
  - {id: ram-a, types: [press], name: Ram of A, part_of: press-a}
"""
OF_B = """
  - {id: hall, types: [press], name: Hall}
  - {id: press-b, types: [press], name: Press of B, part_of: hall, links: {feeds: [press-a]}}
  - {id: pump-b, types: [pump], name: Pump of B}
"""
READS = (Action.READ, Action.SUBSCRIBE, Action.QUERY, Action.EXPORT)


def fill(platform: Platform, twins: list[str]) -> None:
    for number, twin in enumerate(twins):
        platform.write(twin, "oil_temperature", 40.0 + number, time="2026-03-01T10:00:00Z")
        platform.write(twin, "oil_temperature", 60.0 + number, time="2026-03-01T11:00:00Z")
        platform.write(twin, "recipe", f"secret of {twin}", time="2026-03-01T10:00:00Z")
        platform.write(twin, "hours", 100 + number, time="2026-03-01T10:30:00Z")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("shared")) as platform:
        platform.apply(f"{TYPES}\ntwins:\n{OF_A}\n{OF_B}")
        fill(platform, ["press-a", "ram-a", "press-b", "hall"])
        gate = platform.gate
        gate.parties.add("a", "A Ltd")
        gate.parties.add("b", "B Ltd")
        gate.grant("party:a", READS, Selector(twins=("press-a",)), groups=[PropertyGroup.CONDITION])
        gate.grant("party:b", READS, Selector(twins=("hall", "pump-b")))
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def token_of(platform: Platform, party: str, name: str) -> str:
    account = platform.gate.accounts.add(name, None, None, party=party, kind="service")
    return platform.gate.tokens.add(name, None, owner=account.id)[1]


@pytest.fixture(scope="module")
def secrets(platform: Platform) -> dict[str, str]:
    return {party: token_of(platform, party, f"reader of {party}") for party in ("a", "b")}


@pytest.fixture(scope="module")
def clients(server: Server, secrets: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    made = {
        party: httpx.Client(base_url=server.url + API, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
        for party, secret in secrets.items()
    }
    yield made
    for one in made.values():
        one.close()


def listed(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


def test_a_party_finds_its_own_twins_and_no_others(clients: dict[str, httpx.Client]) -> None:
    assert [twin["id"] for twin in listed(clients["a"].get("/twins"))] == ["press-a", "ram-a"]
    assert [twin["id"] for twin in listed(clients["b"].get("/twins"))] == ["hall", "press-b", "pump-b"]


def test_what_is_not_granted_looks_as_if_it_were_not_there(clients: dict[str, httpx.Client]) -> None:
    hidden, missing = clients["a"].get("/twins/press-b"), clients["a"].get("/twins/press-z")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["detail"].replace("press-b", "X") == missing.json()["detail"].replace("press-z", "X")


def test_only_the_groups_that_were_granted_are_told(clients: dict[str, httpx.Client]) -> None:
    assert set(clients["a"].get("/twins/press-a/now").json()["values"]) == {"oil_temperature"}
    hidden, missing = clients["a"].get("/twins/press-a/now/recipe"), clients["a"].get("/twins/press-a/now/nothing")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["detail"].replace("recipe", "X") == missing.json()["detail"].replace("nothing", "X")
    assert clients["b"].get("/twins/press-b/now/recipe").json()["value"] == "secret of press-b"


def test_without_its_identity_a_twin_has_an_id_and_types(clients: dict[str, httpx.Client]) -> None:
    shown = clients["a"].get("/twins/press-a").json()
    assert (shown["id"], shown["types"], shown["name"], shown["serial"]) == ("press-a", ["press"], "", "")
    assert (shown["aliases"], shown["attributes"], shown["links"]) == (
        [],
        {},
        [{**shown["links"][0], "source": "ram-a", "target": "press-a"}],
    )
    assert clients["a"].get("/twins/first").status_code == 404
    assert listed(clients["a"].get("/twins", params={"q": "SN-A"})) == []
    assert listed(clients["a"].get("/twins", params={"q": "of a"})) == []
    assert listed(clients["a"].get("/twins", params={"attribute": "maker:Adam"})) == []


def test_sql_has_the_rows_and_columns_that_are_granted(clients: dict[str, httpx.Client]) -> None:
    def ask(party: str, sql: str) -> Any:
        answer = clients[party].post("/query", json={"sql": sql})
        return answer.json().get("rows", answer.status_code)

    assert ask("a", "SELECT twin, oil_temperature FROM live.press ORDER BY twin") == [
        ["press-a", 60.0],
        ["ram-a", 61.0],
    ]
    assert ask("a", "SELECT recipe FROM live.press") == 400
    assert ask("a", "SELECT flow FROM live.pump") == 400
    assert ask("a", "SELECT count(*) FROM history.reading") == [[4]]
    assert ask("a", "SELECT count(*) FROM history.reading_text") == [[0]]
    assert ask("a", "SELECT count(*) FROM twins") == [[2]]
    assert ask("b", "SELECT count(*) FROM twins") == [[3]]
    assert ask("b", "SELECT count(*) FROM history.reading_text") == [[2]]
    assert ask("b", "SELECT count(*) FROM links") == [[1]]


def messages(server: Server, secret: str, subscribe: dict[str, Any]) -> list[dict[str, Any]]:
    return messages_at(server.url, secret, subscribe)


def messages_at(address: str, secret: str, subscribe: dict[str, Any]) -> list[dict[str, Any]]:
    """What a socket tells until the first snapshot or refusal."""
    address = address.replace("http", "ws") + f"{API}/live"
    with connect(address, additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        assert msgspec.msgpack.decode(socket.recv(timeout=60))["t"] == "hello"
        socket.send(msgspec.msgpack.encode({"t": "sub", "s": 1, **subscribe}))
        found: list[dict[str, Any]] = []
        while not found or found[-1]["t"] not in {"snap", "error"}:
            found.append(msgspec.msgpack.decode(socket.recv(timeout=60)))
        return found


def test_the_live_socket_tells_of_what_is_granted(server: Server, secrets: dict[str, str]) -> None:
    told = messages(server, secrets["a"], {"twins": []})
    assert [tuple(key[1:]) for one in told if one["t"] == "keys" for key in one["keys"]] == [
        ("press-a", "oil_temperature"),
        ("ram-a", "oil_temperature"),
    ]
    told = messages(server, secrets["a"], {"twins": ["press-b"]})
    assert (told[-1]["t"], told[-1]["code"]) == ("error", "unknown-twin")


# what a party sees, against a plant that holds nothing else

CHANGING = {"position", "number", "revision", "created", "changed", "recorded", "since", "Position", "Recorded"}
CHANGING |= {"Created", "Changed", "Revision", "version", "cursor", "next"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, an administrator's token) of a plant with A's twins only."""
    with Platform.open(tmp_path_factory.mktemp("alone")) as platform:
        platform.apply(f"{TYPES.split('  - id: pump')[0]}\ntwins:\n{OF_A}")
        fill(platform, ["press-a", "ram-a"])
        with Server(platform, port=0) as server:
            yield server.url, platform.gate.tokens.add("all", "administrator")[1]


@pytest.fixture(scope="module")
def shared(server: Server, platform: Platform) -> tuple[str, str]:
    """(address, a token) of a party to which everything of A's twins is granted, in the plant that has more."""
    platform.gate.parties.add("whole", "Whole Ltd")
    platform.gate.grant("party:whole", READS, Selector(twins=("press-a",)))
    return server.url, token_of(platform, "whole", "reader of whole")


def still(told: Any) -> Any:
    """What was told, without what counts or dates the plant as a whole."""
    if isinstance(told, dict):
        return {name: still(value) for name, value in told.items() if name not in CHANGING}
    return [still(one) for one in told] if isinstance(told, list) else told


@pytest.mark.parametrize(
    "asked",
    [
        "/twins?include=now,headline,links,parts",
        "/twins?roots=true",
        "/twins?limit=1",
        "/twins?q=press",
        "/twins?q=SN",
        "/twins?type=pump",
        "/twins?property=oil_temperature>50",
        "/twins?linked=^feeds:press-b",
        "/twins/first",
        "/twins/press-a/now?depth=3",
        "/twins/press-a/parts",
        "/twins/press-a/links",
        "/twins/press-a/at?time=2026-03-01T10:45:00Z",
        "/twins/press-a/history/oil_temperature?start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
        "/twins/press-a/history/recipe?start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
        "/twins/press-a/history/hours/average?start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
        "/twins/press-a/events?kind=twin.&kind=event.",
        "/types",
        "/types/press",
        "/odata/Twins?$count=true",
        "/odata/Twins/$count",
        "/odata/Now?$count=true",
        "/odata/Readings?$count=true&$filter=Twin eq 'press-a' and Property eq 'oil_temperature'"
        " and Time ge 2026-03-01T00:00:00Z",
        "/export?twins=press-a,ram-a&start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
        "SELECT twin, oil_temperature, recipe, hours FROM live.press ORDER BY twin",
        "SELECT twin, name, serial FROM twins ORDER BY twin",
        "SELECT kind, source, target FROM links ORDER BY 1, 2",
        "SELECT twin, property, unit FROM history.series ORDER BY 1, 2",
        "SELECT count(*), min(value), max(value) FROM history.reading",
        "SELECT count(*), min(value) FROM history.reading_text",
        "SELECT twin, kind, count(*) FROM history.happened WHERE twin IN ('press-a', 'ram-a', 'press-b') "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT * FROM live.pump",
        "live",
    ],
)
def test_what_a_party_sees_is_what_a_plant_with_only_its_twins_would_show(
    alone: tuple[str, str], shared: tuple[str, str], asked: str
) -> None:
    def answer(at: tuple[str, str]) -> Any:
        address, secret = at
        headers = {"Authorization": f"Bearer {secret}"}
        if asked == "live":
            told = messages_at(address, secret, {"twins": [], "rate_hz": None})
            names = {tuple(key) for one in told if one["t"] == "keys" for key in one["keys"]}
            return sorted((twin, name) for _, twin, name in names)
        if asked.startswith("SELECT"):
            found = httpx.post(f"{address}{API}/query", json={"sql": asked}, headers=headers, timeout=60)
            return found.status_code, found.json().get("rows", found.json().get("detail"))
        found = httpx.get(f"{address}{API}{asked}", headers=headers, timeout=60)
        if "/events" in asked:
            return [(one["twin"], one["kind"], still(one["body"].get("twin"))) for one in found.json()["items"]]
        if asked.startswith("/export"):
            return sorted(line.split(",")[:6] for line in found.text.splitlines())
        body = found.json() if found.text[:1] in "{[" else found.text
        return found.status_code, still(json.loads(json.dumps(body).replace(address, "")))

    assert answer(shared) == answer(alone)


def test_an_administrator_sees_grants_why_audit_and_use_of_a_twin(
    server: Server, platform: Platform, clients: dict[str, httpx.Client]
) -> None:
    _, secret = platform.gate.tokens.add("administrator", "administrator")
    assert clients["a"].get("/twins/press-a/now").status_code == 200
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=server.url + API, headers=headers, timeout=60) as admin:
        granted = [one["to"] for one in listed(admin.get("/grants", params={"twin": "press-a", "current": True}))]
        assert "party:a" in granted
        assert "party:b" not in granted
        asked = {"who": "party:a", "action": "read", "twin": "press-a", "property": "recipe"}
        why = admin.get("/access/why", params=asked).json()
        assert (why["allowed"], why["group"]) == (False, "process")
        assert why["needed"] == ["a grant to party:a of read on press-a with the group process"]
        entry = listed(admin.get("/audit", params={"party": "a", "resource": "press-a"}))[0]
        assert (entry["action"], entry["allowed"], entry["rows"]) == ("read", True, 1)
        used = listed(admin.get("/usage", params={"twin": "press-a", "party": "a"}))
        assert {"read"} <= {one["action"] for one in used}
        assert all(one["policy"].startswith("grant-") for one in used)
        assert admin.post("/journal/verify").json()["audit"]["ok"]
        changed = admin.post("/parties", json={"id": "new", "name": "New Ltd"})
        assert (changed.status_code, changed.json()["grants"]) == (201, 0)
        terms = {"to": "party:new", "actions": ["read"], "selector": {"types": ["pump"]}, "history": "7d"}
        made = admin.post("/grants", json=terms).json()
        assert (made["state"], made["history"], made["selected"]) == ("holds", "604800s", "of type pump")
        assert admin.delete(f"/grants/{made['id']}").json()["state"] == "revoked"
