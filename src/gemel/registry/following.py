"""How the directory comes to be: loaded at start, then carried along by the changes of each commit."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select, text

from gemel.errors import Corrupt
from gemel.registry import tables
from gemel.registry.directory import Directory, PropertyRef, Shape, _Contents
from gemel.twin import Change, PropertyType, TwinType

__all__ = ["follow", "load", "refs_of", "shape_properties"]


def refs_of(type_: TwinType, numbers: Iterable[Sequence[Any]]) -> dict[int, PropertyRef]:
    """Number → reference of all generations; `numbers` are (number, place, name as of now, generation)."""
    now = {p.name: p for p in type_.properties}
    found = {}
    for number, place, name, generation in numbers:
        shape = in_generation(now[name], generation)
        found[number] = PropertyRef(number, type_.id, shape, shape.form, place)
    return found


def families_of(refs: Iterable[PropertyRef]) -> dict[int, tuple[PropertyRef, ...]]:
    """Column → its generations, of the properties of one type."""
    found: dict[int, tuple[PropertyRef, ...]] = {}
    for ref in sorted(refs, key=lambda ref: ref.property.generation):
        found[ref.index] = (*found.get(ref.index, ()), ref)
    return found


def in_generation(property_: PropertyType, generation: int) -> PropertyType:
    """The property as it was shaped in an earlier generation, under today's name."""
    for index, earlier in enumerate(property_.earlier):
        if earlier.generation == generation:
            return msgspec.structs.replace(
                property_,
                kind=earlier.kind,
                unit=earlier.unit,
                generation=generation,
                earlier=property_.earlier[:index],
                minimum=None,
                maximum=None,
                normal=None,
                values=(),
            )
    return property_


def shape_properties(
    types: Sequence[str], known: Mapping[str, TwinType], refs: Mapping[tuple[str, str, int], PropertyRef]
) -> dict[str, PropertyRef]:
    """Name or earlier name → reference, for twins of all these types. The first type that has a name wins."""
    found: dict[str, PropertyRef] = {}
    merged = [(id, p) for id in types for p in known[id].properties]
    for id, property_ in merged:
        found.setdefault(property_.name, refs[id, property_.name, property_.generation])
    for id, property_ in merged:
        for alias in property_.aliases:
            found.setdefault(alias, refs[id, property_.name, property_.generation])
    return found


def load(tx: Connection) -> _Contents:
    """Everything from the database. Raises Corrupt when its rows do not fit each other: a damaged page can still be
    read by SQLite, and hold the rows of another table."""
    try:
        return _contents(tx)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, msgspec.MsgspecError) as error:
        told = f"{type(error).__name__}: {error!s:.80}"
        raise Corrupt(f"the registry is damaged ({told}); restore the plant from a backup") from error


def _contents(tx: Connection) -> _Contents:
    newest = (
        "SELECT t.id, t.document FROM registry_type t "
        "WHERE t.version = (SELECT max(o.version) FROM registry_type o WHERE o.id = t.id)"
    )
    types = {id: msgspec.json.decode(document, type=TwinType) for id, document in tx.execute(text(newest))}
    numbered: dict[str, list[tuple[int, int, str, int]]] = {}
    numbers_table = tables.property_number.c
    rows = select(
        numbers_table.type,
        numbers_table.number,
        numbers_table.place,
        numbers_table.name,
        numbers_table.generation,
    )
    for type_id, number, place, name, generation in tx.execute(rows):
        numbered.setdefault(type_id, []).append((number, place, name, generation))
    refs: dict[int, PropertyRef] = {}
    for type_id, listed in numbered.items():
        refs |= refs_of(types[type_id], listed)
    combinations = {
        number: tuple(msgspec.json.decode(listed, type=list[str]))
        for number, listed in tx.execute(select(tables.shape.c.number, tables.shape.c.types))
    }
    numbers, ids, shape_of = _twins(tx)
    shapes = _shapes(combinations, types, refs)
    families = {type_id: families_of(refs[number] for number, *_ in listed) for type_id, listed in numbered.items()}
    return _Contents(numbers, ids, shape_of, len(ids) - 1, shapes, types, refs, families, 1)


