"""Watching freshness: which source brings which cell, and who became stale or fresh again since the last look."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemel.state.cells import CHUNK_BITS, CHUNK_ROWS, NEVER, Cells
from gemel.state.freshness import FOREVER, Rules
from gemel.state.layout import Layout
from gemel.state.table import Column
from gemel.twin import PROPERTY_BITS, Binding, ConnectorSpec, Direction, Freshness, PropertyType, series_of

__all__ = ["Turned", "Watch"]

_Ints = NDArray[np.int64]
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """Series whose freshness turned for one reason, and the moment from which they are stale (0: fresh again)."""

    series: _Ints
    stale_since: _Ints
    source: str = ""
    """The source whose silence or return is the reason; empty: the age of each value."""
    first: bool = False
    """The source was heard for the first time: nothing had been lost."""

    def __len__(self) -> int:
        return len(self.series)


class Watch:
    """Freshness rules of cells, and their sweeps. Guarded by the state's lock.

    A cell that is bound follows its binding, the others their property's type. A sweep looks only into chunks in
    which something can have become stale, and at the few rules that follow a source: 1,000,000 cells that are
    sampled within 10 s cost one look into each chunk every 10 s.
    """

    def __init__(self, layout: Layout, now: int) -> None:
        self.rules = Rules()
        self._layout = layout
        self._swept = now  # of columns that no sweep has seen yet
        self._specs: dict[str, ConnectorSpec] = {}
        self._bound: dict[str, list[int]] = {}  # source → series
        self._columns_of: dict[int, set[int]] = {}  # rule → columns that have cells of it
        self._regained: list[Turned] = []

    # --- rules of cells ----------------------------------------------------------------------------------------

    def follow_types(self) -> None:
        """Take the freshness that property types declare."""
        for column in self._layout.columns:
            rule = self.rules.rule(column.ref.property.freshness)
            if rule == column.rule:
                continue
            for cells in column.chunks:
                if cells is not None:
                    if cells.rule is not None:
                        cells.rule = np.where(cells.rule == column.rule, rule, cells.rule).astype(np.int32)
                    cells.due = 0  # look at the next sweep
            column.rule = rule

    def bind(self, spec: ConnectorSpec) -> None:
        """Take or replace the bindings of a connector. Those of twins that are not known yet wait for them."""
        before = self._specs.get(spec.id)
        known = len(before.bindings) if before is not None else 0
        if before is not None and spec.bindings[:known] == before.bindings:  # a gateway tells of ever more twins
            self._specs[spec.id] = spec
            self._bind(spec.id, spec.bindings[known:])
            return
        self._bind_all(spec)

    def _bind_all(self, spec: ConnectorSpec) -> None:
        self.unbind(spec.id)
        self._specs[spec.id] = spec
        self.rules.source(spec.id)
        self._bind(spec.id, spec.bindings)

    def bind_twins(self, twins: Iterable[str]) -> None:
        """Twins came to be known: bind what waited for them."""
        wanted = set(twins)
        for source, spec in self._specs.items():
            self._bind(source, [binding for binding in spec.bindings if binding.twin in wanted])

    def bind_again(self) -> None:
        """Types changed: properties may be others now."""
        for spec in list(self._specs.values()):
            self._bind_all(spec)

    def _bind(self, source: str, bindings: Iterable[Binding]) -> None:
        bound = self._bound.setdefault(source, [])
        for binding in bindings:
            entry = self._layout.directory.twin(binding.twin)
            ref = entry.properties.get(binding.property) if entry is not None else None
            if entry is None or ref is None or binding.direction is Direction.OUT:
                continue
            series = series_of(entry.number, ref.number)
            place = self._layout.place(series)
            if place is not None:
                rule = self.rules.rule(_freshness(binding, ref.property), source)
                self._put(place[0], place[1], rule)
                bound.append(series)

    def unbind(self, source: str) -> None:
        """The connector is gone: its cells follow their property's type again."""
        self._specs.pop(source, None)
        for series in self._bound.pop(source, ()):
            if (place := self._layout.place(series)) is not None:
                self._put(place[0], place[1], place[0].rule)

    def _put(self, column: Column, row: int, rule: int) -> None:
        cells = column.writable(row >> CHUNK_BITS)
        if cells.rule is None:
            if rule == column.rule:
                return
            cells.rule = np.full(len(cells), column.rule, np.int32)
        cells.rule[row & (CHUNK_ROWS - 1)] = rule
        cells.due = 0
        self._columns_of.setdefault(rule, set()).add(column.index)

    # --- the fold's side ---------------------------------------------------------------------------------------

    def before(self, column: Column, cells: Cells, rows: _Ints) -> _Ints | None:
        """Deadlines of cells that are about to be written; None where nobody watches them."""
        if cells.rule is None and not column.rule:
            return None
        return self.deadlines(column, cells, rows)

    def after(self, column: Column, chunk: int, rows: _Ints, before: _Ints, known: NDArray[np.bool_]) -> None:
        """The cells were written: note who is fresh again, whose source was heard, and when to look next.

        `known`: bool[n], which cells had been reported before."""
        cells = column.writable(chunk)
        now = int(cells.recorded[rows[0]])
        rule = column.rule if cells.rule is None else cells.rule[rows]
        if cells.rule is not None:
            for index in np.unique(self.rules.source_of[rule]).tolist():
                if index >= 0:
                    self.rules.heard(self.rules.names[index], now)
        aged = self.rules.by_age(rule)
        if aged is False:
            return
        deadline = self.deadlines(column, cells, rows)
        cells.due = min(cells.due, int(np.where(aged, deadline, FOREVER).min()))
        turned = known & aged & (before <= self._seen(column)) & (deadline > now)
        if turned.any():
            series = _series(column, chunk, rows[turned])
            self._regained.append(Turned(series, np.zeros(len(series), np.int64)))

    def after_one(self, column: Column, chunk: int, row: int, before: tuple[int, int]) -> None:
        """One cell was written; `before`: its (time, recorded) until then."""
        cells = column.chunks[chunk]
        assert cells is not None
        rule = column.rule if cells.rule is None else cells.rule.item(row)
        if not rule:
            return
        now = cells.recorded.item(row)
        if (source := self.rules.source_name(rule)) is not None:
            self.rules.heard(source, now)
            return
        deadline = self.rules.deadline_of_one(rule, cells.time.item(row), now)
        cells.due = min(cells.due, deadline)
        if before[0] != NEVER and self.rules.deadline_of_one(rule, *before) <= self._seen(column) and deadline > now:
            self._regained.append(Turned(_series(column, chunk, np.array([row])), np.zeros(1, np.int64)))

    def deadlines(self, column: Column, cells: Cells, rows: _Ints | slice) -> _Ints:
        rule = column.rule if cells.rule is None else cells.rule[rows]
        return self.rules.deadline(rule, cells.time[rows], cells.recorded[rows])

    def deadline(self, column: Column, cells: Cells, row: int) -> int:
        """From when one cell is stale."""
        if cells.rule is None and not column.rule:
            return FOREVER
        rule = column.rule if cells.rule is None else cells.rule.item(row)
        return self.rules.deadline_of_one(rule, cells.time.item(row), cells.recorded.item(row))

    # --- sweeping ----------------------------------------------------------------------------------------------

    def sweep(self, now: int, lock: AbstractContextManager[object]) -> list[Turned]:
        """What turned since the last sweep, values that made themselves fresh again included.

        Takes the lock for one column at a time."""
        found: list[Turned] = []
        for column in list(self._layout.columns):
            with lock:
                found += self._of_column(column, now)
        with lock:
            found += self._regained
            self._regained = []
            found += self._of_sources(now)
        return [one for one in found if len(one)]

    def _of_column(self, column: Column, now: int) -> list[Turned]:
        found = [
            self._aged(column, chunk, cells, now)
            for chunk, cells in enumerate(column.chunks)
            if cells is not None and cells.due <= now and (column.rule or cells.rule is not None)
        ]
        column.swept = now
        return found

    def _seen(self, column: Column) -> int:
        """The moment up to which staleness of this column was told of."""
        return column.swept or self._swept

    def _aged(self, column: Column, chunk: int, cells: Cells, now: int) -> Turned:
        deadline = self.deadlines(column, cells, slice(None))
        rule = column.rule if cells.rule is None else cells.rule
        watched = (cells.position > 0) & self.rules.by_age(rule)
        late = watched & (deadline <= now)
        ahead = deadline[watched & ~late]
        cells.due = int(ahead.min()) if len(ahead) else int(FOREVER)
        rows = np.flatnonzero(late & (deadline > self._seen(column)))
        return Turned(_series(column, chunk, rows), deadline[rows])

    def _of_sources(self, now: int) -> list[Turned]:
        flipped, first = self.rules.flipped(now)
        found = []
        for rule, is_first in zip(flipped.tolist(), first.tolist(), strict=True):
            since = 0 if self.rules.announced[rule] == 1 else self.rules.fixed_deadline(rule)
            series = [self._of_rule(self._layout.columns[i], rule) for i in self._columns_of.get(rule, ())]
            joined = np.concatenate(series) if series else _NONE
            name = self.rules.names[self.rules.source_of[rule]]
            found.append(Turned(joined, np.full(len(joined), since), name, is_first))
        return found

    def _of_rule(self, column: Column, rule: int) -> _Ints:
        found = [
            _series(column, chunk, np.flatnonzero((cells.rule == rule) & (cells.position > 0)))
            for chunk, cells in enumerate(column.chunks)
            if cells is not None and cells.rule is not None
        ]
        return np.concatenate(found) if found else _NONE

    def settle(self, now: int, lock: AbstractContextManager[object]) -> None:
        """Take freshness as it is now for known, without telling of it: after a restart."""
        self.sweep(now, lock)


def _series(column: Column, chunk: int, rows: _Ints) -> _Ints:
    numbers = column.table.numbers[rows + (chunk << CHUNK_BITS)]
    return (numbers << PROPERTY_BITS) | column.ref.number


def _freshness(binding: Binding, property_: PropertyType) -> Freshness:
    """Of a bound property: the binding's bound, else the property's own, else the default of the mode."""
    own = property_.freshness or Freshness()
    return Freshness(mode=binding.mode, within_s=own.within_s if binding.within_s is None else binding.within_s)
