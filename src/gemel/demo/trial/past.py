"""A day of the trial plant before the demo starts: the same physics, stepped through a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from gemel.clock import SECOND
from gemel.demo.trial.base import FAULT, Simulated
from gemel.demo.trial.cell import Cell
from gemel.demo.trial.documents import document
from gemel.demo.trial.skid import Skid
from gemel.platform import Platform
from gemel.twin import Kind, Plant

__all__ = ["compute_past", "load_past", "rows_of"]

STEP_S = 30.0
HOURS = 24.0
_STORED_S = 60.0
_COUNTED = ("hours", "cycles")
"""What counts up: the past ends where the live object begins."""
_ARROW = {Kind.NUMBER: pa.float64(), Kind.INTEGER: pa.int64(), Kind.BOOLEAN: pa.bool_()}

Row = tuple[int, str, str, Any]
Act = Callable[[Any], object]


class _Made(Protocol):
    def __call__(self) -> Simulated: ...


SKID: Sequence[tuple[float, Act]] = (
    (24.0, lambda skid: skid.set("suction_valve", 100)),
    (23.9, lambda skid: skid.call("start", {})),
    (18.0, lambda skid: skid.set("speed", 2600)),
    (14.1, lambda skid: skid.call("stop", {})),
    (14.0, lambda skid: skid.call("select_duty", {"pump": "B"})),
    (13.9, lambda skid: skid.call("start", {})),
    (9.5, lambda skid: skid.set(FAULT, "dry_running")),
    (9.2, lambda skid: skid.call("reset", {})),
    (9.1, lambda skid: skid.call("start", {})),
    (6.0, lambda skid: skid.set("outlet_valve", 60)),
    (4.0, lambda skid: skid.set("speed", 2200)),
    (1.5, lambda skid: skid.call("stop", {})),
    (1.4, lambda skid: skid.call("select_duty", {"pump": "A"})),
    (1.3, lambda skid: skid.set("suction_valve", 0)),
    (1.3, lambda skid: skid.set("outlet_valve", 100)),
)
CELL: Sequence[tuple[float, Act]] = (
    (24.0, lambda cell: cell.set("conveyor_speed", 0.2)),
    (23.9, lambda cell: cell.call("run_program", {"program": "pick_and_place", "cycles": 1000})),
    (20.0, lambda cell: cell.call("run_program", {"program": "palletise", "cycles": 1000})),
    (15.0, lambda cell: cell.call("run_program", {"program": "pick_and_place", "cycles": 1000})),
    (12.0, lambda cell: cell.call("run_program", {"program": "palletise", "cycles": 1000})),
    (9.0, lambda cell: cell.set(FAULT, "curtain_interrupted")),
    (8.8, lambda cell: cell.set("conveyor_speed", 0.25)),
    (8.7, lambda cell: cell.call("run_program", {"program": "palletise", "cycles": 900})),
    (4.0, lambda cell: cell.call("run_program", {"program": "pick_and_place", "cycles": 1000})),
    (1.5, lambda cell: cell.call("hold", {})),
    (1.4, lambda cell: cell.call("reset", {})),
)


def load_past(platform: Platform, *, now: int) -> int:
    """Take in the day before `now`; returns how many readings."""
    plant = document()
    return sum(
        platform.intake.submit_frame(f"{source}-past", batch).result().accepted
        for source, made, script in (("skid", Skid, SKID), ("cell", Cell, CELL))
        for batch in _batches(plant, rows_of(made, script, now))
    )


def compute_past(platform: Platform) -> None:
    """What the skid's type computes, also of the day before."""
    now = platform.clock.now()
    platform.past().wait(platform.position, _STORED_S)
    for type_ in document().types:
        for one in type_.properties:
            if one.computed is not None:
                platform.computation.redo(type_.id, one.name, now - round(HOURS * 3600 * SECOND), now)


def rows_of(made: _Made, script: Sequence[tuple[float, Act]], now: int) -> list[Row]:
    """(time, twin, property, value) of what changed, in order."""
    present, simulated = made(), made()
    rows = list(_rows(simulated, script, now))
    last, first = simulated.values(), present.values()
    shift = {key: first[key] - last[key] for key in last if key[1] in _COUNTED}
    return [
        (time, twin, name, round(value + shift[twin, name], 2) if (twin, name) in shift else value)
        for time, twin, name, value in rows
    ]


def _rows(simulated: Simulated, script: Sequence[tuple[float, Act]], now: int) -> Iterator[Row]:
    told: dict[tuple[str, str], Any] = {}
    waiting = list(script)
    for step in range(round(HOURS * 3600 / STEP_S)):
        left_h = HOURS - step * STEP_S / 3600
        while waiting and waiting[0][0] >= left_h:
            waiting.pop(0)[1](simulated)
        simulated.step(STEP_S)
        time = now - round(left_h * 3600 * SECOND)
        for (twin, name), value in simulated.values().items():
            if told.get((twin, name)) != value:
                told[twin, name] = value
                yield time, twin, name, value


def _batches(plant: Plant, rows: Sequence[Row]) -> Iterator[pa.RecordBatch]:
    """One for each kind of values."""
    types = {type_.id: type_ for type_ in plant.types}
    kinds = {(twin.id, one.name): one.kind for twin in plant.twins for one in types[twin.types[0]].properties}
    sorted_: dict[pa.DataType, list[Row]] = {}
    for row in rows:
        sorted_.setdefault(_ARROW.get(kinds[row[1], row[2]], pa.string()), []).append(row)
    for form, some in sorted_.items():
        times, twins, names, values = zip(*some, strict=True)
        words = [value["level"] if isinstance(value, dict) else value for value in values]
        yield pa.RecordBatch.from_pydict(
            {
                "time": pa.array(times, pa.int64()),
                "twin": pa.array(twins).dictionary_encode(),
                "property": pa.array(names).dictionary_encode(),
                "value": pa.array(words, form),
            }
        )
