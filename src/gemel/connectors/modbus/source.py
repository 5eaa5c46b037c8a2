"""The Modbus connector: poll, decode, deliver."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from gemel.commands import Errand, Outcome, Tell
from gemel.connectors.base import Port, Unsent
from gemel.connectors.modbus.actions import Actions, check_outward
from gemel.connectors.modbus.encoding import decode
from gemel.connectors.modbus.line import Line, Refused, Silent, connect
from gemel.connectors.modbus.requests import Point, Request, points_of, requests_of
from gemel.connectors.modbus.settings import ModbusSettings
from gemel.intake import Message, Reported
from gemel.twin import FreshnessMode, Quality
from gemel.twin.binding import Binding

__all__ = ["ModbusSource"]


class ModbusSource:
    """Polls units. *samples* are delivered at each poll, *changes* when the value is another; a poll that was answered
    is the heartbeat."""

    Settings: ClassVar[type[Any]] = ModbusSettings

    def __init__(self, settings: ModbusSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._points = points_of(settings, bindings)
        for binding in bindings:
            check_outward(binding, settings)
        self._actions: Actions | None = None
        """While there is a line."""

    async def run(self, port: Port) -> None:
        for point in self._points:
            point.told = point.bad = False
        requests = requests_of(self._points, self._settings)
        by_unit: dict[int, list[Request]] = {}
        for request in requests:
            by_unit.setdefault(request.unit, []).append(request)
        async with connect(self._settings) as line:
            self._actions = Actions(line, self._settings)
            port.connected(f"{self._settings.url}, {len(by_unit)} unit(s), {len(requests)} request(s)")
            silent: set[int] = set()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_until(line.lost))
                    for unit, mine in by_unit.items():
                        poller = _Unit(unit, mine, line, port, self._settings)
                        tasks.create_task(poller.poll(silent, len(by_unit)))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            finally:
                self._actions = None

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Write coils or registers; see `Actuator`."""
        if self._actions is None:
            raise Unsent(f"there is no connection to {self._settings.url}")
        return await self._actions.act(errand, tell)


class _Unit:
    """One unit: what it has to be asked for, and when. One that is silent holds up no other for longer than a timeout,
    and is asked again with back-off."""

    def __init__(self, unit: int, requests: list[Request], line: Line, port: Port, settings: ModbusSettings) -> None:
        self._unit, self._requests = unit, requests
        self._line, self._port, self._settings = line, port, settings

    async def poll(self, silent: set[int], units: int) -> None:
        """Ask for ever. Raises ConnectionError when the line is lost, or all units are `silent`."""
        clock, delays = self._port.clock, self._settings.backoff.delays()
        for request in self._requests:
            request.due_s = clock.monotonic()
        while True:
            request = min(self._requests, key=lambda one: one.due_s)
            await asyncio.sleep(max(0.0, request.due_s - clock.monotonic()))
            try:
                await self._ask(request)
            except Silent as error:
                silent.add(self._unit)
                await self._failed([point for one in self._requests for point in one.points], str(error))
                if len(silent) == units:
                    raise ConnectionError(f"unit {self._unit} at {self._settings.url}: {error}") from None
                await asyncio.sleep(next(delays))
            else:
                silent.discard(self._unit)
                delays = self._settings.backoff.delays()
            now = clock.monotonic()
            behind = max(0.0, now - request.due_s)
            request.due_s += request.period_s * (1 + behind // request.period_s)

    async def _ask(self, request: Request) -> None:
        try:
            found = await self._line.read(request)
        except Refused as error:
            if error.is_silence:
                raise Silent(str(error)) from None
            self._port.heartbeat()
            parts = request.alone()
            if len(parts) == 1:
                await self._failed(request.points, str(error))
            else:  # one of them, or the gap between two, is not there
                self._requests.remove(request)
                self._requests += parts
            return
        time = self._port.clock.now()
        self._port.heartbeat()
        readings = [self._reported(point, found, request.start, time) for point in request.points]
        await self._deliver(reading for reading in readings if reading is not None)

    def _reported(self, point: Point, found: Sequence[int], start: int, time: int) -> Reported | None:
        """What to deliver of a point; None when it is as it was."""
        at = point.at
        value: Any
        words = found[at.start - start : at.end - start]
        if at.is_bits:
            value = bool(words[0])
        else:
            try:
                value = decode(words, at.type, at.order, at.bit)
            except UnicodeDecodeError:
                return self._bad(point, "not UTF-8", time)
        if point.names:
            if (name := point.names.get(int(value))) is None:
                return self._bad(point, f"values has no name for {int(value)}", time)
            value = name
        elif point.binding.scale is not None:
            value = value * point.binding.scale.factor + point.binding.scale.offset
        if isinstance(value, float) and not math.isfinite(value):
            value = None  # how many devices say that they have none
        same = point.told and not point.bad and value == point.value
        if same and point.binding.mode is not FreshnessMode.SAMPLES:
            return None
        point.value, point.told, point.bad = value, True, False
        return _reading(point, value, time, Quality.GOOD if value is not None else Quality.UNAVAILABLE)

    async def _failed(self, points: Iterable[Point], reason: str) -> None:
        time = self._port.clock.now()
        readings = [self._bad(point, reason, time) for point in points]
        await self._deliver(reading for reading in readings if reading is not None)

    def _bad(self, point: Point, reason: str, time: int) -> Reported | None:
        """The last value, as a bad one; told once, with the reason in health."""
        if point.bad:
            return None
        point.bad = point.told = True
        self._port.reject(reason, b"", address=point.binding.address)
        return _reading(point, point.value, time, Quality.BAD if point.value is not None else Quality.UNAVAILABLE)

    async def _deliver(self, readings: Iterable[Reported]) -> None:
        told = list(readings)
        if told:
            await self._port.deliver([Message(readings=told)])


def _reading(point: Point, value: Any, time: int, quality: Quality) -> Reported:
    binding = point.binding
    return Reported(
        twin=binding.twin, property=binding.property, value=value, time=time, quality=quality, unit=binding.unit
    )


async def _until(future: asyncio.Future[None]) -> None:
    await asyncio.shield(future)
