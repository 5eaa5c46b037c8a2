"""From what was measured to how it was made: the runs on an item, their programs, machines, tools and readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.clock import to_rfc3339
from gemel.configuration import Item
from gemel.errors import GemelError, NotFound
from gemel.history import Series
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.reading import MeasurementQuery
from gemel.thread.sight import ALL, Sight
from gemel.thread.thread import Thread
from gemel.thread.values import Link, Measurement, Record, Said, Source, Status

__all__ = ["ItemTrace", "ReadingsTold", "RunTold", "ToolTold", "Traced", "trace"]

_NO_TOOL = 0.0
_LEAST_S = 1.0
"""A tool that is in the spindle for less was only on its way."""


class Read(Protocol):
    """Readings of a property in a time, for whoever asks. Raises what is not seen as what is not there."""

    def __call__(self, twin: str, name: str, start: int, end: int, /, *, method: str) -> Series: ...


class ReadingsTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a property was in a time: least, most, and on average of the time."""

    unit: str
    least: float
    mean: float
    most: float
    readings: int


class ToolTold(msgspec.Struct, frozen=True, kw_only=True):
    """A tool at work, and how the machine was then."""

    tool: str
    name: str
    """As the program's list calls it; empty: no list tells."""
    start: int
    end: int
    readings: dict[str, ReadingsTold]


