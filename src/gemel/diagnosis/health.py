"""The health of an open plant: each part looked at, none touched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from gemel.diagnosis import edges, parts
from gemel.diagnosis.check import Check, Level, bad
from gemel.diagnosis.plant import Plant, Recent
from gemel.errors import GemelError

__all__ = ["Health"]

Look = Callable[[], Iterator[Check]]


class Health:
    """Looks when it is asked, and remembers since when each part has been as it is."""

    def __init__(self, plant: Plant, *, certificates: Sequence[Path] = ()) -> None:
        """`certificates`: PEM files to watch."""
        self._clock = plant.clock
        self.certificates = list(certificates)
        self._lock = threading.Lock()
        self._since: dict[str, tuple[Level, int]] = {}
        started = plant.clock.now(), plant.clock.monotonic()
        self._looks: dict[str, Look] = {  # in the order of what a person asks first
            "journal": partial(parts.journal, plant),
            "history": partial(parts.history, plant),
            "computation": partial(parts.computation, plant),
            "disk": partial(parts.disk, plant),
            "connectors": partial(edges.connectors, plant),
            "edge": partial(edges.upstream, plant),
            "deliveries": partial(edges.deliveries, plant),
            "source clocks": partial(edges.sources, plant),
            "quarantine": partial(edges.quarantine, plant, Recent()),
            "readers": partial(edges.readers, plant, Recent()),
            "backup": partial(parts.backup, plant),
            "witnesses": partial(edges.witnesses, plant),
            "clock": partial(parts.clock, plant, started),
            "devices": partial(edges.devices, plant),
            "certificates": lambda: edges.certificates(plant, self.certificates),
            "memory": parts.memory,
        }

    def look(self) -> list[Check]:
        """Every part; one that cannot be looked at is bad, and the others are looked at all the same."""
        now, found = self._clock.now(), []
        with self._lock:
            for name, look in self._looks.items():
                try:
                    checks = list(look())
                except (GemelError, OSError) as error:
                    told = error.detail if isinstance(error, GemelError) else str(error)
                    checks = [bad(name, f"it could not be looked at: {told:.300}", "the log tells more")]
                found += [self._dated(check, now) for check in checks]
            self._since = {check.part: (check.level, check.since or now) for check in found}
        return found

    def _dated(self, check: Check, now: int) -> Check:
        level, since = self._since.get(check.part, (None, now))
        return msgspec.structs.replace(check, since=since if level is check.level else now)
