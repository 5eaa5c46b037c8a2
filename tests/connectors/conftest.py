from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.house import House


@pytest.fixture(autouse=True)
def drained(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a connector handed over is durable before it ends, however busy the machine is."""
    monkeypatch.setattr("gemel.connectors.runner.DRAIN_S", 60.0)
    monkeypatch.setattr("gemel.connectors.supervisor.STOP_S", 60.0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()
