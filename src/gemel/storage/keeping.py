"""The house is kept: what is old goes from journal and history, and who runs short of room is told in time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from gemel.clock import SECOND, Clock, to_rfc3339
from gemel.folder import DATABASE, Settings, parse_size
from gemel.history import Dropped, File, Limits
from gemel.journal import Journal
from gemel.registry import Directory
from gemel.storage.budget import DROPPED_TABLES, Standing, Usage, disk_of, folder_bytes
from gemel.storage.growth import Growth, forecast
from gemel.storage.holds import Holds
from gemel.twin import Change, Form, Kind, Position, Retention, TwinType, parse_duration

__all__ = ["Keeping"]

LOOK_S = 10.0
DAY = 86_400 * SECOND
PORTION = 256
"""Blocks that lose their telemetry in one look; the writer has others to serve."""
SHORT_BYTES = 1_000_000_000
DROPPED_KIND, SHORT_KIND, EASED_KIND = "retention.dropped", "storage.short", "storage.eased"
REFUSED_KIND, ACCEPTED_KIND = "storage.refused", "storage.accepted"
AGAIN = 0.99
"""Who refuses takes in again below this part of the budget, and not at each byte."""

Run = Callable[[Callable[[Connection], Sequence[Change]]], Any]


class Past(Protocol):
    """What this needs of the history."""

    @property
    def position(self) -> Position: ...
    def retain(self, limits: Limits) -> None: ...
    def taken_dropped(self) -> list[Dropped]: ...
    def files(self) -> list[File]: ...


class Keeping:
    """Looks every ten seconds, on the housekeeper's thread."""

    def __init__(
        self,
        folder: Path,
        rooms: tuple[Journal, Past, Directory],
        holds: Holds,
        clock: Clock,
        *,
        settings: Settings,
        run: Run,
        refuse: Callable[[str], None],
    ) -> None:
        """`run`: work in the writer's transaction, whose changes are journaled. `refuse`: take no readings in, for this
        reason, until it is called with an empty one."""
        self._folder = folder
        self._journal, self._past, self._directory = rooms
        self.holds = holds
        self._clock = clock
        self._settings = settings
        self._run, self._refuse = run, refuse
        self._refuses = ""
        self._usage = Usage(folder / "history", self._directory)
        self._measuring = threading.Lock()
        self.growth = Growth(folder / "storage.json")
        self._due = clock.monotonic() + LOOK_S
        self._told: frozenset[str] = frozenset()
        self.error = ""
        """Why the last look failed; empty if it did not."""

    # looking

    def step(self, keyframe: Position) -> None:
        """Look, if it is time. `keyframe`: the state is written down up to this position."""
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + LOOK_S
        self.expire(keyframe)
        self._past.retain(self.limits())
        self._tell_dropped()
        self._hold_budget()
        self._watch_room()

    def expire(self, keyframe: Position) -> int:
        """Let telemetry of the journal go that the history has, a keyframe covers, and the window leaves out."""
        window = parse_duration(self._settings.retention.journal)
        if window is None:
            return 0
        return self._journal.expire(
            min(keyframe, self._past.position) + 1,
            recorded=self._clock.now() - window * SECOND,
            run=self._run_quietly,
            at_most=PORTION,
        )

    def _run_quietly(self, work: Callable[[Connection], None]) -> None:
        def told(tx: Connection) -> Sequence[Change]:
            work(tx)
            return []

        self._run(told)

    def limits(self) -> Limits:
        """What may be dropped from the history now, by each property's, type's and plant's word."""
        now, raw, minutes = self._clock.now(), {}, []
        shortened = self._shortened() if self._settings.disk.over == "drop" else {}
        for type_ in self._directory.types.values():
            for name, number in _numbers(self._directory, type_.id):
                kept = retention_of(type_, name, self._settings.retention.history)
                if kept is None:
                    continue
                until = parse_duration(kept.raw)
                before = None if until is None else now - until * SECOND
                if type_.id in shortened:
                    before = max(before or 0, shortened[type_.id])
                if before is not None:
                    raw[number] = before
                minutes.append(parse_duration(kept.minutes))
        longest = None if None in minutes or not minutes else now - max(m for m in minutes if m is not None) * SECOND
        return Limits(raw=raw, minutes=longest, held=self.holds.numbers)

    def _shortened(self) -> dict[str, int]:
        """Type → before which moment its readings go, because they, or the plant, take more than their budget."""
        standing = self.standing()
        over = standing.budget is not None and standing.used - standing.leaving > standing.budget
        oldest = self._usage.oldest(self._past.files(), self.holds.numbers)
        if over and oldest:
            oldest = dict.fromkeys(oldest, min(oldest.values()))
        wanted = {one.type for one in standing.types if over or (one.budget is not None and one.bytes > one.budget)}
        return {
            type_id: day + DAY
            for type_id, day in oldest.items()
            if type_id in wanted and day + DAY <= self._clock.now() - DAY
        }

    def _tell_dropped(self) -> None:
        counts: Counter[tuple[str, int]] = Counter()
        for one in self._past.taken_dropped():
            counts[one.table, one.day] += one.rows
        if counts:
            now = self._clock.now()
            changes = [
                Change(
                    kind=DROPPED_KIND,
                    subject="history",
                    time=now,
                    body={"table": table, "day": to_rfc3339(day)[:10], "rows": rows},
                )
                for (table, day), rows in counts.items()
            ]
            self._run(lambda _: changes)

    def _hold_budget(self) -> None:
        """Where it is set so: take no readings in while the folder takes more than its budget."""
        if self._settings.disk.over != "refuse":
            return
        disk, _ = disk_of(self._folder)
        budget = parse_size(self._settings.disk.budget, disk)
        if budget is None:
            return
        used = folder_bytes(self._folder)
        if used <= budget * (AGAIN if self._refuses else 1):
            refuses = ""
        else:
            refuses = (
                f"the plant takes {used / 1e9:,.2f} GB of a budget of {budget / 1e9:,.2f} GB, and `disk.over` says "
                "refuse; raise disk.budget or shorten retention.raw, and restart"
            )
        turned = bool(refuses) != bool(self._refuses)
        self._refuses = refuses
        self._refuse(refuses)
        if turned:
            kind = REFUSED_KIND if refuses else ACCEPTED_KIND
            change = Change(kind=kind, subject="storage", time=self._clock.now(), body={"used": used, "budget": budget})
            self._run(lambda _: [change])

    def _watch_room(self) -> None:
        now = self._clock.now()
        if not self.growth.due(now):
            return
        self.growth.add(now, folder_bytes(self._folder))
        warnings = frozenset(self.standing().warnings)
        if bool(warnings) != bool(self._told):
            kind = SHORT_KIND if warnings else EASED_KIND
            body = {"warnings": sorted(warnings)} if warnings else {}
            self._run(lambda _: [Change(kind=kind, subject="storage", time=now, body=body)])
        self._told = warnings

    # telling

    def standing(self) -> Standing:
        """How the room stands, now."""
        with self._measuring:
            disk, free = disk_of(self._folder)
            settings = self._settings.disk
            history = folder_bytes(self._folder / "history")
            documents = folder_bytes(self._folder / "documents")
            database = sum(folder_bytes(path) for path in self._folder.glob(f"{DATABASE}*"))
            used = folder_bytes(self._folder)
            budget = parse_size(settings.budget, disk)
            left = free if budget is None else max(0, min(free, budget - used))
            files = self._past.files()
            listed = sum(file.size for file in files)
            leaving = max(0, folder_bytes(self._folder / "history/data") - listed)
            types, twins = self._usage.of(files, settings, disk)
        told = forecast(self.growth.samples, left)
        warnings = []
        if free < min(SHORT_BYTES, disk // 20):
            warnings.append(f"only {free / 1e6:,.0f} MB are free on the disk; free space, or set disk.budget")
        if budget is not None and used > budget:
            warnings.append(f"the folder takes {used / 1e9:,.2f} GB of a budget of {budget / 1e9:,.2f} GB")
        if told.days is not None and told.days < settings.warn_days:
            warnings.append(f"at the present growth the room lasts for {told.days:,.1f} days; shorten retention.raw")
        warnings += [
            f"the twins of type {one.type} take {one.bytes / 1e9:,.2f} GB of {one.budget / 1e9:,.2f} GB"
            for one in types
            if one.budget is not None and one.bytes > one.budget
        ]
        return Standing(
            disk=disk,
            free=free,
            used=used,
            budget=budget,
            left=left,
            leaving=leaving,
            database=database,
            history=history,
            documents=documents,
            other=max(0, used - history - database - documents),
            types=types,
            twins=twins,
            forecast=told,
            warnings=warnings,
            refuses=self._refuses,
        )

    def would_drop(self) -> list[tuple[str, str, int, int]]:
        """(table, day, rows, bytes at most) of the files that the next looks rewrite or drop; nothing is done."""
        limits, day = self.limits(), DAY
        latest = max(limits.raw.values(), default=0)
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for file in self._past.files():
            start = file.min_time // day * day
            if file.table in DROPPED_TABLES and start + day <= latest:
                rows, size = found.get((file.table, to_rfc3339(start)[:10]), (0, 0))
                found[file.table, to_rfc3339(start)[:10]] = rows + file.rows, size + file.size
        return [(table, name, rows, size) for (table, name), (rows, size) in sorted(found.items())]


def retention_of(type_: TwinType, name: str, plant: Retention) -> Retention | None:
    """What holds for a property: its own word, then its type's, then the plant's; None for what is never dropped."""
    property_ = next((p for p in type_.properties if p.name == name), None)
    own = property_.retention if property_ is not None else None
    if property_ is not None and property_.kind in (Kind.BOOLEAN, Kind.TEXT, Kind.ENUMERATION):
        return None
    if property_ is not None and property_.form not in (Form.NUMBER, Form.INTEGER, Form.ARRAY):
        return None
    return (own or Retention()).over(type_.retention or Retention()).over(plant)


def _numbers(directory: Directory, type_id: str) -> list[tuple[str, int]]:
    """(name, number) of every property of a type, earlier generations included."""
    found = []
    for ref in directory.type_properties(type_id):
        found.append((ref.property.name, ref.number))
        found += [(ref.property.name, old.number) for old in directory.generations(ref) if old.number != ref.number]
    return found