def _twins(tx: Connection) -> tuple[dict[str, int], list[str], array[int]]:
    numbers: dict[str, int] = {}
    ids, shape_of = [""], array("i", [0])
    # The driver's own cursor: a million rows through SQLAlchemy's would take three times as long.
    cursor = tx.connection.cursor()
    collecting = gc.isenabled()
    gc.disable()  # a million new tuples would set off a hundred collections, each in vain
    try:
        cursor.execute(
            "SELECT number, id, shape FROM registry_twin WHERE batch NOT IN "
            "(SELECT number FROM registry_batch WHERE NOT live) ORDER BY number"
        )
        while rows := cursor.fetchmany(10_000):
            for number, id, shape in rows:
                if number != len(ids):
                    missing = number - len(ids)
                    ids.extend([""] * missing)
                    shape_of.extend([0] * missing)
                ids.append(id)
                shape_of.append(shape)
                numbers[id] = number
    finally:
        cursor.close()
        if collecting:
            gc.enable()
    known = len(ids)
    for alias, twin in tx.execute(select(tables.alias.c.alias, tables.alias.c.twin)):
        if twin < known and ids[twin]:
            numbers.setdefault(alias, twin)
    return numbers, ids, shape_of


def _shapes(
    combinations: Mapping[int, tuple[str, ...]], types: Mapping[str, TwinType], refs: Mapping[int, PropertyRef]
) -> dict[int, Shape]:
    by_name = {(r.type_id, r.property.name, r.property.generation): r for r in refs.values()}
    return {
        number: Shape(number, listed, shape_properties(listed, types, by_name))
        for number, listed in combinations.items()
        if all(id in types for id in listed)  # else they are still being staged
    }


def follow(directory: Directory, changes: Iterable[Change]) -> bool:
    """Carry the directory to the moment after these changes, all at once. Returns whether anything changed."""
    step = _Step(directory._now)
    for change in changes:
        area, _, what = change.kind.partition(".")
        if area == "type":
            step.type(change)
        elif area == "twin" and what in ("created", "changed"):
            step.place(_Placed.of(change.body), change.body.get("dropped_aliases", ()))
        elif change.kind == "plant.staged":
            staged = directory._staged.setdefault(change.body["batch"], [])
            staged += [_Placed.of(body) for body in change.body.get("twins", ())]
        elif change.kind == "plant.applied":
            for placed in directory._staged.pop(change.body["batch"], ()):
                step.place(placed)
            directory._staged.clear()  # what was staged before that is cleared away
    if not step.changed:
        return False
    directory._replace(step.done())
    return True


class _Placed(NamedTuple):
    """What the directory needs of a twin."""

    number: int
    id: str
    shape: int
    types: tuple[str, ...]
    aliases: tuple[str, ...]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> _Placed:
        twin = body["twin"]
        return cls(body["number"], twin["id"], body["shape"], tuple(twin["types"]), tuple(twin["aliases"]))


class _Step:
    """The directory's next contents. New twins are appended in place, all else is copied before it is changed."""

    def __init__(self, before: _Contents) -> None:
        self.before = before
        self.changed = False
        self.numbers, self.ids, self.shape_of = before.numbers, before.ids, before.shape_of
        self.types, self.refs, self.families = before.types, before.refs, before.families
        self.combinations: dict[int, tuple[str, ...]] = {}  # new ones

    def type(self, change: Change) -> None:
        self.changed = True
        type_ = msgspec.convert(change.body["type"], TwinType)
        refs = refs_of(type_, change.body["numbers"])
        self.types = {**self.types, type_.id: type_}
        self.refs = {**self.refs, **refs}
        self.families = {**self.families, type_.id: families_of(refs.values())}

    def place(self, twin: _Placed, dropped: Sequence[str] = ()) -> None:
        self.changed = True
        number, id, shape, types, aliases = twin
        if shape not in self.before.shapes:
            self.combinations[shape] = types
        missing = number + 1 - len(self.ids)
        if missing > 0:
            self.ids.extend([""] * missing)
            self.shape_of.extend([0] * missing)
        elif self.shape_of[number] != shape and self.shape_of is self.before.shape_of:
            self.shape_of = array("i", self.shape_of)
        self.ids[number] = id
        self.shape_of[number] = shape
        if dropped and self.numbers is self.before.numbers:
            self.numbers = dict(self.numbers)
        for alias in dropped:
            self.numbers.pop(alias, None)
        self.numbers[id] = number
        for alias in aliases:
            self.numbers.setdefault(alias, number)

    def done(self) -> _Contents:
        return _Contents(
            self.numbers,
            self.ids,
            self.shape_of,
            len(self.ids) - 1,
            self._shapes(),
            self.types,
            self.refs,
            self.families,
            self.before.revision + 1,
        )

    def _shapes(self) -> Mapping[int, Shape]:
        before = self.before.shapes
        if self.types is not self.before.types:
            known = {number: shape.types for number, shape in before.items()}
            return _shapes(known | self.combinations, self.types, self.refs)
        if self.combinations:
            return {**before, **_shapes(self.combinations, self.types, self.refs)}
        return before
