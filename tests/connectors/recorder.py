"""A port that keeps what a source hands over, so that a test can wait for it. The intake behind it is a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gemel.clock import WallClock
from gemel.connectors.base import SecretRef
from gemel.connectors.reach import Reach
from gemel.intake import Message, Receipt, Reported
from gemel.twin.binding import Binding, ConnectorSpec


class Recorder:
    """Implements `gemel.connectors.Port`. `hold`: deliveries wait (their fsync "takes long") until `release`d."""

    def __init__(
        self,
        kind: str = "test",
        bindings: Sequence[Binding] = (),
        settings: dict[str, Any] | None = None,
        *,
        secrets: Path | None = None,
    ) -> None:
        self._reach = Reach(secrets=secrets)
        self.clock = WallClock()
        self.spec = ConnectorSpec(id=f"{kind}-1", kind=kind, settings=settings or {}, bindings=tuple(bindings))
        self.messages: list[Message] = []
        self.resumed: list[bool] = []
        self.frames: list[pa.RecordBatch] = []
        self.rejected: list[tuple[str, bytes | str, str]] = []
        self.unbounds: dict[str, int] = {}
        self.connections: list[str] = []
        self.heartbeats = 0
        self.losses: list[str] = []
        self.held = False
        self._changed = asyncio.Condition()

    @property
    def readings(self) -> list[Reported]:
        return [reading for message in self.messages for reading in message.readings]

    def values(self, name: str) -> list[Any]:
        return [reading.value for reading in self.readings if reading.property == name]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Return when `condition` holds."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def release(self) -> None:
        self.held = False
        async with self._changed:
            self._changed.notify_all()

    # -- Port --------------------------------------------------------------------------------------------------------

    async def deliver(self, messages: Sequence[Message], *, resumed: bool = False) -> Receipt:
        first = len(self.messages) + 1
        self.messages += messages
        self.resumed += [resumed] * len(messages)
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(lambda: not self.held)
        return Receipt(first=first, last=len(self.messages), accepted=len(messages))

    async def deliver_frame(self, batch: pa.RecordBatch) -> Receipt:
        self.frames.append(batch)
        await self._tell()
        return Receipt(first=1, last=batch.num_rows, accepted=batch.num_rows)

    def connected(self, detail: str = "") -> bool:
        self.connections.append(detail)
        self._soon()
        return len(self.connections) > 1

    def heartbeat(self) -> None:
        self.heartbeats += 1
        self._soon()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self._soon()

    def reject(self, reason: str, raw: bytes | str, *, address: str = "", source: str = "") -> None:
        self.rejected.append((reason, raw, address))
        self._soon()

    async def kept(self) -> None:
        """What was rejected is in memory only."""

    def unbound(self, address: str, count: int = 1) -> None:
        self.unbounds[address] = self.unbounds.get(address, 0) + count
        self._soon()

    def secret(self, ref: SecretRef) -> str:
        return self._reach.secret(ref)

    def file(self, name: str) -> Path:
        return self._reach.file(name)

    def place(self, name: str) -> Path:
        return self._reach.place(name)

    def _soon(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
