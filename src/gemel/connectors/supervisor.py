"""Keeps every declared connector running, apart from each other, and tells how they are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from gemel.clock import Clock
from gemel.commands import Errand, Outcome, Result, Tell
from gemel.connectors.base import Backoff, Sink, Source, check
from gemel.connectors.guests import Guests
from gemel.connectors.health import HEALTH_TYPE, Health, health_message, health_twin
from gemel.connectors.outbox import Outbox
from gemel.connectors.reach import Reach
from gemel.connectors.runner import Runner, built
from gemel.errors import GemelError, Problem, UnknownConnector
from gemel.twin import Change, ConnectorSpec

if TYPE_CHECKING:
    from gemel.access import Gate
    from gemel.history import History
    from gemel.intake import Intake, Message, Receipt
    from gemel.journal import Journal
    from gemel.registry import Registry
    from gemel.state import State

__all__ = ["Supervisor"]

HEALTH_SOURCE = "gemel.connectors"
STOP_S = 10.0


class Supervisor:
    """Starts, stops and restarts connectors so that those run that are declared.

    With a registry, each connector also is a twin, `connector.<id>` of type `gemel_connector`, and values are read by
    the kinds of their properties. All methods are thread-safe.
    """

    def __init__(
        self,
        intake: Intake,
        clock: Clock,
        registry: Registry | None = None,
        *,
        health_every_s: float = 5.0,
        factory: Callable[[ConnectorSpec], tuple[Source | Sink, Backoff]] | None = None,
        reach: Reach | None = None,
        gate: Gate | None = None,
        state: State | None = None,
        journal: Journal | None = None,
        history: History | None = None,
    ) -> None:
        """`factory` makes the source of a spec; by default the plug-in of its kind does. `reach`: see there.

        `gate` says who may connect to endpoints, `state` what there is for them to hear;
        `journal` is what sinks follow; conditions come to them from the `history`."""
        self._intake, self._clock, self._registry = intake, clock, registry
        directory = registry.directory if registry is not None else None
        self.reach = reach or Reach()
        self._plugins = self.reach.plugins
        self._factory = factory or partial(built, named=self._plugins)
        self._lent: dict[str, Any] = {"reach": reach, "guests": Guests(gate, directory), "state": state}
        self._outbox: Outbox | None = None
        if journal is not None and registry is not None:
            self._outbox = Outbox(journal, registry, intake, history)
        self._health_every_s = health_every_s
        self._lock = threading.Lock()
        self._specs: dict[str, ConnectorSpec] = {}
        self._runners: dict[str, Runner] = {}
        self._type_is_known = False
        self._stopping = threading.Event()
        self._reporter = threading.Thread(target=self._report_on, name="gemel-connectors", daemon=True)
        if registry is not None:
            self._reporter.start()

    def apply(self, specs: Iterable[ConnectorSpec]) -> None:
        """Make it so that exactly these run: what is unchanged goes on undisturbed.

        Returns when what had to stop has stopped, and what had to start was started (not yet connected).
        """
        wanted = {spec.id: spec for spec in specs}
        with self._lock:
            if self._stopping.is_set():
                return
            self._introduce([spec for spec in wanted.values() if self._specs.get(spec.id) != spec])
            running = {id for id, spec in wanted.items() if spec.enabled}
            gone = [r for id, r in self._runners.items() if id not in running or r.spec != wanted[id]]
            self._stop(gone)
            self._specs = wanted
            for id in sorted(running - self._runners.keys()):
                self._start(wanted[id])

    def problems(self, spec: ConnectorSpec) -> list[Problem]:
        """What stands against running `spec` here; see `check`."""
        return check(spec, self._plugins)

    def restart(self, id: str) -> None:
        """Stop a connector and start it at once. Raises UnknownConnector."""
        with self._lock:
            runner = self._runners.get(id)
            if runner is None:
                raise UnknownConnector(f"no connector {id!r:.80} is running; declare it, or set enabled: true")
            self._stop([runner])
            self._start(runner.spec)

    def deliver(self, id: str, messages: Sequence[Message]) -> Future[Receipt] | None:
        """Hand what was posted to the connector of kind `http` with this id; None when no such one runs."""
        runner = self._runners.get(id)
        return runner.deliver(messages) if runner is not None and runner.spec.kind == "http" else None

    def ready(self, connector: str) -> str:
        """Why a connector can carry no order just now; empty if it can."""
        runner = self._runners.get(connector)
        return f"connector {connector} does not run" if runner is None else runner.ready()

    def carry(self, errand: Errand, tell: Tell) -> None:
        """Hand an order to its connector; returns at once, `tell` hears what became of it."""
        runner = self._runners.get(errand.connector)
        if runner is None:
            detail = f"connector {errand.connector} does not run"
            tell(errand.order, Outcome(result=Result.UNSENT, detail=detail))
        else:
            runner.carry(errand, tell)

    def health(self) -> dict[str, Health]:
        """How every declared connector is now, by id."""
        with self._lock:
            found = {id: runner.health() for id, runner in self._runners.items()}
            for id, spec in self._specs.items():
                if id not in found:
                    found[id] = Health(id=id, kind=spec.kind, state="disabled")
        return dict(sorted(found.items()))

    def close(self) -> None:
        """Stop them all; what they handed over is durable before this returns (or ten seconds have passed)."""
        self._stopping.set()
        with self._lock:
            self._stop(list(self._runners.values()))
        if self._reporter.is_alive():
            self._reporter.join()

    def report(self) -> None:
        """Write the health of all into their twins now; returns when it is durable."""
        now = self._clock.now()
        messages = [health_message(health, now) for health in self.health().values()]
        if messages and self._registry is not None:
            self._intake.submit(HEALTH_SOURCE, messages).result(timeout=STOP_S)

    def _start(self, spec: ConnectorSpec) -> None:
        directory = self._registry.directory if self._registry is not None else None
        lent: dict[str, Any] = {"factory": self._factory, "outbox": self._outbox, **self._lent}
        runner = Runner(spec, self._intake, self._clock, directory=directory, **lent)
        self._runners[spec.id] = runner
        runner.start()

    def _stop(self, runners: Sequence[Runner]) -> None:
        for runner in runners:
            runner.signal_stop()
        for runner in runners:
            runner.join(STOP_S)
            self._runners.pop(runner.spec.id, None)

    def _introduce(self, specs: Sequence[ConnectorSpec]) -> None:
        """See to it that the connectors have their twins; one that cannot have it runs all the same."""
        registry = self._registry
        if registry is None or not specs:
            return
        if not self._type_is_known:
            self._type_is_known = self._declare(lambda tx: registry.put_type(tx, HEALTH_TYPE))
        for spec in specs:
            if registry.directory.twin(f"connector.{spec.id}") is None:
                self._declare(partial(registry.put_twin, spec=health_twin(spec.id, spec.title)))

    def _declare(self, put: Callable[[Any], Sequence[Change]]) -> bool:
        with contextlib.suppress(GemelError):
            self._intake.transact(lambda tx: (None, put(tx))).result()
            return True
        return False

    def _report_on(self) -> None:
        while not self._stopping.wait(self._health_every_s):
            with contextlib.suppress(GemelError, TimeoutError):  # a full disk: health is told again soon
                self.report()
