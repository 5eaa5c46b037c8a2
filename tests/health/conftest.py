"""A real platform with a simulated fleet, for the whole module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gemel.clock import SteppedClock
from gemel.platform import Platform
from tests.health.fleet import build, on

DAYS = 700


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, dict[str, tuple[float, bool]]]]:
    """Pumps of revision B live 0.4 times as long; who made them makes no difference."""
    clock = SteppedClock(on(DAYS))
    with Platform.open(tmp_path_factory.mktemp("fleet"), clock=clock, run_connectors=False) as platform:
        medians = {"A": 240.0, "B": 96.0}
        truth = build(platform.configuration, pumps=160, days=DAYS, median_days=medians, shape=2.0, seed=7)
        yield platform, truth
