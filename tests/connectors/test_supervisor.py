"""The supervisor: apart from each other, started again with back-off, in order, and nothing dropped."""

import asyncio
import threading
from concurrent.futures import Future

import pyarrow as pa
import pytest

from gemel.connectors import Backoff
from gemel.connectors.port import FRAMES_AHEAD
from gemel.connectors.supervisor import Supervisor
from gemel.errors import Overloaded, StorageFull, UnknownConnector
from gemel.intake import Message, Reported
from gemel.twin import ConnectorSpec, Plant, PropertyType, TwinSpec, TwinType
from tests.connectors.house import House

PLANT = Plant(
    types=(TwinType(id="press", properties=(PropertyType(name="force", unit="kN"), PropertyType(name="count"))),),
    twins=(TwinSpec(id="press-7", types=("press",)),),
)
QUICK = Backoff(initial_s=0.01, maximum_s=0.05)


def force(value: float, time: int | None = None) -> Message:
    return Message(readings=[Reported(twin="press-7", property="force", value=value, time=time)])


class Scripted:
    """A source that does what a test tells it to."""

    def __init__(self, script):
        self.script = script
        self.runs = 0

    async def run(self, port):
        self.runs += 1
        await self.script(self, port)


@pytest.fixture
def sources():
    return {}


@pytest.fixture
def house(tmp_path, sources):
    built = House(tmp_path, factory=lambda spec: (sources[spec.id], QUICK))
    built.introduce(PLANT)
    yield built
    built.close()


def spec(id: str, **fields) -> ConnectorSpec:
    return ConnectorSpec(id=id, kind="scripted", **fields)


async def stay(_source, port):
    port.connected("here")
    await port.deliver([force(1.0)])
    await asyncio.Event().wait()


def test_a_crash_is_journaled_as_lost_and_the_next_connection_as_found(house, sources):
    async def crash_twice(source, port):
        again = port.connected(f"connection {source.runs}")
        assert again == (source.runs > 1)
        if source.runs < 3:
            raise ConnectionResetError("the cable")
        await asyncio.Event().wait()

    sources["a"] = Scripted(crash_twice)
    house.run([spec("a")])
    house.until(lambda: house.supervisor.health()["a"].connects == 3)
    house.until(lambda: house.kinds_of("a").count("source.found") == 2)
    health = house.supervisor.health()["a"]
    assert house.kinds_of("a") == ["source.lost", "source.found"] * 2
    assert (health.state, health.errors, health.last_error) == ("connected", 2, "ConnectionResetError: the cable")


def test_a_blocking_connector_blocks_no_other(house, sources):
    release = threading.Event()

    async def block(_source, port):
        port.connected()
        release.wait()  # a library that never yields

    async def work(_source, port):
        port.connected()
        for n in range(20):
            await port.deliver([force(float(n))])
        await asyncio.Event().wait()

    sources.update(a=Scripted(block), b=Scripted(work))
    house.run([spec("a"), spec("b")])
    try:
        house.until(lambda: house.value("press-7", "force") == 19.0)
        house.until(lambda: house.supervisor.health()["b"].readings == 20)
    finally:
        release.set()


def test_a_connector_that_cannot_be_built_says_why_and_harms_no_other(tmp_path):
    house = House(tmp_path)
    try:
        house.introduce(PLANT)
        house.run([ConnectorSpec(id="a", kind="no-such-kind"), ConnectorSpec(id="b", kind="replay", settings={"x": 1})])
        house.until(lambda: house.supervisor.health()["a"].errors and house.supervisor.health()["b"].errors)
        health = house.supervisor.health()
        assert "no connector kind 'no-such-kind'" in health["a"].last_error
        assert "unknown field `x`" in health["b"].last_error
        assert (health["a"].state, health["b"].state) == ("failed", "failed")
        house.until(lambda: house.value("connector.b", "state") == "failed")
        house.supervisor.restart("b")
        house.until(lambda: house.supervisor.health()["b"].state == "failed")
        assert house.supervisor.health()["a"].errors == 1  # not tried again
        house.run([])
        assert house.kinds_of("a") == house.kinds_of("b") == []
    finally:
        house.close()


