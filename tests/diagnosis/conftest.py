"""A plant whose clock is stepped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.platform import Platform
from gemel.testing.postgres import postgres

__all__ = ["postgres"]

START = 1_767_225_600 * SECOND
PLANT = """
gemel: 1
types: [{id: press, properties: [{name: force, unit: kN, maximum: 100}], events: [{name: jammed}]}]
twins: [{id: press-7, types: [press]}, {id: press-8, types: [press]}]
"""


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(START)


@pytest.fixture
def plant(tmp_path: Path, clock: SteppedClock) -> Iterator[Platform]:
    with Platform.open(tmp_path / "plant", clock=clock) as platform:
        platform.apply(PLANT)
        yield platform
