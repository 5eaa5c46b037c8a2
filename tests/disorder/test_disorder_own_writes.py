"""Whoever got an acknowledgement finds what was acknowledged, at once and at every face."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gemel.clock import to_rfc3339
from gemel.platform import Platform
from gemel.server import Server
from tests.disorder.house import PLANT, Caller

ROUNDS = 30
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("plant")) as platform:
        platform.apply(PLANT)
        yield platform


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Iterator[Caller]:
    with Server(platform, port=0, demo=True) as server, closing(Caller(server.url)) as caller:
        yield caller


def at(caller: Caller, twin: str, time: int) -> Any:
    return caller.get(f"/twins/{twin}/at", time=to_rfc3339(time))["values"]["count"]["value"]


def history(caller: Caller, twin: str, time: int) -> Any:
    return caller.history(twin, "count")[-1][1]


def newest_bucket(caller: Caller, twin: str, time: int) -> Any:
    found = caller.get(f"/twins/{twin}/history/count", points=10, method="minmax", start="2020-01-01T00:00:00Z")
    return found["columns"]["max"][-1]


def average(caller: Caller, twin: str, time: int) -> Any:
    return caller.get(f"/twins/{twin}/history/count/average", start=to_rfc3339(time), end=to_rfc3339(time + 1))["value"]


def export(caller: Caller, twin: str, time: int) -> Any:
    status, body = caller.ask("GET", f"/export?twins={twin}&properties=count&start={to_rfc3339(time)}")
    assert status == 200
    return int(list(csv.DictReader(io.StringIO(body.decode())))[-1]["integer"])


def query(caller: Caller, twin: str, time: int) -> Any:
    found = caller.post(
        "/query",
        {
            "sql": "SELECT r.value FROM history.reading_integer r JOIN history.series s USING (series) "
            f"WHERE s.twin = '{twin}' AND s.property = 'count' ORDER BY r.time DESC, r.position DESC LIMIT 1"
        },
    )
    return found["rows"][0][0]


def live_query(caller: Caller, twin: str, time: int) -> Any:
    found = caller.post("/query", {"sql": f"SELECT count FROM live.press WHERE twin = '{twin}'"})
    return found["rows"][0][0]


def now(caller: Caller, twin: str, time: int) -> Any:
    return caller.get(f"/twins/{twin}/now/count")["value"]


@pytest.mark.parametrize("face", [at, history, newest_bucket, average, export, query, live_query, now])
def test_a_value_is_found_right_after_its_acknowledgement(
    platform: Platform, caller: Caller, face: Callable[[Caller, str, int], Any]
) -> None:
    for turn in range(ROUNDS):
        number = next(NUMBERS)  # over all faces: each value is the newest when it is told
        time = platform.clock.now() - 3_600_000_000 + number * 1_000_000
        caller.put("/twins/press-a/now/count", {"value": number, "time": to_rfc3339(time)})
        assert face(caller, "press-a", time) == number
        if turn == ROUNDS // 2:
            platform.history.flush()


def test_an_event_is_found_right_after_its_acknowledgement(platform: Platform, caller: Caller) -> None:
    for number in range(ROUNDS):
        event = {"twin": "press-b", "event": "overheated", "fields": {"number": number}}
        caller.post("/ingest", {"messages": [{"events": [event]}]})
        newest = caller.get("/twins/press-b/events", limit=1)["items"][0]
        assert newest["body"]["fields"] == {"number": number}
        found = caller.post("/query", {"sql": "SELECT count(*) FROM history.happened WHERE kind = 'event.happened'"})
        assert found["rows"] == [[number + 1]]


def test_the_library_finds_what_it_wrote(platform: Platform) -> None:
    for number in range(ROUNDS):
        time = platform.clock.now()
        platform.write("press-plc", "force", number, time=time)
        assert platform.at("press-plc", time)["force"].value == number
        assert platform.past().value(("press-plc", "force"), time).value == number  # type: ignore[union-attr]
        found = platform.query("SELECT max(value) AS value FROM history.reading")
        assert found.to_pylist() == [{"value": float(number)}]


def test_queries_do_not_tell_of_identities_and_rights(platform: Platform, caller: Caller, tmp_path: Path) -> None:
    platform.gate.tokens.add("press-7's own", "viewer")
    for _ in range(2):
        found = caller.post("/query", {"sql": "SELECT DISTINCT kind FROM history.happened"})
        assert found["rows"]
        assert not [kind for (kind,) in found["rows"] if kind.startswith("access.")]
        platform.history.flush()
