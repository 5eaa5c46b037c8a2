"""Our side of an exchange: work orders, or records of the thread, as plain fields, read and changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from gemel.clock import parse_time, to_rfc3339
from gemel.configuration import Basis
from gemel.services.work.exchange.declared import Exchange
from gemel.services.work.exchange.mapping import Fields
from gemel.services.work.order import Outcome, VisitSpec, WorkOrder, WorkSpec, WorkState
from gemel.services.work.orders import Orders
from gemel.services.work.search import WorkQuery
from gemel.thread import LinkSpec, Node, NodeKind, Phase, RecordQuery, RecordSpec, Thread

__all__ = ["OrderSide", "RecordSide", "Side"]

_PHASES = {"order": Phase.MANUFACTURING, "material": Phase.MANUFACTURING}
_MOMENTS = ("start", "end")


class Side(Protocol):
    """What an exchange asks of our things."""

    def find(self, exchange: Exchange, external: str) -> str:
        """Our id of what they call so; empty: there is none."""

    def fields(self, ours: str) -> Fields:
        """As it is now. Raises NotFound."""

    def take(self, exchange: Exchange, ours: str, fields: Fields, actor: str) -> str:
        """Make it so (new, where `ours` is empty); returns our id. Raises GemelError."""

    def name(self, exchange: Exchange, ours: str, external: str, actor: str) -> None:
        """They call it so from now on."""

    def each(self, exchange: Exchange) -> Iterator[tuple[str, int]]:
        """All that may be exchanged, theirs and, if they get new ones, our own: (our id, when it last changed)."""


class OrderSide:
    """Work orders."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def find(self, exchange: Exchange, external: str) -> str:
        found = self._orders.find(exchange.system, external)
        return "" if found is None else found.id

    def fields(self, ours: str) -> Fields:
        order = self._orders.get(ours)
        told: Fields = msgspec.to_builtins(order.spec)
        told = {name: value for name, value in told.items() if name not in ("id", "system", "expects")}
        for name in _MOMENTS:
            told[name] = "" if told[name] is None else to_rfc3339(told[name])
        told |= {name: told[name] or "" for name in ("maintenance", "rework")}
        told["state"] = str(order.state)
        return told | _visit(order)

    def take(self, exchange: Exchange, ours: str, fields: Fields, actor: str) -> str:
        known = self._orders.get(ours) if ours else None
        told: dict[str, Any] = {} if known is None else msgspec.to_builtins(known.spec)
        for name, value in fields.items():
            if name in _MOMENTS:
                told[name] = parse_time(value) if value else None
            elif name in ("maintenance", "rework"):
                told[name] = value or None
            elif name in WorkSpec.__struct_fields__:
                told[name] = value
        if known is None or known.system in ("", exchange.system):
            told |= {"system": exchange.system, "external": fields["external"]}
        spec = msgspec.convert(told, WorkSpec)
        order = self._orders.put(spec, actor=actor).order
        if fields.get("visit.start"):
            order = self._visited(exchange, order, fields, actor)
        if (state := fields.get("state")) and str(order.state) != state:
            reason = f"{exchange.system} says so"
            order = self._orders.move(order.id, WorkState(state), reason=reason, actor=actor, noted=True)
        return order.id

    def _visited(self, exchange: Exchange, order: WorkOrder, fields: Fields, actor: str) -> WorkOrder:
        who = fields.get("visit.who", "")
        end = fields.get("visit.end")
        cause = fields.get("visit.cause") or None
        outcome = fields.get("visit.outcome") or (Outcome.FAILED if cause else Outcome.DONE if end else "under_way")
        told: dict[str, Any] = {
            "key": f"{exchange.system}:{fields.get('visit.key') or fields['visit.start']}",
            "who": who or f"exchange:{exchange.id}",
            "start": parse_time(fields["visit.start"]),
            "end": parse_time(end) if end else None,
            "outcome": outcome,
            "cause": cause,
            "time_from": exchange.system,
        }
        return self._orders.visit(order.id, msgspec.convert(told, VisitSpec), actor=actor, noted=True)

    def name(self, exchange: Exchange, ours: str, external: str, actor: str) -> None:
        known = self._orders.get(ours)
        spec = msgspec.structs.replace(known.spec, system=exchange.system, external=external)
        self._orders.put(spec, actor=actor)

    def each(self, exchange: Exchange) -> Iterator[tuple[str, int]]:
        new = exchange.push is not None and exchange.push.new
        for order in self._orders.each(WorkQuery(system="" if new else exchange.system)):
            if order.system == exchange.system or (new and not order.system):
                yield order.id, order.changed


