"""Several machines at once: what is asked for together, and what became of it. Every verb from any thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, func, select

from gemel.clock import SECOND, Clock
from gemel.commands.asking import LONGEST_DEADLINE_S, LONGEST_KEY, draft
from gemel.commands.book import desired_of
from gemel.commands.coordinator import Coordinator
from gemel.commands.dispatcher import Dispatcher
from gemel.commands.ledger import (
    brought,
    find_transaction,
    has_member,
    orders_in,
    put_transaction,
    rewritten,
    transaction_by_key,
    transaction_of,
)
from gemel.commands.order import Order, OrderKind
from gemel.commands.placing import undo_of
from gemel.commands.rules import Rules
from gemel.commands.tables import transaction_table
from gemel.commands.transaction import SETTLED, AskTogether, Member, Transaction, TransactionState
from gemel.commands.waiting import Waiting
from gemel.commands.ways import Ways
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, KeyReused, Overloaded, RevisionConflict
from gemel.intake import Intake
from gemel.registry import Directory, Entry
from gemel.twin import Change, OnFailure, Page

__all__ = ["Transactions"]

MOST_MEMBERS = 200
MOST_OPEN = 1_000
LONGEST_TITLE = 200
T = TransactionState


class Transactions:
    """`commander.transactions`."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        directory: Directory,
        clock: Clock,
        *,
        dispatcher: Dispatcher,
        coordinator: Coordinator,
        ways: Callable[[], Ways],
        rules: Rules,
    ) -> None:
        self._database, self._intake, self._directory, self._clock = database, intake, directory, clock
        self._dispatcher, self.coordinator, self._ways, self._rules = dispatcher, coordinator, ways, rules
        self._waiting = Waiting(self.get, SETTLED)
        coordinator.listen(self._waiting.moved)

    def ask(self, ask: AskTogether, entries: Sequence[Entry], *, actor: str = "") -> Future[Transaction]:
        """Ask for all of it; the future resolves when the transaction is on stable storage, before anything is
        requested. entries: the twin of each wish.

        Raises as an order does, and Conflict for a member that nothing puts back; the future KeyReused,
        RevisionConflict, Overloaded.
        """
        drafted = self.draft(ask, entries, actor)
        assumed = [one for one in drafted.members if one.expects]
        if assumed and not self._asked(actor, drafted.key):
            for one in assumed:
                self._rules.assumptions(one.expects, one.twin)

        def work(tx: Connection) -> tuple[Transaction, Sequence[Change]]:
            known = transaction_by_key(tx, actor, drafted.key) if drafted.key else None
            if known is not None:
                if _wanted(known) != _wanted(drafted):
                    raise KeyReused(f"this key was used for {known.id}; use a new one for each transaction")
                return known, ()
            opened = select(func.count()).where(transaction_table.c.state.not_in([str(one) for one in SETTLED]))
            if tx.execute(opened).scalar_one() >= MOST_OPEN:
                raise Overloaded(f"{MOST_OPEN} transactions have not ended; wait for some", retry_after_s=1.0)
            for one in drafted.members:
                _check_revision(tx, one)
            return put_transaction(tx, drafted)

        return self._then(self._intake.transact(work, actor=actor))

    def _asked(self, actor: str, key: str) -> bool:
        with self._database.read() as tx:
            return bool(key) and transaction_by_key(tx, actor, key) is not None

    def draft(self, ask: AskTogether, entries: Sequence[Entry], actor: str) -> Transaction:
        """What is asked for as a transaction that can be written. Raises as `ask`."""
        if not 1 <= len(ask.wishes) <= MOST_MEMBERS:
            raise InvalidInput(f"a transaction has 1 to {MOST_MEMBERS} members, not {len(ask.wishes)}")
        if len(ask.title) > LONGEST_TITLE or not ask.title.isprintable():
            raise InvalidInput(f"a title has at most {LONGEST_TITLE} printable characters")
        if len(ask.key) > LONGEST_KEY or not ask.key.isprintable():
            raise InvalidInput(f"a key has at most {LONGEST_KEY} printable characters")
        wanted = ask.deadline_s
        if wanted is not None and not (math.isfinite(wanted) and 0 < wanted <= LONGEST_DEADLINE_S):
            raise InvalidInput(f"deadline_s {wanted} is not between 0 and {LONGEST_DEADLINE_S:.0f} seconds (30 days)")
        now = self._clock.now()
        drafts, members, seen = list[Order](), list[Member](), set[tuple[str, str]]()
        for wish, entry in zip(ask.wishes, entries, strict=True):
            one = draft(wish.ask, entry, self._directory, self._ways(), now)
            if (one.twin, one.name) in seen:
                raise InvalidInput(f"{one.twin}.{one.name} stands twice in this transaction; once is enough")
            seen.add((one.twin, one.name))
            undo = wish.undo
            if undo is not None:
                again = replace(wish.ask, name=undo.name, kind=undo.kind, input=undo.input, unit="", if_revision=None)
                undo = replace(undo, input=draft(again, entry, self._directory, self._ways(), now).input)
            if ask.on_failure is OnFailure.COMPENSATE:
                undo = undo_of(undo, one, entry, self._directory)
            told = {"twin": one.twin, "kind": one.kind, "name": one.name, "input": one.input, "expects": one.expects}
            members.append(Member(**told, if_revision=wish.ask.if_revision, undo=undo))
            drafts.append(one)
        deadline_s = wanted if wanted is not None else max((one.deadline - now) / SECOND for one in drafts)
        return Transaction(
            id="",
            number=0,
            title=ask.title.strip(),
            actor=actor,
            key=ask.key,
            created=now,
            deadline=now + round(deadline_s * SECOND),
            deadline_s=deadline_s,
            on_failure=ask.on_failure,
            in_order=ask.in_order,
            approval="waiting" if any(one.approval for one in drafts) else "",
            members=tuple(members),
        )

    def carry_out(self, ask: AskTogether, entries: Sequence[Entry], *, actor: str, wait_s: float = 0.0) -> Transaction:
        """Ask, and wait until it has ended or so many seconds have passed. Raises as `ask`."""
        made = self.ask(ask, entries, actor=actor).result()
        return self._waiting.within(made.id, wait_s) if wait_s > 0 and not made.settled else made

    def cancel(self, id: str, *, actor: str = "") -> Future[Transaction]:
        """Take it back: before it is requested nothing of it happens; after that what has not left is taken back, and
        what was done is put back or stays, as it says. The future raises Conflict when it has ended."""

        def work(tx: Connection) -> tuple[Transaction, Sequence[Change]]:
            one = find_transaction(tx, id)
            facts = {"reason": "cancelled", "detail": ""}
            asked = any(member.asked for member in one.members)
            if one.state is T.PREPARING and not asked:
                return brought(tx, one, T.CANCELLED, self._clock.now(), **facts)
            if one.state not in (T.PREPARING, T.COMMITTING) or one.reason:
                raise Conflict(f"{one.id} is {one.state}; it cannot be taken back any more", state=one.state)
            after = replace(one, reason="cancelled")
            rewritten(tx, after)
            return after, ()

        return self._then(self._intake.transact(work, actor=actor))

    def approve(self, id: str, *, actor: str = "") -> Future[Transaction]:
        """Agree, as the second person, to all members that need one. The future raises Conflict."""

        def work(tx: Connection) -> tuple[Transaction, Sequence[Change]]:
            one = find_transaction(tx, id)
            if one.state is not T.PREPARING or one.approval != "waiting":
                raise Conflict(f"{one.id} does not wait for anybody; it is {one.state}")
            if one.actor == actor:
                raise Conflict(f"{one.id} is your own transaction; somebody else has to approve it")
            after, now = replace(one, approval=actor), self._clock.now()
            rewritten(tx, after)
            body = {"transaction": one.id}
            kind = "transaction.approved"
            return after, [Change(kind=kind, subject=twin, time=now, actor=actor, body=body) for twin in one.twins]

        return self._then(self._intake.transact(work, actor=actor))

    # looking

    def get(self, id: str) -> Transaction:
        """Raises NotFound."""
        with self._database.read() as connection:
            return find_transaction(connection, id)

    def orders(self, transactions: Sequence[Transaction]) -> dict[str, Order]:
        """All orders that came of them, by id."""
        with self._database.read() as connection:
            return orders_in(connection, transactions)

    def list(
        self, twin: str = "", *, states: Collection[str] = (), limit: int = 100, cursor: str = ""
    ) -> Page[Transaction]:
        """The newest first; twin: the id of one of their members'."""
        c, conditions = transaction_table.c, list[ColumnElement[bool]]()
        if unknown := sorted(set(states) - set(TransactionState)):
            raise InvalidInput(f"{', '.join(unknown):.80} is no state of a transaction; use {', '.join(T)}")
        if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise InvalidInput(f"{cursor!r:.40} is not a cursor of this list; use `next` of the page before")
        conditions += [c.state.in_(sorted(states))] if states else []
        conditions += [c.number < int(cursor)] if cursor else []
        conditions += [has_member(twin)] if twin else []
        query = select(transaction_table).where(*conditions).order_by(c.number.desc()).limit(limit + 1)
        with self._database.read() as connection:
            found = [transaction_of(row) for row in connection.execute(query)]
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page(found[:limit], more)

    def reached(self, id: str, states: Collection[str] = SETTLED) -> Future[Transaction]:
        """The transaction once it is in one of these states, or has ended."""
        return self._waiting.reached(id, states)

    def begun(self, one: Transaction) -> None:
        """It was written by somebody else; it is carried on."""
        self.coordinator.touch(one.id)
        self._waiting.moved(one)
        self.wake()

    def wake(self) -> None:
        """There is something to carry on."""
        self._dispatcher.wake()

    def _then(self, future: Future[Any]) -> Future[Transaction]:
        """What was written; it is carried on."""
        later: Future[Transaction] = Future()

        def done(first: Future[Any]) -> None:
            error = first.exception()
            if error is None:
                one: Transaction = first.result()[0]
                self.begun(one)
            if not later.set_running_or_notify_cancel():
                return
            if error is not None:
                later.set_exception(error)
            else:
                later.set_result(one)

        future.add_done_callback(done)
        return later


def _check_revision(tx: Connection, member: Member) -> None:
    if member.if_revision is None:
        return
    before = desired_of(tx, member.twin, [member.name]).get(member.name)
    revision = 0 if before is None else before.revision
    if member.if_revision != revision and member.kind is OrderKind.PROPERTY:
        raise RevisionConflict(
            f"what is desired of {member.twin}.{member.name} is at revision {revision}, not {member.if_revision}; "
            "read it again and retry",
            revision=revision,
        )


def _wanted(one: Transaction) -> Any:
    """What it asks for, as it is stored."""
    told = [(m.twin, m.kind, m.name, m.input, m.if_revision, m.expects) for m in one.members]
    return msgspec.json.decode(msgspec.json.encode(told, enc_hook=str))
