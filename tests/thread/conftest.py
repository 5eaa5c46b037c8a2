"""A thread over a configuration and a history, on a database and a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.clock import SteppedClock, parse_time
from gemel.configuration import ItemSpec
from gemel.platform import Platform
from gemel.testing.postgres import postgres
from gemel.thread import Node, Thread

__all__ = ["NIST", "at", "node", "plant", "postgres", "thread"]

NIST = Path(__file__).parents[3] / "shared/data/nist_thread"
"""The whole of the data, where it is at hand; `tests/data/nist_thread` has a piece of it."""
BEGUN = parse_time("2026-03-01T00:00:00Z")


def node(text: str) -> Node:
    return Node.parse(text)


def at(text: str) -> int:
    return parse_time(f"2026-{text}T00:00:00Z")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Pumps of a part PUMP in two machines; the clock stands at 1 March 2026."""
    clock = SteppedClock(BEGUN)
    with Platform.open(tmp_path_factory.mktemp("thread") / "plant", clock=clock, run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: mill, properties: [{name: load, unit: kW}]}]\n"
            "twins: [{id: mill-1, types: [mill]}, {id: mill-2, types: [mill]}]"
        )
        known = platform.configuration
        for machine, serial in (("m-1", "100"), ("m-2", "200")):
            known.create(ItemSpec(id=machine, part="MILL", serial=serial, twin=f"mill-{serial[0]}"), at("01-01"))
            known.create(ItemSpec(id=f"pump-{serial}", part="PUMP", revision="B", serial=f"P{serial}"), at("01-01"))
            known.install(f"pump-{serial}", machine, "coolant", at("01-02"))
        yield platform


@pytest.fixture
def thread(plant: Platform) -> Thread:
    return plant.thread
