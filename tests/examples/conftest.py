"""A real server with a press that has been measured for an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import gemel
from gemel.clock import moment
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.server import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
START = datetime(2026, 3, 20, 8, tzinfo=UTC)
PLANT = """
gemel: 1
types:
  - id: press
    properties: [{name: oil_temperature, unit: Cel}, {name: parts_made, kind: integer}, {name: mode, kind: text}]
    events: [{name: overheated}]
twins: [{id: press-7, types: [press], name: Press 7}, {id: press-8, types: [press], name: Press 8}]
connectors: [{id: gateway, kind: http}]
"""


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("plant")) as platform:
        platform.apply(PLANT)
        start, messages = moment(START), []
        for n in range(3600):
            time = start + n * 1_000_000
            readings = [
                Reported(twin="press-7", property="oil_temperature", value=60 + n % 64 / 8, time=time),
                Reported(twin="press-7", property="parts_made", value=n // 60, time=time),
            ]
            messages.append(Message(readings=readings))
        messages.append(
            Message(
                readings=[Reported(twin="press-7", property="mode", value="AUTOMATIC", time=start)],
                events=[Happened(twin="press-7", event="overheated", time=start + 60_000_000, fields={"by": 3})],
            )
        )
        platform.ingest(messages)
        platform.history.flush(60)
        yield platform


@pytest.fixture(scope="session")
def url(plant: Platform) -> Iterator[str]:
    with Server(plant, port=0) as server:
        yield server.url


@pytest.fixture(scope="session")
def token(plant: Platform) -> str:
    return plant.gate.tokens.add("examples", "engineer")[1]
