"""Subscriptions: a snapshot, then what is new."""

from __future__ import annotations

from typing import Any

from gemel.state import Delta, Selection
from tests.state.conftest import Plant


def values(delta: Delta | None) -> list[tuple[str, str, Any]]:
    assert delta is not None
    return [(update.twin, update.property, update.now.value) for update in delta.values]


def test_a_snapshot_comes_first_then_every_reading_in_order(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 1.0, 0), ("press-2", "mode", "A", 0))
    with plant.state.subscribe(Selection(twins=("press-1",))) as reader:
        first = reader.get(0)
        assert first is not None
        assert first.snapshot
        assert first.position == plant.state.position
        assert values(first) == [("press-1", "temperature", 1.0)]
        assert reader.get(0) is None
        plant.report(("press-2", "temperature", 5.0, 1))
        assert reader.get(0) is None
        plant.report(("press-1", "temperature", 2.0, 1), ("press-1", "temperature", 3.0, 2))
        assert values(reader.get(0)) == [("press-1", "temperature", 2.0), ("press-1", "temperature", 3.0)]


def test_a_backfill_delivers_what_came_after_a_position(plant: Plant) -> None:
    block = plant.report(("press-1", "temperature", 1.0, 0), ("press-1", "temperature", 2.0, 1))
    plant.report(("press-1", "temperature", 3.0, 2))
    with plant.state.subscribe(Selection(type="press"), after=block.first) as reader:
        assert values(reader.get(0)) == [("press-1", "temperature", 2.0)]
        assert values(reader.get(0)) == [("press-1", "temperature", 3.0)]
        assert reader.get(0) is None
        plant.report(("press-1", "temperature", 4.0, 3))
        assert values(reader.get(0)) == [("press-1", "temperature", 4.0)]


async def test_an_event_loop_is_woken(plant: Plant) -> None:
    import asyncio

    with plant.state.subscribe(Selection(type="press", properties=("mode",))) as reader:
        assert (await anext(reader)).snapshot
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        await asyncio.to_thread(plant.report, ("press-2", "mode", "B", 1))
        assert values(await waiting) == [("press-2", "mode", "B")]
