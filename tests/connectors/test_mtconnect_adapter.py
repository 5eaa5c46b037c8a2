"""The client of adapters against real sockets and real processes: heartbeat, garbage, reconnects, conditions."""

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from gemel.clock import to_rfc3339
from gemel.connectors.mtconnect import import_devices
from gemel.connectors.mtconnect.adapter import AdapterServer
from gemel.twin import Binding, ConnectorSpec, Conversion, Kind, Plant, PropertyType, TwinSpec, TwinType
from tests.connectors.wires import Loop, Proxy, process

DATA = Path(__file__).parents[2] / "src" / "gemel" / "demo" / "data"
QUICK = {"initial_s": 0.01, "maximum_s": 0.05}
PLANT = Plant(
    types=(
        TwinType(
            id="mill",
            properties=(
                PropertyType(name="load", unit="%"),
                PropertyType(name="program", kind=Kind.TEXT),
                PropertyType(name="system", kind=Kind.CONDITION),
            ),
        ),
    ),
    twins=(TwinSpec(id="mill-1", types=("mill",)),),
)
BINDINGS = (
    Binding(address="Xload", twin="mill-1", property="load"),
    Binding(address="program", twin="mill-1", property="program"),
    Binding(address="sys", twin="mill-1", property="system"),
)


@pytest.fixture
def loop():
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def adapter(loop):
    server = AdapterServer()
    server.port = loop.run(server.start())
    yield server
    loop.run(server.close())


def spec(port: int, **settings) -> ConnectorSpec:
    told = {"url": f"shdr://127.0.0.1:{port}", "backoff": QUICK, **settings}
    return ConnectorSpec(id="mill", kind="mtconnect", settings=told, bindings=BINDINGS)


def line(house, rest: str, *, ago_s: float = 0) -> str:
    return f"{to_rfc3339(house.clock.now() - round(ago_s * 1e6))}|{rest}"


@pytest.fixture
def mill(house, loop, adapter):
    """The house with a connected mill."""
    house.introduce(PLANT)
    house.run([spec(adapter.port)])
    loop.run(adapter.drained())
    house.until(lambda: house.supervisor.health()["mill"].connects)
    return house


def test_what_an_adapter_tells_becomes_the_twins_values(mill, loop, adapter):
    loop.call(adapter.tell, [line(mill, "Xload|42.5|program|O1"), line(mill, "sys|FAULT|7|||E-stop")])
    mill.until(lambda: mill.value("mill-1", "system"))
    assert (mill.value("mill-1", "load"), mill.value("mill-1", "program")) == (42.5, "O1")
    [active] = mill.value("mill-1", "system")
    assert (active["level"], active["code"], active["text"]) == ("fault", "7", "E-stop")


def test_pong_keeps_silent_values_fresh_and_an_adapter_that_stops_answering_is_left(house, loop):
    pings: list[bytes] = []
    answered, silent = threading.Event(), threading.Event()

    async def serve(reader, writer):
        try:
            while told := await reader.readline():
                pings.append(told)
                if not silent.is_set():
                    writer.write(b"* PONG 100\n")
                    answered.set()
        finally:
            writer.close()

    async def start():
        return await asyncio.start_server(serve, "127.0.0.1", 0)

    server = loop.run(start())
    house.introduce(PLANT)
    house.run([spec(server.sockets[0].getsockname()[1], heartbeat_s=0.1)])
    assert answered.wait(60)
    seen = house.supervisor.health()["mill"].last_seen
    house.until(lambda: house.supervisor.health()["mill"].last_seen > seen)
    silent.set()
    house.until(lambda: "silent" in house.supervisor.health()["mill"].last_error)
    house.until(lambda: "source.lost" in house.kinds_of("mill"))
    assert set(pings) == {b"* PING\n"}
    house.supervisor.close()
    loop.call(server.close)


def test_garbage_is_rejected_and_the_next_line_is_read(mill, loop, adapter):
    adapter._known.learn(line(mill, "Xload|1"))

    def rubbish():
        for writer in adapter._clients:
            writer.write(b"\xff\xfe|Xload|1\nnot a line\n|sys|Broken|1|||\n" + b"x" * 1_100_000 + b"\n")

    loop.call(rubbish)
    loop.call(adapter.tell, [line(mill, "Zload|5|Xload|2")])
    mill.until(lambda: mill.value("mill-1", "load") == 2.0)
    health = mill.supervisor.health()["mill"]
    reasons = " / ".join(health.rejected)
    for reason in ("not UTF-8 at byte 0", "the first field is not a time", "condition's level", "longer than 1048576"):
        assert reason in reasons
    assert health.problems()[-1] == "no binding for item Zload (1 times)"
    assert health.connects == 1
    codes = mill.until(lambda: [q.code for q in mill.intake.quarantined(source="mill").items])
    assert set(codes) == {"malformed"}


