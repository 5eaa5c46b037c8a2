"""A recorded machine that runs again: messages of an SHDR log, moved to now and paced.

For demos and tests that speak another protocol than the log's: the MQTT publisher, the OPC UA machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

from gemel.clock import SECOND, Clock, to_rfc3339
from gemel.connectors.mtconnect.devices import Component, read_devices
from gemel.connectors.mtconnect.importing import plant_of
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.recordings.pace import Pace, due
from gemel.connectors.recordings.shdr_log import read_lines
from gemel.errors import InvalidInput
from gemel.intake import Reported
from gemel.twin import Binding, Kind, Plant, PropertyType

__all__ = ["Playback", "Recording"]


class Recording:
    """A log with the device model that explains it: which twin and property each item is."""

    def __init__(self, log: Path, devices: Path, device: str) -> None:
        """Raises InvalidInput when the model has no such device, or the log has nothing of it."""
        self._log = log
        self.plant = plant_of([_device(devices, device)], values_in="units")
        self.bindings: tuple[Binding, ...] = self.plant.connectors[0].bindings
        self.properties = _properties(self.plant)
        """(twin, property) → its type, for everything that is bound."""
        times = [reading.time or 0 for reading in self.readings()]
        if not times:
            raise InvalidInput(f"{log} tells nothing of the items of device {device!r}")
        self.first, self.last = min(times), max(times)
        self.begins = min(time for time in times if time >= self.last - 86_400 * SECOND)
        """The first moment of its last day."""

    def readings(self) -> Iterator[Reported]:
        """All readings, in the order of the log."""
        reader = LineReader(ItemTable(self.bindings, self._kind), lambda: 0)
        for line in read_lines([self._log]):
            for message in reader.read([line]):
                yield from message.readings

    def _kind(self, twin: str, name: str) -> Kind | None:
        found = self.properties.get((twin, name))
        return found.kind if found is not None else None


class Playback:
    """Plays a recording from `start` (a moment of the log) as if that were now, `speed` times as fast, in a loop."""

    def __init__(self, recording: Recording, clock: Clock, *, start: int | None = None, speed: float = 1.0) -> None:
        """`start` None: where the last day of the log begins. Raises InvalidInput."""
        if not 0.001 <= speed <= 100_000:
            raise InvalidInput(f"speed {speed} is not between 0.001 and 100000")
        self.recording, self._clock, self._speed = recording, clock, speed
        self.start = recording.begins if start is None else start
        if self.start > recording.last:
            raise InvalidInput(f"the log ends at {to_rfc3339(recording.last)}, before {to_rfc3339(self.start)}")

    def initial(self) -> list[Reported]:
        """What every property was at the start, with the time of the start."""
        latest: dict[tuple[str, str], Reported] = {}
        for reading in self.recording.readings():
            if (reading.time or 0) <= self.start:
                latest[reading.twin, reading.property] = reading
        return [msgspec.structs.replace(reading, time=self.start) for reading in latest.values()]

    async def run(self, *, once: bool = False) -> AsyncIterator[Sequence[Reported]]:
        """Batches of readings, each when it is due, with their times moved; first the initial ones."""
        while True:
            pace = Pace(self.start, self._clock.now(), self._speed)
            yield self._moved(self.initial(), pace)
            after = ((time, one) for one in self.recording.readings() if (time := one.time or 0) > self.start)
            async for batch in due(after, pace, self._clock):
                yield self._moved(batch, pace)
            if once:
                return

    def _moved(self, readings: Sequence[Reported], pace: Pace) -> list[Reported]:
        return [msgspec.structs.replace(one, time=pace.told(one.time or 0)) for one in readings]


def _device(devices: Path, name: str) -> Component:
    found = read_devices(devices.read_bytes(), devices.name)
    for device in found:
        if name in (device.name, device.id, device.uuid):
            return device
    raise InvalidInput(f"{devices} has no device {name!r}; it has {', '.join(device.name for device in found)}")


def _properties(plant: Plant) -> dict[tuple[str, str], PropertyType]:
    types = {one.id: {property.name: property for property in one.properties} for one in plant.types}
    twins = {twin.id: [property for kind in twin.types for property in types[kind].values()] for twin in plant.twins}
    return {(id, property.name): property for id, properties in twins.items() for property in properties}
