"""Two organisations that see parts of one plant: each sees its own part, by every way, and nothing of the rest."""

from __future__ import annotations

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
        party: httpx.Client(base_url=server.url + API, headers={"Authorization": f"Bearer {secret}"}, timeout=30)
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


def messages(server: Server, secret: str, subscribe: dict[str, Any], until: int = 1) -> list[dict[str, Any]]:
    address = server.url.replace("http", "ws") + f"{API}/live"
    with connect(address, additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        assert msgspec.msgpack.decode(socket.recv(timeout=10))["t"] == "hello"
        socket.send(msgspec.msgpack.encode({"t": "sub", "s": 1, **subscribe}))
        found: list[dict[str, Any]] = []
        while sum(one["t"] in {"snap", "error"} for one in found) < until:
            found.append(msgspec.msgpack.decode(socket.recv(timeout=10)))
        return found


def test_the_live_socket_tells_of_what_is_granted(server: Server, secrets: dict[str, str]) -> None:
    told = messages(server, secrets["a"], {"twins": []})
    assert [tuple(key[1:]) for one in told if one["t"] == "keys" for key in one["keys"]] == [
        ("press-a", "oil_temperature"),
        ("ram-a", "oil_temperature"),
    ]
    told = messages(server, secrets["a"], {"twins": ["press-b"]})
    assert (told[-1]["t"], told[-1]["code"]) == ("error", "unknown-twin")
