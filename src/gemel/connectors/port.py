"""The port of one connector: hands over in order, waits while the intake is overloaded, keeps the books."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gemel.clock import SECOND, Clock
from gemel.connectors.base import Backoff, SecretRef
from gemel.connectors.guests import Guests
from gemel.connectors.health import MAX_ADDRESSES, Health, RateMeter
from gemel.connectors.members import Member
from gemel.connectors.reach import Reach
from gemel.errors import GemelError, Overloaded, StorageFull
from gemel.twin import ConnectorSpec, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from gemel.intake import Intake, Message, Receipt
    from gemel.registry import Directory
    from gemel.state import Now, State

__all__ = ["ConnectorPort"]

MAX_WAITING = 50_000
"""Messages that wait in a port; more make `deliver` wait to hand over."""
MAX_BATCH = 20_000
FRAMES_AHEAD = 3
"""Frames that the intake has at a time: while one is written, the next ones are checked and wait."""
HEARTBEAT_EVERY = SECOND // 2
RETRY = Backoff(initial_s=0.05, maximum_s=5.0)
MAX_KEPT = 100
"""Of each reason, so many examples go to quarantine; all are counted."""
_SAMPLE = 500


@dataclass(slots=True, eq=False)
class _Parcel:
    """What one call of `deliver` handed over."""

    messages: Sequence[Message]
    resumed: bool
    frame: pa.RecordBatch | None = None
    identity: tuple[str, int] | None = None
    done: asyncio.Future[Receipt] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def size(self) -> int:
        return len(self.messages) if self.frame is None else self.frame.num_rows

    @property
    def weight(self) -> int:
        """What it takes of MAX_WAITING: a frame as much as lets the next ones wait while some are submitted."""
        return len(self.messages) if self.frame is None else MAX_WAITING // (FRAMES_AHEAD + 1)


class ConnectorPort:
    """A Port on the connector's own event loop. What waits together is submitted together."""

    def __init__(
        self,
        spec: ConnectorSpec,
        intake: Intake,
        clock: Clock,
        directory: Directory | None,
        *,
        reach: Reach | None = None,
        guests: Guests | None = None,
        state: State | None = None,
    ) -> None:
        self.spec = spec
        self.clock = clock
        self.health = Health(id=spec.id, kind=spec.kind)
        self._intake = intake
        self._directory = directory
        self._reach = reach or Reach()
        self.guests = guests or Guests()
        self._state = state
        self._rate = RateMeter()
        self._waiting: deque[_Parcel] = deque()
        self._submitted: deque[_Parcel] = deque()
        self._weight = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._entry = asyncio.Lock()
        self._last_heartbeat = -HEARTBEAT_EVERY
        self._is_lost = False
        self._connection = ""
        """What is told of the connection while the object is there."""
        self._rejections: list[Future[Receipt]] = []
        self.was_connected = False
        """Since the last start of the source."""
        self.outward = False
        """It belongs to a sink: nothing comes through it, so it keeps no values fresh."""

    # what a source calls

    async def deliver(self, messages: Sequence[Message], *, resumed: bool = False) -> Receipt:
        return await self._enter(_Parcel(messages, resumed))

    async def deliver_frame(self, batch: pa.RecordBatch, *, identity: tuple[str, int] | None = None) -> Receipt:
        return await self._enter(_Parcel((), False, batch, identity))

    async def reached(self, epoch: str) -> int | None:
        return await asyncio.to_thread(self._intake.reached, self.spec.id, epoch)

    def connected(self, detail: str = "") -> bool:
        again = self.health.connects > 0
        self.health.connects += 1
        self.health.state, self.health.detail = "connected", detail
        self._connection = detail
        self.was_connected = True
        self._found()
        self.heartbeat()
        return again

    def heartbeat(self) -> None:
        now = self.clock.now()
        self.health.last_seen = now
        if self._is_lost:
            self._found()
        if abs(now - self._last_heartbeat) >= HEARTBEAT_EVERY and not self.outward:
            self._last_heartbeat = now
            self._intake.heartbeat(self.spec.id)

    def lost(self, reason: str) -> None:
        self.health.state, self.health.detail = "lost", reason
        if not self._is_lost and not self.outward:
            self._is_lost = True
            with contextlib.suppress(GemelError):  # the intake has closed, or is full: then all is stale anyhow
                self._intake.lost(self.spec.id, reason)

    def note(self, detail: str) -> None:
        self.health.detail = detail

    def reject(
        self, reason: str, raw: bytes | str, *, address: str = "", source: str = "", message: Message | None = None
    ) -> None:
        reason = f"{reason} ({address})" if address else reason
        if reason not in self.health.rejected and len(self.health.rejected) >= MAX_ADDRESSES:
            reason = "other reasons"
        self.health.rejected[reason] += 1
        data = raw if isinstance(raw, bytes) else raw.encode(errors="surrogatepass")
        self.health.rejected_samples[reason] = data[:_SAMPLE].decode(errors="backslashreplace")
        if self.health.rejected[reason] <= MAX_KEPT and not self.outward:
            with contextlib.suppress(GemelError):
                whose, intake = source or self.spec.id, self._intake
                kept = intake.withhold(whose, message) if message else intake.reject(whose, data, reason)
                self._rejections.append(kept)

    async def kept(self) -> None:
        waiting, self._rejections = self._rejections, []
        for rejection in waiting:
            await asyncio.wrap_future(rejection)

    def unbound(self, address: str, count: int = 1) -> None:
        address = address[:200]
        if address not in self.health.unbound and len(self.health.unbound) >= MAX_ADDRESSES:
            address = "(further items)"
        self.health.unbound[address] += count

    def kind(self, twin: str, property: str) -> Kind | None:
        entry = self._directory.twin(twin) if self._directory is not None else None
        ref = entry.properties.get(property) if entry is not None else None
        return ref.property.kind if ref is not None else None

    @property
    def revision(self) -> int:
        return self._directory.revision if self._directory is not None else 0

    def secret(self, ref: SecretRef) -> str:
        return self._reach.secret(ref)

    def file(self, name: str) -> Path:
        return self._reach.file(name)

    def place(self, name: str) -> Path:
        return self._reach.place(name)

    def logs(self, patterns: Sequence[str]) -> list[Path]:
        return self._reach.logs(patterns)

    def inbox(self, name: str) -> Path:
        return self._reach.inbox(name)

    # what a sink calls, and who follows the journal for it

    def permits(self, address: str, *, encrypted: bool) -> bool:
        return self._reach.permits(address, encrypted=encrypted)

    def carried(self, time: int) -> None:
        """Something that happened at `time` has arrived at the other side."""
        now = self.clock.now()
        self.health.events += 1
        self.health.last_seen = now
        self.health.lag_s = (now - time) / SECOND
        self._rate.add(self.clock.monotonic(), 1)

    def member(self, name: str) -> Member:
        return Member(self.spec, name, self._intake, self.clock, directory=self._directory, state=self._state)

    def present(self, twin: str) -> dict[str, Now]:
        entry = self._directory.twin(twin) if self._directory is not None else None
        return self._state.twin(entry) if self._state is not None and entry is not None else {}

    def twins(self) -> list[str]:
        return self._directory.ids(self._directory.numbers()) if self._directory is not None else []

    # what the supervisor calls

    def snapshot(self) -> Health:
        """A copy of the health as it is now; from any thread."""
        return msgspec.structs.replace(
            self.health,
            rate=self._rate.rate(self.clock.monotonic()),
            rejected=self.health.rejected.copy(),
            rejected_samples=dict(self.health.rejected_samples),
            unbound=self.health.unbound.copy(),
        )

    async def pump(self) -> None:
        """Submit what waits, in order, until cancelled: messages one submission at a time, of frames a few ahead."""
        places = asyncio.Semaphore(FRAMES_AHEAD)
        before: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as landings:
            while True:
                await self._some.wait()
                if self._waiting[0].frame is None:
                    if before is not None:
                        await asyncio.wait([before])
                    parcels = self._take()
                    await self._land(parcels, await self._hand_in(parcels))
                    continue
                await places.acquire()
                parcels = self._take()
                before = landings.create_task(self._land(parcels, await self._hand_in(parcels), before))
                before.add_done_callback(lambda _: places.release())

    async def drain(self) -> None:
        """Return when everything handed over is durable (or refused)."""
        while parcels := self._waiting or self._submitted:
            await asyncio.wait([parcels[-1].done])

    # inside

    async def _enter(self, parcel: _Parcel) -> Receipt:
        async with self._entry:  # first come, first served
            while self._weight >= MAX_WAITING:
                self._room.clear()
                await self._room.wait()
            self._weight += parcel.weight
            self.health.waiting += parcel.size
            self._waiting.append(parcel)
            self._some.set()
        return await parcel.done

    def _take(self) -> list[_Parcel]:
        """The parcels of the next submission; they count as waiting until it is durable."""
        first = self._waiting[0]
        taken, size = [first], first.size
        for parcel in list(self._waiting)[1:] if first.frame is None else ():
            size += parcel.size
            if parcel.frame is not None or parcel.resumed != first.resumed or size > MAX_BATCH:
                break
            taken.append(parcel)
        for _ in taken:
            self._submitted.append(self._waiting.popleft())
        if not self._waiting:
            self._some.clear()
        return taken

    async def _hand_in(self, parcels: Sequence[_Parcel]) -> Awaitable[Receipt]:
        """Submit, when the intake has room; what it says of it."""
        delays = RETRY.delays()
        while True:
            try:
                return self._submit(parcels)
            except (Overloaded, StorageFull) as error:
                await self._pause(error, next(delays))
            except Exception as error:
                refused: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
                refused.set_exception(error)
                return refused

    def _submit(self, parcels: Sequence[_Parcel]) -> Awaitable[Receipt]:
        first = parcels[0]
        if first.frame is not None:
            return asyncio.wrap_future(self._intake.submit_frame(self.spec.id, first.frame, identity=first.identity))
        messages = first.messages if len(parcels) == 1 else [m for parcel in parcels for m in parcel.messages]
        return self._intake.deliver(self.spec.id, messages, resumed=first.resumed)

    async def _land(
        self, parcels: list[_Parcel], answer: Awaitable[Receipt], before: asyncio.Task[None] | None = None
    ) -> None:
        """Tell who handed over how it went, in the order of handing over; what found the disk full goes in again."""
        delays = RETRY.delays()
        outcome: Receipt | Exception | None = None
        while outcome is None:
            try:
                outcome = await answer
            except (Overloaded, StorageFull) as error:
                await self._pause(error, next(delays))
                if before is not None:
                    await asyncio.wait([before])
                answer = await self._hand_in(parcels)
            except Exception as error:
                outcome = error
        if before is not None:
            await asyncio.wait([before])
        if not isinstance(outcome, Exception):
            self._count(parcels, outcome)
        self._settle(parcels, outcome)

    async def _pause(self, error: Overloaded | StorageFull, delay_s: float) -> None:
        detail, self.health.detail = self.health.detail, f"waiting: {error.detail}"
        await asyncio.sleep(max(delay_s, min(getattr(error, "retry_after_s", 0.0), RETRY.maximum_s)))
        self.health.detail = detail

    def _settle(self, parcels: Sequence[_Parcel], outcome: Receipt | Exception) -> None:
        for parcel in parcels:
            self._submitted.popleft()
            self.health.waiting -= parcel.size
            self._weight -= parcel.weight
            if parcel.done.done():
                continue  # the source was cancelled; what it handed over is taken all the same
            if isinstance(outcome, Exception):
                parcel.done.set_exception(outcome)
            else:
                parcel.done.set_result(outcome)
        self._room.set()

    def _count(self, parcels: list[_Parcel], receipt: Receipt) -> None:
        now = self.clock.now()
        readings = events = 0
        newest: int | None = None
        for parcel in parcels:
            if parcel.frame is not None:
                readings += parcel.frame.num_rows
            for message in parcel.messages:
                readings += len(message.readings)
                events += len(message.events)
        last = parcels[-1].messages[-8:]
        times = [r.time for m in last for r in m.readings if r.time is not None]
        newest = max(times, default=None)
        health = self.health
        health.readings += readings
        health.events += events
        health.repeated += receipt.repeated
        health.quarantined += receipt.quarantined
        health.last_seen = now
        if newest is not None:
            health.lag_s = (now - newest) / SECOND
        self._rate.add(self.clock.monotonic(), readings + events)

    def _found(self) -> None:
        if self._is_lost:
            self._is_lost = False
            if self.health.state == "lost":
                self.health.state, self.health.detail = "connected", self._connection
            with contextlib.suppress(GemelError):
                self._intake.found(self.spec.id)
