"""What a twin did over an interval, read as its type declares it, through what the caller may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from gemel.access import View
from gemel.clock import Clock
from gemel.errors import Denied, InvalidExpression, InvalidQuery
from gemel.expression import Expression, Formula
from gemel.expression import Kind as Sort
from gemel.registry import Entry, Registry
from gemel.services.effectiveness import counting
from gemel.services.effectiveness.course import Course, Ints, Labels, States, Steps
from gemel.services.effectiveness.elements import STATES, UNKNOWN
from gemel.services.effectiveness.paths import Paths
from gemel.services.effectiveness.shifts import plan
from gemel.services.effectiveness.signals import Signal, Stale, chunked, readings, signal
from gemel.twin import Counting, Effectiveness, Kind, TwinType, formula_of

__all__ = ["Reading"]

_ARROW = {Sort.NUMBER: pa.float64(), Sort.BOOLEAN: pa.bool_(), Sort.TEXT: pa.string()}


class Reading:
    """Of one caller. Cheap to make; keeps what it has looked up."""

    def __init__(self, registry: Registry, clock: Clock, view: View, of_an_item: Callable[[str], bool]) -> None:
        self._registry, self._clock, self._view = registry, clock, view
        self._paths = Paths(registry, view, of_an_item)
        self._stale = Stale(view)
        self._zone = ""

    @property
    def hides(self) -> bool:
        """Whether there is anything that the caller does not see."""
        return self._view.projection is not None

    @property
    def zone(self) -> str:
        """The time zone of the site."""
        self._zone = self._zone or self._registry.site().time_zone
        return self._zone

    def declared(self, entry: Entry) -> tuple[TwinType, Effectiveness] | None:
        """What the first of a twin's types that says anything says."""
        for id in entry.types:
            type_ = self._registry.directory.type(id)
            if type_ is not None and type_.effectiveness is not None:
                return type_, type_.effectiveness
        return None

    def course(self, twin: str, type_: TwinType, start: int, end: int) -> Course:
        """Of [start, end), or until now. Raises UnknownTwin, InvalidQuery."""
        declared = type_.effectiveness
        assert declared is not None
        end = min(end, max(self._clock.now(), start))
        if end <= start:
            raise InvalidQuery("this lies in the future, of which nobody knows anything yet")
        notes: list[str] = []
        of = _Of(self, twin, type_, notes)
        edges, code = of.states(declared, start, end)
        return Course(
            start=start,
            end=end,
            states=_without_first(edges, code, start),
            declared=declared,
            plan=plan(declared, self.zone, start, end),
            parts=of.steps("parts", declared.parts, start, end),
            good=of.steps("good", declared.good, start, end),
            rejected=of.steps("rejected", declared.rejected, start, end),
            programs=of.programs(declared.program, start, end) if declared.program else None,
            notes=tuple(dict.fromkeys(notes)),
        )

    def signal(self, twin: str, path: Sequence[str], kind: Kind | None, span: tuple[int, int]) -> tuple[Signal, Kind]:
        """A property of a twin or of a component over a time, whoever stood there; nothing where it is not seen."""
        parts: list[Signal] = []
        for owner in self._paths.owners(twin, tuple(path[:-1]), *span):
            name = self._paths.has(owner.twin, path[-1]) if owner.twin else ""
            entry = self._view.find(owner.twin) if name else None
            if entry is None:
                continue
            kind = entry.properties[name].property.kind
            try:
                parts.append(signal(self._view, self._stale, owner.twin, name, kind, (owner.start, owner.end)))
            except Denied:  # of that time nothing is granted
                continue
        kind = kind or Kind.TEXT
        parts = [one for one in parts if len(one.start)]
        if not parts:
            return Signal.nothing(pa.string()), kind
        joined = Signal(
            np.concatenate([one.start for one in parts]),
            np.concatenate([one.end for one in parts]),
            pa.concat_arrays([one.value for one in parts]),
        )
        return joined, kind

    def steps_of(self, twin: str, path: Sequence[str], span: tuple[int, int], *, counts_up: bool) -> Steps | None:
        """What a property counted; None: nobody who is seen has told of it."""
        found: list[Steps] = []
        for owner in self._paths.owners(twin, tuple(path[:-1]), *span):
            name = self._paths.has(owner.twin, path[-1]) if owner.twin else ""
            if not name:
                continue
            try:
                series = self._view.range(owner.twin, name, owner.start, owner.end, method="raw")
            except Denied:
                continue
            time, value = readings(series)
            if series.before is None and np.isnan(value).all():  # silence is not zero
                continue
            if counts_up:
                before = None if series.before is None else (int(series.start) - 1, float(series.before[1]))
                stale = self._stale.of(owner.twin, name, (owner.start, owner.end), partial(np.asarray, time))
                gaps = [*series.gaps, *stale]
                found.append(counting.counter(time, value, before=before, gaps=gaps))
            else:
                found.append(counting.amounts(time, value))
        return _joined(found) if found else None

    def unit(self, twin: str, path: Sequence[str], at: int) -> str:
        """The unit of a property of whoever stands there; empty: none, or nobody is seen."""
        owner = self._paths.owners(twin, tuple(path[:-1]), at, at + 1)[0].twin
        entry = self._view.find(owner) if owner and self._paths.has(owner, path[-1]) else None
        return "" if entry is None else entry.properties[path[-1]].property.unit

    def told_from(self, twin: str, paths: Iterable[tuple[str, ...]], span: tuple[int, int]) -> int:
        """From when on the caller is told all of these that anybody tells; the span's end: never."""
        return max((self._paths.told_from(twin, path, *span) for path in paths), default=span[0])

    def sees(self, twin: str, path: Sequence[str], span: tuple[int, int]) -> bool:
        """Whether anybody who is seen tells of it at any time."""
        owners = self._paths.owners(twin, tuple(path[:-1]), *span)
        return any(one.twin and self._paths.has(one.twin, path[-1]) for one in owners)


