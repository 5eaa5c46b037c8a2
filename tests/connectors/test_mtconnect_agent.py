"""The client of agents against a real HTTP agent: by number, across restarts of either side, with gaps shown."""

import asyncio
import socket
import threading
from pathlib import Path

import msgspec
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from gemel.clock import WallClock, to_rfc3339
from gemel.connectors.mtconnect import import_devices
from gemel.connectors.mtconnect.agent import AgentServer
from gemel.connectors.mtconnect.streams import AgentError, PartSplitter, boundary_of, read_streams
from gemel.errors import InvalidDocument
from gemel.twin import Plant, Quality
from tests.connectors.wires import Loop, process

DATA = Path(__file__).parents[2] / "src" / "gemel" / "demo" / "data"
QUICK = {"initial_s": 0.01, "maximum_s": 0.05}
MODEL = b"""<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.3"><Devices>
  <Device id="d" name="Mill" uuid="u1"><DataItems>
    <DataItem id="d1" name="load" category="SAMPLE" type="LOAD" units="PERCENT"/>
    <DataItem id="d2" name="prog" category="EVENT" type="PROGRAM"/>
    <DataItem id="d3" category="CONDITION" type="SYSTEM"/>
    <DataItem id="d4" name="unit" category="EVENT" type="x:UNIT"/>
  </DataItems></Device></Devices></MTConnectDevices>"""


