"""Taking an order: is there such a thing, does its input fit, has somebody asked for it before?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from gemel.clock import SECOND
from gemel.commands.book import change_of, desired_of, find_by_key, moved, order_of, put_desired, put_order
from gemel.commands.order import ENDED, Ask, Desired, Order, OrderKind, OrderState
from gemel.commands.tables import order_table
from gemel.commands.ways import DEADLINE_S, Way, Ways, command_of, property_of
from gemel.errors import (
    Conflict,
    InvalidInput,
    InvalidValue,
    KeyReused,
    NotFound,
    Overloaded,
    RevisionConflict,
    UnknownProperty,
)
from gemel.intake import fitted
from gemel.registry import Directory, Entry
from gemel.twin import Change, CommandType, Control, PropertyType, check_expected

__all__ = ["controls_of", "draft", "placed", "room"]

LONGEST_DEADLINE_S = 30 * 86_400.0
LONGEST_KEY = 200
MOST_OPEN = 10_000
"""Orders of the whole platform that have not ended."""
MOST_OPEN_OF_ONE = 200


def controls_of(directory: Directory, entry: Entry) -> list[Control]:
    """What the types of a twin say of orders to it; all of it holds."""
    types = (directory.type(id) for id in entry.types)
    return [type_.control for type_ in types if type_ is not None and type_.control is not None]


def draft(ask: Ask, entry: Entry, directory: Directory, ways: Ways, now: int) -> Order:
    """What is asked for as an order that can be placed.

    Raises NotFound (no such command), UnknownProperty, InvalidValue, InvalidUnit, InvalidInput, Conflict (nothing
    carries it to the object).
    """
    if len(ask.key) > LONGEST_KEY or not ask.key.isprintable():
        raise InvalidInput(f"a key has at most {LONGEST_KEY} printable characters")
    check_expected(ask.expects)
    if ask.kind is OrderKind.COMMAND:
        name, given = ask.name, _input(entry, _command(directory, entry, ask.name), ask.input)
        if ask.unit or ask.if_revision is not None:
            raise InvalidInput("a command has no unit and no revision; they are of desired values")
    else:
        property_ = _writable(entry, ask.name)
        name, given = property_.name, fitted(entry.id, property_, ask.input, ask.unit)
    way = ways.of(entry.id, name)
    if way is None:
        raise Conflict(
            f"nothing carries {entry.id}.{name} to its object; declare a binding of it in a connector, with "
            f"direction: out{' or both' if ask.kind is OrderKind.PROPERTY else ''}"
        )
    guarded = any(name in control.two_persons for control in controls_of(directory, entry))
    return Order(
        id="",
        number=0,
        twin=entry.id,
        kind=ask.kind,
        name=name,
        input=given,
        key=ask.key,
        created=now,
        deadline=now + round(_deadline_s(ask, way) * SECOND),
        approval="waiting" if guarded else "",
        expects=ask.expects,
    )


def _deadline_s(ask: Ask, way: Way) -> float:
    wanted = ask.deadline_s if ask.deadline_s is not None else way.binding.deadline_s
    if wanted is None:
        return DEADLINE_S
    if not (math.isfinite(wanted) and 0 < wanted <= LONGEST_DEADLINE_S):
        raise InvalidInput(f"deadline_s {wanted} is not between 0 and {LONGEST_DEADLINE_S:.0f} seconds (30 days)")
    return wanted


def _command(directory: Directory, entry: Entry, name: str) -> CommandType:
    found = command_of(directory, entry, name)
    if found is None:
        known = [one.name for id in entry.types if (type_ := directory.type(id)) for one in type_.commands]
        raise NotFound(f"{entry.id} has no command {name!r:.80}; it has: {', '.join(sorted(known)) or 'none'}")
    return found


def _writable(entry: Entry, name: str) -> PropertyType:
    found = property_of(entry, name)
    if found is None:
        raise UnknownProperty(
            f"{entry.id} has no property {name!r:.80}; its types are {', '.join(entry.types)}",
            twin=entry.id,
            property=name[:80],
        )
    if not found.writable:
        writable = sorted({ref.property.name for ref in entry.properties.values() if ref.property.writable})
        raise InvalidInput(
            f"{entry.id}.{found.name} only tells; nothing can be desired of it. Say writable: true in its type; "
            f"writable are: {', '.join(writable) or 'none'}"
        )
    return found


def _input(entry: Entry, command: CommandType, given: Any) -> dict[str, Any]:
    """Every input by name, checked, in the order of the type."""
    where = f"{entry.id}.{command.name}"
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidValue(f"the input of {where} is an object of names and values")
    known = {one.name for one in command.input}
    if unknown := sorted(str(name) for name in given if name not in known):
        raise InvalidValue(
            f"{where} takes no {', '.join(unknown)[:200]}; it takes: {', '.join(sorted(known)) or 'none'}"
        )
    missing = [one.name for one in command.input if given.get(one.name) is None and one.name not in command.optional]
    if missing:
        raise InvalidValue(f"{where} needs {', '.join(missing)}")
    return {
        one.name: fitted(where, one, *_quantity(given[one.name]))
        for one in command.input
        if given.get(one.name) is not None
    }


def _quantity(given: Any) -> tuple[Any, str]:
    """A value, or one with its unit: {value: 104, unit: "[degF]"}."""
    if isinstance(given, dict) and given.keys() == {"value", "unit"} and isinstance(given["unit"], str):
        return given["value"], given["unit"]
    return given, ""


def placed(tx: Connection, drafted: Order, if_revision: int | None, now: int) -> tuple[list[Order], Sequence[Change]]:
    """Write an order, in the writer's transaction; returns it, and after it the orders whose place it takes.

    The same key of the same person gives the order that is there, with no changes. Raises KeyReused, RevisionConflict.
    """
    if drafted.key and (known := find_by_key(tx, drafted.actor, drafted.key)) is not None:
        same = (known.twin, known.kind, known.name, known.input, known.expects) == (
            drafted.twin,
            drafted.kind,
            drafted.name,
            _as_stored(drafted.input),
            drafted.expects,
        )
        if not same:
            raise KeyReused(
                f"this key was used for {known.id}, {known.twin}.{known.name}; use a new one for each order"
            )
        return [known], ()
    if drafted.kind is OrderKind.COMMAND:
        order = put_order(tx, drafted)
        return [order], [change_of(order, now, actor=order.actor)]
    before = desired_of(tx, drafted.twin, [drafted.name]).get(drafted.name)
    revision = 0 if before is None else before.revision
    if if_revision is not None and if_revision != revision:
        raise RevisionConflict(
            f"what is desired of {drafted.twin}.{drafted.name} is at revision {revision}, not {if_revision}; "
            "read it again and retry",
            revision=revision,
        )
    order = put_order(tx, msgspec.structs.replace(drafted, revision=revision + 1))
    desired = Desired(
        twin=order.twin,
        property=order.name,
        value=order.input,
        revision=order.revision,
        order=order.id,
        time=now,
        actor=order.actor,
    )
    put_desired(tx, desired)
    orders, changes = [order], [change_of(order, now, actor=order.actor)]
    for older in _unsent(tx, order):
        detail = f"{order.id} desires another value"
        after, change = moved(tx, older, OrderState.SUPERSEDED, now, reason="newer", detail=detail)
        orders.append(after)
        changes.append(change)
    return orders, changes


def room(tx: Connection, twin: str) -> None:
    """Raises Overloaded when too many orders wait."""
    c = order_table.c
    opened = select(func.count()).select_from(order_table).where(c.state.not_in([str(one) for one in ENDED]))
    if tx.execute(opened.where(c.twin == twin)).scalar_one() >= MOST_OPEN_OF_ONE:
        raise Overloaded(f"{MOST_OPEN_OF_ONE} orders to {twin} have not ended; wait for them", retry_after_s=1.0)
    if tx.execute(opened).scalar_one() >= MOST_OPEN:
        raise Overloaded(f"{MOST_OPEN} orders have not ended; wait for some of them", retry_after_s=1.0)


def _unsent(tx: Connection, order: Order) -> list[Order]:
    """Older orders of the same property that have not left."""
    c = order_table.c
    wanted = [c.twin == order.twin, c.name == order.name, c.kind == str(order.kind), c.number < order.number]
    query = select(order_table).where(*wanted, c.state == str(OrderState.REQUESTED))
    return [order_of(row) for row in tx.execute(query)]


def _as_stored(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
