"""G6: the same fact told again has one effect, for ever; the same id with other content is a conflict, and listed.

Messages, events, numbered messages and numbered frames; over restarts, over HTTP and MQTT, after their telemetry was
dropped from the journal, and through the death of the process between an effect and its answer. Of numbered messages
no content is kept: the same number again is a repeat, whatever it says.
"""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from gemel.clock import SECOND, SteppedClock
from gemel.intake import Happened, Message, Receipt
from gemel.platform import Platform
from gemel.server import Server
from tests.connectors.brokers import Broker
from tests.disorder.house import ARROW, frame_of, journaled
from tests.guarantees.ledger import drawn
from tests.guarantees.ledger import tell as keep
from tests.guarantees.line import PLANT, ask, connector, counted, hall, is_connected, wait_for
from tests.intake.plant import START, World, message, reading
from tests.intake.test_intake_frames import batch

FACTS = 4
KINDS = ("message", "event", "number", "frame")
Told = tuple[str, int, bool]
"""Kind, which one, and whether with other content."""


def tell(world: World, told: Told) -> Receipt:
    kind, which, other = told
    value = which + (0.5 if other else 0.0)
    if kind == "message":
        return world.tell(message(value, id=f"m-{which}"), source="ids")
    if kind == "event":
        event = Happened(twin="press-1", event="overheated", time=START, fields={"peak": value}, id=f"e-{which}")
        return world.tell(Message(events=[event]), source="ids")
    if kind == "number":
        return world.tell(message(100 + value, sequence=which, epoch="boot-1"), source="numbers")
    frame = batch([("press-1", "force", START + which, 200 + value)])
    receipt: Receipt = world.intake.submit_frame("numbers", frame, identity=("frames", which)).result(60)
    return receipt


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("told")
    return (folder / f"{number}.sqlite" for number in itertools.count())


steps = st.lists(
    st.one_of(st.tuples(st.sampled_from(KINDS), st.integers(0, FACTS - 1), st.booleans()), st.just("restart")),
    min_size=5,
    max_size=40,
)


@pytest.mark.parametrize("examples", [15, pytest.param(300, marks=pytest.mark.soak)])
def test_any_interleaving_with_restarts_has_each_effect_once(files: Iterator[Path], examples: int) -> None:
    sums: Counter[str] = Counter()

    def body(steps: list[Any]) -> None:
        sums.update(told_in_this_order(next(files), steps))

    drawn(body, examples, steps=steps)
    keep("G6", "any interleaving", ok=sums.pop("effects"), **sums)


def told_in_this_order(path: Path, steps: list[Any]) -> dict[str, int]:
    """What was told, repeated and in conflict; each effect is there once."""
    world = World(path)
    first: dict[tuple[str, int], bool] = {}
    conflicts = 0
    for step in steps:
        if step == "restart":
            world.close()
            world = World(path)
            continue
        kind, which, other = step
        receipt = tell(world, step)
        is_new = (kind, which) not in first
        same = first.setdefault((kind, which), other) == other or kind in ("number", "frame")
        counts = (receipt.accepted, receipt.repeated, receipt.quarantined)
        assert counts == (int(is_new), int(same and not is_new), int(not same)), step
        conflicts += not same
    effects = Counter(said[3] for said in world.readings())
    base = {"message": 0, "number": 100, "frame": 200}
    wanted = {base[kind] + which + (0.5 if other else 0.0): 1 for (kind, which), other in first.items() if kind in base}
    assert effects == wanted
    events = Counter(change.id for change in world.changes("event.happened"))
    assert events == {f"e-{which}": 1 for kind, which in first if kind == "event"}
    assert len(world.held(code="conflict", limit=1000)) == conflicts
    world.close()
    return {
        "effects": len(first),
        "repeated": sum(step != "restart" for step in steps) - len(first) - conflicts,
        "conflicts": conflicts,
        "restarts": steps.count("restart"),
        "interleavings": 1,
    }


def test_it_holds_after_the_telemetry_was_dropped_from_the_journal(world: World, tmp_path: Path) -> None:
    told = [("message", 1, False), ("event", 1, False), ("number", 0, False), ("frame", 0, False)]
    assert [tell(world, one).accepted for one in told] == [1] * 4
    assert world.journal.expire(world.journal.head().position + 1) > 0
    world.close()
    again = World(tmp_path / "gemel.sqlite")
    assert [tell(again, one).repeated for one in told] == [1] * 4
    assert tell(again, ("message", 1, True)).quarantined == 1
    assert again.readings() == []
    again.close()


def over_http(server: Server) -> list[tuple[int, int, int]]:
    """Everything that has an identity over HTTP, told once: (accepted, repeated, quarantined) of each."""
    found = []
    reading = {"twin": "line-1", "property": "count", "time": "2026-01-01T00:00:00Z"}
    cloud = {"specversion": "1.0", "id": "c-1", "source": "/line", "type": "gemel.readings", "subject": "line-1"}
    bodies = [
        ("/ingest", {"messages": [{"id": "m-1", "readings": [reading | {"value": 1}]}]}, {}),
        ("/ingest", {"source": "plc", "messages": [{"sequence": 0, "readings": [reading | {"value": 2}]}]}, {}),
        ("/ingest", cloud | {"data": {"count": 3}}, {"Content-Type": "application/cloudevents+json"}),
        ("/ingest", {"messages": [{"readings": [reading | {"value": 4}]}]}, {"Idempotency-Key": "k-1"}),
    ]
    for path, body, headers in bodies:
        headers = {"Content-Type": "application/json"} | headers
        status, answer = ask(server, "POST", path, json.dumps(body).encode(), **headers)
        assert status == 200, answer
        found.append((answer["accepted"], answer["repeated"], answer["quarantined"]))
    frame = frame_of(["line-1"], ["count"], [1_767_225_600 * SECOND], [5])
    status, answer = ask(server, "POST", "/ingest", frame, **{"Content-Type": ARROW, "Idempotency-Key": "k-2"})
    assert status == 200, answer
    found.append((answer["accepted"], answer["repeated"], answer["quarantined"]))
    return found