class _Of:
    """One twin, as its type declares it."""

    def __init__(self, reading: Reading, twin: str, type_: TwinType, notes: list[str]) -> None:
        self._reading, self._twin, self._type, self._notes = reading, twin, type_, notes
        self._types = dict(reading._registry.directory.types)
        self._signals: dict[tuple[str, int, int], Signal] = {}

    def states(self, declared: Effectiveness, start: int, end: int) -> tuple[Ints, Ints]:
        """(edges, code) of [start - 1 µs, end): what was so just before is known, too."""
        formulas = [(STATES.index(rule.state), self._formula(rule.when)) for rule in declared.states]
        ready = [(code, one) for code, one in formulas if one is not None]
        nothing = np.array([start - 1, end], np.int64), np.array([UNKNOWN])
        if len(ready) < len(formulas):
            return nothing
        paths = {one.path for _, rule in ready for one in rule.expression.inputs}
        since = self._reading.told_from(self._twin, paths, (start, end))
        self._note_unseen(paths, (start, end), since)
        if since >= end:  # part of it is not told to the caller: a state from the rest would be another one
            return nothing
        since = start - 1 if since == start else since
        pieces = chunked(lambda a, b: self._states(ready, a, b), since, end)
        edges = [p[0][:-1] for p in pieces]
        code = [p[1] for p in pieces]
        if since > start - 1:
            edges, code = [np.array([start - 1]), *edges], [np.array([UNKNOWN]), *code]
        return _compact(np.concatenate([*edges, [end]]), np.concatenate(code))

    def _states(self, rules: Sequence[tuple[int, Formula]], start: int, end: int) -> tuple[Ints, Ints]:
        names = {one.name: one.path for _, rule in rules for one in rule.expression.inputs}
        edges, table = self._table({name: rules_quantity(rules, name) for name in names}, names, start, end)
        code = np.full(len(edges) - 1, UNKNOWN, np.int64)
        undecided = np.ones(len(code), np.bool_)
        for state, rule in rules:
            value = rule.evaluate(table)
            known = value.is_valid().to_numpy(zero_copy_only=False)
            true = value.fill_null(False).to_numpy(zero_copy_only=False)
            code[undecided & true] = state
            undecided &= known & ~true  # what is not known decides, too: the state is not known
        return _compact(edges, code)

    def steps(self, field: str, count: Counting | None, start: int, end: int) -> Steps | None:
        """What was counted; None: it is not declared, or nobody tells it."""
        if count is None:
            return None
        if count.cycles:
            return self._cycles(count, start, end)
        path = Expression.parse(count.counter or count.amounts).inputs[0].path
        up = bool(count.counter)

        def ask(a: int, b: int) -> Steps | None:
            return self._reading.steps_of(self._twin, path, (a, b), counts_up=up)

        found = [one for one in chunked(ask, start, end) if one is not None]
        if not found:
            self._note(f"{field}: {'.'.join(path)}")
            return None
        return _joined(found).scaled(count.each)

    def _cycles(self, count: Counting, start: int, end: int) -> Steps | None:
        formula = self._formula(count.cycles)
        if formula is None:
            return None
        names = {one.name: one.path for one in formula.expression.inputs}
        since = self._reading.told_from(self._twin, names.values(), (start, end))
        if self._note_unseen(names.values(), (start, end), since) or since >= end:
            return None

        def ask(a: int, b: int) -> tuple[Ints, Ints]:
            edges, table = self._table({name: formula.quantities[name].kind for name in names}, names, a, b)
            value = formula.evaluate(table)
            true = value.fill_null(False).to_numpy(zero_copy_only=False).astype(np.int64)
            return edges, np.where(value.is_valid().to_numpy(zero_copy_only=False), true, -1)

        pieces = chunked(ask, start - 1, end)
        edges = np.concatenate([p[0][:-1] for p in pieces] + [[end]])
        edges, value = _compact(edges, np.concatenate([p[1] for p in pieces]))
        if (value < 0).all():
            return None
        return counting.cycles(edges, value.astype(np.int8)).scaled(count.each)

    def programs(self, path: str, start: int, end: int) -> Labels | None:
        """What was made when."""
        steps = Expression.parse(path).inputs[0].path
        pieces = chunked(lambda a, b: self._reading.signal(self._twin, steps, None, (a, b))[0], start, end)
        pieces = [one for one in pieces if len(one.start)]
        if not pieces:
            self._note(f"program: {path}")
            return None
        text = pa.concat_arrays([one.value.cast(pa.string()) for one in pieces]).dictionary_encode()
        begin = np.concatenate([one.start for one in pieces])
        stop = np.concatenate([one.end for one in pieces])
        code = text.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        open_ = np.flatnonzero(np.append(stop[:-1] < begin[1:], True))
        at = np.concatenate([begin, stop[open_]])
        codes = np.concatenate([code, np.full(len(open_), -1)])
        order = np.argsort(at, kind="stable")
        return Labels(np.append(at[order], end), codes[order], tuple(text.dictionary.to_pylist()))

    def _formula(self, text: str) -> Formula | None:
        try:
            return formula_of(self._type, text, self._types)
        except InvalidExpression as error:  # the type was sound when it was declared; another one changed since
            self._note(f"{text:.100}: {error.detail}")
            return None

    def _note(self, what: str) -> None:
        """That something is not told; which, only to whom nothing is hidden."""
        hidden = self._reading.hides
        self._notes.append(
            "part of what it is told from is not shared with you" if hidden else f"{what} is told by nobody"
        )

    def _note_unseen(self, paths: Iterable[tuple[str, ...]], span: tuple[int, int], since: int) -> bool:
        """Whether none of them is told at all."""
        unseen = [path for path in paths if not self._reading.sees(self._twin, path, span)]
        for path in unseen:
            self._note(".".join(path))
        if since > span[0] and not unseen:
            self._notes.append("of a part of this time not all is shared with you")
        return bool(unseen) and len(unseen) == len(list(paths))

    def _table(
        self, kinds: dict[str, Sort], paths: dict[str, tuple[str, ...]], start: int, end: int
    ) -> tuple[Ints, pa.Table]:
        """(edges, a row for each piece between two): what each input was."""
        signals = {name: self._signal(name, path, start, end) for name, path in paths.items()}
        every = [np.array([start, end], np.int64)]
        every += [np.clip(edge, start, end) for one in signals.values() for edge in (one.start, one.end)]
        edges = np.unique(np.concatenate(every))
        columns = {}
        for name, one in signals.items():
            wanted = _ARROW[kinds[name]]
            column = one.at(edges[:-1])
            fits = column.type == wanted or pa.types.is_null(column.type)
            columns[name] = (
                column.cast(wanted) if fits or not pa.types.is_string(column.type) else pa.nulls(len(column), wanted)
            )
        return edges, pa.table(columns)

    def _signal(self, name: str, path: tuple[str, ...], start: int, end: int) -> Signal:
        key = (name, start, end)
        if key not in self._signals:
            self._signals[key] = self._reading.signal(self._twin, path, None, (start, end))[0]
        return self._signals[key]


def rules_quantity(rules: Sequence[tuple[int, Formula]], name: str) -> Sort:
    """What an input of some of these is."""
    return next(rule.quantities[name].kind for _, rule in rules if name in rule.quantities)


def _compact(edges: Ints, code: Ints) -> tuple[Ints, Ints]:
    """Neighbours that are alike are one."""
    first = np.append(True, code[1:] != code[:-1])
    return np.append(edges[:-1][first], edges[-1]), code[first]


def _without_first(edges: Ints, code: Ints, start: int) -> States:
    """From `start` on, and what was just before."""
    before = int(code[0])
    place = int(np.searchsorted(edges, start, "right")) - 1
    cut = np.append(np.int64(start), edges[place + 1 :])
    return States(cut, code[place:].astype(np.int8), before)


def _joined(found: Sequence[Steps]) -> Steps:
    if not found:
        return Steps.none()
    return Steps(
        np.concatenate([one.time for one in found]),
        np.concatenate([one.amount for one in found]),
        np.concatenate([one.sure for one in found]),
    )
