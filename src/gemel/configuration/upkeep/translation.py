"""What a translation is: which event becomes which operation, and the event's fields in the operation's places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gemel.configuration import operations as ops
from gemel.configuration import tables
from gemel.configuration.operations import Operation
from gemel.configuration.values import ItemSpec
from gemel.errors import InvalidInput, NotFound
from gemel.twin import Change, Position

__all__ = ["EVENT", "WORK", "Heard", "Refusal", "Translation", "operation_of", "told_by"]

EVENT, WORK = "event.happened", "work.done"
_ITEM_FIELDS = ("child", "parent", "new", "old", "item", "into", "other")
"""Of operations: those that name an item."""


class Translation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which event becomes which operation."""

    id: str
    event: str
    """Name of the event; of another `kind`, of the command, or the job that the work order was."""
    operation: dict[str, Any]
    """As JSON of an operation, in which "$name" stands for a field of the event; $time for when it happened, $twin for
    the twin, $item for the item whose live face that twin is. Where an item is named, {"part": …, "serial": …,
    "maker": …} looks for it by what is written on it."""
    kind: str = EVENT
    """command.applied and the like: of orders that were carried out; work.done: of work that was."""
    types: tuple[str, ...] = ()
    """Only of twins of these types; none: of all."""
    enabled: bool = True
    since: int = 0
    """When it was first declared: what happened before stays as it was. Set by declaring."""
    make: bool = False
    """An item with a serial number that nobody knows yet is made; else that is refused."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An event of which no operation came."""

    number: int
    translation: str
    position: Position
    twin: str
    time: int
    fields: dict[str, Any]
    reason: str
    state: str
    """open, done (it was tried again) or discarded."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What was journaled."""

    position: Position
    twin: str
    time: int
    fields: dict[str, Any]


def told_by(change: Change) -> dict[str, Any]:
    """What there is to refer to: of an event its fields, of an order what came of it."""
    if change.kind == EVENT:
        return dict(change.body.get("fields") or {})
    told = dict(change.body)
    for name in ("output", "found"):
        inner = told.get(name)
        if isinstance(inner, Mapping):
            told |= inner
    return told


def operation_of(tx: Connection, rule: Translation, heard: Heard) -> tuple[list[Operation], Operation]:
    """The operation that an event becomes; before it, the items that are to be made. Raises NotFound, InvalidInput."""
    made: list[Operation] = []
    names = {**heard.fields, "time": heard.time, "twin": heard.twin}
    if _mentions(rule.operation, "item"):
        told = heard.fields.get("item") if rule.kind == WORK else None
        names["item"] = told or _item_of(tx, heard.twin)
    filled = {"at": heard.time, **_filled(rule.operation, names)}
    for field in _ITEM_FIELDS:
        if isinstance(filled.get(field), Mapping):
            filled[field] = _looked_up(tx, rule, heard, filled[field], made)
    if isinstance(filled.get("to"), list) and filled["to"] and isinstance(filled["to"][0], Mapping):
        filled["to"] = [_looked_up(tx, rule, heard, filled["to"][0], made), *filled["to"][1:]]
    if filled.get("do") in ("use", "withdraw"):
        del filled["at"]
    try:
        return made, msgspec.convert(filled, Operation)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the event makes no whole operation: {error!s:.300}") from error


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, names) for inner in value]
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in names:
            raise InvalidInput(
                f"the event tells no {value[1:]!r:.80}; it tells {', '.join(sorted(names)) or 'nothing'}"
            )
        return names[value[1:]]
    return value


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        return any(_mentions(inner, name) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_mentions(inner, name) for inner in value)
    return bool(value == f"${name}")


def _item_of(tx: Connection, twin: str) -> str:
    c = tables.item.c
    found = tx.scalars(select(c.id).where(c.twin == twin, c.merged.is_(None)).limit(2)).all()
    if len(found) != 1:
        many = "no item has" if not found else "several items have"
        raise NotFound(f"{many} the twin {twin!r:.160} as live face; say which item it is")
    return str(found[0])


def _looked_up(tx: Connection, rule: Translation, heard: Heard, told: Mapping[str, Any], made: list[Operation]) -> str:
    """The item that has what is written on it; made, if it may be."""
    part, serial, maker = (str(told.get(name) or "").strip() for name in ("part", "serial", "maker"))
    if not serial:
        raise InvalidInput("the event tells no serial number")
    c = tables.item.c
    same = [c.serial == serial, c.merged.is_(None)]
    same += [column == value for column, value in ((c.part, part), (c.maker, maker)) if value]
    found = tx.scalars(select(c.id).where(*same).limit(2)).all()
    if len(found) == 1:
        return str(found[0])
    if found:
        raise InvalidInput(f"several items have the serial number {serial:.80}; tell part and maker too")
    if not rule.make or not part:
        raise NotFound(
            f"nobody knows {part or 'an item'} with serial number {serial:.80}; create it, or let it be made"
        )
    id = re.sub(r"[^A-Za-z0-9_:~-]+", "-", f"{part}:{serial}").strip("-:_~")[:128]
    made.append(ops.Create(spec=ItemSpec(id=id, part=part, serial=serial, maker=maker), at=heard.time))
    return id