def forget_answers(platform: Platform) -> None:
    """As when the process died before it stored any: only the identity of the facts is left."""

    def work(tx: Any) -> tuple[None, list[Any]]:
        tx.exec_driver_sql("DELETE FROM remembered_answer")
        return None, []

    platform.intake.transact(work).result(60)


def test_every_way_over_http_has_one_effect_even_when_the_answers_are_lost(tmp_path: Path) -> None:
    for round_ in range(3):
        with Platform.open(tmp_path) as platform, Server(platform, port=0, demo=True) as server:
            if round_ == 0:
                platform.apply(PLANT)
            taken = over_http(server)
            assert taken == ([(1, 0, 0)] * 5 if round_ == 0 else [(0, 1, 0)] * 5)
            assert sorted(value for *_, value, _ in journaled(platform)) == [1, 2, 3, 4, 5]
            forget_answers(platform)


def test_names_of_sources_belong_to_who_gives_them(tmp_path: Path) -> None:
    from gemel.access import Role

    body = {"source": "plc", "messages": [{"id": "m-1", "readings": [{"twin": "line-1", "property": "count"}]}]}
    with Platform.open(tmp_path) as platform, Server(platform, port=0) as server:
        platform.apply(PLANT)
        accepted = []
        for number in range(2):
            token = platform.gate.tokens.add(f"gateway {number}", Role.OPERATOR)[1]
            body["messages"][0]["readings"][0]["value"] = number  # type: ignore[index]
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            for _ in range(2):
                _, answer = ask(server, "POST", "/ingest", json.dumps(body).encode(), **headers)
                accepted.append((answer["accepted"], answer["repeated"]))
        assert accepted == [(1, 0), (0, 1)] * 2


def test_mqtt_told_again_by_the_device_has_one_effect(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker, Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        platform.apply({"gemel": 1, "connectors": [connector(broker.url)]})
        wait_for(platform, lambda: is_connected(platform))
        device = paho.Client(CallbackAPIVersion.VERSION2)
        device.connect("127.0.0.1", broker.port)
        device.loop_start()
        for number in (1, 2, 1, 2, 3):
            payload = json.dumps({"id": f"m-{number}", "n": number})
            device.publish("line/count", payload, qos=1).wait_for_publish(60)
        device.disconnect()
        device.loop_stop()
        wait_for(platform, lambda: counted(platform) == [1, 2, 3])
        wait_for(platform, lambda: hall(platform).repeated == 2)
        assert counted(platform) == [1, 2, 3]


DIES = """
import os, sys, threading
from gemel.platform import Platform
from gemel.server import Server
from gemel.server.idempotency import Remembered
async def dies(*_):
    os._exit(9)
Remembered._store = dies  # the change is on stable storage; its answer never will be
for line in sys.stdin:  # each in a fork of its own: importing takes longer than a life
    child = os.fork()
    if child == 0:
        print(Server(Platform.open(line.strip()), port=0, demo=True).start(), flush=True)
        threading.Event().wait()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_death_between_the_change_and_its_answer_gives_the_answer_later_and_one_effect(tmp_path: Path) -> None:
    with Platform.open(tmp_path) as platform:
        platform.apply(PLANT)
    writes = [
        ("POST", "/twins", {"id": "line-2", "types": ["line"]}, 201),
        ("PATCH", "/twins/line-1", {"name": "Line one"}, 200),
        ("PUT", "/twins/line-1/now/count", {"value": 7}, 200),
        ("POST", "/ingest", {"messages": [{"readings": [{"twin": "line-1", "property": "count", "value": 8}]}]}, 200),
    ]
    command = [sys.executable, "-c", DIES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as lives:
        assert lives.stdin is not None
        assert lives.stdout is not None
        for number, (method, path, body, _) in enumerate(writes):
            print(tmp_path, file=lives.stdin, flush=True)
            connection = http.client.HTTPConnection(lives.stdout.readline().strip().removeprefix("http://"), timeout=60)
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"k-{number}"}
            connection.request(method, f"/api/v1{path}", json.dumps(body).encode(), headers)
            with pytest.raises((OSError, http.client.HTTPException)):
                connection.getresponse().read()
            connection.close()
            assert lives.stdout.readline() == "9\n"
    with Platform.open(tmp_path) as platform, Server(platform, port=0, demo=True) as server:
        revision = platform.twin("line-1").revision
        for number, (method, path, body, status) in enumerate(writes):
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"k-{number}"}
            answers = [ask(server, method, path, json.dumps(body).encode(), **headers) for _ in range(2)]
            assert [one[0] for one in answers] == [status, status], answers
            assert answers[0] == answers[1]
        assert counted(platform) == [7, 8]
        assert platform.twin("line-1").revision == revision
        assert platform.twin("line-1").name == "Line one"


def test_a_stepped_clock_changes_nothing(tmp_path: Path) -> None:
    clock = SteppedClock(START)
    world = World(tmp_path / "a.sqlite", clock=clock)
    world.tell(Message(readings=[reading(value=1.0)], id="m-1"))
    clock.set(START - 3600 * SECOND)
    assert world.tell(Message(readings=[reading(value=1.0)], id="m-1")).repeated == 1
    world.close()
