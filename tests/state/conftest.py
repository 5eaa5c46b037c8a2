"""A plant of presses, and a builder of journal blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.registry import Registry
from gemel.state import State
from gemel.twin import (
    VALUE_TYPES,
    Block,
    Change,
    Form,
    Frame,
    Freshness,
    FreshnessMode,
    Kind,
    PropertyType,
    Quality,
    TwinSpec,
    TwinType,
    series_of,
)

T0 = 1_600_000_000 * SECOND

PRESS = TwinType(
    id="press",
    properties=(
        PropertyType(name="temperature", unit="Cel", headline=True),
        PropertyType(name="strokes", kind=Kind.INTEGER),
        PropertyType(name="running", kind=Kind.BOOLEAN),
        PropertyType(name="mode", kind=Kind.TEXT, headline=True),
        PropertyType(name="profile", kind=Kind.ARRAY),
        PropertyType(name="recipe", kind=Kind.OBJECT),
        PropertyType(name="health", kind=Kind.CONDITION),
        PropertyType(
            name="pressure", unit="bar", freshness=Freshness(mode=FreshnessMode.SAMPLES, within_s=10), headline=True
        ),
    ),
)


class Plant:
    """A registry, a state, and a journal in memory that numbers what is reported."""

    def __init__(self, database: Database) -> None:
        self.clock = SteppedClock()
        self.database = database
        self.registry = Registry(database, self.clock)
        self.blocks: list[Block] = []
        self.state = State(self.registry.directory, self.clock, blocks=self.after, composition=Parts(self.registry))
        self.next = 1

    def after(self, position: int) -> Iterator[Block]:
        return iter([block for block in self.blocks if block.last > position])

    def change(self, work: Any) -> Block:
        with self.database.write() as tx:
            changes = work(tx)
        self.registry.committed(changes)
        return self.fold(self.block((), changes))

    def types(self, *types: TwinType) -> None:
        for type_ in types:
            self.change(lambda tx, type_=type_: self.registry.put_type(tx, type_))

    def twins(self, *ids: str, types: tuple[str, ...] = ("press",), **fields: Any) -> None:
        for id in ids:
            self.change(lambda tx, id=id: self.registry.put_twin(tx, TwinSpec(id=id, types=types, **fields)))

    def series(self, twin: str, property_: str) -> int:
        entry = self.registry.directory.twin(twin)
        assert entry is not None
        return series_of(entry.number, entry.properties[property_].number)

    def block(self, readings: Iterable[tuple[Any, ...]], changes: Iterable[Change] = ()) -> Block:
        """Readings (twin, property, value, time in seconds after T0[, quality]) in order of position."""
        rows: dict[Form, list[tuple[Any, ...]]] = {}
        ordinal = 0
        for twin, property_, value, seconds, *quality in readings:
            entry = self.registry.directory.twin(twin)
            assert entry is not None
            form = entry.properties[property_].form
            known = quality[0] if quality else (Quality.UNAVAILABLE if value is None else Quality.GOOD)
            value = int(value) if isinstance(value, bool) else value
            row = (self.series(twin, property_), T0 + round(seconds * SECOND), value, known, ordinal)
            rows.setdefault(form, []).append(row)
            ordinal += 1
        numbered = []
        for change in changes:
            numbered.append(Change(**{**_fields(change), "ordinal": ordinal}))
            ordinal += 1
        frames = {form: _frame(form, listed) for form, listed in rows.items()}
        block = Block(len(self.blocks) + 1, self.next, self.clock.now(), frames, tuple(numbered))
        self.blocks.append(block)
        self.next += ordinal
        return block

    def fold(self, block: Block) -> Block:
        self.state.fold(block)
        return block

    def report(self, *readings: tuple[Any, ...]) -> Block:
        return self.fold(self.block(readings))

    def now(self, twin: str, property_: str) -> Any:
        entry = self.registry.directory.twin(twin)
        assert entry is not None
        return self.state.twin(entry).get(property_)


class Parts:
    """The registry's composition, as the platform gives it to the state."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def parts(self, twins: Sequence[str], depth: int | None) -> Iterable[str]:
        return self.registry.part_ids(twins, depth=depth)

    def roots(self, type_id: str) -> Iterable[str]:
        directory = self.registry.directory
        ids = directory.ids(directory.numbers(type_id or None).tolist())
        return [id for id in ids if not self.registry.links(id, kind="part_of", direction="out")]


def _fields(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in change.__struct_fields__}


def _frame(form: Form, rows: list[tuple[Any, ...]]) -> Frame:
    series, time, value, quality, ordinal = zip(*rows, strict=True)
    return Frame(
        form,
        np.array(series, np.int64),
        np.array(time, np.int64),
        pa.array(value, VALUE_TYPES[form]),
        np.array(quality, np.uint8),
        np.array(ordinal, np.uint32),
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'gemel.sqlite'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def plant(database: Database) -> Iterator[Plant]:
    plant = Plant(database)
    plant.types(PRESS)
    plant.twins("press-1", "press-2")
    yield plant
    plant.state.close()
