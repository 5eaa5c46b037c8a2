"""The OPC UA connector against a real server, plain and secured."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from gemel.clock import parse_time
from gemel.connectors.base import SecretRef
from gemel.connectors.opcua import OpcuaSettings, OpcuaSource
from gemel.connectors.opcua.settings import Item, Security
from gemel.connectors.opcua.values import overflowed, quality_of
from gemel.errors import InvalidDocument, InvalidInput
from gemel.twin import FreshnessMode, Quality, Scale
from gemel.twin.binding import Binding

from .opcua_server import NAMESPACE, PressServer
from .recorder import Recorder
from .wires import Proxy


@pytest.fixture(scope="module")
def press() -> Iterator[PressServer]:
    with PressServer() as running:
        yield running


@pytest.fixture
def server(press: PressServer) -> PressServer:
    press.reset()
    return press


def bind(name: str, property: str = "", **more: Any) -> Binding:
    return Binding(address=f"nsu={NAMESPACE};s=Press.{name}", twin="press-7", property=property or name.lower(), **more)


def settings(server: PressServer, **more: Any) -> OpcuaSettings:
    """Patient: a machine at work may be slow to answer."""
    usual = {"url": server.url, "publishing_ms": 50, "sampling_ms": 0, "keep_alive_s": 0.5, "timeout_s": 60.0}
    return OpcuaSettings(**usual | more)


@contextlib.asynccontextmanager
async def running(source: OpcuaSource, port: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    before = len(port.connections)
    task = asyncio.create_task(source.run(port))
    waiting = asyncio.create_task(port.until(lambda: len(port.connections) > before))
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield task
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


async def test_values_of_every_kind_arrive_as_plain_values(server: PressServer) -> None:
    names = ["OilTemperature", "Parts", "Running", "Program", "Lamp", "Curve", "Limits"]
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind(name) for name in names]), port):
        await port.until(lambda: len(port.readings) == len(names))
    assert {one.property: one.value for one in port.readings} == {
        "oiltemperature": 20.0,
        "parts": 7,
        "running": True,
        "program": "P1",
        "lamp": "GREEN",
        "curve": [1.0, 2.0],
        "limits": {"Low": 1.0, "High": 2.0},
    }
    assert all(port.resumed), "a first value may be what an earlier connection brought"


async def test_a_change_comes_with_its_source_time_and_is_new(server: PressServer) -> None:
    port = Recorder("opcua")
    binding = bind("OilTemperature", unit="Cel", scale=Scale(factor=2, offset=1))
    async with running(OpcuaSource(settings(server), [binding]), port):
        await port.until(lambda: len(port.readings) == 1)
        server.write("OilTemperature", 41.5, time=datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC))
        await port.until(lambda: len(port.readings) == 2)
    told = port.readings[1]
    assert (told.value, told.unit, told.time) == (84.0, "Cel", parse_time("2026-03-01T12:00:00.000250Z"))
    assert port.resumed == [True, False]


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (ua.StatusCodes.Good, Quality.GOOD),
        (ua.StatusCodes.UncertainLastUsableValue, Quality.UNCERTAIN),
        (ua.StatusCodes.GoodClamped, Quality.GOOD),
    ],
)
async def test_status_codes_are_qualities(server: PressServer, status: int, quality: Quality) -> None:
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind("OilTemperature")]), port):
        await port.until(lambda: len(port.readings) == 1)
        server.write("OilTemperature", 99.0, status=status)
        await port.until(lambda: len(port.readings) == 2)
    assert (port.readings[1].value, port.readings[1].quality) == (99.0, quality)


def test_a_bad_value_is_bad_and_the_queue_bit_is_seen() -> None:
    assert quality_of(ua.StatusCode(ua.StatusCodes.BadSensorFailure), empty=False) is Quality.BAD
    assert overflowed(ua.StatusCode(0x480))
    assert not overflowed(ua.StatusCode(ua.StatusCodes.Good))


async def test_a_bad_status_without_a_value_is_unavailable(server: PressServer) -> None:
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind("OilTemperature")]), port):
        await port.until(lambda: len(port.readings) == 1)
        server.write("OilTemperature", ua.Variant(None), status=ua.StatusCodes.BadNoCommunication)
        await port.until(lambda: len(port.readings) == 2)
    assert (port.readings[1].value, port.readings[1].quality) == (None, Quality.UNAVAILABLE)


async def test_an_array_of_a_hundred_thousand_numbers_arrives_whole(server: PressServer) -> None:
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind("Curve")]), port):
        await port.until(lambda: len(port.readings) == 1)
        server.write("Curve", [float(number) for number in range(100_000)])
        await port.until(lambda: len(port.readings) == 2)
    assert port.readings[1].value == [float(number) for number in range(100_000)]


async def test_every_change_between_two_sendings_is_told_in_order(server: PressServer) -> None:
    port = Recorder("opcua")
    source = OpcuaSource(settings(server, publishing_ms=200.0, queue_size=1_000), [bind("Parts")])
    async with running(source, port):
        await port.until(lambda: len(port.readings) == 1)
        for number in range(200):
            server.write("Parts", number)
        await port.until(lambda: len(port.readings) == 201)
    assert port.values("parts")[1:] == list(range(200))


async def test_a_quiet_server_says_that_it_is_there(server: PressServer) -> None:
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind("Parts")]), port):
        await port.until(lambda: port.heartbeats >= 2)


async def test_an_unknown_node_is_told_and_the_others_go_on(server: PressServer) -> None:
    port = Recorder("opcua")
    bindings = [
        bind("Nothing"),
        Binding(address="nsu=http://no.example;s=X", twin="press-7", property="x"),
        bind("Parts"),
    ]
    async with running(OpcuaSource(settings(server), bindings), port):
        await port.until(lambda: len(port.readings) == 1 and len(port.rejected) == 2)
    assert port.connections[0].endswith("1 of 3 nodes")
    assert {reason.split(":")[-1].split()[0] for reason, _, _ in port.rejected} >= {"BadNodeIdUnknown"}
    assert any("no namespace 'http://no.example'" in reason for reason, _, _ in port.rejected)


async def test_a_restarted_server_is_found_again_under_another_namespace_index() -> None:
    port = Recorder("opcua")
    with PressServer() as server:
        source = OpcuaSource(settings(server), [bind("Parts")])
        task = asyncio.create_task(source.run(port))
        await port.until(lambda: len(port.readings) == 1)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(task, 60)
    with pytest.raises(OSError, match="Connect call failed"):
        await source.run(port)
    with PressServer(port=server.port, more_namespaces=3) as again:
        async with running(source, port):
            await port.until(lambda: len(port.readings) == 2)
            again.write("Parts", 8)
            await port.until(lambda: len(port.readings) == 3)
    assert (port.values("parts"), port.resumed) == ([7, 7, 8], [True, True, False])


async def test_a_server_that_says_nothing_any_more_is_lost(server: PressServer) -> None:
    port, wire = Recorder("opcua"), Proxy(server.port)
    behind = settings(server, url=server.url.replace(str(server.port), str(await wire.start())), timeout_s=2.0)
    async with running(OpcuaSource(behind, [bind("Parts")]), port) as source:
        await port.until(lambda: len(port.readings) == 1)
        wire.mute()
        with pytest.raises(ConnectionResetError, match=r"said nothing|was lost"):
            await asyncio.wait_for(source, 60)
    await wire.cut()


async def test_what_was_not_durable_is_an_error_not_an_acknowledgement(server: PressServer) -> None:
    class Full(Recorder):
        async def deliver(self, messages: Any, *, resumed: bool = False) -> Any:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        await OpcuaSource(settings(server), [bind("Parts")]).run(Full("opcua"))


async def test_samples_come_also_when_the_value_is_the_same(server: PressServer) -> None:
    port = Recorder("opcua")
    async with running(OpcuaSource(settings(server), [bind("Parts", mode=FreshnessMode.SAMPLES)]), port):
        await port.until(lambda: len(port.readings) == 1)
        for second in range(3):
            server.write("Parts", 7, time=datetime(2026, 3, 1, 12, 0, second, tzinfo=UTC))
        await port.until(lambda: len(port.readings) == 4)
    assert port.values("parts") == [7, 7, 7, 7]


@pytest.mark.parametrize("address", ["", "Press.Parts", "ns=2", "ns=x;s=a", "nsu=http://a;Parts", "nsu=;s=a", "i=0"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="address"):
        OpcuaSource(OpcuaSettings(url="opc.tcp://h"), [Binding(address=address, twin="t", property="p")])


def test_settings_of_a_node_that_is_not_bound_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"settings\.items"):
        OpcuaSource(OpcuaSettings(url="opc.tcp://h", items={"ns=2;s=X": Item(deadband=1)}), [bind("Parts")])


class TestSecurity:
    def security(self, **more: Any) -> Security:
        return Security(
            **{
                "policy": "Basic256Sha256",
                "certificate": "own/gemel.der",
                "key": "own/gemel.pem",
                "generate": True,
                "trust": ("trusted",),
                **more,
            }
        )

    @pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
    async def test_a_trusted_server_is_read_over_a_secured_connection(self, tmp_path: Path, mode: str) -> None:
        with PressServer(pki=tmp_path / "pki") as server:
            (tmp_path / "trusted").mkdir()
            shutil.copy(tmp_path / "pki" / "server.der", tmp_path / "trusted")
            port = Recorder("opcua", secrets=tmp_path)
            secured = settings(server, security=self.security(mode=mode))
            async with running(OpcuaSource(secured, [bind("Parts")]), port):
                await port.until(lambda: len(port.readings) == 1)
                server.write("Parts", 8)
                await port.until(lambda: len(port.readings) == 2)
            assert (tmp_path / "own" / "gemel.pem").stat().st_mode & 0o077 == 0

    async def test_an_unknown_server_is_refused_and_its_thumbprint_told(self, tmp_path: Path) -> None:
        with PressServer(pki=tmp_path / "pki") as server:
            (tmp_path / "trusted").mkdir()
            secured = settings(server, security=self.security())
            with pytest.raises(ConnectionRefusedError, match=r"SHA-256 [0-9a-f:]{95}.*not trusted"):
                await OpcuaSource(secured, [bind("Parts")]).run(Recorder("opcua", secrets=tmp_path))

    async def test_a_policy_that_is_not_offered_is_told_with_those_that_are(self, tmp_path: Path) -> None:
        with PressServer(pki=tmp_path / "pki") as server:
            secured = settings(server, security=self.security(policy="Aes256Sha256RsaPss"))
            with pytest.raises(ConnectionRefusedError, match="it offers Basic256Sha256 Sign"):
                await OpcuaSource(secured, [bind("Parts")]).run(Recorder("opcua", secrets=tmp_path))

    async def test_a_wrong_password_is_refused_and_a_right_one_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with PressServer(pki=tmp_path / "pki", users=True) as server:
            trusted = self.security(trust=("pki/server.der",))
            source = OpcuaSource(
                settings(server, security=trusted, user="gemel", password=SecretRef(env="GEMEL_SECRET_OPCUA")),
                [bind("Parts")],
            )
            monkeypatch.setenv("GEMEL_SECRET_OPCUA", "wrong")
            with pytest.raises(ConnectionRefusedError, match="user and password") as refused:
                await source.run(Recorder("opcua", secrets=tmp_path))
            assert "wrong" not in str(refused.value)
            monkeypatch.setenv("GEMEL_SECRET_OPCUA", "right")
            port = Recorder("opcua", secrets=tmp_path)
            async with running(source, port):
                await port.until(lambda: len(port.readings) == 1)

    async def test_files_outside_the_secrets_are_neither_opened_nor_made(self, tmp_path: Path) -> None:
        with PressServer(pki=tmp_path / "pki") as server:
            secured = settings(server, security=self.security(certificate="../own.der", key="../own.pem"))
            with pytest.raises(InvalidDocument, match="not below the directory of secrets"):
                await OpcuaSource(secured, [bind("Parts")]).run(Recorder("opcua", secrets=tmp_path / "secrets"))
        assert not (tmp_path / "own.pem").exists()
