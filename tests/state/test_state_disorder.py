"""Right under disorder: any interleaving, cut into any blocks, late and repeated, against a plain model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.registry import Registry
from gemel.state import Now, Selection, State
from gemel.state.few import FEW
from gemel.twin import VALUE_TYPES, Block, Form, Frame, Quality, TwinSpec, series_of
from tests.state.conftest import PRESS, T0

TWINS = ("a", "b", "c")
PROPERTIES = {"temperature": Form.NUMBER, "strokes": Form.INTEGER, "mode": Form.TEXT, "profile": Form.ARRAY}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0.0, -1.5, 2.5]),
    "strokes": st.sampled_from([0, 1, 2**61]),
    "mode": st.sampled_from(["", "A", "ß"]),
    "profile": st.sampled_from([[], [1.0], [1.0, 2.0]]),
}
Reading = tuple[str, str, Any, int]
"""twin, property, value, seconds"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('disorder') / 'gemel.sqlite'}")
    database.migrate()
    registry = Registry(database, SteppedClock())
    with database.write() as tx:
        changes = registry.put_type(tx, PRESS)
        for id in TWINS:
            changes += registry.put_twin(tx, TwinSpec(id=id, types=("press",)))
    registry.committed(changes)
    yield registry
    database.close()


def reading(name: str) -> st.SearchStrategy[Reading]:
    return st.tuples(st.sampled_from(TWINS), st.just(name), st.none() | VALUES[name], st.integers(0, 6))


