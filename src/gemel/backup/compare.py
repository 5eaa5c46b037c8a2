"""The questions whose answers must be equal on a plant and on its copy."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
import numpy as np
from sqlalchemy import text

from gemel.backup.create import Running
from gemel.errors import InvalidQuery
from gemel.history import EventQuery, Series
from gemel.registry import Entry, Registry
from gemel.state import Now
from gemel.twin import series_of

__all__ = ["Answer", "Asked", "Questions", "Since", "ask", "compare", "draw"]

GROUPS = ("types", "twins", "links", "connectors", "site", "people", "quarantine", "rows", "now", "as of", "ranges")
SAMPLE = 2000
"""Twins whose values are compared one by one; of series all rows are compared by their hash."""


class Asked(Running, Protocol):
    """What of an open platform is asked."""

    registry: Registry


class Answer(msgspec.Struct, frozen=True):
    """How one group of questions came out."""

    group: str
    asked: int
    equal: int
    skipped: int
    """Not comparable: it changed on the one side since."""
    difference: str = ""
    """The first one: question, answer here, answer there."""

    @property
    def ok(self) -> bool:
        return self.equal + self.skipped == self.asked


class Questions(msgspec.Struct, frozen=True):
    """What is drawn by chance, the same for both sides."""

    until: int
    """The position at which both are asked."""
    instants: tuple[int, ...]
    twins: tuple[str, ...]
    windows: tuple[tuple[str, str, int, int], ...]


def draw(plant: Asked, until: int, recorded: int, *, count: int = 40, seed: int = 1) -> Questions:
    """Questions about the past up to `recorded`: `count` instants and windows."""
    chance = random.Random(seed)
    directory = plant.registry.directory
    numbers = [int(number) for number in directory.numbers()]
    entries = [e for n in chance.sample(numbers, min(SAMPLE, len(numbers))) if (e := directory.entry(n)) is not None]
    series = (told for name, told in plant.history.fingerprints(until).items() if name.startswith("series "))
    start = min((first for _, first, _, _ in series), default=recorded)
    start = min(start, recorded - 1)
    instants = tuple(chance.randrange(start, recorded) for _ in range(count))
    windows = []
    pairs = [
        (e.id, ref.property.name) for e in entries for ref in {r.number: r for r in e.properties.values()}.values()
    ]
    for twin, name in chance.sample(pairs, min(count, len(pairs))):
        first, last = sorted((chance.randrange(start, recorded), recorded))
        windows.append((twin, name, first, max(last, first + 1)))
        windows.append((twin, name, start, recorded))
    return Questions(until, instants, tuple(e.id for e in entries), tuple(windows))


def ask(plant: Asked, questions: Questions, group: str) -> dict[str, Any]:
    """Question → answer, as plain data that can be compared."""
    return dict(_ASK[group](plant, questions))


def _types(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    for known in plant.registry.types():
        for version in plant.registry.type_versions(known.id):
            yield f"{known.id} version {version.version}", msgspec.to_builtins(version)


def _twins(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    return _rows(plant, "SELECT * FROM registry_twin", "id")


def _links(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    query = (
        "SELECT s.id AS subject, t.id AS target, l.number, l.kind, l.slot, l.since, l.until, l.declared FROM "
        "registry_link l JOIN registry_twin s ON s.number = l.source JOIN registry_twin t ON t.number = l.target"
    )
    for name, row in _rows(plant, query, "number"):
        yield f"{row['subject']} {row['kind']} {row['target']} ({name})", row


def _connectors(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    return ((spec.id, msgspec.to_builtins(spec)) for spec in plant.registry.connectors())


def _site(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    yield "site", msgspec.to_builtins(plant.registry.site())


def _people(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    return _rows(plant, "SELECT a.id, a.role, a.created, p.name FROM account a LEFT JOIN person p ON p.id = a.id", "id")


def _quarantine(plant: Asked, _: Questions) -> Iterator[tuple[str, Any]]:
    return _rows(plant, "SELECT * FROM intake_quarantine", "id")


def _rows(plant: Asked, query: str, key: str) -> Iterator[tuple[str, Any]]:
    with plant.database.read() as connection:
        found = [dict(row) for row in connection.execute(text(query)).mappings()]
    for row in found:
        plain = {name: bool(value) if name == "declared" else value for name, value in row.items()}
        yield (
            str(row[key]),
            {name: bytes(v).hex() if isinstance(v, bytes | memoryview) else v for name, v in plain.items()},
        )


def _fingerprints(plant: Asked, questions: Questions) -> Iterator[tuple[str, Any]]:
    plant.history.wait(questions.until)
    return iter(plant.history.fingerprints(questions.until).items())


def _entries(plant: Asked, questions: Questions) -> Iterator[Entry]:
    for id in questions.twins:
        if (entry := plant.registry.directory.twin(id)) is not None:
            yield entry


def _now(plant: Asked, questions: Questions) -> Iterator[tuple[str, Any]]:
    for entry in _entries(plant, questions):
        for name, now in plant.state.twin(entry).items():
            yield f"{entry.id}.{name}", _of_now(now)


def _of_now(now: Now) -> Any:
    return {"value": now.value, "time": now.time, "recorded": now.recorded, "changed": now.changed,
            "quality": int(now.quality), "position": now.position}  # fmt: skip


def _as_of(plant: Asked, questions: Questions) -> Iterator[tuple[str, Any]]:
    wanted = [entry.id for entry in _entries(plant, questions)][:200]
    for instant in questions.instants:
        for twin, readings in plant.history.twins(wanted, instant).items():
            for name, reading in readings.items():
                yield f"{twin}.{name} at {instant}", msgspec.to_builtins(reading)


def _ranges(plant: Asked, questions: Questions) -> Iterator[tuple[str, Any]]:
    for twin, name, start, end in questions.windows:
        told = f"{twin}.{name} in {start}–{end}"
        yield told, _of_series(plant.history.range(twin, name, start, end, points=200))
        with suppress(InvalidQuery):  # what is no number has no average
            average = asdict(plant.history.average(twin, name, start, end))
            average.pop("position")
            yield f"average of {told}", average


def _of_series(found: Series) -> Any:
    columns = {name: np.asarray(values, object).tolist() for name, values in found.columns.items()}
    return {"columns": columns, "gaps": found.gaps, "before": found.before, "unit": found.unit}


_ASK = {
    "types": _types, "twins": _twins, "links": _links, "connectors": _connectors, "site": _site, "people": _people,
    "quarantine": _quarantine, "rows": _fingerprints, "now": _now, "as of": _as_of, "ranges": _ranges,
}  # fmt: skip


class Since:
    """What changed on one side after the position at which both are compared."""

    def __init__(self, plant: Asked, position: int) -> None:
        self.directory = plant.registry.directory
        self.series = plant.history.changed_since(position)
        self.subjects: set[str] = set()
        self.kinds: set[str] = set()
        cursor = ""
        while True:
            page = plant.history.events(EventQuery(newest_first=True, limit=1000, cursor=cursor))
            for fact in page.items:
                if fact.position <= position:
                    return
                self.kinds.add(fact.change.kind.partition(".")[0])
                self.subjects.add(fact.change.subject)
                self.subjects.update(_named(fact.change.body))
            if not page.next:
                return
            cursor = page.next

    def spoils(self, group: str, question: str) -> bool:
        """Whether the answer may rightly differ."""
        if group == "rows":
            return False
        if group in ("now", "as of", "ranges"):
            return self._moved(group, question.removeprefix("average of "))
        area = {"types": "type", "links": "link", "connectors": "connector", "twins": "twin"}.get(group, group)
        if group == "people":
            return "access" in self.kinds
        if group == "quarantine":
            return True  # its entries are no part of the journal
        return bool(self.kinds & {area, "plant"}) and any(word in self.subjects for word in question.split())

    def _moved(self, group: str, question: str) -> bool:
        about, _, rest = question.partition(" ")
        twin, _, name = about.rpartition(".")
        entry = self.directory.twin(twin)
        ref = entry.properties.get(name) if entry else None
        if entry is None or ref is None:
            return True
        first = self.series.get(series_of(entry.number, ref.number))
        if first is None:
            return False
        if group == "now":
            return True
        until = int(rest.removeprefix("at ")) if group == "as of" else int(rest.partition("–")[2])
        return first <= until


def _named(body: Any) -> Iterable[str]:
    """Ids that a change of a whole plant speaks of."""
    for item in (*body.get("twins", ()), *body.get("links", ())):
        if isinstance(item, dict):
            twin = item.get("twin")
            yield from (str(item.get(key)) for key in ("id", "source", "target") if key in item)
            if isinstance(twin, dict):
                yield str(twin.get("id"))


def compare(
    here: Asked, there: Asked, questions: Questions, *, groups: Sequence[str] = GROUPS, since: Since | None = None
) -> list[Answer]:
    """Ask both; `since`: what changed here after `questions.until`, and is left out."""
    found = []
    for group in groups:
        left, right = ask(here, questions, group), ask(there, questions, group)
        equal = skipped = 0
        difference = ""
        for question in {**left, **right}:
            mine, other = left.get(question), right.get(question)
            if msgspec.json.encode(mine, enc_hook=str) == msgspec.json.encode(other, enc_hook=str):
                equal += 1
            elif since is not None and since.spoils(group, question):
                skipped += 1
            elif not difference:
                difference = f"{question}: {mine!s:.200} here, {other!s:.200} there"
        found.append(Answer(group, len({**left, **right}), equal, skipped, difference))
    return found
