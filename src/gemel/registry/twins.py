"""Twins in the database: who they are, their types, aliases, attributes and stage of life."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, delete, func, insert, or_, select, union_all, update
from sqlalchemy.sql.elements import ColumnElement

from gemel.errors import Conflict, InvalidDocument, InvalidInput, RevisionConflict, UnknownTwin, UnknownType
from gemel.registry import tables
from gemel.registry.types import current_type, merged_problems
from gemel.twin import Change, LifeStage, Twin, TwinSpec
from gemel.twin.check import check_spec
from gemel.twin.stages import check_reachable, check_transition

__all__ = [
    "flat_attributes",
    "put_twin",
    "retire_twin",
    "row_of",
    "set_stage",
    "shape_number",
    "shape_types",
    "twin_by_id",
    "twin_of",
    "twin_row",
    "twins_by_number",
    "visible",
]


def twin_of(row: Row[Any], types: tuple[str, ...]) -> Twin:
    """The twin of a row of `tables.twin`."""
    return Twin(
        id=row.id,
        number=row.number,
        types=types,
        name=row.name,
        description=row.description,
        serial=row.serial,
        aliases=tuple(msgspec.json.decode(row.aliases)),
        stage=LifeStage(row.stage),
        attributes=msgspec.json.decode(row.attributes),
        revision=row.revision,
        created=row.created,
        changed=row.changed,
    )


def visible(table: Table) -> ColumnElement[bool]:
    """The condition that a row is not of a batch that is still being staged."""
    pending = select(tables.batch.c.number).where(tables.batch.c.live.is_(False))
    return or_(table.c.batch == 0, table.c.batch.not_in(pending))


def row_of(twin: Twin, shape: int, *, declared: bool, batch: int = 0) -> dict[str, Any]:
    """The columns of a twin."""
    return {
        "number": twin.number,
        "id": twin.id,
        "shape": shape,
        "name": twin.name,
        "description": twin.description,
        "serial": twin.serial,
        "stage": twin.stage.value,
        "aliases": msgspec.json.encode(twin.aliases).decode(),
        "attributes": msgspec.json.encode(twin.attributes, order="deterministic").decode(),
        "revision": twin.revision,
        "created": twin.created,
        "changed": twin.changed,
        "declared": declared,
        "batch": batch,
    }


def twin_row(tx: Connection, id_or_alias: str) -> Row[Any]:
    """The row of a twin. Raises UnknownTwin."""
    row = tx.execute(select(tables.twin).where(tables.twin.c.id == id_or_alias, visible(tables.twin))).first()
    if row is None:
        of_alias = select(tables.alias.c.twin).where(tables.alias.c.alias == id_or_alias).scalar_subquery()
        row = tx.execute(select(tables.twin).where(tables.twin.c.number == of_alias, visible(tables.twin))).first()
    if row is None:
        raise UnknownTwin(f"there is no twin {id_or_alias!r:.160}", twin=id_or_alias)
    return row


def twin_by_id(tx: Connection, id_or_alias: str) -> Twin:
    row = twin_row(tx, id_or_alias)
    return twin_of(row, shape_types(tx, row.shape))


def twins_by_number(tx: Connection, numbers: Iterable[int]) -> dict[int, Twin]:
    """Number → twin, of those that are there."""
    wanted = sorted(set(numbers))
    types = {row.number: tuple(msgspec.json.decode(row.types)) for row in tx.execute(select(tables.shape))}
    found: dict[int, Twin] = {}
    for first in range(0, len(wanted), 500):
        rows = tx.execute(select(tables.twin).where(tables.twin.c.number.in_(wanted[first : first + 500])))
        found |= {row.number: twin_of(row, types[row.shape]) for row in rows}
    return found


def shape_types(tx: Connection, number: int) -> tuple[str, ...]:
    listed = tx.scalar(select(tables.shape.c.types).where(tables.shape.c.number == number))
    return tuple(msgspec.json.decode(listed or "[]"))


def shape_number(tx: Connection, types: tuple[str, ...], *, staged: bool = False) -> int:
    """The number of a combination of types; a new one is checked, unless `staged`: its types are on their way.

    Raises UnknownType, and InvalidDocument when two types give one name different meanings.
    """
    listed = msgspec.json.encode(types).decode()
    known_as = tx.scalar(select(tables.shape.c.number).where(tables.shape.c.types == listed))
    if known_as is not None:
        return int(known_as)
    if not types or len(set(types)) != len(types):
        raise InvalidInput(f"a twin has at least one type, and each once; not {list(types)}")
    if not staged:
        _check_combination(tx, types)
    number = int(tx.scalar(select(func.max(tables.shape.c.number))) or 0) + 1
    tx.execute(insert(tables.shape).values(number=number, types=listed))
    return number


def _check_combination(tx: Connection, types: tuple[str, ...]) -> None:
    known = []
    for id in types:
        type_ = current_type(tx, id)
        if type_ is None:
            raise UnknownType(f"there is no twin type {id!r:.160}; put it first", type=id)
        known.append(type_)
    problems = merged_problems(known)
    if problems:
        raise InvalidDocument(f"the combination of types {', '.join(types)}", problems)


def flat_attributes(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value as text) of every searchable fact."""
    for key, value in attributes.items():
        if isinstance(value, Mapping):
            yield from flat_attributes(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            for item in value:
                yield from flat_attributes({key: item}, prefix)
        elif isinstance(value, bool):
            yield prefix + key, str(value).lower()
        elif value is not None:
            yield prefix + key, str(value)[:1024]


def put_twin(
    tx: Connection, spec: TwinSpec, *, now: int, if_revision: int | None = None, declared: bool = False
) -> list[Change]:
    """Create a twin or make it as declared (its links are put by `links.put_link`).

    Raises InvalidDocument, InvalidId, UnknownType, Conflict (an alias or id of another twin), RevisionConflict.
    """
    problems = check_spec(spec)
    if problems:
        raise InvalidDocument(f"twin {spec.id!r:.160}", problems)
    t = tables.twin.c
    row = tx.execute(select(tables.twin).where(t.id == spec.id)).first()
    if (
        row is not None
        and row.batch
        and not tx.scalar(select(tables.batch.c.live).where(tables.batch.c.number == row.batch))
    ):
        raise Conflict(f"{spec.id} is just being created by an apply; try again when that is done")
    _check_revision(spec.id, row.revision if row else 0, if_revision)
    shape = shape_number(tx, spec.types)
    fields: dict[str, Any] = {
        "shape": shape,
        "name": spec.name,
        "description": spec.description,
        "serial": spec.serial,
        "stage": (spec.stage or (LifeStage(row.stage) if row else LifeStage.PLANNED)).value,
        "aliases": msgspec.json.encode(spec.aliases).decode(),
        "attributes": msgspec.json.encode(spec.attributes, order="deterministic").decode(),
    }
    if row is None:
        return [_create(tx, spec, fields, now=now, declared=declared)]
    check_reachable(spec.id, LifeStage(row.stage), LifeStage(fields["stage"]))
    changed = {name: value for name, value in fields.items() if getattr(row, name) != value}
    if declared and not row.declared:
        tx.execute(update(tables.twin).where(t.number == row.number).values(declared=True))
    if not changed:
        return []
    before = set(msgspec.json.decode(row.aliases))
    if "aliases" in changed:
        _put_aliases(tx, row.number, spec.aliases, before)
    if "attributes" in changed:
        tx.execute(delete(tables.attribute).where(tables.attribute.c.twin == row.number))
        _put_attributes(tx, row.number, spec.attributes)
    tx.execute(
        update(tables.twin).where(t.number == row.number).values(**changed, revision=row.revision + 1, changed=now)
    )
    body = _body(tx, spec.id) | {"fields": sorted(changed)}
    if "stage" in changed:
        body["before"] = row.stage
    if before - set(spec.aliases):
        body["dropped_aliases"] = sorted(before - set(spec.aliases))
    return [Change(kind="twin.changed", subject=spec.id, time=now, body=body)]


def _check_revision(id: str, revision: int, expected: int | None) -> None:
    if expected is not None and expected != revision:
        is_at = f"is at revision {revision}" if revision else "does not exist"
        raise RevisionConflict(f"{id} {is_at}, not {expected}; read it again and retry", revision=revision)


def _body(tx: Connection, id: str) -> dict[str, Any]:
    row = twin_row(tx, id)
    twin = twin_of(row, shape_types(tx, row.shape))
    return {"number": row.number, "shape": row.shape, "twin": msgspec.to_builtins(twin)}


def _create(tx: Connection, spec: TwinSpec, fields: dict[str, Any], *, now: int, declared: bool) -> Change:
    taken = tx.scalar(select(tables.alias.c.twin).where(tables.alias.c.alias == spec.id))
    if taken is not None:
        raise Conflict(f"{spec.id} is an alias of another twin; choose another id")
    number = int(tx.scalar(select(func.max(tables.twin.c.number))) or 0) + 1
    values = fields | {"id": spec.id, "number": number, "revision": 1, "created": now, "changed": now}
    tx.execute(insert(tables.twin).values(**values, declared=declared, batch=0))
    _put_aliases(tx, number, spec.aliases, set())
    _put_attributes(tx, number, spec.attributes)
    return Change(kind="twin.created", subject=spec.id, time=now, body=_body(tx, spec.id))


def _put_aliases(tx: Connection, number: int, aliases: Iterable[str], before: set[str]) -> None:
    wanted = set(aliases)
    if gone := before - wanted:
        tx.execute(delete(tables.alias).where(tables.alias.c.twin == number, tables.alias.c.alias.in_(gone)))
    new = sorted(wanted - before)
    if not new:
        return
    t, a = tables.twin.c, tables.alias.c
    by_alias = select(a.alias.label("name"), t.id).join(tables.twin, t.number == a.twin).where(a.alias.in_(new))
    by_id = select(t.id.label("name"), t.id).where(t.id.in_(new))
    for taken in tx.execute(union_all(by_alias, by_id)):
        raise Conflict(f"{taken.name} already means the twin {taken.id}; choose another alias")
    tx.execute(insert(tables.alias), [{"alias": alias, "twin": number} for alias in new])


def _put_attributes(tx: Connection, number: int, attributes: Mapping[str, Any]) -> None:
    rows = [{"key": k, "value": v, "twin": number} for k, v in dict.fromkeys(flat_attributes(attributes))]
    if rows:
        tx.execute(insert(tables.attribute), rows)


def set_stage(tx: Connection, id: str, stage: LifeStage, *, now: int, if_revision: int | None = None) -> list[Change]:
    """Take one step of life. Raises UnknownTwin, RevisionConflict, and InvalidValue for a step that is not allowed."""
    row = twin_row(tx, id)
    _check_revision(row.id, row.revision, if_revision)
    before = LifeStage(row.stage)
    if stage is before:
        return []
    check_transition(row.id, before, stage)
    return [_stage(tx, row, stage, now=now)]


def _stage(tx: Connection, row: Row[Any], stage: LifeStage, *, now: int) -> Change:
    tx.execute(
        update(tables.twin)
        .where(tables.twin.c.number == row.number)
        .values(stage=stage.value, revision=row.revision + 1, changed=now)
    )
    body = _body(tx, row.id) | {"fields": ["stage"], "before": row.stage}
    return Change(kind="twin.changed", subject=row.id, time=now, body=body)


def retire_twin(tx: Connection, id: str, *, now: int, if_revision: int | None = None) -> list[Change]:
    """The end of its service: the stage becomes retired from any stage; its id and history stay."""
    row = twin_row(tx, id)
    _check_revision(row.id, row.revision, if_revision)
    if row.stage in (LifeStage.RETIRED, LifeStage.RECYCLED):
        return []
    tx.execute(update(tables.twin).where(tables.twin.c.number == row.number).values(declared=False))
    return [_stage(tx, row, LifeStage.RETIRED, now=now)]


def empty_twin(tx: Connection, id: str, *, now: int) -> list[Change]:
    """Leave the id and the number of a twin, so that nobody gets them again, and nothing else: a tombstone.

    It has no type any more, so what is still told of it is refused. No effect on a tombstone.
    """
    row = twin_row(tx, id)
    shape = tx.scalar(select(tables.shape.c.number).where(tables.shape.c.types == "[]"))
    if shape is None:
        shape = int(tx.scalar(select(func.max(tables.shape.c.number))) or 0) + 1
        tx.execute(insert(tables.shape).values(number=shape, types="[]"))
    if row.shape == shape:
        return []
    for table in (tables.alias, tables.attribute):
        tx.execute(delete(table).where(table.c.twin == row.number))
    tx.execute(
        update(tables.twin)
        .where(tables.twin.c.number == row.number)
        .values(
            shape=shape,
            name="",
            description="",
            serial="",
            aliases="[]",
            attributes="{}",
            stage=LifeStage.RETIRED.value,
            declared=False,
            revision=row.revision + 1,
            changed=now,
        )
    )
    body = _body(tx, row.id) | {"fields": ["shape", "stage"]}
    if dropped := msgspec.json.decode(row.aliases):
        body["dropped_aliases"] = sorted(dropped)
    return [Change(kind="twin.changed", subject=row.id, time=now, body=body)]
