"""Doing an operation: noted as an act, checked against what is believed and against the rules, and believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from gemel.configuration import operations as ops
from gemel.configuration.acts import acting, amending, identity, observing
from gemel.configuration.acts.checking import Check
from gemel.configuration.acts.expecting import expect
from gemel.configuration.acts.nonconformances import judge, raise_
from gemel.configuration.belief import Entry
from gemel.configuration.operations import Operation
from gemel.configuration.parts.book import Book
from gemel.configuration.questions import counting
from gemel.configuration.values import ActKind, Basis, Concession, ItemSpec, Outcome, Span
from gemel.errors import Conflict, InvalidInput
from gemel.twin import Change

__all__ = ["Wish", "do", "named_in", "subjects"]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that somebody hands in, and on what it rests."""

    operation: Operation
    basis: Basis = Basis()
    concession: Concession | None = None


def do(tx: Connection, wish: Wish, book: Book, *, now: int, actor: str) -> tuple[Outcome, list[Change]]:
    """Do it; the caller undoes all of it when this raises. Raises what the operation raises, RuleBroken and
    ConfigurationDiffers."""
    said, basis = wish.operation, wish.basis
    kind = _kind(said)
    always = isinstance(said, ops.Withdraw)
    at = now if isinstance(said, ops.Withdraw) else said.at
    text = msgspec.json.encode(said).decode()
    before = acting.said_before(tx, kind, None if always else at, basis, text)
    if before is not None:
        return Outcome(act=before, repeated=True), []
    expect(tx, basis.expects, at, book.place)
    about = subjects(said)
    check = Check(tx, book, said, now, about)
    amends = said.act if isinstance(said, ops.Correct | ops.Withdraw) else None
    entry = acting.begin(tx, kind, at, now=now, basis=basis, actor=actor, amends=amends, operation=text)
    entry.several = book.several
    raised = []
    if isinstance(said, ops.Judge):
        judge(entry, said, concession=wish.concession, reason=basis.reason)
    elif isinstance(said, ops.Raise):
        raised.append(raise_(entry, said, concession=wish.concession, reason=basis.reason))
    else:
        _DOING[type(said)](entry, said)
    findings, opened = check.judge(entry, basis, None if isinstance(said, ops.Judge) else wish.concession)
    opened += raised
    items = [*about, *(item for item in check.items if item not in about)]
    body: dict[str, Any] = {"act": entry.number, "items": items, "operation": msgspec.to_builtins(said)}
    if amends is not None:
        body["amends"] = amends
    change = Change(kind=f"item.{kind.value}", subject=items[0] if items else "", time=at, actor=actor, body=body)
    return Outcome(act=entry.number, findings=tuple(findings), nonconformances=tuple(opened)), [change]


def subjects(operation: Operation) -> tuple[str, ...]:
    """The items that an operation names, what it is about first."""
    if isinstance(operation, ops.Create):
        return (operation.spec.id,)
    if isinstance(operation, ops.Correct) and operation.instead is not None:
        return subjects(operation.instead)
    names = (getattr(operation, name, "") for name in ("child", "item", "parent", "new", "old", "into", "other"))
    to = getattr(operation, "to", None) or ()
    return tuple(dict.fromkeys(name for name in (*names, *to[:1]) if name))


def named_in(said: Mapping[str, Any]) -> list[str]:
    """The items that an operation names, as it is kept."""
    if not said:
        return []
    spec = (said.get("instead") or said).get("spec")
    return [*subjects(msgspec.convert(said, Operation)), *((spec["id"],) if spec else ())]


def _kind(operation: Operation) -> ActKind:
    if isinstance(operation, ops.Remove) and operation.to is not None:
        return ActKind.MOVED
    return operation.said


def _know(entry: Entry, spec: ItemSpec | None, id: str, at: int) -> None:
    """Know what comes in, if it is told what it is."""
    if spec is not None and spec.id != id:
        raise InvalidInput(f"{id:.80} comes in, but what is told is of {spec.id:.80}; name the same item")
    if spec is not None:
        acting.create(entry, spec, at)


def _install(entry: Entry, said: ops.Install) -> None:
    _know(entry, said.spec, said.child, said.at)
    acting.install(entry, said.child, said.parent, said.slot, Span(said.at, said.until))


def _remove(entry: Entry, said: ops.Remove) -> None:
    acting.remove(entry, said.child, said.at)
    if said.to is not None:
        acting.install(entry, said.child, *said.to, Span(said.at))


def _swap(entry: Entry, said: ops.Swap) -> None:
    old = acting.item_row(entry.tx, said.old).id if said.old else ""
    held = acting.occupants(entry.tx, said.parent, said.slot, said.at) if old else ()
    if old and old not in held:
        raise Conflict(f"{old} is not in {said.slot} of {said.parent} then; {', '.join(held) or 'nothing'} is")
    _know(entry, said.spec, said.new, said.at)
    old = old or acting.occupant(entry.tx, said.parent, said.slot, said.at)
    if acting.item_row(entry.tx, said.new).id == old:
        raise Conflict(f"{old} is in {said.slot} of {said.parent} already")
    acting.remove(entry, old, said.at)
    if said.to is not None:
        acting.install(entry, old, *said.to, Span(said.at))
    acting.leave_store(entry, said.new, said.at)
    acting.install(entry, said.new, said.parent, said.slot, Span(said.at))


def _move(entry: Entry, said: ops.Move) -> None:
    acting.remove(entry, said.child, said.at)
    acting.install(entry, said.child, said.parent, said.slot, Span(said.at))


def _correct(entry: Entry, said: ops.Correct) -> None:
    if said.instead is None:
        amending.correct(entry, said.act, said.at)
        return
    if said.instead.at != said.at:
        raise InvalidInput("a correction and what really was done are of one moment (at)")
    amending.replaced(entry, said.act)
    _DOING[type(said.instead)](entry, said.instead)


_DOING: dict[type, Callable[[Entry, Any], None]] = {
    ops.Create: lambda entry, said: acting.create(entry, said.spec, said.at),
    ops.Install: _install,
    ops.Remove: _remove,
    ops.Swap: _swap,
    ops.Move: _move,
    ops.Modify: lambda entry, said: acting.modify(entry, said.child, said.name, said.value, said.at),
    ops.Retire: lambda entry, said: acting.retire(entry, said.child, said.at),
    ops.Use: lambda entry, said: counting.use(entry, said.item, said.kind, Span(said.start, said.end), said.amount),
    ops.Adjust: lambda entry, said: counting.adjust(entry, said.item, said.kind, said.amount, said.at),
    ops.Correct: _correct,
    ops.Withdraw: lambda entry, said: amending.withdraw(entry, said.act),
    ops.Observe: observing.observe,
    ops.Report: observing.report,
    ops.Identify: identity.identify,
    ops.Merge: identity.merge,
    ops.Split: identity.split,
}