def test_only_what_changed_is_restarted(house, sources):
    sources.update(a=Scripted(stay), b=Scripted(stay), c=Scripted(stay))
    house.run([spec("a"), spec("b")])
    house.until(lambda: all(h.readings for h in house.supervisor.health().values()))
    house.run([spec("a"), spec("b", title="renamed"), spec("c", enabled=False)])
    house.until(lambda: sources["b"].runs == 2)
    assert (sources["a"].runs, sources["b"].runs, sources["c"].runs) == (1, 2, 0)
    assert house.supervisor.health()["c"].state == "disabled"
    house.run([spec("c")])
    house.until(lambda: sources["c"].runs == 1)
    assert list(house.supervisor.health()) == ["c"]
    house.until(lambda: house.kinds_of("a")[-1:] == ["source.lost"])


def test_a_restart_by_hand_reconnects(house, sources):
    sources["a"] = Scripted(stay)
    house.run([spec("a")])
    house.supervisor.restart("a")
    house.until(lambda: sources["a"].runs == 2)
    with pytest.raises(UnknownConnector, match="declare it"):
        house.supervisor.restart("nothing")


def test_overlapping_deliveries_keep_their_order(house, sources):
    done = threading.Event()

    async def many(_source, port):
        port.connected()
        start = port.clock.now()
        receipts = await asyncio.gather(*(port.deliver([force(float(n), start + n)]) for n in range(500)))
        assert all(receipt.last for receipt in receipts)
        done.set()
        await asyncio.Event().wait()

    sources["a"] = Scripted(many)
    house.run([spec("a")])
    assert done.wait(60)
    assert [value for _, value in house.readings("press-7", "force")] == [float(n) for n in range(500)]


def test_an_overloaded_intake_slows_the_source_and_drops_nothing(house, sources, monkeypatch):
    refusals = iter([True] * 5)
    deliver = house.intake.deliver

    def crowded(source, messages, **options):
        if source == "a" and next(refusals, False):
            raise Overloaded("the queue is full", retry_after_s=0.01)
        return deliver(source, messages, **options)

    monkeypatch.setattr(house.intake, "deliver", crowded)
    done = threading.Event()

    async def talk(_source, port):
        port.connected()
        for n in range(10):
            await port.deliver([force(float(n))])
        done.set()
        await asyncio.Event().wait()

    sources["a"] = Scripted(talk)
    house.run([spec("a")])
    assert done.wait(60)
    assert [value for _, value in house.readings("press-7", "force")] == [float(n) for n in range(10)]
    assert next(refusals, None) is None


def frame(value: float, time: int) -> pa.RecordBatch:
    return pa.record_batch({"twin": ["press-7"], "property": ["force"], "time": [time], "value": [value]})


def test_frames_are_submitted_ahead_of_their_fsync_and_what_follows_keeps_its_place(house, sources, monkeypatch):
    begin, free, ahead, done = (threading.Event() for _ in range(4))
    submit, given = house.intake.submit_frame, []

    def counted(source, batch, **options):
        given.append(batch)
        if len(given) == FRAMES_AHEAD:
            ahead.set()
        return submit(source, batch, **options)

    monkeypatch.setattr(house.intake, "submit_frame", counted)

    async def talk(_source, port):
        port.connected()
        assert await asyncio.to_thread(begin.wait, 30)
        start = port.clock.now()
        frames = [port.deliver_frame(frame(float(n), start + n), identity=("e", n)) for n in range(10)]
        receipts = await asyncio.gather(*frames, port.deliver([force(10.0, start + 10)]))
        assert [receipt.accepted for receipt in receipts] == [1] * 11
        done.set()
        await asyncio.Event().wait()

    sources["a"] = Scripted(talk)
    house.run([spec("a")])
    held = house.intake.transact(lambda _: (free.wait(60), ()))
    begin.set()
    assert ahead.wait(60)
    assert not done.is_set()
    assert len(given) == FRAMES_AHEAD
    free.set()
    held.result(60)
    assert done.wait(60)
    assert [value for _, value in house.readings("press-7", "force")] == [float(n) for n in range(11)]


def test_a_frame_that_found_the_disk_full_goes_in_again_and_none_is_lost(house, sources, monkeypatch):
    submit, full, done = house.intake.submit_frame, [1, 1, 3], threading.Event()

    def sometimes_full(source, batch, *, identity):
        if identity[1] in full:
            full.remove(identity[1])
            refused = Future()
            refused.set_exception(StorageFull("no room"))
            return refused
        return submit(source, batch, identity=identity)

    monkeypatch.setattr(house.intake, "submit_frame", sometimes_full)
    order = []

    async def talk(_source, port):
        port.connected()
        start = port.clock.now()

        async def one(n):
            await port.deliver_frame(frame(float(n), start + n), identity=("e", n))
            order.append(n)

        await asyncio.gather(*(one(n) for n in range(8)))
        done.set()
        await asyncio.Event().wait()

    sources["a"] = Scripted(talk)
    house.run([spec("a")])
    assert done.wait(60)
    assert order == list(range(8))
    assert not full
    assert sorted(value for _, value in house.readings("press-7", "force")) == [float(n) for n in range(8)]


