"""A computed property is read by whoever it is granted to; of what it reads, only what is granted is told, anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gemel.access import Action, Selector
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import PropertyGroup
from tests.server.test_server_parties import API, READS, still, token_of

TYPES = """
gemel: 1
types:
  - id: mill
    properties:
      - {name: secret_rate, unit: kW, group: process}
      - {name: wear, group: condition, unit: kW, computed: {expression: secret_rate * 7}}
      - {name: knocks, group: condition}
      - {name: knocks_twice, group: condition, computed: {expression: knocks * 2}}
      - {name: mode, kind: text, group: process}
    commands: [{name: start}]
    control: {mode: {property: mode, remote: [AUTO]}}
  - id: line
    properties: [{name: wear, group: condition, unit: kW, computed: {expression: sum(parts.wear)}}]
"""
OF_A = "\n  - {id: line-a, types: [line]}\n  - {id: mill-a, types: [mill], part_of: line-a}"
OF_B = "\n  - {id: mill-b, types: [mill], part_of: line-a}"
SECRET = "secret_rate"
SHOWN_ANYWHERE = [
    "/types",
    "/types/mill",
    "/types/mill/versions",
    "/twins/mill-a",
    "/twins/mill-a/now",
    "/twins/mill-a/at?time=2026-03-01T10:30:00Z",
    "/twins/mill-a/properties/wear/lineage?at=2026-03-01T10:30:00Z",
    "/twins/mill-a/properties/knocks_twice/lineage?at=2026-03-01T10:30:00Z",
    "/twins/line-a/properties/wear/lineage?at=2026-03-01T10:30:00Z",
    "/twins/mill-a/history/wear?start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
    "/twins/mill-a/deviation?simple=wear&detailed=knocks&start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
    "/twins/mill-a/events",
    "/twins/mill-a/control",
    "/twins/mill-a/orders",
    "/twins?q=mill&include=now,headline,links,parts",
    "/export?twins=mill-a&start=2026-03-01T09:00:00Z&end=2026-03-01T12:00:00Z",
    "/odata/Now",
    "/odata/Twins",
]


def fill(platform: Platform, *mills: str) -> None:
    for number, mill in enumerate(mills):
        platform.write(mill, "mode", "MANUAL", time="2026-03-01T10:00:00Z")
        for name, value in (("secret_rate", 3.25 + number), ("knocks", 4.0 + number)):
            position = platform.write(mill, name, value, time="2026-03-01T10:00:00Z")
    assert platform.computation.wait(position, 120)
    assert platform.history.wait(platform.position, 60)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("shared")) as platform:
        platform.apply(f"{TYPES}twins:{OF_A}{OF_B}")
        fill(platform, "mill-a", "mill-b")
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def reader(platform: Platform, server: Server, party: str, groups: list[PropertyGroup]) -> httpx.Client:
    platform.gate.parties.add(party, party)
    platform.gate.grant(f"party:{party}", READS, Selector(twins=("line-a",)), groups=groups)
    headers = {"Authorization": f"Bearer {token_of(platform, party, f'reader of {party}')}"}
    return httpx.Client(base_url=server.url + API, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def outside(platform: Platform, server: Server) -> Iterator[httpx.Client]:
    """Sees the condition of the line and its mills, not their process."""
    with reader(platform, server, "outside", [PropertyGroup.CONDITION]) as client:
        yield client


def test_the_value_is_told_and_nothing_of_what_it_is_made_of(outside: httpx.Client) -> None:
    assert outside.get("/twins/mill-a/now/wear").json()["value"] == 22.75
    found = outside.get("/twins/mill-a/properties/wear/lineage").json()
    assert (found["value"], found["inputs"], found["hidden"]) == (22.75, [], True)
    assert (found["expression"], found["function"], found["reads"]) == ("", "", [])
    whole = outside.get("/twins/mill-a/properties/knocks_twice/lineage").json()
    assert (whole["expression"], whole["hidden"]) == ("knocks * 2", False)
    assert [one["property"] for one in whole["inputs"]] == ["knocks"]


def test_definitions_are_told_where_all_that_they_read_is_seen(outside: httpx.Client) -> None:
    known = {one["name"]: one.get("computed") for one in outside.get("/types/mill").json()["properties"]}
    assert known == {"wear": {}, "knocks": None, "knocks_twice": {"expression": "knocks * 2"}}
    (total,) = outside.get("/types/line").json()["properties"]
    assert total["computed"] == {}  # of parts, some of which may be hidden
    assert outside.get("/types/mill").json()["control"] is None


@pytest.mark.parametrize("path", SHOWN_ANYWHERE)
def test_an_input_that_is_not_granted_is_named_nowhere(outside: httpx.Client, path: str) -> None:
    answer = outside.get(path)
    assert answer.status_code < 500
    assert SECRET not in answer.text
    assert "3.25" not in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM live.mill",
        "SELECT * FROM history.series",
        "SELECT * FROM history.reading",
        "SELECT * FROM history.happened",
        "SELECT * FROM twins",
    ],
)
def test_nor_in_sql(outside: httpx.Client, sql: str) -> None:
    answer = outside.post("/query", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    assert "3.25" not in answer.text


def test_a_refusal_names_only_what_was_asked_for(outside: httpx.Client) -> None:
    for other in ("secret_rate", "no_such_thing"):
        asked = {"simple": "wear", "detailed": other}
        answer = outside.get("/twins/mill-a/deviation", params=asked)
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith(f"mill-a has no property '{other}'; GET /twins/mill-a/now")


def test_rules_of_a_machine_tell_that_they_hold_but_not_what_they_read(platform: Platform, server: Server) -> None:
    """The mode is of the process: whoever sees that sees whether the rule holds, and not the value it reads."""
    platform.gate.parties.add("remote", "remote")
    platform.gate.grant("party:remote", [Action.READ, Action.COMMAND], Selector(twins=("mill-a",)), groups=["process"])
    headers = {"Authorization": f"Bearer {token_of(platform, 'remote', 'commander')}"}
    with httpx.Client(base_url=server.url + API, headers=headers, timeout=60) as client:
        (rule,) = client.get("/twins/mill-a/control").json()["rules"]
        assert (rule["rule"], rule["holds"]) == ("mode", False)
        assert "MANUAL" not in rule["detail"]


def test_a_limit_of_the_past_holds_for_lineage(platform: Platform, server: Server) -> None:
    with reader(platform, server, "lately", [PropertyGroup.CONDITION]) as client:
        limited = platform.gate.grants.all()[0]
        platform.gate.grants.revoke(limited.id)
        platform.gate.grant("party:lately", READS, Selector(twins=("line-a",)), groups=["condition"], history_s=3600)
        asked = {"at": "2026-03-01T10:30:00Z"}
        answer = client.get("/twins/mill-a/properties/wear/lineage", params=asked)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    "path", [one for one in SHOWN_ANYWHERE if "line-a" not in one and not one.endswith("/control")]
)
def test_who_sees_all_of_a_mill_sees_what_a_plant_with_that_mill_alone_would_show(
    platform: Platform, server: Server, alone: tuple[str, str], path: str
) -> None:
    if "whole" not in {one.id for one in platform.gate.parties.all()}:
        platform.gate.parties.add("whole", "whole")
        platform.gate.grant("party:whole", READS, Selector(twins=("mill-a",)))
    whole = server.url, token_of(platform, "whole", f"reader {path}")

    def told(at: tuple[str, str]) -> object:
        answer = httpx.get(at[0] + API + path, headers={"Authorization": f"Bearer {at[1]}"}, timeout=60)
        if path.startswith("/export"):
            return sorted(line.split(",")[:6] for line in answer.text.splitlines())
        if "/events" in path:
            return {one["kind"] for one in answer.json()["items"]} - {"link.added", "link.put"}
        found = still(answer.json())
        return _settled(found)

    assert told(whole) == told(alone)


def _settled(found: object) -> object:
    """Without what dates the computation, and links to what is not seen."""
    if isinstance(found, dict):
        left_out = {"computed_at", "links", "slot", "@odata.context"}
        return {name: _settled(one) for name, one in found.items() if name not in left_out}
    return [_settled(one) for one in found] if isinstance(found, list) else found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, an administrator's token) of a plant with one mill and nothing else."""
    with Platform.open(tmp_path_factory.mktemp("alone")) as platform:
        platform.apply(f"{TYPES.split('  - id: line')[0]}twins:\n  - {{id: mill-a, types: [mill]}}")
        fill(platform, "mill-a")
        with Server(platform, port=0) as server:
            yield server.url, platform.gate.tokens.add("all", "administrator")[1]
