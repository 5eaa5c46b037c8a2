"""The Sparkplug connector with a real broker and real edge nodes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gemel.connectors.sparkplug import SparkplugSettings, SparkplugSource, propose
from gemel.connectors.sparkplug.values import DataType
from gemel.testing.connectors import SourceContract
from gemel.twin import Kind, Plant, PropertyType, Quality, TwinSpec, TwinType, parse_plant
from gemel.twin.binding import Binding, ConnectorSpec, Scale

from .brokers import Mosquitto, find_mosquitto
from .house import House
from .recorder import Recorder
from .sparkplug_node import Node, metric

BIRTHS = {
    "": [metric("Supply/Pressure", 6.5, DataType.FLOAT, alias=1, properties={"engUnit": "bar"})],
    "press-7": [
        metric("Oil/Temperature", 60.5, alias=11, properties={"engUnit": "°C", "documentation": "In the tank"}),
        metric("Parts", 7, DataType.INT32, alias=12),
        metric("Running", True, DataType.BOOLEAN, alias=13),
        metric("Program", "A-12", DataType.STRING, alias=14),
    ],
}
BINDINGS = [
    Binding(address="Hall2/{node}#Supply/Pressure", twin="{node}", property="pressure", unit="bar"),
    Binding(address="Hall2/+/{device}#Oil/Temperature", twin="{device}", property="oil_temperature"),
    Binding(address="Hall2/+/{device}#Parts", twin="{device}", property="parts", scale=Scale(factor=10.0)),
    Binding(address="Hall2/+/{device}#Running", twin="{device}", property="running"),
    Binding(address="Hall2/+/{device}#Program", twin="{device}", property="program"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed and cannot be: apt-get install mosquitto")
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def node(broker: Mosquitto) -> Iterator[Node]:
    with Node(broker.port, "Hall2", "edge-1", births=BIRTHS) as node:
        yield node


def source_for(broker: Mosquitto, bindings: Sequence[Binding] = BINDINGS, **settings: Any) -> SparkplugSource:
    given = {"url": broker.url, "rebirth_every_s": 0.05, **settings}
    return SparkplugSource(SparkplugSettings(**given), bindings)


@contextlib.asynccontextmanager
async def running(source: SparkplugSource, port: Recorder) -> AsyncIterator[None]:
    before = len(port.losses)
    task = asyncio.create_task(source.run(port))
    try:
        await port.until(lambda: task.done() or len(port.losses) > before)
        if task.done():
            await task
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await task


async def test_births_and_data_by_alias_become_readings(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        node.send(
            "DDATA", [metric(value=61.25, alias=11), metric(value=-8, datatype=DataType.INT32, alias=12)], "press-7"
        )
        node.send("NDATA", [metric(value=6.25, datatype=DataType.FLOAT, alias=1)])
        await port.until(lambda: len(port.values("pressure")) == 2)
    assert port.values("oil_temperature") == [60.5, 61.25]
    assert port.values("parts") == [70.0, -80.0]
    assert port.values("running") == [True]
    assert port.values("pressure") == [6.5, 6.25]
    assert {reading.twin for reading in port.readings} == {"press-7", "edge-1"}
    assert not port.unbounds
    assert not port.rejected


async def test_a_node_that_we_know_by_name_is_asked_for_its_birth(broker: Mosquitto, node: Node) -> None:
    await asyncio.to_thread(node.connect)
    port = Recorder("sparkplug")
    named = [Binding(address="Hall2/edge-1#Supply/Pressure", twin="hall-2", property="pressure")]
    async with running(source_for(broker, named), port):
        await port.until(lambda: port.values("pressure") == [6.5])


async def test_data_without_a_birth_are_not_guessed_at_but_asked_for(broker: Mosquitto, node: Node) -> None:
    await asyncio.to_thread(node.connect)
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        node.send("DDATA", [metric(value=1.0, alias=11)], "press-7")
        await port.until(lambda: port.values("oil_temperature") == [60.5])
    assert any("without a birth" in reason for reason, *_ in port.rejected)


async def test_without_leave_to_ask_it_only_listens(broker: Mosquitto, node: Node) -> None:
    await asyncio.to_thread(node.connect)
    port = Recorder("sparkplug")
    async with running(source_for(broker, rebirth=False), port):
        node.send("DDATA", [metric(value=1.0, alias=11)], "press-7")
        await port.until(lambda: len(port.rejected) == 1)
        node.born()
        await port.until(lambda: port.values("oil_temperature") == [60.5])
    assert node.asked.empty()


async def test_after_a_lost_message_nothing_is_known_until_the_rebirth(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        node.send("DDATA", [metric(value=62.0, alias=11)], "press-7", seq=(node.seq + 2) % 256)
        await port.until(lambda: len(port.values("program")) == 3)
    assert port.values("oil_temperature") == [60.5, None, 62.0, 60.5]
    assert port.values("program") == ["A-12", None, "A-12"]
    unknown = [reading for reading in port.readings if reading.value is None]
    assert {reading.quality for reading in unknown} == {Quality.UNAVAILABLE}
    times = [reading.time for reading in port.readings if reading.property == "program"]
    assert times == sorted(times)


async def test_the_sequence_goes_round_from_255_to_0(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        for number in range(600):
            node.send("NDATA", [metric(value=number, datatype=DataType.FLOAT, alias=1)])
        await port.until(lambda: len(port.values("pressure")) == 601)
    assert None not in port.values("pressure")
    assert node.asked.empty()


async def test_a_death_makes_unknown_what_the_node_and_its_devices_told(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        await asyncio.to_thread(node.die)
        await port.until(lambda: len(port.losses) == 2)
        assert port.values("oil_temperature") == [60.5, None]
        assert port.values("pressure") == [6.5, None]
        assert "no edge node is online" in port.losses[-1]
        heartbeats = port.heartbeats
        await asyncio.to_thread(node.back)
        await port.until(lambda: len(port.values("oil_temperature")) == 3)
        assert port.heartbeats > heartbeats
    assert port.values("oil_temperature") == [60.5, None, 60.5]


async def test_a_death_of_an_earlier_connection_does_not_count(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        old = Node(broker.port, "Hall2", "edge-1", births={})
        old.bdseq = 41
        node.send("NDEATH", [metric("bdSeq", 41, DataType.INT64)], seq=node.seq)
        node.seq -= 1  # a death is not counted
        node.send("NDATA", [metric(value=5.0, datatype=DataType.FLOAT, alias=1)])
        await port.until(lambda: port.values("pressure") == [6.5, 5.0])
    assert len(port.losses) == 1


async def test_a_death_before_any_birth_is_no_news(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect, born=False)
        node.publish("NDEATH", b"", qos=1)
        node.send("NDEATH", [metric("bdSeq", 0, DataType.INT64)])
        node.born()
        await port.until(lambda: port.values("program") == ["A-12"])
    assert None not in [reading.value for reading in port.readings]


async def test_a_message_that_comes_twice_counts_once(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect, born=False)
        birth = node.send("NBIRTH", [metric("bdSeq", 0, DataType.INT64), *BIRTHS[""]])
        node.publish("NBIRTH", birth, qos=1)
        raw = node.send("NDATA", [metric(value=5.0, datatype=DataType.FLOAT, alias=1)])
        node.publish("NDATA", raw, qos=1)
        node.send("NDATA", [metric(value=4.0, datatype=DataType.FLOAT, alias=1)])
        await port.until(lambda: len(port.values("pressure")) == 3)
    assert port.values("pressure") == [6.5, 5.0, 4.0]
    assert node.asked.empty()


async def test_a_device_that_is_gone_is_unknown_and_the_node_is_not(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        node.send("DDEATH", [], "press-7")
        await port.until(lambda: len(port.values("program")) == 2)
        assert port.values("oil_temperature") == [60.5, None]
        assert port.values("pressure") == [6.5]
        node.births = {"": BIRTHS[""]}  # born again without the device
        node.send("DBIRTH", BIRTHS["press-7"], "press-7")
        await port.until(lambda: len(port.values("program")) == 3)
        node.born()
        node.send("NDATA", [metric(value=5.0, datatype=DataType.FLOAT, alias=1)])
        await port.until(lambda: len(port.values("program")) == 4)
    assert port.values("program") == ["A-12", None, "A-12", None]
    assert port.values("pressure") == [6.5, 6.5, 5.0]


async def test_null_stale_and_historical_values_are_told_as_such(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    earlier = 1_700_000_000_000
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        node.send("DDATA", [metric(value=None, alias=11)], "press-7")
        node.send("DDATA", [metric(value=59.0, alias=11, timestamp=earlier, is_historical=True)], "press-7")
        node.send("DDATA", [metric(value=58.0, alias=11, properties={"Quality": 500})], "press-7")
        node.send("DDATA", [metric(value=57.0, alias=11, properties={"Quality": 0})], "press-7")
        await port.until(lambda: len(port.values("oil_temperature")) == 5)
    told = [(r.value, r.quality) for r in port.readings if r.property == "oil_temperature"][1:]
    assert told == [
        (None, Quality.UNAVAILABLE),
        (59.0, Quality.GOOD),
        (58.0, Quality.UNCERTAIN),
        (57.0, Quality.BAD),
    ]
    assert [r.time for r in port.readings if r.value == 59.0] == [earlier * 1000]


async def test_tables_and_templates_are_refused_by_name_and_the_rest_is_taken(broker: Mosquitto, node: Node) -> None:
    node.births = {
        "": [
            metric("Recipe", b"", DataType.DATASET),
            metric("Motor", b"", DataType.TEMPLATE),
            metric("Supply/Pressure", 6.5, DataType.FLOAT),
        ]
    }
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("pressure") == [6.5])
    assert [(address, reason.partition(" has")[0]) for reason, _, address in port.rejected] == [
        ("Hall2/edge-1#Recipe", "a data set (a table)"),
        ("Hall2/edge-1#Motor", "a template"),
    ]


async def test_what_is_not_sparkplug_goes_to_quarantine_and_holds_nothing_up(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker), port):
        await asyncio.to_thread(node.connect, born=False)
        node.publish("NBIRTH", b"\xff\xff\xff")
        node.publish("DDATA", b"{}")
        node.born()
        await port.until(lambda: port.values("program") == ["A-12"])
    assert len(port.rejected) == 2


async def test_the_host_says_that_it_is_there_and_that_it_goes(broker: Mosquitto, node: Node) -> None:
    port = Recorder("sparkplug")
    async with running(source_for(broker, host_id="gemel"), port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
        birth = json.loads(await asyncio.to_thread(node.states.get, timeout=60))
        # another program says that we are gone: we say again that we are not
        node.client.publish("spBv1.0/STATE/gemel", b'{"online": false, "timestamp": 1}', 1, True)
        assert json.loads(await asyncio.to_thread(node.states.get, timeout=60))["online"] is False
        assert json.loads(await asyncio.to_thread(node.states.get, timeout=60)) == birth
    death = json.loads(await asyncio.to_thread(node.states.get, timeout=60))
    assert birth["online"] is True
    assert death == {"online": False, "timestamp": birth["timestamp"]}


async def test_what_happened_while_nobody_listened_is_unknown(broker: Mosquitto, node: Node) -> None:
    port, source = Recorder("sparkplug"), source_for(broker)
    async with running(source, port):
        await asyncio.to_thread(node.connect)
        await port.until(lambda: port.values("program") == ["A-12"])
    async with running(source, port):
        await port.until(lambda: len(port.values("program")) == 3)
    assert port.values("program") == ["A-12", None, "A-12"]


async def test_a_proposal_has_types_units_and_bindings_that_work(broker: Mosquitto, node: Node) -> None:
    await asyncio.to_thread(node.connect)
    stop = asyncio.Event()

    async def talk() -> None:  # a node that reports: it is asked for its births
        while not stop.is_set():
            node.send("NDATA", [metric(value=6.0, datatype=DataType.FLOAT, alias=1)])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.2)

    talking = asyncio.create_task(talk())
    for listen_s in (1.5, 30.0):  # on a busy machine it takes longer
        document = await propose(SparkplugSettings(url=broker.url), listen_s=listen_s)
        if "press-7" in {type_["id"] for type_ in document.get("types", [])}:
            break
    stop.set()
    await talking
    plant = parse_plant(json.dumps(document), "proposal")
    press = next(type_ for type_ in plant.types if type_.id == "press-7")
    assert {p.name: (p.kind, p.unit) for p in press.properties} == {
        "oil_temperature": (Kind.NUMBER, "Cel"),
        "parts": (Kind.INTEGER, ""),
        "running": (Kind.BOOLEAN, ""),
        "program": (Kind.TEXT, ""),
    }
    assert press.properties[0].description == "In the tank"
    assert [twin.id for twin in plant.twins] == ["edge-1", "edge-1.press-7"]
    (spec,) = plant.connectors
    port = Recorder("sparkplug")
    async with running(source_for(broker, spec.bindings), port):
        await port.until(lambda: port.values("program") == ["A-12"])
    assert not port.unbounds


class TestSparkplug(SourceContract):
    plugin = SparkplugSource
    settings = {"url": "mqtt://127.0.0.1:1"}  # noqa: RUF012 - as the suite has it
    bindings = (Binding(address="g/n#m", twin="t", property="p"),)


def test_in_a_whole_house_a_death_is_seen_in_state_and_journal_and_a_birth_mends_it(
    broker: Mosquitto, node: Node, house: House
) -> None:
    properties = (
        PropertyType(name="oil_temperature", unit="Cel"),
        PropertyType(name="parts", kind=Kind.NUMBER),
        PropertyType(name="running", kind=Kind.BOOLEAN),
        PropertyType(name="program", kind=Kind.TEXT),
    )
    types = (
        TwinType(id="press", properties=properties),
        TwinType(id="edge", properties=(PropertyType(name="pressure", unit="bar"),)),
    )
    house.introduce(
        Plant(types=types, twins=(TwinSpec(id="press-7", types=("press",)), TwinSpec(id="edge-1", types=("edge",))))
    )
    spec = ConnectorSpec(
        id="hall", kind="sparkplug", settings={"url": broker.url, "rebirth_every_s": 0.05}, bindings=tuple(BINDINGS)
    )
    house.run([spec])
    house.until(lambda: "source.lost" in house.kinds_of("hall"))  # until a node is born, nothing is known to be so
    node.connect()
    house.until(lambda: house.value("press-7", "program") == "A-12")
    assert (house.value("press-7", "parts"), house.value("edge-1", "pressure")) == (70.0, 6.5)
    assert house.kinds_of("hall")[-1] == "source.found"
    node.die()
    house.until(lambda: house.kinds_of("hall")[-1] == "source.lost")
    house.until(lambda: house.value("press-7", "program") is None)
    assert "no edge node is online" in house.supervisor.health()["hall"].detail
    node.back()
    house.until(lambda: house.value("press-7", "oil_temperature") == 60.5)
    assert house.kinds_of("hall")[-1] == "source.found"
    assert house.supervisor.health()["hall"].quarantined == 0
    told = [value for _, value in house.readings("press-7", "program")]
    assert told == ["A-12", None, "A-12"]