class RunTold(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a program on an item."""

    run: str
    """Id of its record."""
    title: str
    machine: str
    start: int
    end: int
    program: str
    """Id of the program's record; empty: nothing says which program ran."""
    program_name: str
    confidence: float
    """That it was this program."""
    why: str
    drawings: tuple[str, ...]
    """Records from which the program was derived, or which define the same part and revision."""
    tools: tuple[ToolTold, ...]
    said: tuple[int, ...]
    """The acts that say all this."""
    sources: tuple[tuple[int, str], ...]
    """(source, place in it)."""


class ItemTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One item: what was measured of it, and how it was made."""

    item: str
    part: str
    revision: str
    serial: str
    measurements: tuple[Measurement, ...]
    runs: tuple[RunTold, ...]
    unmatched: tuple[str, ...]
    """What cannot be said, and why."""


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, with the files and the acts that it rests on."""

    items: tuple[ItemTrace, ...]
    sources: dict[int, Source]
    said: dict[int, Said]


def trace(
    thread: Thread,
    items: Sequence[str],
    *,
    read: Read,
    status: Status | None = Status.FAIL,
    known: int | None = None,
    sight: Sight = ALL,
) -> Traced:
    """Which characteristics of items came out so, and on which machines, with which tools and readings they were made.

    Items are told even if nothing of them came out so; what is not seen of how they were made is told as what is not
    known. Raises NotFound for an item that is not seen.
    """
    things = thread.configuration.items(items, known=known)
    for item in items:
        if item not in things or not sight.item(item):
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
    query = MeasurementQuery(items=tuple(items), status=status, limit=100_000)
    found = thread.measurements(query, known=known, sight=sight).items
    by_item: dict[str, list[Measurement]] = {item: [] for item in items}
    for one in found:
        by_item[one.item].append(one)
    tracer = _Tracer(thread, read, known=known, sight=sight)
    traces = tuple(tracer.item(item, things[item], tuple(measured)) for item, measured in by_item.items())
    numbers = {source for one in traces for run in one.runs for source, _ in run.sources}
    numbers |= {one.origin.source for one in found if one.origin is not None}
    acts = {act for one in traces for run in one.runs for act in run.said} | {one.act for one in found}
    return Traced(items=traces, sources=thread.sources(numbers), said=thread.said(acts))


class _Tracer:
    def __init__(self, thread: Thread, read: Read, *, known: int | None, sight: Sight) -> None:
        self.thread, self.read, self.known, self.sight = thread, read, known, sight

    def item(self, item: str, me: Item, measured: tuple[Measurement, ...]) -> ItemTrace:
        runs: list[RunTold] = []
        missing: list[str] = []
        for link in self._links(Node(kind=NodeKind.ITEM, id=item), "made", back=True):
            told = self._run(link, missing)
            if told is not None:
                runs.append(told)
        if not runs:
            missing.append("no log of a machine at work on it is known")
        if measured and len(runs) > 1:
            missing.append(
                "no source says which run or tool cut which characteristic: all tools of all runs on the item are told"
            )
        return ItemTrace(
            item=item,
            part=me.part,
            revision=me.revision,
            serial=me.serial,
            measurements=measured,
            runs=tuple(sorted(runs, key=lambda run: run.start)),
            unmatched=tuple(dict.fromkeys(missing)),
        )

    def _run(self, made: Link, missing: list[str]) -> RunTold | None:
        me = made.source
        record = self._record(me.id)
        ran = next(iter(self._links(me, "ran_on")), None)
        if record is None or ran is None or ran.target.start is None or ran.target.end is None:
            missing.append(f"{me.id}: no machine and no time of it are known")
            return None
        links = [made, ran]
        program, confidence, why, drawings = None, 0.0, "", tuple[str, ...]()
        executed = next(iter(self._links(me, "executed")), None)
        if executed is None:
            missing.append(f"{me.id}: nothing says which program ran")
        else:
            links.append(executed)
            program = self._record(executed.target.id)
            said = self.thread.said([executed.act])[executed.act]
            confidence, why = said.basis.confidence, said.basis.reason
            drawings, more = self._drawings(executed.target)
            links += more
            if not drawings:
                missing.append(f"{me.id}: no drawing or model is known that its program was derived from")
        sources = {(link.origin.source, link.origin.place) for link in links if link.origin is not None}
        return RunTold(
            run=me.id,
            title=record.title,
            machine=ran.target.id,
            start=ran.target.start,
            end=ran.target.end,
            program="" if executed is None else executed.target.id,
            program_name="" if program is None else program.title,
            confidence=confidence,
            why=why,
            drawings=drawings,
            tools=self._tools(record, program, ran.target, missing),
            said=tuple(dict.fromkeys(link.act for link in links if link.act)),
            sources=tuple(sorted(sources)),
        )

    def _drawings(self, program: Node) -> tuple[tuple[str, ...], list[Link]]:
        links = list(self._links(program, "derived_from"))
        return tuple(link.target.id for link in links if link.target.kind is NodeKind.RECORD), links

    def _tools(self, record: Record, program: Record | None, ran: Node, missing: list[str]) -> tuple[ToolTold, ...]:
        """The tools of a run, from the machine's own readings."""
        name = record.attributes.get("tool_property")
        if not isinstance(name, str) or ran.start is None or ran.end is None:
            return ()
        if not self.sight.twin(ran.id, name):
            missing.append(f"{record.id}: readings of {ran.id} are not yours to see")
            return ()
        names = program.attributes.get("tools", {}) if program is not None else {}
        names = names if isinstance(names, dict) else {}
        series = self._series(ran, name)
        if series is None:
            missing.append(f"{record.id}: the history has no {name} of {ran.id} from {to_rfc3339(ran.start)}")
            return ()
        wanted = [one for one in record.attributes.get("readings", ()) if isinstance(one, str)]
        columns = {one: told for one in wanted if (told := self._series(ran, one)) is not None}
        found = []
        for start, end, value in series.pieces():
            if value == _NO_TOOL or end - start < _LEAST_S * 1e6:
                continue
            tool = f"{value:g}"
            readings = {one: summed for one, told in columns.items() if (summed := told.during(start, end)) is not None}
            found.append(ToolTold(tool=tool, name=str(names.get(tool, "")), start=start, end=end, readings=readings))
        return tuple(found)

    def _series(self, ran: Node, name: str) -> _Held | None:
        assert ran.start is not None
        assert ran.end is not None
        try:
            series = self.read(ran.id, name, ran.start, ran.end, method="raw")
        except GemelError:
            return None
        held = _Held(series, ran.end)
        return held if len(held.time) else None

    def _record(self, id: str) -> Record | None:
        try:
            return self.thread.record(id, known=self.known, sight=self.sight)
        except NotFound:
            return None

    def _links(self, node: Node, kind: str, *, back: bool = False) -> Sequence[Link]:
        return [
            link
            for link in self.thread.links(node, known=self.known, sight=self.sight)
            if link.kind == kind and (link.target if back else link.source) == node
        ]


class _Held:
    """Readings, each holding until the next."""

    def __init__(self, series: Series, end: int) -> None:
        time = np.asarray(series.columns.get("time", ()), np.int64)
        value = np.asarray(series.columns.get("value", ()), np.float64)
        if series.before is not None:
            time, value = np.append(np.int64(series.start), time), np.append(float(series.before[1]), value)
        self.time: NDArray[np.int64] = time
        self.value: NDArray[np.float64] = value
        self.unit, self.end = series.unit, end

    def pieces(self) -> list[tuple[int, int, float]]:
        """(start, end, value); equal ones after another are one."""
        found: list[tuple[int, int, float]] = []
        ends = np.append(self.time[1:], self.end)
        for start, end, value in zip(self.time.tolist(), ends.tolist(), self.value.tolist(), strict=True):
            if found and found[-1][2] == value:
                found[-1] = (found[-1][0], end, value)
            else:
                found.append((start, end, value))
        return found

    def during(self, start: int, end: int) -> ReadingsTold | None:
        """Of a part of the time; None where nothing was told of it."""
        first = max(int(np.searchsorted(self.time, start, "right")) - 1, 0)
        last = int(np.searchsorted(self.time, end, "left"))
        value = self.value[first:last]
        if len(value) == 0:
            return None
        begins = np.maximum(self.time[first:last], start)
        spans = np.diff(np.append(begins, end)).astype(np.float64)
        good = ~np.isnan(value)
        if not good.any() or spans[good].sum() <= 0:
            return None
        return ReadingsTold(
            unit=self.unit,
            least=float(value[good].min()),
            mean=float((value[good] * spans[good]).sum() / spans[good].sum()),
            most=float(value[good].max()),
            readings=int(good.sum()),
        )
