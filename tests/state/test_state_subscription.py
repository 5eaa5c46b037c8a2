"""Subscriptions: a snapshot, then what is new."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

import pytest

from gemel.clock import SECOND
from gemel.errors import InvalidQuery, UnknownTwin, UnknownType
from gemel.state import Delta, Gap, Selection
from gemel.state import subscription as module
from gemel.twin import Change, LifeStage
from tests.state.conftest import T0, Plant


def values(delta: Delta | None) -> list[tuple[str, str, Any]]:
    assert delta is not None
    return [(update.twin, update.property, update.now.value) for update in delta.values]


def event(twin: str) -> Change:
    return Change(kind="event.happened", subject=twin, time=T0, body={"event": "overheated"})


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


def test_an_update_says_everything_about_the_value(plant: Plant) -> None:
    with plant.state.subscribe(Selection(twins=("press-1",))) as reader:
        reader.get(0)
        block = plant.report(("press-1", "pressure", 1.0, 0), ("press-1", "pressure", 1.0, 2))
        plant.clock.step(11)
        delta = reader.get(0)
        assert delta is not None
        first, second = delta.values
        assert (first.now.position, second.now.position) == (block.first, block.last)
        assert (second.now.time, second.now.changed, second.now.recorded) == (T0 + 2 * SECOND, T0, T0)
        assert (second.now.fresh, second.now.stale_since) == (False, T0 + 10 * SECOND)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {("press-1", "temperature"), ("press-1", "strokes"), ("press-2", "mode")}),
        (Selection(type="press"), {("press-1", "temperature"), ("press-1", "strokes"), ("press-2", "mode")}),
        (Selection(twins=("press-2",)), {("press-2", "mode")}),
        (Selection(properties=("strokes",)), {("press-1", "strokes")}),
        (Selection(headline=True), {("press-1", "temperature"), ("press-2", "mode")}),
    ],
)
def test_only_what_is_selected_is_delivered(plant: Plant, selection: Selection, expected: set[tuple[str, str]]) -> None:
    readings = [("press-1", "temperature", 1.0, 0), ("press-1", "strokes", 2, 0), ("press-2", "mode", "A", 0)]
    with plant.state.subscribe(selection) as early:
        early.get(0)
        plant.report(*readings)
        assert {(t, p) for t, p, _ in values(early.get(0))} == expected
    with plant.state.subscribe(selection) as late:
        assert {(t, p) for t, p, _ in values(late.get(0))} == expected


def test_what_is_not_there_cannot_be_selected(plant: Plant) -> None:
    with pytest.raises(UnknownTwin):
        plant.state.subscribe(Selection(twins=("nobody",)))
    with pytest.raises(UnknownType):
        plant.state.subscribe(Selection(type="nothing"))
    with pytest.raises(InvalidQuery, match="position"):
        plant.state.subscribe(Selection(), after=10**9)
    assert not len(plant.state._core.broadcast)


def test_a_backfill_delivers_what_came_after_a_position(plant: Plant) -> None:
    block = plant.report(("press-1", "temperature", 1.0, 0), ("press-1", "temperature", 2.0, 1))
    plant.report(("press-1", "temperature", 3.0, 2), ("press-1", "health", '{"level":"fault","code":"E1"}', 2))
    with plant.state.subscribe(Selection(type="press"), after=block.first) as reader:
        plant.report(("press-1", "temperature", 4.0, 3))
        assert values(reader.get(0)) == [("press-1", "temperature", 2.0)]
        assert values(reader.get(0)) == [("press-1", "temperature", 3.0)]
        ((_, name, active),) = values(reader.get(0))
        assert (name, [entry["code"] for entry in active]) == ("health", ["E1"])
        assert values(reader.get(0)) == [("press-1", "temperature", 4.0)]
        assert reader.get(0) is None


def test_a_backfill_of_what_the_journal_let_go_is_a_gap_and_a_snapshot(plant: Plant) -> None:
    start = plant.state.position
    lost = plant.report(("press-1", "temperature", 1.0, 0))
    plant.report(("press-1", "mode", "A", 1))
    plant.blocks.remove(lost)
    with plant.state.subscribe(Selection(), after=start) as reader:
        gap = reader.get(0)
        assert gap is not None
        assert gap.gap == Gap(start, lost.last)
        assert values(reader.get(0)) == [("press-1", "mode", "A")]
        snapshot = reader.get(0)
        assert snapshot is not None
        assert snapshot.snapshot
        assert set(values(snapshot)) == {("press-1", "temperature", 1.0), ("press-1", "mode", "A")}


def test_a_slow_reader_gets_a_gap_and_the_latest_values(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 10)
    with plant.state.subscribe(Selection()) as reader:
        first = reader.get(0)
        assert first is not None
        for i in range(30):
            plant.report(("press-1", "temperature", float(i), i))
            assert reader._pending <= 10
        delta = reader.get(0)
        assert delta is not None
        assert delta.gap == Gap(first.position, plant.state.position)
        assert delta.snapshot
        assert values(delta) == [("press-1", "temperature", 29.0)]
        plant.report(("press-1", "temperature", 31.0, 31))
        assert values(reader.get(0)) == [("press-1", "temperature", 31.0)]
    with plant.state.subscribe(Selection(), after=delta.gap.after) as again:
        seen = []
        while (missed := again.get(0)) is not None:
            seen += [value for _, _, value in values(missed)]
        assert seen == [*map(float, range(30)), 31.0]


def test_a_rate_bounds_deltas_and_gives_the_latest_values(plant: Plant) -> None:
    with plant.state.subscribe(Selection(), rate_hz=4) as reader:
        reader.get(0)
        plant.report(("press-1", "temperature", 1.0, 1))
        assert reader.get(0) is None
        plant.report(("press-1", "temperature", 2.0, 2), ("press-2", "temperature", 7.0, 2))
        plant.clock.step(0.25)
        delta = reader.get(0)
        assert set(values(delta)) == {("press-1", "temperature", 2.0), ("press-2", "temperature", 7.0)}
        plant.clock.step(0.25)
        assert reader.get(0) is None


def test_events_of_selected_twins_are_delivered_with_their_position(plant: Plant) -> None:
    with (
        plant.state.subscribe(Selection(twins=("press-1",)), rate_hz=1) as reader,
        plant.state.subscribe(Selection(twins=("press-1",), events=False)) as deaf,
    ):
        reader.get(0)
        deaf.get(0)
        plant.clock.step(1)
        block = plant.fold(plant.block([("press-1", "temperature", 1.0, 0)], [event("press-2"), event("press-1")]))
        delta = reader.get(0)
        assert delta is not None
        assert [(h.position, h.change.subject) for h in delta.events] == [(block.last, "press-1")]
        quiet = deaf.get(0)
        assert quiet is not None
        assert not quiet.events


def test_a_new_part_and_a_new_twin_join_the_selection(plant: Plant) -> None:
    plant.twins("line")
    plant.change(lambda tx: plant.registry.put_link(tx, "part_of", "press-1", "line"))
    with (
        plant.state.subscribe(Selection(twins=("line",), depth=None)) as parts,
        plant.state.subscribe(Selection(type="press")) as presses,
        plant.state.subscribe(Selection(roots=True)) as roots,
    ):
        for reader in (parts, presses, roots):
            reader.get(0)
        plant.report(("press-2", "temperature", 5.0, 0))
        assert parts.get(0) is None
        plant.change(lambda tx: plant.registry.put_link(tx, "part_of", "press-2", "line"))
        joined = parts.get(0)
        assert joined is not None
        assert joined.registry_changed
        assert values(joined) == [("press-2", "temperature", 5.0)]
        left = roots.get(0)
        assert left is not None
        assert list(left.gone) == ["press-2"]
        plant.twins("press-3")
        plant.report(("press-3", "temperature", 6.0, 0))
        assert ("press-3", "temperature", 6.0) in values(presses.get(0))


def test_a_retired_twin_is_gone_and_can_still_be_read(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 1.0, 0), ("press-2", "temperature", 2.0, 0))
    with (
        plant.state.subscribe(Selection(type="press")) as wide,
        plant.state.subscribe(Selection(twins=("press-1",))) as one,
    ):
        wide.get(0)
        one.get(0)
        plant.change(lambda tx: plant.registry.remove_twin(tx, "press-1"))
        for reader in (wide, one):
            delta = reader.get(0)
            assert delta is not None
            assert list(delta.gone) == ["press-1"]
    assert plant.state.sql("SELECT twin FROM live.press").to_pylist() == [{"twin": "press-2"}]
    assert plant.now("press-1", "temperature").value == 1.0
    with plant.state.subscribe(Selection(twins=("press-1",))) as after:
        assert values(after.get(0)) == [("press-1", "temperature", 1.0)]
    plant.change(lambda tx: plant.registry.set_stage(tx, "press-1", LifeStage.COMMISSIONED))
    assert len(plant.state.table("press")) == 2


def test_a_reader_by_an_alias_that_is_taken_away_hears_that_the_twin_is_gone(plant: Plant) -> None:
    plant.twins("press-1", aliases=("P1",))
    with plant.state.subscribe(Selection(twins=("P1",))) as reader:
        reader.get(0)
        plant.twins("press-1")
        delta = reader.get(0)
        assert delta is not None
        assert list(delta.gone) == ["press-1"]


async def test_an_event_loop_is_woken(plant: Plant) -> None:
    with plant.state.subscribe(Selection(type="press", properties=("mode",))) as reader:
        assert (await anext(reader)).snapshot
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        await asyncio.to_thread(plant.report, ("press-2", "mode", "B", 1))
        assert values(await waiting) == [("press-2", "mode", "B")]


async def test_closing_ends_the_loop_of_a_reader(plant: Plant) -> None:
    reader = plant.state.subscribe(Selection())

    async def read() -> int:
        return len([delta async for delta in reader])

    waiting = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    reader.close()
    assert await waiting == 1


def test_a_waiting_thread_is_woken_by_a_reading_and_by_closing(plant: Plant) -> None:
    reader = plant.state.subscribe(Selection())
    reader.get(0)
    taken: queue.Queue[Delta | None] = queue.Queue()

    def work() -> None:
        taken.put(reader.get())
        taken.put(reader.get())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    plant.report(("press-1", "temperature", 1.0, 0))
    assert values(taken.get(timeout=60)) == [("press-1", "temperature", 1.0)]
    reader.close()
    assert taken.get(timeout=60) is None
    thread.join(60)


def test_a_reader_that_is_not_concerned_is_not_touched(plant: Plant) -> None:
    readers = [plant.state.subscribe(Selection(twins=("press-2",))) for _ in range(50)]
    for reader in readers:
        reader.get(0)
    plant.report(*[("press-1", "temperature", float(i), i) for i in range(100)])
    assert not any(reader._signalled for reader in readers)
    for reader in readers:
        reader.close()
    assert not plant.state._core.broadcast._by_twin
