"""What is declared by documents: values by id, each with all the states that it had; the difference first.

Models, profiles and capabilities are declared so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, String, Table, Text, func, insert, select

from gemel.clock import Clock
from gemel.database import Database, metadata
from gemel.errors import InvalidDocument, InvalidInput, NotFound, Problem
from gemel.services.base import Run
from gemel.twin import Change
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml, places

__all__ = ["Declarations", "Declared", "Difference", "declared_table"]

T = TypeVar("T", bound=msgspec.Struct)
LONGEST_ID = 128

declared_table = Table(
    "service_declared",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("id", String(LONGEST_ID), nullable=False),
    Column("recorded", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("document", Text, nullable=False),  # JSON; empty: withdrawn
    Index("ix_service_declared_kind_id", "kind", "id", "number"),
    sqlite_autoincrement=True,
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What declaring a document changes of one value."""

    id: str
    what: str
    """new, changed, same."""
    fields: tuple[str, ...] = ()


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A state that a value had."""

    recorded: int
    actor: str
    document: Any
    """None: withdrawn."""


class Declarations(Generic[T]):
    """Of one kind. Every verb may be called from any thread.

    `kind`: model, profile …; a document holds its values under `<kind>s`. `id`: the field that names a value.
    `problems`: what is wrong with a value, each with its field.
    """

    def __init__(
        self,
        rooms: tuple[Database, Clock, Run],
        kind: str,
        of: type[T],
        *,
        id: str = "id",
        problems: Callable[[T], Sequence[tuple[str, str]]],
    ) -> None:
        self._database, self._clock, self._run = rooms
        self.kind, self._of, self._id, self._problems = kind, of, id, problems
        self._kept: tuple[int, dict[str, T]] = -1, {}
        self._lock = threading.Lock()

    @property
    def _many(self) -> str:
        return f"{self.kind[:-1]}ies" if self.kind.endswith("y") else f"{self.kind}s"

    def parse(self, text: str, name: str = "") -> tuple[T, ...]:
        """From YAML or JSON. Raises InvalidDocument with every fault, its line and its field."""
        name = name or self._many
        plain = parse_yaml(text, name)
        many = plain.get(self._many) if isinstance(plain, dict) and not set(plain) - {"gemel", self._many} else None
        if not isinstance(many, list):
            raise InvalidDocument(name, [Problem(f"a document of {self._many} is `{self._many}: [...]`", "", 1, 1)])
        values, faults = build(many, tuple[self._of, ...])  # type: ignore[name-defined]  # a type at run time
        if values is not None:
            faults = [(one, False) for one in self.problems(values)]
        if values is None or faults:
            where = places(text, name)
            placed = [(one.message, f"{self._many}{one.field}", key) for one, key in faults]
            raise InvalidDocument(name, [Problem(said, at, *where.locate(at, key=key)) for said, at, key in placed])
        found: tuple[T, ...] = values
        return found

    def problems(self, values: Sequence[T]) -> list[Problem]:
        """What is wrong with each, and where."""
        found: list[Problem] = []
        seen: set[str] = set()
        for i, value in enumerate(values):
            id = self.id_of(value)
            if not 0 < len(id) <= LONGEST_ID or not id.isprintable():
                found.append(Problem(f"it has 1 to {LONGEST_ID} printable characters", f"[{i}].{self._id}"))
            if id in seen:
                found.append(Problem(f"{id} is there twice", f"[{i}].{self._id}"))
            seen.add(id)
            found += [Problem(message, f"[{i}].{field}") for field, message in self._problems(value)]
        return found

    def id_of(self, value: T) -> str:
        return str(getattr(value, self._id))

    def apply(self, document: str | Sequence[T], *, dry_run: bool = False, actor: str = "") -> list[Difference]:
        """Declare what a document says; the rest stays. Returns the difference, with `dry_run` only that.

        Raises InvalidDocument with every fault.
        """
        wanted = self.parse(document) if isinstance(document, str) else tuple(document)
        if faults := self.problems(wanted):
            raise InvalidDocument(self._many, faults)
        known = self.all()
        told = [self._difference(known.get(self.id_of(one)), one) for one in wanted]
        changed = [one for one, difference in zip(wanted, told, strict=True) if difference.what != "same"]

        def work(tx: Connection) -> list[Change]:
            return [self._write(tx, self.id_of(one), msgspec.json.encode(one).decode(), actor) for one in changed]

        if changed and not dry_run:
            self._run(work, actor=actor)
        return told

    def withdraw(self, id: str, *, actor: str = "") -> None:
        """Know it no more; that it was stays known. Raises NotFound."""
        self.get(id)
        self._run(lambda tx: [self._write(tx, id, "", actor)], actor=actor)

    def _write(self, tx: Connection, id: str, document: str, actor: str) -> Change:
        now = self._clock.now()
        tx.execute(insert(declared_table).values(kind=self.kind, id=id, recorded=now, actor=actor, document=document))
        return Change(kind=f"{self.kind}.{'declared' if document else 'withdrawn'}", subject=id, time=now, actor=actor)

    def _difference(self, before: T | None, after: T) -> Difference:
        if before is None:
            return Difference(id=self.id_of(after), what="new")
        fields = tuple(name for name in self._of.__struct_fields__ if getattr(before, name) != getattr(after, name))
        return Difference(id=self.id_of(after), what="changed" if fields else "same", fields=fields)

    def all(self) -> Mapping[str, T]:
        """By id, in order."""
        c = declared_table.c
        with self._database.read() as tx:
            newest = tx.scalar(select(func.max(c.number)).where(c.kind == self.kind)) or 0
            with self._lock:
                if self._kept[0] != newest:
                    last = select(func.max(c.number)).where(c.kind == self.kind).group_by(c.id)
                    rows = tx.execute(select(c.id, c.document).where(c.number.in_(last)).order_by(c.id))
                    found = {row.id: msgspec.json.decode(row.document, type=self._of) for row in rows if row.document}
                    self._kept = newest, found
                return self._kept[1]

    def get(self, id: str) -> T:
        """Raises NotFound."""
        found = self.all().get(id)
        if found is None:
            listed = ", ".join(list(self.all())[:10]) or "none is declared"
            raise NotFound(f"there is no {self.kind} {id!r:.80}; known: {listed}")
        return found

    def history(self, id: str) -> list[Declared]:
        """Everything that was ever declared of it, the newest first. Raises NotFound."""
        c = declared_table.c
        with self._database.read() as tx:
            rows = tx.execute(
                select(declared_table).where(c.kind == self.kind, c.id == id).order_by(c.number.desc())
            ).all()
        if not rows:
            raise NotFound(f"there never was a {self.kind} {id!r:.80}")
        return [
            Declared(
                recorded=row.recorded,
                actor=row.actor,
                document=msgspec.json.decode(row.document, type=self._of) if row.document else None,
            )
            for row in rows
        ]


def refuse_long(fields: Mapping[str, str], most: int = 200) -> list[tuple[str, str]]:
    """Faults of texts that are too long."""
    return [(field, f"it has at most {most} characters") for field, text in fields.items() if len(text) > most]


def faults_of(checks: Sequence[tuple[str, Callable[[], object]]]) -> list[tuple[str, str]]:
    """What each check raises, by its field."""
    found = []
    for field, check in checks:
        try:
            check()
        except InvalidInput as error:
            found.append((field, error.detail))
    return found