def test_after_a_cut_what_is_told_again_has_no_second_effect(house, loop, adapter):
    proxy = Proxy(adapter.port)
    house.introduce(PLANT)
    house.run([spec(loop.run(proxy.start()))])
    loop.run(adapter.drained())  # both ends have the connection
    first = [line(house, "Xload|1", ago_s=3), line(house, "Xload|2", ago_s=2), line(house, "program|O1", ago_s=2)]
    loop.call(adapter.tell, first)
    house.until(lambda: house.value("mill-1", "program") == "O1")
    for round_ in range(3):
        loop.run(proxy.cut())
        house.until(lambda n=round_: house.kinds_of("mill").count("source.lost") == n + 1)
        loop.call(adapter.tell, [line(house, f"Xload|{10 + round_}")])
        loop.run(proxy.start())
        house.until(lambda n=round_: house.value("mill-1", "load") == 10.0 + n)
    told = house.readings("mill-1", "load")
    assert [value for _, value in told] == [1.0, 2.0, 10.0, 11.0, 12.0]
    assert [value for _, value in house.readings("mill-1", "program")] == ["O1"]
    house.until(lambda: house.supervisor.health()["mill"].repeated >= 3)
    house.supervisor.close()
    loop.run(proxy.cut())


def test_a_condition_that_went_off_during_a_cut_goes_off_here(house, loop, adapter):
    proxy = Proxy(adapter.port)
    house.introduce(PLANT)
    house.run([spec(loop.run(proxy.start()))])
    loop.run(adapter.drained())  # both ends have the connection
    loop.call(adapter.tell, [line(house, "sys|WARNING|A|||hot"), line(house, "sys|FAULT|B|||oil")])
    house.until(lambda: len(house.value("mill-1", "system") or ()) == 2)
    loop.run(proxy.cut())
    loop.call(adapter.tell, [line(house, "sys|NORMAL|A|||")])
    loop.run(proxy.start())
    house.until(lambda: [c["code"] for c in house.value("mill-1", "system")] == ["B"])
    house.supervisor.close()
    loop.run(proxy.cut())


def test_an_adapter_that_is_not_there_yet_is_found_when_it_comes(house, loop):
    server = AdapterServer()
    port = loop.run(server.start())
    loop.run(server.close())
    house.introduce(PLANT)
    house.run([spec(port)])
    house.until(lambda: house.supervisor.health()["mill"].errors >= 2)
    assert house.kinds_of("mill") == ["source.lost"]  # once, however often it fails
    late = AdapterServer()
    loop.run(late.start(port=port))
    house.until(lambda: house.kinds_of("mill") == ["source.lost", "source.found"])
    house.supervisor.close()
    loop.run(late.close())


def test_values_follow_a_property_that_is_retyped_while_they_come(mill, loop, adapter):
    loop.call(adapter.tell, [line(mill, "program|123")])
    mill.until(lambda: mill.value("mill-1", "program") == "123")
    retyped = PropertyType(name="program", kind=Kind.INTEGER, earlier=(Conversion(kind=Kind.TEXT, how="none"),))
    properties = tuple(retyped if p.name == "program" else p for p in PLANT.types[0].properties)
    mill.introduce(Plant(types=(msgspec.structs.replace(PLANT.types[0], properties=properties),)))
    loop.call(adapter.tell, [line(mill, "program|124")])
    mill.until(lambda: mill.value("mill-1", "program") == 124)


def test_an_adapter_process_brings_a_real_machine_to_life(house):
    plant = msgspec.convert(import_devices((DATA / "Devices.xml").read_bytes(), values_in="units"), Plant)
    house.introduce(plant)
    log = DATA / "Mazak01-20170320-20170321.shdr.gz"
    arguments = ("--port", 0, "--from", "busiest", "--speed", 20)
    with process("gemel.connectors.mtconnect.adapter", log, *arguments) as port:
        [connector] = [c for c in plant.connectors if c.id == "mazak01-mtconnect"]
        house.run([msgspec.structs.replace(connector, enabled=True, settings={"url": f"shdr://127.0.0.1:{port}"})])
        house.until(lambda: house.value("mazak01.controller.path", "execution"))
        before = house.value("mazak01.controller.path", "accumulated_time_total")
        house.until(lambda: house.value("mazak01.controller.path", "accumulated_time_total") != before)
        house.until(lambda: abs(house.supervisor.health()["mazak01-mtconnect"].lag_s) < 30)
        health = house.supervisor.health()["mazak01-mtconnect"]
        assert (health.quarantined, health.errors, health.rejected.total()) == (0, 0, 0)
        house.supervisor.close()