class RecordSide:
    """Records of the thread: orders, invoices, accounts, cases … of the other system, in its words."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread

    def find(self, exchange: Exchange, external: str) -> str:
        query = RecordQuery(kind=exchange.record_kind, system=exchange.system, external=external, limit=1)
        found = self._thread.records(query).items
        return found[0].id if found else ""

    def fields(self, ours: str) -> Fields:
        record = self._thread.record(ours)
        told: Fields = {name: getattr(record, name) for name in ("external", "title", "revision", "url")}
        told |= {f"attributes.{name}": value for name, value in record.attributes.items()}
        for link in self._thread.links(Node(kind=NodeKind.RECORD, id=ours)):
            if link.kind == "concerns" and link.source.id == ours:
                told[str(link.target.kind)] = link.target.id
        return told

    def take(self, exchange: Exchange, ours: str, fields: Fields, actor: str) -> str:
        kind = exchange.record_kind
        known = self.fields(ours) if ours else {}
        told = {**known, **fields}
        id = ours or f"{exchange.system}:{kind}:{fields['external']}"
        names = ("title", "revision", "url", "external")
        record = RecordSpec(
            id=id,
            kind=kind,
            phase=_PHASES.get(kind, Phase.SERVICE),
            system=exchange.system,
            attributes={
                name.removeprefix("attributes."): value
                for name, value in told.items()
                if name.startswith("attributes.") and value != ""
            },
            **{name: told.get(name, "") for name in names},
        )
        node = Node(kind=NodeKind.RECORD, id=id)
        links = [
            LinkSpec(kind="concerns", source=node, target=Node(kind=NodeKind(name), id=told[name]))
            for name in ("twin", "item", "part")
            if told.get(name)
        ]
        self._thread.as_(actor).weave([record], links, basis=Basis(source=exchange.system), outside=True)
        return id

    def name(self, exchange: Exchange, ours: str, external: str, actor: str) -> None:
        known = self._thread.record(ours)
        names = ("id", "kind", "phase", "title", "revision", "url", "attributes")
        spec = RecordSpec(**{name: getattr(known, name) for name in names}, system=exchange.system, external=external)
        self._thread.as_(actor).weave([spec], basis=Basis(source=exchange.system))

    def each(self, exchange: Exchange) -> Iterator[tuple[str, int]]:
        new = exchange.push is not None and exchange.push.new
        after = 0
        while True:
            query = RecordQuery(kind=exchange.record_kind, limit=500, after=after)
            page = self._thread.records(query)
            for record in page.items:
                said = record.title or record.attributes  # an erased one says nothing
                if record.system == exchange.system and (record.external or (new and said)):
                    yield record.id, record.recorded.start
            if page.next is None:
                return
            after = int(page.next)


def _visit(order: WorkOrder) -> Fields:
    """The last one."""
    if not order.visits:
        return {}
    last = order.visits[-1]
    return {
        "visit.key": last.key,
        "visit.who": last.who,
        "visit.start": to_rfc3339(last.start),
        "visit.end": "" if last.end is None else to_rfc3339(last.end),
        "visit.outcome": str(last.outcome),
        "visit.cause": str(last.cause or ""),
    }
