"""Twin types in the database: their versions, and the numbers of their properties."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from gemel.errors import Conflict, InvalidDocument, Problem, RevisionConflict, UnknownType
from gemel.registry.tables import property_number, shape, type_
from gemel.twin import MAX_PROPERTIES, Change, TwinType, evolve, former
from gemel.twin.check import check_type

__all__ = ["current_type", "merged_problems", "put_type", "type_version", "type_versions"]


@lru_cache(maxsize=4096)
def _decode(document: str) -> TwinType:
    return msgspec.json.decode(document, type=TwinType)


def current_type(tx: Connection, id: str) -> TwinType | None:
    """The newest version of a type, as the transaction sees it."""
    document = tx.scalar(select(type_.c.document).where(type_.c.id == id).order_by(type_.c.version.desc()).limit(1))
    return None if document is None else _decode(document)


def type_version(tx: Connection, id: str, version: int) -> TwinType:
    """One version of a type. Raises UnknownType."""
    document = tx.scalar(select(type_.c.document).where(type_.c.id == id, type_.c.version == version))
    if document is None:
        raise UnknownType(f"twin type {id} has no version {version}", type=id, version=version)
    return _decode(document)


def type_versions(tx: Connection, id: str) -> list[TwinType]:
    """All versions of a type, the first one first. Raises UnknownType."""
    rows = tx.scalars(select(type_.c.document).where(type_.c.id == id).order_by(type_.c.version)).all()
    if not rows:
        raise UnknownType(f"there is no twin type {id}", type=id)
    return [_decode(document) for document in rows]


def put_type(tx: Connection, declared: TwinType, *, now: int, if_version: int | None = None) -> list[Change]:
    """Create or evolve a type; the same content again changes nothing.

    Raises InvalidDocument for faults and for changes that would lose something, RevisionConflict if `if_version`
    is not the current one, Conflict if twins of several types would have two meanings of one name.
    """
    problems = check_type(declared)
    if problems:
        raise InvalidDocument(f"twin type {declared.id}", problems)
    current = current_type(tx, declared.id)
    if if_version is not None and if_version != (current.version if current else 0):
        raise RevisionConflict(
            f"twin type {declared.id} is at version {current.version if current else 0}, not {if_version}; "
            "read it again and retry",
            revision=current.version if current else 0,
        )
    if current is None:
        made = evolve(TwinType(id=declared.id, version=0), declared)
        made = msgspec.structs.replace(made, version=1)
    else:
        made = evolve(current, declared)
        if made.version == current.version:
            return []
        _check_shapes(tx, made)
    tx.execute(
        insert(type_).values(id=made.id, version=made.version, document=msgspec.json.encode(made).decode(), created=now)
    )
    numbers = _number(tx, current, declared, made)
    body = {"type": msgspec.to_builtins(made), "version": made.version, "numbers": numbers}
    return [Change(kind="type.changed" if current else "type.created", subject=made.id, time=now, body=body)]


def _number(tx: Connection, current: TwinType | None, declared: TwinType, made: TwinType) -> list[list[object]]:
    """Give numbers and places to what is new; [number, place, name as of now, generation] of all."""
    c = property_number.c
    rows = tx.execute(select(c.number, c.place, c.name, c.generation).where(c.type == made.id).order_by(c.number)).all()
    place_of = {row.name: row.place for row in rows}
    next_place = max((row.place for row in rows), default=-1) + 1
    next_number = (tx.scalar(select(func.max(c.number))) or 0) + 1
    continued = former(current, declared) if current else {}
    name_at, known = {}, {(row.place, row.generation) for row in rows}
    new = []
    for property_ in made.properties:
        before = continued.get(property_.name)
        if before is None:
            place, next_place = next_place, next_place + 1
        else:
            place = place_of[before.name]
            if before.name != property_.name:
                tx.execute(
                    update(property_number).where(c.type == made.id, c.place == place).values(name=property_.name)
                )
        name_at[place] = property_.name
        if (place, property_.generation) not in known:
            new.append(
                {
                    "number": next_number,
                    "type": made.id,
                    "place": place,
                    "generation": property_.generation,
                    "name": property_.name,
                }
            )
            next_number += 1
    if next_number > MAX_PROPERTIES:
        raise Conflict(f"a platform holds {MAX_PROPERTIES - 1} property numbers, and all are given")
    if new:
        tx.execute(insert(property_number), new)
    return [[row.number, row.place, name_at[row.place], row.generation] for row in rows] + [
        [row["number"], row["place"], row["name"], row["generation"]] for row in new
    ]


def _check_shapes(tx: Connection, changed: TwinType) -> None:
    """Twins that have this type and others keep one meaning of each name."""
    for listed in tx.scalars(select(shape.c.types)):
        types = msgspec.json.decode(listed, type=list[str])
        if changed.id in types and len(types) > 1:
            known = [changed if id == changed.id else current_type(tx, id) for id in types]
            problems = merged_problems([t for t in known if t is not None])
            if problems:
                raise InvalidDocument(f"twin type {changed.id}", problems)


def merged_problems(types: list[TwinType]) -> list[Problem]:
    """Names that several types of one twin give different meanings."""
    problems: list[Problem] = []
    meant: dict[str, tuple[str, str, str, tuple[str, ...]]] = {}
    for listed in types:
        for property_ in listed.properties:
            meaning = (property_.kind.value, property_.unit, property_.semantic_id)
            for name in (property_.name, *property_.aliases):
                first = meant.setdefault(name, (listed.id, property_.name, property_.unit, meaning))
                if first[0] != listed.id and (first[3] != meaning or first[1] != property_.name):
                    before = " ".join(str(part) for part in first[3] if part)
                    problems.append(
                        Problem(
                            f"{name} means {before} in type {first[0]} and "
                            f"{' '.join(filter(None, meaning))} in type {listed.id}; rename it in one of them",
                            "types",
                        )
                    )
    return problems
