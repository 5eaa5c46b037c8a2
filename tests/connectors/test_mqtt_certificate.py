"""The endpoint's certificate is another one before it ends; connections that are open live on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from gemel.clock import SECOND, SteppedClock, to_rfc3339
from gemel.connectors.guests import Guests
from gemel.connectors.mqtt_endpoint import EndpointSettings, MqttEndpoint
from gemel.connectors.reach import Reach
from gemel.platform import Platform
from gemel.testing.connectors import RecordingPort
from tests.connectors.certificates import make_certificate
from tests.connectors.mqtt_client import WAIT_S, connect

DAY = 86_400 * SECOND
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class Gate(RecordingPort):
    """A port with a register of devices and an authority."""

    def __init__(self, guests: Guests, **more: Any) -> None:
        super().__init__(**more)
        self._guests = guests

    @property
    def guests(self) -> Guests:
        return self._guests


class Caller:
    """One connection over TLS, and the certificate that it was shown."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))

    @classmethod
    async def call(cls, port: int, authority: str) -> Caller:
        context = ssl.create_default_context(cadata=authority)
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"))

    async def ask(self, sent: bytes, length: int) -> bytes:
        self._writer.write(sent)
        return await asyncio.wait_for(self._reader.readexactly(length), WAIT_S)

    async def close(self) -> None:
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


def listening(port: Gate, settings: EndpointSettings, scene: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Run an endpoint, and a scene with the number where it listens."""

    async def run() -> None:
        endpoint = MqttEndpoint(settings, ())
        task = asyncio.create_task(endpoint.run(port))
        try:
            await port.until(lambda: port.connections or task.done())
            await scene(endpoint.ports[0])
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_certificate_is_renewed_before_it_ends_and_open_connections_live_on(tmp_path: Path):
    today = int(datetime.now(UTC).timestamp()) * SECOND
    clock = SteppedClock(today - 380 * DAY)  # one of 397 days is still good for a real client
    with Platform.open(tmp_path / "plant", clock=clock) as platform:
        authority = platform.gate.devices.certificates.authority
        port = Gate(Guests(platform.gate), clock=clock)

        async def pass_until(now: int) -> None:
            heartbeats = port.heartbeats
            clock.set(now)
            await port.until(lambda: clock.step(5.0) and port.heartbeats >= heartbeats + 2)

        async def scene(number: int) -> None:
            first = await Caller.call(number, authority.certificate)
            connected = await first.ask(connect("box", five=False, keep_alive=0), 4)
            assert connected == b"\x20\x02\x00\x00"
            await pass_until(today - 380 * DAY + 300 * DAY)
            early = await Caller.call(number, authority.certificate)
            assert early.shown.serial_number == first.shown.serial_number
            await pass_until(today - 12 * DAY)
            late = await Caller.call(number, authority.certificate)
            assert late.shown.serial_number != first.shown.serial_number
            ends = late.shown.not_valid_after_utc
            assert ends > datetime.now(UTC) + timedelta(days=380)
            await port.until(lambda: f"certificate until {ends:%Y-%m-%d}" in port.notes[-1])
            assert await first.ask(PINGREQ, 2) == PINGRESP
            for caller in (first, early, late):
                await caller.close()

        listening(port, EndpointSettings(listen=("mqtts://localhost:0",), anonymous=True), scene)


def test_an_authority_that_has_ended_is_told_and_the_endpoint_goes_on(tmp_path: Path):
    clock = SteppedClock(int(datetime.now(UTC).timestamp()) * SECOND)
    with Platform.open(tmp_path / "plant", clock=clock) as platform:
        authority = platform.gate.devices.certificates.authority
        port = Gate(Guests(platform.gate), clock=clock)

        async def scene(number: int) -> None:
            clock.set(clock.now() + 21 * 365 * DAY)
            await port.until(lambda: clock.step(5.0) and any("not renewed" in note for note in port.notes))
            assert f"own certificate ended on {to_rfc3339(clock.now() - 365 * DAY)[:4]}" in port.notes[-1]
            caller = await Caller.call(number, authority.certificate)  # who has the right time is served on
            await caller.close()

        listening(port, EndpointSettings(listen=("mqtts://localhost:0",), anonymous=True), scene)


@pytest.mark.parametrize("broken", [False, True])
def test_files_that_are_replaced_are_loaded_again_if_they_fit(tmp_path: Path, broken: bool):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    before, after = make_certificate(secrets / "own"), make_certificate(tmp_path / "next")
    clock = SteppedClock(int(datetime.now(UTC).timestamp()) * SECOND)
    port = Gate(Guests(), clock=clock, reach=Reach(secrets=secrets))
    old = before.read_text()

    async def scene(number: int) -> None:
        heartbeats = port.heartbeats
        if not broken:
            after.with_suffix(".key").replace(before.with_suffix(".key"))
        after.replace(before)
        new = before.read_text()
        await port.until(lambda: clock.step(5.0) and port.heartbeats >= heartbeats + 2)
        caller = await Caller.call(number, old if broken else new)
        await caller.close()
        assert ("not renewed" in port.notes[-1]) is broken

    tls = {"certificate": "own/broker.pem", "key": "own/broker.key"}
    said = {"listen": ["mqtts://localhost:0"], "anonymous": True, "tls": tls}
    listening(port, msgspec.convert(said, EndpointSettings), scene)
