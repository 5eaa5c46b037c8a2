"""What a platform does by itself, apart from the writer, which must never wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from sqlalchemy import Connection

from gemel.access import Gate
from gemel.backup import Keeper
from gemel.clock import Clock
from gemel.configuration import Configuration, Metering, Upkeep
from gemel.diagnosis import PLATFORM_TWIN, PLATFORM_TYPE, Health, platform_message
from gemel.edge import Edge
from gemel.entanglement import SHOP_TWIN, SHOP_TYPE, Entanglement, shop_values
from gemel.errors import GemelError
from gemel.health.lifetimes import Lifetimes
from gemel.history import History
from gemel.intake import Intake, Message, Reported
from gemel.registry import Registry
from gemel.services.forms import Forms
from gemel.state import Saved, State
from gemel.storage import Keeping
from gemel.twin import Change, Position, TwinSpec, TwinType
from gemel.witness import Witness

__all__ = ["House"]

SWEEP_EVERY_S = 1.0
HEALTH_EVERY_S = 60.0
LIFETIMES_EVERY_S = 60.0
_log = structlog.get_logger("gemel.platform")


class _Plant(Protocol):
    """Whose house it is; an open platform is one."""

    clock: Clock
    registry: Registry
    state: State
    intake: Intake
    gate: Gate
    entanglement: Entanglement
    storage: Keeping
    backups: Keeper
    edge: Edge | None
    witness: Witness
    health: Health
    configuration: Configuration
    metering: Metering
    lifetimes: Lifetimes
    forms: Forms
    history: History
    at_work: bool

    def change(self, work: Callable[[Connection], Sequence[Change]]) -> Position: ...

    def tell(self, changes: Sequence[Change]) -> None: ...


class House:
    """Freshness, keyframes of the state, devices, room on the disk, the platform's own twin: one thread, which nothing
    ends but `close`. A second one keeps what is expected of items, which takes as long as there are lives to look at.
    """

    def __init__(self, platform: _Plant, saved: Saved, *, keyframe_every_s: float, rewire: Callable[[], None]) -> None:
        """`rewire`: run the connectors as they are declared now; called after `rewired`."""
        self._platform, self._saved = platform, saved
        self._keyframe_every_s, self._rewire = keyframe_every_s, rewire
        self._upkeep: Upkeep | None = None
        self._called = threading.Event()
        self._closing = threading.Event()
        self._wrong: dict[str, str] = {}
        """By what went wrong last, the error; it is told once with its trace."""
        self._threads = [threading.Thread(target=self._keep, name="gemel-house", daemon=True)]
        if platform.at_work:
            self._threads.append(threading.Thread(target=self._expect, name="gemel-lifetimes", daemon=True))

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def rewired(self) -> None:
        """Connectors were declared or removed; any thread."""
        self._called.set()

    def close(self) -> None:
        self._closing.set()
        self._called.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _keep(self) -> None:
        clock = self._platform.clock
        keyframe_due = clock.monotonic() + self._keyframe_every_s
        health_due = clock.monotonic() + HEALTH_EVERY_S
        pause = min(SWEEP_EVERY_S, self._keyframe_every_s)
        while not self._closing.is_set():
            if self._called.wait(pause) and not self._closing.is_set():
                self._called.clear()
                self._do(self._rewire, "the connectors were not wired anew")
            self._do(self._sweep, "the state was not swept")
            self._do(self._look_at_ties, "broken bounds were not written down")
            self._do(self._sweep_devices, "the devices could not be looked after")
            self._do(self._keep_room, "the room on the disk was not looked after")
            self._do(self._meter, "the use of machines was not metered")
            if clock.monotonic() >= health_due:
                health_due = clock.monotonic() + HEALTH_EVERY_S
                self._do(self._tell_health, "the platform's own health was not written down")
                self._do(self._tell_of_forms, "the readings of forms were not handed in")
                self._do(self._look_at_configurations, "the upkeep of configurations was not looked at")
            if clock.monotonic() >= keyframe_due:
                keyframe_due = clock.monotonic() + self._keyframe_every_s
                self._do(self._saved.write, "the state was not saved")

    def _expect(self) -> None:
        """What is expected of items is kept once a day, to be held against what happens."""

        def step() -> None:
            self._platform.lifetimes.step(lambda: not self._closing.is_set())

        while not self._closing.wait(LIFETIMES_EVERY_S):
            self._do(step, "what is expected of items was not kept")

    def _do(self, step: Callable[[], object], wrong: str) -> None:
        """One that fails does not hold up the others: it is told, and tried again when its time comes."""
        try:
            step()
            self._wrong.pop(wrong, None)
        except GemelError as error:  # the writer is full or closing
            _log.warning(wrong, error=error.detail)
        except Exception as error:
            if self._wrong.get(wrong) != repr(error):
                self._wrong[wrong] = repr(error)
                _log.exception(wrong)

    def _sweep(self) -> None:
        if turned := self._platform.state.sweep(self._platform.clock.now()):
            self._platform.tell(turned)

    def _look_at_ties(self) -> None:
        """Measure, and tell of bounds that are broken or hold again: the condition of a twin of the platform's own."""
        platform, now = self._platform, self._platform.clock.now()
        if not platform.at_work:  # of a copy nothing flows, and its files may be taken from it
            return
        platform.entanglement.look(now)
        if not (updates := platform.entanglement.alarms(now)):
            return
        self._declare(SHOP_TYPE, SHOP_TWIN)
        readings = [Reported(twin=SHOP_TWIN.id, property="broken", value=one, time=now) for one in updates]
        platform.intake.submit("gemel", [Message(readings=readings)]).result()

    def _tied(self) -> Message:
        """How the shop is tied to its objects, as readings of the platform's twin for it."""
        self._declare(SHOP_TYPE, SHOP_TWIN)
        platform, now = self._platform, self._platform.clock.now()
        told = shop_values(platform.entanglement.shop())
        return Message(readings=[Reported(twin=SHOP_TWIN.id, property=p, value=v, time=now) for p, v in told.items()])

    def _declare(self, type_: TwinType, twin: TwinSpec) -> None:
        """A twin of the platform's own; its type grows with the versions."""
        platform = self._platform
        known = platform.registry.directory.type(type_.id)
        if known is None or {one.name for one in type_.properties} - {one.name for one in known.properties}:
            platform.change(lambda tx: platform.registry.put_type(tx, type_))
        if platform.registry.directory.twin(twin.id) is None:
            platform.change(lambda tx: platform.registry.put_twin(tx, twin))

    def _sweep_devices(self) -> None:
        self._platform.gate.sweep(self._platform.clock.now())

    def _keep_room(self) -> None:
        storage, edge = self._platform.storage, self._platform.edge
        floors = [self._saved.position, self._platform.backups.floor, None if edge is None else edge.floor]
        try:
            storage.step(min(floor for floor in floors if floor is not None))
            storage.error = ""
        except Exception as error:  # a full disk, a closing writer: it looks again in ten seconds
            storage.error = str(error)
            raise

    def _look_at_configurations(self) -> None:
        """Snapshots that are due, and promises on what is known of machines that broke or are kept again."""
        if not self._platform.at_work:
            return
        self._upkeep = self._upkeep or self._platform.configuration.as_("gemel").upkeep
        self._upkeep.look()

    def _meter(self) -> None:
        """What machines told of their use the days before, a little at a time."""
        platform = self._platform
        if platform.at_work:
            platform.metering.step(platform.history)

    def _tell_of_forms(self) -> None:
        """What forms told when the intake took nothing."""
        if self._platform.at_work:
            self._platform.forms.tell()

    def _tell_health(self) -> None:
        """The platform is a twin, too: how it is has a history."""
        platform = self._platform
        if not platform.at_work:
            return
        self._declare(PLATFORM_TYPE, PLATFORM_TWIN)
        room, peers = platform.storage.standing(), platform.witness.standing()
        told = platform_message(platform.health.look(), room, platform.clock.now(), peers=peers)
        platform.intake.submit("gemel", [told, self._tied()]).result()
