"""Orders as the caller may see them: which of them, and how much of why one was refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from gemel.commands import ABOUT_VALUES, Order, OrderKind
from gemel.registry import Entry
from gemel.server.call import Call
from gemel.server.http import onward, onward_from
from gemel.server.order_views import OrderView, order_view
from gemel.twin import Page, PropertyGroup

__all__ = ["WITHHELD", "group_of", "orders_seen", "readable", "shown_order"]

WITHHELD = "a rule or another machine stands in the way; what is read for it is not shared with you"


def group_of(entry: Entry, kind: OrderKind, name: str) -> PropertyGroup:
    """As what an order is shared: one of a property as its values are, a command as the process is."""
    ref = entry.properties.get(name) if kind is OrderKind.PROPERTY else None
    return PropertyGroup.PROCESS if ref is None else ref.property.shared_as


def readable(call: Call, order: Order) -> bool:
    """Whether the caller may see it: the twin, the group, and so much of the past."""
    entry, seen = call.view.find(order.twin), call.view.projection
    if entry is None or seen is None:
        return entry is not None
    return order.created >= seen.of(entry.number).since(group_of(entry, order.kind, order.name))


def shown_order(call: Call, order: Order) -> OrderView:
    """The order; why a rule refused it, with the values that it read, only to who sees everything."""
    view = order_view(order)
    if call.view.projection is None or not order.reason.startswith(ABOUT_VALUES):
        return view
    steps = [msgspec.structs.replace(step, detail="") for step in view.steps]
    return msgspec.structs.replace(view, detail=WITHHELD, steps=steps)


def orders_seen(
    call: Call, twin: str = "", *, states: Collection[str] = (), name: str = "", limit: int, cursor: str
) -> Page[OrderView]:
    """A page of those that may be seen: it is full, or the last, so that it says nothing of the others."""
    asked: dict[str, Any] = {"states": states, "name": name, "limit": limit + 1}
    found: list[Order] = []
    at: str | None = onward_from(call, cursor)
    while at is not None and len(found) <= limit:
        page = call.services.platform.commander.orders(twin, **asked, cursor=at)
        found += [order for order in page.items if readable(call, order)]
        at = page.next
    items = found[:limit]
    shown = [shown_order(call, order) for order in items]
    return onward(call, Page(shown, str(items[-1].number) if len(found) > limit else None))