def test_what_was_handed_over_is_durable_when_the_supervisor_has_closed(house, sources):
    handed = threading.Event()

    async def hand_over(_source, port):
        port.connected()
        waits = [asyncio.ensure_future(port.deliver([force(float(n))])) for n in range(200)]
        await asyncio.sleep(0)
        handed.set()
        await asyncio.gather(*waits)
        await asyncio.Event().wait()

    sources["a"] = Scripted(hand_over)
    house.run([spec("a")])
    assert handed.wait(60)
    house.supervisor.close()
    assert len(house.readings("press-7", "force")) == 200


def test_a_cancellation_that_escapes_a_source_is_a_failure_and_no_stop(house, sources):
    async def cancel_itself(source, port):
        if source.runs == 1:
            raise asyncio.CancelledError
        await stay(source, port)

    sources["a"] = Scripted(cancel_itself)
    house.run([spec("a")])
    house.until(lambda: house.value("press-7", "force") == 1.0)
    assert house.supervisor.health()["a"].errors == 1


def test_an_object_that_is_there_again_is_told_as_such_though_the_connection_held(house, sources):
    async def come_and_go(_source, port):
        port.connected("at the broker")
        port.lost("its status is 'offline'")
        assert (port.health.state, port.health.detail) == ("lost", "its status is 'offline'")
        port.heartbeat()
        await asyncio.Event().wait()

    sources["a"] = Scripted(come_and_go)
    house.run([spec("a")])
    house.until(lambda: house.kinds_of("a") == ["source.lost", "source.found"])
    health = house.supervisor.health()["a"]
    assert (health.state, health.detail) == ("connected", "at the broker")


def test_the_loss_is_journaled_after_what_was_handed_over(house, sources):
    async def crash_with_news(source, port):
        port.connected()
        if source.runs > 1:
            await asyncio.Event().wait()
        waits = [asyncio.ensure_future(port.deliver([force(float(n))])) for n in range(50)]
        await asyncio.sleep(0)
        for wait in waits:
            wait.cancel()
        raise ConnectionResetError("the cable")

    sources["a"] = Scripted(crash_with_news)
    house.run([spec("a")])
    house.until(lambda: house.kinds_of("a") == ["source.lost", "source.found"])
    assert len(house.readings("press-7", "force", until="source.lost")) == 50


def test_a_source_that_ends_stays_ended(house, sources):
    async def end(_source, port):
        port.connected()
        await port.deliver([force(3.0)])

    sources["a"] = Scripted(end)
    house.run([spec("a")])
    house.until(lambda: house.supervisor.health()["a"].state == "ended")
    assert sources["a"].runs == 1


def test_health_is_a_twin(house, sources):
    async def troubled(_source, port):
        port.connected("to the press")
        port.reject("not a number", b"\xff\x00rubbish")
        port.unbound("Xload", 3)
        await port.deliver([force(5.0), force(float("nan"))])
        await asyncio.Event().wait()

    sources["a"] = Scripted(troubled)
    house.run([spec("a", title="Press 7")])
    house.until(lambda: house.value("connector.a", "quarantined") == 1)
    twin = {name: house.value("connector.a", name) for name in ("state", "readings", "rejected", "unbound", "detail")}
    assert twin == {"state": "connected", "readings": 2, "rejected": 1, "unbound": 3, "detail": "to the press"}
    assert house.registry.twin("connector.a").name == "Press 7"
    health = house.until(lambda: (h := house.supervisor.health()["a"]).readings and h)
    assert health.problems() == ["not a number (1 times)", "no binding for item Xload (3 times)"]
    assert health.rate > 0
    kept = house.until(lambda: [q for q in house.intake.quarantined(source="a").items if q.code == "malformed"])
    assert kept[0].payload == b"\xff\x00rubbish"


def test_a_supervisor_without_a_registry_runs_connectors_too(house, sources):
    sources["z"] = Scripted(stay)
    other = Supervisor(house.intake, house.clock, factory=lambda spec: (sources[spec.id], QUICK))
    other.apply([spec("z")])
    house.until(lambda: house.value("press-7", "force") == 1.0)
    other.close()
