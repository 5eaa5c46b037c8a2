"""For tests of connector plug-ins: a port that records, and a suite of what every plug-in does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from gemel.clock import Clock, WallClock
from gemel.connectors.base import Plugin, SecretRef, Settings, Source, settings_of
from gemel.connectors.guests import Guests
from gemel.connectors.reach import Reach
from gemel.errors import InvalidDocument
from gemel.intake.base import Happened, Message, Receipt, Reported
from gemel.twin import Binding, ConnectorSpec, Kind

__all__ = ["RecordingPort", "SourceContract"]


class RecordingMember:
    """One of several objects behind a connector, which keeps what is told of its connection."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.heartbeats = 0
        self.losses: list[str] = []
        self.here = False

    def brought(self, messages: Iterable[Message]) -> None:
        self.messages += messages

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def lost(self, reason: str) -> None:
        self.here = False
        self.losses.append(reason)

    def found(self) -> None:
        self.here = True


class RecordingPort:
    """A Port that keeps what a source says. Use it on the loop that the source runs on."""

    def __init__(
        self,
        spec: ConnectorSpec | None = None,
        *,
        clock: Clock | None = None,
        kinds: dict[tuple[str, str], Kind] | None = None,
        reach: Reach | None = None,
    ) -> None:
        self.spec = spec or ConnectorSpec(id="tested", kind="tested")
        self.clock: Clock = clock or WallClock()
        self.kinds = kinds or {}
        self.reach = reach or Reach()
        self.messages: list[Message] = []
        self.resumed: list[bool] = []
        """For each message, whether it may repeat an earlier connection."""
        self.frames: list[pa.RecordBatch] = []
        self.watermarks: dict[str, int] = {}
        """By epoch, the highest sequence that was delivered."""
        self.connections: list[str] = []
        self.heartbeats = 0
        self.losses: list[str] = []
        self.notes: list[str] = []
        self.rejected: list[tuple[str, bytes | str]] = []
        self.withheld: list[Message] = []
        """Of what was rejected, what it would mean to somebody with the right to say it."""
        self.unbound_addresses: Counter[str] = Counter()
        self.members: dict[str, RecordingMember] = {}
        self._told = asyncio.Event()

    @property
    def readings(self) -> list[Reported]:
        return [reading for message in self.messages for reading in message.readings]

    @property
    def events(self) -> list[Happened]:
        return [event for message in self.messages for event in message.events]

    async def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Return when `condition` holds; it is looked at whenever the source says something."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def deliver(self, messages: Sequence[Message], *, resumed: bool = False) -> Receipt:
        first = len(self.messages) + 1
        self.messages += messages
        self.resumed += [resumed] * len(messages)
        for message in messages:
            self._reach((message.epoch, message.sequence) if message.sequence is not None else None)
        self._told.set()
        return Receipt(first=first, last=len(self.messages), accepted=len(messages))

    async def deliver_frame(self, batch: pa.RecordBatch, *, identity: tuple[str, int] | None = None) -> Receipt:
        if identity is not None and identity[1] <= self.watermarks.get(identity[0], -1):
            return Receipt(repeated=batch.num_rows)
        self._reach(identity)
        self.frames.append(batch)
        self._told.set()
        return Receipt(first=1, last=batch.num_rows, accepted=batch.num_rows)

    async def reached(self, epoch: str) -> int | None:
        return self.watermarks.get(epoch)

    def _reach(self, identity: tuple[str, int] | None) -> None:
        if identity is not None:
            self.watermarks[identity[0]] = max(identity[1], self.watermarks.get(identity[0], -1))

    def connected(self, detail: str = "") -> bool:
        self.connections.append(detail)
        self._told.set()
        return len(self.connections) > 1

    def heartbeat(self) -> None:
        self.heartbeats += 1
        self._told.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self._told.set()

    def note(self, detail: str) -> None:
        self.notes.append(detail)
        self._told.set()

    def reject(
        self, reason: str, raw: bytes | str, *, address: str = "", source: str = "", message: Message | None = None
    ) -> None:
        self.rejected.append((f"{reason} ({address or source})" if address or source else reason, raw))
        if message is not None:
            self.withheld.append(message)
        self._told.set()

    async def kept(self) -> None:
        """What was rejected is in memory only."""

    def unbound(self, address: str, count: int = 1) -> None:
        self.unbound_addresses[address] += count
        self._told.set()

    def kind(self, twin: str, property: str) -> Kind | None:
        return self.kinds.get((twin, property))

    @property
    def revision(self) -> int:
        return 0

    def permits(self, address: str, *, encrypted: bool) -> bool:
        return self.reach.permits(address, encrypted=encrypted)

    def secret(self, ref: SecretRef) -> str:
        return self.reach.secret(ref)

    def file(self, name: str) -> Path:
        return self.reach.file(name)

    def place(self, name: str) -> Path:
        return self.reach.place(name)

    @property
    def guests(self) -> Guests:
        """Nobody may connect: there is no gate."""
        return Guests()

    def member(self, name: str) -> Any:
        return self.members.setdefault(name, RecordingMember())

    def present(self, _twin: str) -> dict[str, Any]:
        return {}

    def twins(self) -> list[str]:
        return sorted({twin for twin, _ in self.kinds})

    def logs(self, patterns: Sequence[str]) -> list[Path]:
        return self.reach.logs(patterns)

    def inbox(self, name: str) -> Path:
        return self.reach.inbox(name)


class SourceContract:
    """What holds for every plug-in. A subclass names it, and settings that name an object that is not there:

    class TestPress(SourceContract):
        plugin = PressSource
        settings = {"host": "127.0.0.1", "port": 1}
    """

    plugin: Plugin
    settings: dict[str, Any]
    bindings: tuple[Binding, ...] = ()

    def spec(self, **settings: Any) -> ConnectorSpec:
        return ConnectorSpec(id="tested", kind="tested", settings=self.settings | settings, bindings=self.bindings)

    def built(self) -> Source:
        return cast("Source", self.plugin(settings_of(self.spec(), self.plugin), self.bindings))

    def test_its_settings_can_say_how_to_back_off(self) -> None:
        settings = settings_of(self.spec(backoff={"initial_s": 0.1, "maximum_s": 1.0}), self.plugin)
        assert isinstance(settings, Settings)
        assert settings.backoff.maximum_s == 1.0

    def test_a_setting_that_it_does_not_know_is_refused(self) -> None:
        with pytest.raises(InvalidDocument, match="no_such_setting"):
            settings_of(self.spec(no_such_setting=1), self.plugin)

    def test_an_object_that_is_not_there_is_an_error_and_no_connection(self) -> None:
        async def attempt() -> RecordingPort:
            port = RecordingPort(self.spec())
            with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the protocol's
                async with asyncio.timeout(30):
                    await self.built().run(port)
            return port

        port = asyncio.run(attempt())
        assert not port.messages
        assert not port.connections

    def test_it_ends_when_it_is_cancelled(self) -> None:
        async def attempt() -> None:
            running = asyncio.create_task(self.built().run(RecordingPort(self.spec())))
            await asyncio.sleep(0)
            running.cancel()
            async with asyncio.timeout(10):
                await asyncio.wait([running])
            assert running.done()

        asyncio.run(attempt())
