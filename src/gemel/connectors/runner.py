"""Runs one connector on a thread and an event loop of its own, and starts it again with back-off when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from gemel.clock import SECOND, Clock
from gemel.commands import Errand, Outcome, Result, Tell
from gemel.connectors.base import Actuator, Backoff, Sink, Source, Undelivered, Unsent, build
from gemel.connectors.follower import Follower
from gemel.connectors.guests import Guests
from gemel.connectors.health import Health
from gemel.connectors.outbox import Outbox
from gemel.connectors.port import ConnectorPort
from gemel.connectors.reach import Reach
from gemel.errors import GemelError, InvalidInput, MissingExtra, PluginFailed, UnknownConnector
from gemel.twin import ConnectorSpec

if TYPE_CHECKING:
    from gemel.intake import Intake, Message, Receipt
    from gemel.registry import Directory
    from gemel.state import State

__all__ = ["Runner"]

DRAIN_S = 5.0
PULSE_S = 1.0
BLOCKED_AFTER_S = 5.0


class Runner:
    """One enabled connector. `start` once, `stop` once; from any thread."""

    def __init__(
        self,
        spec: ConnectorSpec,
        intake: Intake,
        clock: Clock,
        *,
        directory: Directory | None = None,
        factory: Callable[[ConnectorSpec], tuple[Source | Sink, Backoff]] | None = None,
        reach: Reach | None = None,
        guests: Guests | None = None,
        state: State | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.spec = spec
        self._intake, self._clock, self._directory = intake, clock, directory
        self._factory = factory or built
        self._outbox = outbox
        self._lent: dict[str, Any] = {"reach": reach, "guests": guests, "state": state}
        self._thread = threading.Thread(target=self._main, name=f"gemel-connector-{spec.id}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._port: ConnectorPort | None = None
        self._actuator: Actuator | None = None
        self._acts: set[asyncio.Task[None]] = set()
        self._pulse = 0.0

    def start(self) -> None:
        self._pulse = self._clock.monotonic()
        self._thread.start()
        self._ready.wait()

    def signal_stop(self) -> None:
        """Ask it to stop; returns at once."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):  # its loop has closed: it has stopped
                loop.call_soon_threadsafe(task.cancel)

    def join(self, timeout_s: float) -> bool:
        """Whether it has stopped within `timeout_s`; one that blocks is left alone."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def deliver(self, messages: Sequence[Message]) -> Future[Receipt] | None:
        """Hand over from another thread what was pushed to us; None while it does not run."""
        loop, port = self._loop, self._port
        if loop is None or port is None or not self._thread.is_alive():
            return None

        async def handed() -> Receipt:
            port.heartbeat()
            return await port.deliver(messages)

        try:
            return asyncio.run_coroutine_threadsafe(handed(), loop)
        except RuntimeError:  # its loop has just closed
            return None

    def ready(self) -> str:
        """Why it can carry no order just now; empty if it can."""
        port = self._port
        if port is None or not self._thread.is_alive():
            return f"connector {self.spec.id} does not run"
        if port.health.state != "connected":
            return f"connector {self.spec.id} is {port.health.state}: {port.health.detail or port.health.last_error}"
        if self._actuator is None:
            return f"connectors of kind {self.spec.kind} carry nothing outward"
        return ""

    def carry(self, errand: Errand, tell: Tell) -> None:
        """Have the source carry out an errand; `tell` hears what became of it, whatever happens."""
        loop = self._loop
        if loop is None or (why := self.ready()):
            tell(errand.order, Outcome(result=Result.UNSENT, detail=why if loop is not None else "it does not run"))
            return

        def begin() -> None:
            task = asyncio.create_task(self._act(errand, tell))
            self._acts.add(task)
            task.add_done_callback(self._acts.discard)

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:  # its loop has just closed
            tell(errand.order, Outcome(result=Result.UNSENT, detail=f"connector {self.spec.id} was stopped"))

    async def _act(self, errand: Errand, tell: Tell) -> None:
        outcome = Outcome(result=Result.UNKNOWN, detail=f"connector {self.spec.id} was stopped while it was under way")
        left_s = (errand.expires - self._clock.now()) / SECOND
        try:
            if (why := self.ready()) or self._actuator is None or left_s <= 0:
                outcome = Outcome(result=Result.UNSENT, detail=why or "its time was over")
                return
            async with asyncio.timeout(left_s):
                outcome = await self._actuator.act(errand, tell)
        except Unsent as error:
            outcome = Outcome(result=Result.UNSENT, detail=str(error))
        except TimeoutError:
            outcome = Outcome(result=Result.LEFT)  # its time is over; what that means, who sent it says
        except Exception as error:
            outcome = Outcome(result=Result.UNKNOWN, detail=f"no answer: {_reason(error)}")
        finally:
            tell(errand.order, outcome)

    def health(self) -> Health:
        """How it is now."""
        if self._port is None:
            return Health(id=self.spec.id, kind=self.spec.kind)
        health = self._port.snapshot()
        silent = self._clock.monotonic() - self._pulse
        if self._thread.is_alive() and silent > BLOCKED_AFTER_S:
            health.state, health.detail = "blocked", f"its event loop has not run for {silent:.0f} s"
        return health

    def _main(self) -> None:
        try:
            asyncio.run(self._live())
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = port = ConnectorPort(self.spec, self._intake, self._clock, self._directory, **self._lent)
        self._task = asyncio.create_task(self._keep(port))
        self._ready.set()
        helpers = [asyncio.create_task(port.pump()), asyncio.create_task(self._beat())]
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await _drained(port)
            if port.health.state not in ("ended", "failed"):
                port.lost("the connector was stopped")  # after all that it brought
                port.health.state = "stopped"
        finally:
            for helper in (*helpers, *self._acts):
                helper.cancel()
            await asyncio.gather(*helpers, *self._acts, return_exceptions=True)

    async def _keep(self, port: ConnectorPort) -> None:
        """Run the source until it ends or is cancelled."""
        made = await self._build(port)
        if made is None:
            return
        source, backoff = made
        self._actuator = source if isinstance(source, Actuator) else None
        delays = backoff.delays()
        while True:
            port.was_connected = False
            try:
                await source.run(port)
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise  # we are told to stop; otherwise the source let a cancellation of its own escape
                if port.was_connected:
                    delays = backoff.delays()
                await self._failed(port, error, next(delays))
            else:
                port.health.state = "ended"
                return

    async def _build(self, port: ConnectorPort) -> tuple[Source | Follower, Backoff] | None:
        """The source; None when what is declared cannot be one, however often we try."""
        delays = Backoff().delays()
        while True:
            try:
                return self._runnable(port, *self._factory(self.spec))
            except (InvalidInput, UnknownConnector, MissingExtra, PluginFailed) as error:
                port.health.errors += 1
                port.health.state = "failed"
                port.health.detail = port.health.last_error = _reason(error)
                return None
            except Exception as error:  # a plug-in's constructor may raise anything
                await self._failed(port, error, next(delays))

    def _runnable(
        self, port: ConnectorPort, built: Source | Sink, backoff: Backoff
    ) -> tuple[Source | Follower, Backoff]:
        """A source as it is; a sink with who follows the journal for it."""
        if not isinstance(built, Sink):
            return built, backoff
        if self._outbox is None:
            raise InvalidInput(f"{self.spec.id} carries what is journaled, and there is no journal here")
        port.outward = True
        return Follower(built, self._outbox), backoff

    async def _failed(self, port: ConnectorPort, error: BaseException, delay_s: float) -> None:
        reason = _reason(error)
        port.health.errors += 1
        port.health.last_error = reason
        await _drained(port)
        port.lost(reason)
        port.health.state = "waiting"
        port.health.detail = f"{reason}; trying again in {delay_s:.1f} s"
        await asyncio.sleep(delay_s)
        port.health.state, port.health.detail = "starting", reason

    async def _beat(self) -> None:
        while True:
            self._pulse = self._clock.monotonic()
            await asyncio.sleep(PULSE_S)


async def _drained(port: ConnectorPort) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await port.drain()


def built(spec: ConnectorSpec, named: Collection[str] = ()) -> tuple[Source | Sink, Backoff]:
    """What is to be run for a declaration, and how long to wait before it is tried again."""
    source, settings = build(spec, named)
    backoff = getattr(settings, "backoff", None)
    return source, backoff if isinstance(backoff, Backoff) else Backoff()


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, GemelError):
        return error.detail[:500]
    if isinstance(error, Undelivered):
        return str(error)[:500]
    return f"{type(error).__name__}: {error}"[:500]