@st.composite
def blocks_of_readings(draw: st.DrawFn) -> list[list[Reading]]:
    readings = draw(st.lists(st.sampled_from(sorted(PROPERTIES)).flatmap(reading), max_size=60))
    again = draw(st.lists(st.sampled_from(readings), max_size=20)) if readings else []
    everything = draw(st.permutations(readings + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(everything)), max_size=6)))
    pieces = [everything[a:b] for a, b in zip([0, *cuts], [*cuts, len(everything)], strict=True)]
    # Some blocks are folded in vectors: they are filled up beyond what is folded one by one.
    return [piece * (FEW // len(piece) + 1) if piece and draw(st.booleans()) else piece for piece in pieces]


@dataclass
class Cell:
    value: Any = None
    time: int = -1
    changed: int = 0
    recorded: int = 0
    position: int = 0


class Model:
    """The rules of the state, one reading after the other."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Cell] = {}
        self.accepted: list[tuple[int, str, str, Any]] = []

    def take(self, reading: Reading, position: int, recorded: int) -> None:
        twin, name, value, seconds = reading
        cell = self.cells.setdefault((twin, name), Cell())
        time = T0 + seconds * SECOND
        if time < cell.time:
            return
        if cell.time < 0 or value != cell.value:
            cell.changed = time
        cell.value, cell.time, cell.recorded, cell.position = value, time, recorded, position
        self.accepted.append((position, twin, name, value))


def block_of(registry: Registry, readings: list[Reading], sequence: int, first: int) -> Block:
    frames = {}
    for form in Form:
        rows = [(i, r) for i, r in enumerate(readings) if PROPERTIES[r[1]] is form]
        if not rows:
            continue
        entries = [registry.directory.twin(r[0]) for _, r in rows]
        assert all(entries)
        frames[form] = Frame(
            form,
            np.array(
                [series_of(e.number, e.properties[r[1]].number) for e, (_, r) in zip(entries, rows, strict=True) if e]
            ),
            np.array([T0 + r[3] * SECOND for _, r in rows]),
            pa.array([r[2] for _, r in rows], VALUE_TYPES[form]),
            np.array([Quality.UNAVAILABLE if r[2] is None else Quality.GOOD for _, r in rows], np.uint8),
            np.array([i for i, _ in rows], np.uint32),
        )
    return Block(sequence, first, T0 + sequence, frames)


def folded(registry: Registry, pieces: list[list[Reading]]) -> Iterator[tuple[Block, list[Reading]]]:
    first = 1
    for sequence, piece in enumerate(filter(None, pieces), 1):
        yield block_of(registry, piece, sequence, first), piece
        first += len(piece)


def nows(state: State, registry: Registry) -> dict[tuple[str, str], Now]:
    found = {}
    for id in TWINS:
        entry = registry.directory.twin(id)
        assert entry is not None
        found |= {(id, name): now for name, now in state.twin(entry).items()}
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=blocks_of_readings())
def test_any_interleaving_gives_what_a_plain_model_gives(registry: Registry, pieces: list[list[Reading]]) -> None:
    state, model = State(registry.directory, SteppedClock()), Model()
    for block, piece in folded(registry, pieces):
        state.fold(block)
        for i, one in enumerate(piece):
            model.take(one, block.first + i, block.recorded)
    found = nows(state, registry)
    assert {key: (n.value, n.time, n.changed, n.recorded, n.position) for key, n in found.items()} == {
        key: (c.value, c.time, c.changed, c.recorded, c.position) for key, c in model.cells.items()
    }


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=blocks_of_readings(),
    start=st.integers(0, 3),
    latest=st.booleans(),
    named=st.booleans(),
    drains=st.lists(st.booleans(), max_size=8),
)
def test_snapshot_and_deltas_are_the_state_at_their_position(
    registry: Registry, pieces: list[list[Reading]], start: int, latest: bool, named: bool, drains: list[bool]
) -> None:
    clock = SteppedClock()
    state, model = State(registry.directory, clock), Model()
    told: dict[tuple[str, str], Any] = {}
    everything = []
    reader = None
    since = 0

    def drain() -> None:
        assert reader is not None
        clock.step(1)
        while (delta := reader.get(0)) is not None:
            for update in delta.values:
                told[update.twin, update.property] = update.now.value
                if not delta.snapshot:
                    everything.append((update.now.position, update.twin, update.property, update.now.value))
            assert delta.position == state.position

    for i, (block, piece) in enumerate(folded(registry, pieces)):
        if i == start:
            reader = state.subscribe(
                Selection(twins=TWINS) if named else Selection(type="press"), rate_hz=1.0 if latest else None
            )
            drain()
            since = state.position
        state.fold(block)
        for k, one in enumerate(piece):
            model.take(one, block.first + k, block.recorded)
        if reader is not None and (i < len(drains) and drains[i]):
            drain()
            assert told == {key: now.value for key, now in nows(state, registry).items()}
    if reader is None:
        return
    drain()
    assert told == {key: now.value for key, now in nows(state, registry).items()}
    if not latest:
        assert sorted(everything, key=lambda e: e[0]) == [one for one in model.accepted if one[0] > since]
    reader.close()


UPDATES = st.lists(
    st.tuples(
        st.sampled_from(["normal", "warning", "fault", "unavailable"]),
        st.sampled_from(["", "E1", "E2"]),
        st.integers(0, 5),
    ),
    max_size=12,
    unique_by=lambda update: update[2:],
)


@settings(max_examples=150, deadline=None)
@given(updates=UPDATES, data=st.data())
def test_condition_updates_commute(
    registry: Registry, updates: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    from gemel.state.condition import Conditions

    def fold(order: list[tuple[str, str, int]]) -> Conditions:
        known = Conditions()
        for level, code, seconds in order:
            text = msgspec.json.encode({"level": level, "code": code}).decode()
            known = known.with_update(text, T0 + seconds, seconds + 1)
        return known

    shuffled = data.draw(st.permutations(updates))
    in_order, other = fold(sorted(updates, key=lambda u: u[2])), fold(shuffled)
    assert other.active() == in_order.active()
    assert other.unavailable == in_order.unavailable
    assert Conditions.from_json(other.to_json()).active() == in_order.active()


def test_a_reader_during_folds_never_sees_half_a_block(registry: Registry) -> None:
    """Every block gives all properties of a twin one number; whoever reads must find them equal."""
    state = State(registry.directory, SteppedClock())
    entry = registry.directory.twin("a")
    assert entry is not None
    state.fold(block_of(registry, _same(0), 1, 1))
    torn: list[Any] = []
    stop = threading.Event()

    def watch_twin() -> None:
        while not stop.is_set():
            now = state.twin(entry)
            if now["temperature"].value != now["strokes"].value or str(now["strokes"].value) != now["mode"].value:
                torn.append(now)

    def watch_table() -> None:
        while not stop.is_set():
            row = state.table("press").to_pylist()[0]
            if row["temperature"] != row["strokes"] or str(row["strokes"]) != row["mode"]:
                torn.append(row)

    readers = [threading.Thread(target=work) for work in (watch_twin, watch_twin, watch_table)]
    for thread in readers:
        thread.start()
    first = len(_same(0)) + 1
    for sequence in range(2, 300):
        readings = _same(sequence) * (30 if sequence % 2 else 1)
        state.fold(block_of(registry, readings, sequence, first))
        first += len(readings)
    stop.set()
    for thread in readers:
        thread.join()
    assert not torn


def _same(n: int) -> list[Reading]:
    return [("a", "temperature", float(n), n), ("a", "strokes", n, n), ("a", "mode", str(n), n)]
