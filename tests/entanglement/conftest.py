"""A plant whose time stands still until a test steps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.entanglement import Tie
from gemel.intake import Message, Reported
from gemel.platform import Platform

PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: temperature, unit: Cel, freshness: {mode: samples, within_s: 10}}
      - {name: door, kind: enumeration, values: [OPEN, CLOSED]}
      - {name: oil_level, unit: "%", writable: true, tolerance: 2}
      - {name: note, kind: text}
      - {name: fahrenheit, unit: Cel, computed: {expression: temperature}}
    commands:
      - {name: grease, output: [{name: shots, kind: integer}]}
twins: [{id: press-7, types: [press], stage: in_service}, {id: press-8, types: [press], stage: in_service}]
connectors:
  - id: line
    kind: http
    bindings:
      - {address: t, twin: press-7, property: temperature, mode: samples, within_s: 10, rate_hz: 1}
      - {address: d, twin: press-7, property: door, mode: changes, within_s: 30}
  - id: rounds
    kind: manual
    bindings:
      - {address: the sight glass, twin: press-7, property: oil_level, mode: samples, within_s: 28800, direction: both}
      - {address: the nipples, twin: press-7, property: grease, direction: out}
"""
START = 1_700_000_000 * SECOND


class Shop:
    """A platform and its clock."""

    def __init__(self, platform: Platform, clock: SteppedClock) -> None:
        self.platform, self.clock = platform, clock
        self.number = 0

    def tell(
        self, value: object, name: str = "temperature", *, twin: str = "press-7", late_s: float = 0.0, skip: int = 0
    ) -> None:
        """The line tells a value, in numbered messages; `skip`: so many messages were lost before."""
        self.number += skip
        told = Reported(twin=twin, property=name, value=value, time=self.clock.now() - round(late_s * SECOND))
        message = Message(readings=[told], sequence=self.number, epoch="e")
        self.number += 1
        assert self.platform.ingest([message], source="line").accepted == 1

    def pass_s(self, seconds: float) -> None:
        """Time passes, in steps of a second, at each of which somebody looks, as the housekeeper does."""
        for _ in range(round(seconds)):
            self.look(self.clock.step(1.0))

    def look(self, now: int) -> None:
        turned = self.platform.state.sweep(now)
        if turned:
            self.platform.change(lambda _: turned)
        self.platform.entanglement.look(now)

    def tie(self, name: str = "temperature", twin: str = "press-7") -> Tie:
        return next(tie for tie in self.platform.ties(twin) if tie.property == name)


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[[], Shop]]:
    """Opens the plant; again closes and opens it."""
    clock, opened = SteppedClock(START), list[Platform]()

    def again() -> Shop:
        for platform in opened:
            platform.close()
        opened[:] = [Platform.open(tmp_path / "plant", clock=clock, run_connectors=False)]
        return Shop(opened[0], clock)

    yield again
    for platform in opened:
        platform.close()


@pytest.fixture
def shop(open_shop: Callable[[], Shop]) -> Shop:
    made = open_shop()
    made.platform.apply(PLANT)
    return made
