"""A served plant whose values change at random, and readers of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.twin import Quality
from tests.edge.wire import Wire, wire

PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: force, kind: number, unit: kN}
      - {name: count, kind: integer}
      - {name: open, kind: boolean}
      - {name: program, kind: text}
      - {name: recipe, kind: object}
      - {name: wave, kind: array}
      - {name: health, kind: condition}
      - {name: beat, kind: number, freshness: {mode: samples, within_s: 1.0}}
  - {id: hall, properties: [{name: temperature, kind: number, unit: Cel}]}
twins:
  - {id: hall-1, types: [hall]}
  - {id: press-1, types: [press], part_of: hall-1}
  - {id: press-2, types: [press], part_of: hall-1}
  - {id: press-3, types: [press]}
"""
PRESSES = ("press-1", "press-2", "press-3")


def told(chance: random.Random, now: int) -> Message:
    """Some readings, as sources tell them: late ones, unavailable ones, the same again."""
    values: dict[str, Any] = {
        "force": chance.choice([chance.random(), 1.5, -0.0]),
        "count": chance.randrange(4),
        "open": chance.random() < 0.5,
        "program": chance.choice(["a", "ß", ""]),
        "recipe": {"z": [1, 2.5, None], "a": {"deep": "ü"}},
        "wave": [chance.random()] * chance.randrange(1, 4),
        "health": chance.choice(["normal", {"level": "fault", "code": "F1"}, {"level": "warning", "code": "W2"}]),
    }
    names = chance.sample(sorted(values), chance.randrange(1, 4))
    readings = [
        Reported(
            twin=chance.choice(PRESSES),
            property=name,
            value=None if chance.random() < 0.1 else values[name],
            time=now - chance.choice([0, 0, 0, 5_000_000]),
            quality=chance.choice([Quality.GOOD, Quality.UNCERTAIN]),
        )
        for name in names
    ]
    return Message(readings=readings)


def work(platform: Platform, chance: random.Random, rounds: int) -> int:
    """Hand in so many rounds; returns the position after them."""
    last = 0
    for _ in range(rounds):
        messages = [told(chance, platform.clock.now()) for _ in range(chance.randrange(1, 8))]
        last = platform.ingest(messages, source=f"plc-{chance.randrange(3)}").last
    return last


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """It tells nothing of itself meanwhile: the last position is that of what a test told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gemel.housekeeping.HEALTH_EVERY_S", 36_000.0)
        with Platform.open(tmp_path_factory.mktemp("plant")) as platform:
            platform.apply(PLANT)
            yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return str(platform.gate.tokens.add("reader", "viewer")[1])


@pytest.fixture
def line(server: Server) -> Iterator[Wire]:
    with wire(int(server.url.rpartition(":")[2])) as line:
        yield line
