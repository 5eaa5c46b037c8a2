"""The view that predictive maintenance needs: one row for each life of an item, or for each time of it in which nothing
of its configuration changed, as of two moments.

A life begins when an item is first in a machine, or was repaired; it ends when the item failed, when it was taken out
well, or at the moment that is asked for, while it runs. The last two are censored: it is not known when it would fail.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from gemel.configuration import FOREVER, Configuration
from gemel.health.learning.values import CALENDAR, Asked
from gemel.history import EventQuery, History
from gemel.registry import Registry
from gemel.twin import Link

__all__ = ["LIVES", "Lives"]

DAY = 86_400_000_000
PAGE = 10_000
MOMENT = pa.timestamp("us", tz="UTC")
LIVES = pa.schema(
    [
        ("item", pa.string()),
        ("life", pa.int64()),
        ("part", pa.string()),
        ("revision", pa.string()),
        ("maker", pa.string()),
        ("lot", pa.string()),
        ("serial", pa.string()),
        ("machine", pa.string()),
        ("machine_type", pa.string()),
        ("position", pa.string()),
        ("software", pa.string()),
        ("nonconforming", pa.int64()),
        ("repairs", pa.int64()),
        ("begin", MOMENT),
        ("end", MOMENT),
        ("entry", pa.float64()),
        ("exit", pa.float64()),
        ("untold_days", pa.float64()),
        ("ended", pa.string()),
        ("mode", pa.string()),
    ]
)
"""`life`: 1, or more after repairs; `nonconforming`: nonconformances open then; `entry`, `exit`: of the counter at
`begin` and `end`; `untold_days`: for so long nobody told of its use; `ended`: failed, removed, running, or changed
(only where times are asked for: the next row goes on); `mode`: the trait, event or condition that says it failed. What
is known of an item is as of `begin`."""
_KEPT = (
    "part",
    "revision",
    "maker",
    "lot",
    "serial",
    "machine",
    "machine_type",
    "position",
    "software",
    "nonconforming",
)
Row = dict[str, Any]


class _Life(msgspec.Struct):
    number: int
    item: str
    life: int
    begin: int
    end: int
    ended: str
    mode: str
    repaired: int
    """When it began anew; its counter is told from there. 0: its first life, of which all counts."""
    spells: list[Row]
    """In a machine, in order of time, cut to the life."""


class _Stay(NamedTuple):
    """A twin stood at a slot of another, from–to."""

    slot: tuple[str, str]
    since: int
    until: int

    def covers(self, time: int) -> bool:
        return self.since <= time < self.until


class Lives:
    """Makes tables of lives. Any thread."""

    def __init__(self, configuration: Configuration, history: History, registry: Registry) -> None:
        self._configuration, self._history, self._registry = configuration, history, registry

    def table(
        self,
        asked: Asked,
        at: int,
        *,
        known: int | None = None,
        changing: bool = False,
        items: Sequence[str] | None = None,
        sees: Callable[[str, int, int], bool] | None = None,
    ) -> pa.Table:
        """`LIVES` up to `at`, as believed at `known`; with `changing`, a row for each time in which nothing changed.

        `items`: only of these. `sees(item, begin, end)`: which lives the caller may be told of, by their whole length.
        Raises NotFound (`items`).
        """
        found = self._found(asked, at, FOREVER - 1 if known is None else known, items)
        if sees is not None:
            found = [one for one in found if sees(one.item, one.begin, one.end)]
        pieces = [(one, spell) for one in found for spell in (one.spells if changing else one.spells[:1])]
        spans = [(spell["start"], spell["end"]) if changing else (one.begin, one.end) for one, spell in pieces]
        used = self._used(asked.counter, [(one, *span) for (one, _), span in zip(pieces, spans, strict=True)], known)
        rows = [
            {name: spell[name] for name in _KEPT}
            | {"item": one.item, "life": one.life, "repairs": one.life - 1, "begin": span[0], "end": span[1]}
            | dict(zip(("entry", "exit", "untold_days"), told, strict=True))
            | {"ended": one.ended if span[1] == one.end else "changed", "mode": one.mode if span[1] == one.end else ""}
            for (one, spell), span, told in zip(pieces, spans, used, strict=True)
        ]
        return pa.Table.from_pylist(rows, LIVES).replace_schema_metadata(
            {"gemel.asked": msgspec.json.encode(asked), "gemel.valid": str(at), "gemel.known": str(known or "")}
        )

    # when lives begin and end

    def _found(self, asked: Asked, at: int, known: int, items: Sequence[str] | None) -> list[_Life]:
        rows: list[Row] = self._configuration.spells(asked.parts, at, known=known, items=items).to_pylist()
        of_item: dict[str, list[Row]] = {}
        for row in rows:
            of_item.setdefault(row["item"], []).append(row)
        failing = self._failing(asked, rows, at, known)
        same = self._same(asked.counter, of_item, failing, known)
        return [
            life
            for item, own in of_item.items()
            for life in _lives(own, failing.get(item, []), at, same=same.get(item, {}))
        ]

    def _failing(self, asked: Asked, rows: Sequence[Row], at: int, known: int) -> dict[str, list[tuple[int, str]]]:
        """Item → when events and conditions said that it failed, and which."""
        names = set(asked.failures.events), set(asked.failures.conditions)
        if not (names[0] or names[1]):
            return {}
        own: dict[str, list[Row]] = {}
        slots: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row["twin"]:
                own.setdefault(row["twin"], []).append(row)
            elif row["holder_twin"]:
                slots.setdefault((row["holder_twin"], row["position"].rsplit("/", 1)[-1]), []).append(row)
        stands = self._stands(slots)
        found: dict[str, list[tuple[int, str]]] = {}
        for time, twin, name in self._said(names, [*own, *(stands.keys() - own.keys())], at, known):
            told = own.get(twin) or [row for stay in stands[twin] if stay.covers(time) for row in slots[stay.slot]]
            for row in told:
                if row["start"] <= time < row["end"]:
                    found.setdefault(row["item"], []).append((time, name))
        return {item: sorted(times) for item, times in found.items()}

    def _stands(self, slots: Collection[tuple[str, str]]) -> dict[str, list[_Stay]]:
        """Twin → at which of these slots it stood, when. The first that stood at a slot, and at none before, did so for
        the time before, too: twins are declared after their machines were built."""
        found: dict[str, list[tuple[Link, bool]]] = {}
        for whole, slot in slots:
            if self._registry.directory.twin(whole) is None:
                continue
            for place, link in enumerate(self._registry.stood_in(whole, slot)):
                found.setdefault(link.source, []).append((link, place == 0))
        stays: dict[str, list[_Stay]] = {}
        for twin, links in found.items():
            links.sort(key=lambda one: one[0].since)
            stays[twin] = [
                _Stay(
                    (link.target, link.slot),
                    -FOREVER if first and n == 0 else link.since,
                    FOREVER if link.until is None else link.until,
                )
                for n, (link, first) in enumerate(links)
            ]
        return stays

    def _same(
        self,
        counter: str,
        of_item: Mapping[str, Sequence[Row]],
        failing: Mapping[str, Sequence[tuple[int, str]]],
        known: int,
    ) -> dict[str, dict[int, int]]:
        """Item → when people said that it had failed → when its machine had said that of the same failure: at most a
        day before, or with no use of the item in between."""
        found: dict[str, dict[int, int]] = {}
        doubtful: list[tuple[str, int, int, int]] = []
        for item, times in failing.items():
            repaired = -FOREVER
            for before, row in pairwise(of_item[item]):
                if before["failed"]:
                    repaired = row["start"]
                heard = [time for time, _ in times if repaired <= time < row["start"]]
                if not row["failed"] or not heard:
                    continue
                if row["start"] - heard[-1] <= DAY:
                    found.setdefault(item, {})[row["start"]] = heard[-1]
                elif counter != CALENDAR:
                    doubtful.append((item, row["number"], heard[-1], row["start"]))
        told = self._told(counter, [(number, moment) for _, number, *both in doubtful for moment in both], known)
        for item, number, heard_at, said in doubtful:
            (amount, _, silent), (total, _, untold) = told[number, heard_at], told[number, said]
            if total <= amount and untold <= silent:
                found.setdefault(item, {})[said] = heard_at
        return found

    def _said(
        self, names: tuple[set[str], set[str]], twins: Sequence[str], at: int, known: int
    ) -> Iterator[tuple[int, str, str]]:
        """(time, twin, name) of events and of faults that were raised."""
        events, conditions = names
        kinds = (("event.happened",) if events else ()) + (("condition.changed",) if conditions else ())
        for first in range(0, len(twins), 500):
            cursor: str | None = ""
            while cursor is not None:
                query = EventQuery(
                    twins=tuple(twins[first : first + 500]),
                    kinds=kinds,
                    end=at,
                    newest_first=False,
                    limit=PAGE,
                    cursor=cursor,
                )
                page = self._history.events(query)
                for fact in page.items:
                    change, body = fact.change, fact.change.body
                    if fact.recorded > known:
                        continue
                    if change.kind == "event.happened" and body["event"] in events:
                        yield change.time, change.subject, body["event"]
                    elif body.get("property") in conditions and _is_fault(body):
                        yield change.time, change.subject, body["property"]
                cursor = page.next

    # how much they were used

    def _used(
        self, counter: str, asked: Sequence[tuple[_Life, int, int]], known: int | None
    ) -> list[tuple[float, float, float]]:
        """(entry, exit, untold days) of lives or pieces of them, of the counter since the life began."""
        if counter == CALENDAR:
            return [((begin - one.begin) / DAY, max(end - one.begin, 1) / DAY, 0.0) for one, begin, end in asked]
        of = self._told(counter, [(one.number, moment) for one, *span in asked for moment in (*span, one.begin)], known)
        found = []
        for one, begin, end in asked:
            (amount, before, silent), (total, adjusted, untold) = of[one.number, begin], of[one.number, end]
            if one.repaired:
                start = of[one.number, one.begin][0]
                entry, total = amount - start, total - start
            else:  # what its records say of earlier, whenever they were found, it had already
                entry = amount + adjusted - before
            total = max(total, 0.0)
            found.append((min(max(entry, 0.0), total), total, (untold - silent) / DAY))
        return found

    def _told(
        self, counter: str, asked: Iterable[tuple[int, int]], known: int | None
    ) -> dict[tuple[int, int], tuple[float, float, int]]:
        """(item, moment) → what was counted until then, how much of it was adjusted, how long nobody told of it."""
        listed = sorted(set(asked))
        if not listed:
            return {}
        told = self._configuration.counts(
            pa.table(
                {
                    "item": pa.array([number for number, _ in listed], pa.int64()),
                    "kind": pa.array([counter] * len(listed), pa.string()),
                    "until": pa.array([moment for _, moment in listed], pa.int64()),
                }
            ),
            known=known,
        ).to_pydict()
        return {
            (item, until): (amount, adjusted, untold)
            for item, until, amount, adjusted, untold in zip(
                *(told[name] for name in ("item", "until", "amount", "adjusted", "untold")), strict=True
            )
        }


def _lives(
    spells: Sequence[Row], failing: Sequence[tuple[int, str]], at: int, *, same: Mapping[int, int]
) -> Iterator[_Life]:
    """The lives of one item. What is never in anything is a machine of its own; a store is nothing.

    `same`: when people said that it had failed → when it had been heard already that it had.
    """
    ever = any(row["machine"] for row in spells)
    times = [time for time, _ in failing]
    life, repaired = 1, 0
    held: list[Row] = []
    broken = False

    def made(end: int, ended: str, mode: str) -> _Life:
        return _Life(
            number=spells[0]["number"],
            item=spells[0]["item"],
            life=life,
            begin=held[0]["start"],
            end=end,
            ended=ended,
            mode=mode,
            repaired=repaired,
            spells=list(held),
        )

    for row in spells:
        if row["failed"]:
            if held and held[0]["start"] < same.get(row["start"], FOREVER):
                yield made(row["start"], "failed", row["failed"])
                life += 1
            broken, held = True, []
            continue
        if broken:
            broken, repaired = False, row["start"]
        start = row["start"]
        if ever and not row["machine"]:
            continue
        for time, name in failing[bisect_right(times, start - 1) :]:
            if time >= row["end"]:
                break
            if time > start or held:
                if time > start:
                    held.append(row | {"start": start, "end": time})
                yield made(time, "failed", name)
                life, held, repaired = life + 1, [], time
                start = time
        if start < row["end"]:
            held.append(row | {"start": start})
    if held:
        last = held[-1]["end"]
        yield made(last, "running" if last >= at and not held[-1]["retired"] else "removed", "")


def _is_fault(body: Row) -> bool:
    return any(entry.get("level") == "fault" for entry in body.get("raised", ()))