class Agent:
    """An agent behind a real HTTP server, which can be stopped and started again on its port."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.port = 0
        self.start()

    def start(self, *, instance: int = 1, buffer_size: int = 1_000) -> None:
        self.server = AgentServer(MODEL, "Mill", WallClock(), instance=instance, buffer_size=buffer_size)
        self.listen()

    def listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self.server, lifespan="off", log_level="critical", timeout_graceful_shutdown=0)
        self._http = uvicorn.Server(config)
        self._http.install_signal_handlers = lambda: None
        self._serving = asyncio.run_coroutine_threadsafe(self._http.serve([listener]), self._loop.loop)

    def stop(self) -> None:
        self._http.force_exit = self._http.should_exit = True
        self._serving.result(timeout=60)

    def tell(self, *lines: str) -> None:
        now = to_rfc3339(WallClock().now())
        self._loop.call(self.server.tell, [f"{now}|{line}" for line in lines])


@pytest.fixture
def agent():
    loop = Loop()
    running = Agent(loop)
    yield running
    running.stop()
    loop.close()


@pytest.fixture
def connect(house, agent):
    """Start (or start again) the connector of the agent."""
    plant = msgspec.convert(import_devices(MODEL, wire="agent", urls={"Mill": f"http://127.0.0.1:{agent.port}"}), Plant)
    house.introduce(plant)
    [spec] = plant.connectors
    settings = {**spec.settings, "backoff": QUICK, "interval_ms": 20, "heartbeat_s": 0.2, "timeout_s": 60.0}

    def run(**changes):
        house.run([])
        house.run([msgspec.structs.replace(spec, settings={**settings, **changes})])
        house.until(lambda: house.supervisor.health()["mill-mtconnect"].connects)

    return run


def test_what_an_agent_knew_and_what_it_learns_become_values(house, agent, connect):
    agent.tell("load|10|prog|O1", "d3|FAULT|7||HIGH|E-stop")
    connect()
    house.until(lambda: house.value("mill", "system_condition"))
    [active] = house.value("mill", "system_condition")
    assert (active["level"], active["code"], active["qualifier"], active["text"]) == ("fault", "7", "HIGH", "E-stop")
    agent.tell("load|20|unit|U7", "d3|NORMAL||||")
    house.until(lambda: house.value("mill", "system_condition") == [])
    assert [house.value("mill", name) for name in ("load", "program", "unit")] == [20.0, "O1", "U7"]
    agent.tell("load|UNAVAILABLE")
    house.until(lambda: house.state.twin(house.registry.directory.twin("mill"))["load"].quality is Quality.UNAVAILABLE)


def test_a_restart_of_ours_reads_what_it_missed_and_doubles_nothing(house, agent, connect):
    agent.tell("load|1", "load|2")
    connect()
    house.until(lambda: house.value("mill", "load") == 2.0)
    house.run([])
    agent.tell("load|3", "load|4")
    connect()
    house.until(lambda: house.value("mill", "load") == 4.0)
    assert [value for _, value in house.readings("mill", "load")] == [1.0, 2.0, 3.0, 4.0]


def test_a_broken_connection_goes_on_by_number(house, agent, connect):
    connect()
    agent.tell("load|1")
    house.until(lambda: house.value("mill", "load") == 1.0)
    agent.stop()
    house.until(lambda: "source.lost" in house.kinds_of("mill-mtconnect"))
    agent.tell("load|2", "load|3")
    agent.listen()
    house.until(lambda: house.value("mill", "load") == 3.0)
    assert [value for _, value in house.readings("mill", "load")] == [1.0, 2.0, 3.0]
    assert house.kinds_of("mill-mtconnect")[-1] == "source.found"


def test_an_agent_that_starts_anew_counts_from_one_again(house, agent, connect):
    connect()
    agent.tell("load|1", "load|2")
    house.until(lambda: house.value("mill", "load") == 2.0)
    agent.stop()
    agent.start(instance=2)
    agent.tell("load|3")
    house.until(lambda: house.value("mill", "load") == 3.0)
    assert [value for _, value in house.readings("mill", "load")] == [1.0, 2.0, 3.0]


def test_observations_that_were_overwritten_are_a_gap_that_is_shown(house, agent, connect):
    agent.stop()
    agent.start(buffer_size=4)
    connect()
    agent.tell("load|1")
    house.until(lambda: house.value("mill", "load") == 1.0)
    agent.stop()
    house.until(lambda: "source.lost" in house.kinds_of("mill-mtconnect"))
    agent.tell(*(f"load|{n}" for n in range(2, 12)))
    agent.listen()
    house.until(lambda: house.value("mill", "load") == 11.0)
    gaps = [c.body["reason"] for c in house.changes if c.kind == "source.lost" and "overwritten" in c.body["reason"]]
    assert gaps == ["observations 2 to 7 were overwritten before they were read"]
    assert [value for _, value in house.readings("mill", "load")] == [1.0, 8.0, 9.0, 10.0, 11.0]


def test_a_silent_agent_is_known_to_live_by_its_empty_answers(house, agent, connect):
    connect()
    seen = house.supervisor.health()["mill-mtconnect"].last_seen
    house.until(lambda: house.supervisor.health()["mill-mtconnect"].last_seen > seen)
    assert house.supervisor.health()["mill-mtconnect"].connects == 1


def test_an_agent_that_cannot_stream_is_asked_again_and_again(house):
    asked = threading.Semaphore(0)
    head = '<Header instanceId="1" firstSequence="1" nextSequence="{}"/>'

    async def plain(scope, receive, send):
        """Knows no `interval`: one document an answer."""
        asked.release()
        query = scope["query_string"].decode()
        at = 2 if "from=2" in query else 1
        now = to_rfc3339(house.clock.now())
        told = "" if at == 2 else f'<Load dataItemId="d1" sequence="1" timestamp="{now}">5</Load>'
        body = (
            f"<MTConnectStreams>{head.format(2)}<Streams><DeviceStream name='Mill'><ComponentStream><Samples>{told}"
            "</Samples></ComponentStream></DeviceStream></Streams></MTConnectStreams>"
        ).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]})
        await send({"type": "http.response.body", "body": body})

    loop = Loop()
    agent = Agent.__new__(Agent)
    agent._loop, agent.port, agent.server = loop, 0, plain
    agent.listen()
    plant = msgspec.convert(import_devices(MODEL, wire="agent", urls={"Mill": f"http://127.0.0.1:{agent.port}"}), Plant)
    house.introduce(plant)
    [spec] = plant.connectors
    house.run([msgspec.structs.replace(spec, settings={**spec.settings, "interval_ms": 10})])
    house.until(lambda: house.value("mill", "load") == 5.0)
    for _ in range(5):
        assert asked.acquire(timeout=60)
    assert len(house.readings("mill", "load")) == 1
    house.supervisor.close()
    agent.stop()
    loop.close()


def test_an_agent_process_brings_a_real_machine_to_life(house):
    devices = DATA / "Devices.xml"
    arguments = ("--devices", devices, "--device", "GFAgie01", "--port", 0, "--from", "busiest", "--speed", 20)
    with process("gemel.connectors.mtconnect.agent", DATA / "GFAgie01-20161107-20161108.shdr.gz", *arguments) as port:
        url = f"http://127.0.0.1:{port}"
        document = import_devices(devices.read_bytes(), wire="agent", urls={"GFAgie01": url})
        plant = msgspec.convert(document, Plant)
        house.introduce(plant)
        house.run(plant.connectors)
        path = house.until(lambda: house.value("gfagie01.controller-basic.path-basic", "path_position"))
        assert len(path) == 3
        before = house.value("gfagie01.x", "position_actual")
        house.until(lambda: house.value("gfagie01.x", "position_actual") not in (None, before))
        health = house.supervisor.health()["gfagie01-mtconnect"]
        assert (health.quarantined, health.errors, health.rejected.total()) == (0, 0, 0)
        house.supervisor.close()


@given(st.lists(st.binary(max_size=50).map(lambda b: b.replace(b"--B", b"")), max_size=8), st.integers(1, 40))
def test_a_multipart_answer_cut_anywhere_gives_the_same_documents(documents, size):
    data = b"".join(
        b"--B\r\nContent-type: text/xml\r\nContent-length: %d\r\n\r\n%s\r\n" % (len(d), d) for d in documents
    )
    splitter = PartSplitter(b"--B", 10_000)
    assert [p for at in range(0, len(data), size) for p in splitter.feed(data[at : at + size])] == documents


def test_parts_without_a_length_end_at_the_next_boundary():
    splitter = PartSplitter(b"--B", 1_000)
    assert splitter.feed(b"--B\r\nContent-type: text/xml\r\n\r\n<a/>\r\n--B\r\n") == [b"<a/>\r\n"]
    with pytest.raises(InvalidDocument, match="longer than 1000"):
        splitter.feed(b"x" * 2_000)


def test_answers_that_are_no_streams_are_refused_with_the_reason():
    error = b"<MTConnectError><Errors><Error errorCode='OUT_OF_RANGE'>too old</Error></Errors></MTConnectError>"
    with pytest.raises(AgentError, match="OUT_OF_RANGE: too old"):
        read_streams(error, limit=999)
    broken = b"<MTConnectStreams><Header nextSequence='x'/></MTConnectStreams>"
    for data in (b"<html/>", b"<MTConnectStreams/>", broken):
        with pytest.raises(InvalidDocument, match="the agent's answer"):
            read_streams(data, limit=999)
    assert boundary_of('multipart/x-mixed-replace; boundary="a b"') == b"--a b"
    assert boundary_of("text/xml") is None
