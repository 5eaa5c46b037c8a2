"""The orders of transactions: what is asked beforehand, what is requested of all members at once, what puts them back.

The verbs that take a connection work in the writer's transaction; each gives the transaction as it is then, the orders
written or moved, and what is to be journaled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import SECOND, Clock
from gemel.commands.asking import controls_of, draft, placed, room
from gemel.commands.book import desired_of, put_desired
from gemel.commands.ledger import brought, rewritten
from gemel.commands.order import Ask, Order, OrderKind, OrderState
from gemel.commands.rules import Rules, Verdict
from gemel.commands.transaction import Member, Role, Transaction, TransactionState, Undo
from gemel.commands.verdicts import DONE, MAYBE, NOTHING, effect_of
from gemel.commands.ways import Ways, command_of
from gemel.errors import Conflict, GemelError, UnknownTwin
from gemel.registry import Directory, Entry
from gemel.twin import Change, OnFailure, Prepare

__all__ = ["Placing", "ask_of", "undo_of"]

Written = tuple[Transaction, list[Order], Sequence[Change]]
VALUE = "value"
"""The input of a command that prepares a desired value."""


class Placing:
    """Of one platform."""

    def __init__(
        self, directory: Directory, ways: Callable[[], Ways], rules: Rules, clock: Clock, ready: Callable[[str], str]
    ) -> None:
        """ready: why a connector can carry nothing just now; empty if it can."""
        self._directory, self._ways, self._rules, self._clock, self._ready = directory, ways, rules, clock, ready

    # asking objects beforehand

    def questions(self, one: Transaction) -> list[tuple[int, Order]]:
        """(place of the member, what is asked), of those whose type says how. Raises as `draft`."""
        found = []
        for place, member in enumerate(one.members):
            prepare = self._prepare_of(member)
            if prepare is not None:
                found.append((place, self._draft(one, member.twin, self._told(member, prepare.command), Role.ASK)))
        return found

    def ask(self, tx: Connection, one: Transaction, questions: Sequence[tuple[int, Order]]) -> Written:
        """Ask the objects."""
        members, orders, changes = list(one.members), list[Order](), list[Change]()
        for place, question in questions:
            written, told = placed(tx, question, None, self._clock.now())
            members[place] = replace(members[place], asked=written[0].id)
            orders += written
            changes += told
        after = replace(one, members=tuple(members))
        rewritten(tx, after)
        return after, orders, changes

    def release(
        self, tx: Connection, one: Transaction, orders: Mapping[str, Order]
    ) -> tuple[list[Order], Sequence[Change]]:
        """Tell the objects that agreed, or may have, that nothing comes of it."""
        found, changes = list[Order](), list[Change]()
        for member in one.members:
            prepare, order = self._prepare_of(member), orders.get(member.asked)
            if order is None or prepare is None or not prepare.release or order.state is OrderState.REFUSED:
                continue
            try:
                drafted = self._draft(one, member.twin, self._told(member, prepare.release), Role.RELEASE)
            except GemelError:  # there is no such way any more
                continue
            written, told = placed(tx, drafted, None, self._clock.now())
            found += written
            changes += told
        return found, changes

    def _prepare_of(self, member: Member) -> Prepare | None:
        entry = self._directory.twin(member.twin)
        every = [one for control in (controls_of(self._directory, entry) if entry else ()) for one in control.prepares]
        return next((one for one in every if member.name in one.of), None)

    def _told(self, member: Member, command: str) -> Undo:
        """A command about a member, with those of its values that the command takes."""
        entry = self._entry(member.twin)
        type_ = command_of(self._directory, entry, command)
        takes = {one.name for one in type_.input} if type_ is not None else set()
        values = member.input or {} if member.kind is OrderKind.COMMAND else {VALUE: member.input}
        known = {name: value for name, value in values.items() if name in takes}
        return Undo(kind=OrderKind.COMMAND, name=command, input=known)

    # our own check, and the commit

    def objection(self, one: Transaction) -> Verdict | None:
        """Why some member may not be sent now; None if all may."""
        for place, drafted in enumerate(self.drafts(one)):
            entry = self._entry(drafted.twin)
            way = self._ways().of(drafted.twin, drafted.name)
            if way is not None and (why := self._ready(way.connector)):
                return Verdict("link", f"{drafted.twin} cannot be reached now: {why}")
            verdict = self._rules.verdict(drafted, entry, self._clock.now())
            if verdict is not None and not (one.in_order and place and verdict.reason.startswith("interlock:")):
                return Verdict(verdict.reason, f"{drafted.twin}.{drafted.name}: {verdict.detail}")
        return None

    def drafts(self, one: Transaction) -> list[Order]:
        """The members as orders that can be placed. Raises as `draft`."""
        now, found = self._clock.now(), []
        for place, member in enumerate(one.members):
            turns = place + 1 if one.in_order else 1
            drafted = self._draft(one, member.twin, member, Role.MEMBER)
            found.append(replace(drafted, deadline=now + round(turns * one.deadline_s * SECOND)))
        return found

    def commit(self, tx: Connection, one: Transaction, drafts: Sequence[Order]) -> Written:
        """What is requested of all members appears at once. Raises RevisionConflict, Overloaded, Conflict."""
        now, members, orders, changes = self._clock.now(), list[Member](), list[Order](), list[Change]()
        for member, drafted in zip(one.members, drafts, strict=True):
            undo = member.undo
            if undo is None and one.on_failure is OnFailure.COMPENSATE:
                undo = self._previous(tx, member)
            room(tx, member.twin)
            written, told = placed(tx, drafted, member.if_revision, now)
            members.append(replace(member, order=written[0].id, undo=undo))
            orders += written
            changes += told
        after, told = brought(tx, replace(one, members=tuple(members)), TransactionState.COMMITTING, now)
        return after, orders, [*told, *changes]

    def _previous(self, tx: Connection, member: Member) -> Undo:
        """What puts a property back: what was desired of it, or else what is reported. Raises Conflict."""
        before = desired_of(tx, member.twin, [member.name]).get(member.name)
        if before is not None:
            return Undo(kind=OrderKind.PROPERTY, name=member.name, input=before.value)
        now, fault = self._rules.sight.value(self._entry(member.twin), member.name)
        if now is None:
            raise Conflict(f"what {member.twin}.{member.name} would be put back to is not known: {fault}; say undo")
        return Undo(kind=OrderKind.PROPERTY, name=member.name, input=now.value)

    # putting back

    def put_back(self, tx: Connection, one: Transaction, orders: Mapping[str, Order]) -> Written:
        """Request at once, the last member first, what undoes those of which something may be done; what is desired of
        the others is again what it was."""
        now, members, found, changes = self._clock.now(), list(one.members), list[Order](), list[Change]()
        turns = 0
        for place in reversed(range(len(members))):
            member = members[place]
            effect = effect_of(member, orders)
            note = self._overtaken(tx, member)
            if effect == NOTHING and not note:
                changes += self._restored(tx, one, member, now)
            if effect not in (DONE, MAYBE):
                continue
            if not note:
                try:
                    assert member.undo is not None
                    drafted = self._draft(one, member.twin, member.undo, Role.UNDO)
                    turns += 1
                    deadline = now + round(turns * one.deadline_s * SECOND)
                    written, told = placed(tx, replace(drafted, deadline=deadline), None, now)
                except GemelError as error:
                    note = error.detail
                else:
                    members[place] = replace(member, undone=written[0].id)
                    found += written
                    changes += told
            if note:
                members[place] = replace(member, note=f"not put back: {note}"[:500])
        after = replace(one, members=tuple(members))
        facts = {"reason": one.reason, "detail": one.detail}
        after, told = brought(tx, after, TransactionState.COMPENSATING, now, **facts)
        return after, found, [*told, *changes]

    def _overtaken(self, tx: Connection, member: Member) -> str:
        """Whether somebody desires something else of the property since."""
        if member.kind is not OrderKind.PROPERTY:
            return ""
        desired = desired_of(tx, member.twin, [member.name]).get(member.name)
        newer = desired is not None and desired.order != member.order
        return f"{desired.order} desires another value since" if newer and desired is not None else ""

    def _restored(self, tx: Connection, one: Transaction, member: Member, now: int) -> list[Change]:
        """What is desired of a property whose order never left, or was refused, is what it was."""
        if member.kind is not OrderKind.PROPERTY or member.undo is None or member.undo.name != member.name:
            return []
        desired = desired_of(tx, member.twin, [member.name]).get(member.name)
        if desired is None:
            return []
        again = replace(desired, value=member.undo.input, revision=desired.revision + 1, time=now)
        put_desired(tx, again)
        value = msgspec.json.decode(msgspec.json.encode(again.value, enc_hook=str))
        body = {"property": member.name, "value": value, "revision": again.revision, "transaction": one.id}
        return [Change(kind="desired.restored", subject=member.twin, time=now, actor=one.actor, body=body)]

    # inside

    def _draft(self, one: Transaction, twin: str, what: Member | Undo, role: Role) -> Order:
        entry = self._entry(twin)
        ask = ask_of(twin, what)
        drafted = draft(ask, entry, self._directory, self._ways(), self._clock.now())
        deadline = self._clock.now() + round(one.deadline_s * SECOND)
        if role is Role.ASK:
            deadline = min(deadline, one.deadline)
        return replace(
            drafted,
            actor=one.actor,
            approval=one.approval if drafted.approval else "",
            transaction=one.id,
            role=str(role),
            deadline=deadline,
        )

    def _entry(self, twin: str) -> Entry:
        entry = self._directory.twin(twin)
        if entry is None:
            raise UnknownTwin(f"there is no twin {twin!r:.100} any more", twin=twin[:128])
        return entry


def ask_of(twin: str, what: Member | Undo) -> Ask:
    expects = what.expects if isinstance(what, Member) else ()
    return Ask(twin=twin, name=what.name, kind=what.kind, input=what.input, expects=expects)


def undo_of(given: Undo | None, drafted: Order, entry: Entry, directory: Directory) -> Undo | None:
    """What puts a member back: as declared with it, or by its type; None for a property: its previous value.

    Raises Conflict for a command that nothing takes back.
    """
    if given is not None or drafted.kind is OrderKind.PROPERTY:
        return given
    command = command_of(directory, entry, drafted.name)
    if command is None or not command.undo:
        raise Conflict(
            f"nothing takes {drafted.twin}.{drafted.name} back; say its undo, or on_failure: leave",
            twin=drafted.twin,
            command=drafted.name,
        )
    return Undo(kind=OrderKind.COMMAND, name=command.undo, input={})
