"""The way out: what is asked of twins' objects, and what became of it. Every verb may be called from any thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, select

from gemel.access import seal
from gemel.clock import Clock
from gemel.commands.agreement import agrees
from gemel.commands.aiming import Aiming
from gemel.commands.asking import controls_of, draft, placed, room
from gemel.commands.authority import LAPSES_S, Authority
from gemel.commands.book import change_of, desired_of, find, moved, note, order_of, rewritten
from gemel.commands.carrying import Carrier
from gemel.commands.coordinator import Coordinator
from gemel.commands.dispatcher import Dispatcher
from gemel.commands.effects import Effects
from gemel.commands.goals import Goals
from gemel.commands.instructions import Instructions
from gemel.commands.order import ENDED, Ask, Desired, Order, OrderState
from gemel.commands.placing import Placing
from gemel.commands.rules import Assumptions, Hazards, Rules, Standing
from gemel.commands.sight import Sight
from gemel.commands.tables import order_table
from gemel.commands.transactions import Transactions
from gemel.commands.waiting import Waiting
from gemel.commands.ways import Ways
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, UnknownTwin
from gemel.intake import Intake
from gemel.registry import Entry, Registry
from gemel.state import State
from gemel.twin import Block, Change, Page, PropertyType

__all__ = ["Commander"]

LONGEST_NOTE = 500
RESTORED = "backup.restored"
_ABOUT_WAYS = ("connector.", "type.", "twin.", "plant.")


class Commander:
    """Orders of one platform."""

    def __init__(self, database: Database, intake: Intake, registry: Registry, state: State, clock: Clock) -> None:
        self._database, self._intake, self._registry, self._clock = database, intake, registry, clock
        self._directory, self._state = registry.directory, state
        self._ways: Ways | None = None
        self._waiting = Waiting(self.order, ENDED)
        self.authority = Authority(database, clock, self._run, wholes=partial(_wholes, registry))
        self.instructions = Instructions(self, intake, clock, self._current_ways)
        sight = Sight(self._directory, state, _Slots(registry))
        self._rules = Rules(database, self._directory, self.authority, sight=sight)
        self.dispatcher = Dispatcher(intake, self._directory, state, clock, rules=self._rules, ways=self._current_ways)
        self.dispatcher.open.listen(self._waiting.moved)
        placing = Placing(self._directory, self._current_ways, self._rules, clock, self.dispatcher.ready)
        coordinator = Coordinator(intake, clock, self.dispatcher.open, placing)
        rooms = (database, intake, self._directory, clock)
        self.transactions = Transactions(
            *rooms, dispatcher=self.dispatcher, coordinator=coordinator, ways=self._current_ways, rules=self._rules
        )
        aiming = Aiming(self._directory, sight, clock)
        self.goals = Goals(*rooms, aiming=aiming, transactions=self.transactions, rules=self._rules)
        self.effects = Effects(intake, self._directory, sight, clock)
        self.dispatcher.carry_on(self.effects, self.goals, coordinator)

    def ask_before_risk(self, hazards: Hazards) -> None:
        """Who is asked, before something risky is sent, whether a configuration is safe; without: nothing risky is."""
        self._rules.hazards = hazards

    def ask_what_is_assumed(self, assumptions: Assumptions) -> None:
        """Who is asked, before something is sent that assumes a configuration; without: nothing of it is."""
        self._rules.assumptions = assumptions

    def start(self, carrier: Carrier) -> None:
        """Begin to send, through `carrier`; before, and without it, nothing is taken."""
        self.dispatcher.start(carrier)

    def close(self) -> None:
        """Send no more; what is under way is taken up by the next run."""
        self.dispatcher.close()
        self.effects.close()

    # asking

    def ask(self, ask: Ask, *, actor: str = "") -> Future[Order]:
        """Ask for something; the future resolves when the order is on stable storage.

        Raises UnknownTwin, NotFound, UnknownProperty, InvalidValue, InvalidUnit, InvalidInput, Conflict (nothing
        carries it, or nothing is sent here), ConfigurationDiffers (what it assumes is not so), Overloaded; the future
        KeyReused, RevisionConflict.
        """
        if not self.dispatcher.running:
            raise Conflict("this plant's connectors do not run here, so nothing can be sent; start `gemel serve`")
        entry, now = self.entry(ask.twin), self._clock.now()
        drafted = msgspec.structs.replace(draft(ask, entry, self._directory, self._current_ways(), now), actor=actor)
        if ask.expects and (ask.key == "" or self.asked(entry.id, ask.key) is None):
            self._rules.assumptions(ask.expects, entry.id)

        def work(tx: Connection) -> tuple[list[Order], Sequence[Change]]:
            room(tx, entry.id)
            return placed(tx, drafted, ask.if_revision, self._clock.now())

        return self._then(self._intake.transact(work, actor=actor))

    def carry_out(self, ask: Ask, *, actor: str = "library", wait_s: float = 0.0) -> Order:
        """Ask, and wait until it has ended or so many seconds have passed. Raises as `ask`."""
        order = self.ask(ask, actor=actor).result()
        return self._waiting.within(order.id, wait_s) if wait_s > 0 and not order.ended else order

    def cancel(self, id: str, *, actor: str = "") -> Future[Order]:
        """Take an order back that has not left. The future raises Conflict when it has."""

        def work(tx: Connection) -> tuple[list[Order], Sequence[Change]]:
            order = find(tx, id)
            if order.state is not OrderState.REQUESTED:
                raise Conflict(
                    f"{order.id} is {order.state}; only what has not left can be taken back", state=order.state
                )
            facts = {"reason": "cancelled", "detail": ""}
            after, change = moved(tx, order, OrderState.CANCELLED, self._clock.now(), actor=actor, **facts)
            return [after], [change]

        return self._then(self._intake.transact(work, actor=actor))

    def resolve(self, id: str, *, applied: bool, actor: str = "", said: str = "") -> Future[Order]:
        """Settle an order of which nobody could tell what became of it; `said`: how that is known.

        The future raises Conflict when its outcome is known.
        """
        if len(said) > LONGEST_NOTE:
            raise InvalidInput(f"a note has at most {LONGEST_NOTE} characters")

        def work(tx: Connection) -> tuple[list[Order], Sequence[Change]]:
            order, now = find(tx, id), self._clock.now()
            if order.state is not OrderState.UNKNOWN:
                raise Conflict(f"{order.id} is {order.state}; only what is unknown is settled by a person")
            to = OrderState.APPLIED if applied else OrderState.REFUSED
            detail = f"settled by a person: {'it was' if applied else 'it was not'} carried out"
            after, change = moved(tx, order, to, now, actor=actor, reason="settled", detail=detail)
            if said.strip():
                note(tx, after, seal(tx, actor, said.strip()))
            return [after], [change]

        return self._then(self._intake.transact(work, actor=actor))

    def approve(self, id: str, *, actor: str = "") -> Future[Order]:
        """Agree to an order of somebody else that needs two persons. The future raises Conflict."""

        def work(tx: Connection) -> tuple[list[Order], Sequence[Change]]:
            order, now = find(tx, id), self._clock.now()
            if order.state is not OrderState.REQUESTED or order.approval != "waiting":
                raise Conflict(f"{order.id} does not wait for anybody; it is {order.state}")
            if order.actor == actor:
                raise Conflict(f"{order.id} is your own order; somebody else has to approve it")
            after = msgspec.structs.replace(order, approval=actor)
            rewritten(tx, after)
            return [after], [change_of(after, now, actor=actor, kind="command.approved")]

        return self._then(self._intake.transact(work, actor=actor))

    # looking

    def order(self, id: str) -> Order:
        """Raises NotFound."""
        with self._database.read() as connection:
            return find(connection, id)

    def asked(self, twin: str, key: str) -> Order | None:
        """The newest order to a twin that was asked for under a key, whoever did so."""
        c = order_table.c
        query = select(order_table).where(c.twin == twin, c.key == key).order_by(c.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else order_of(row)

    def orders(
        self,
        twin: str = "",
        *,
        states: Collection[str] = (),
        name: str = "",
        limit: int = 100,
        cursor: str = "",
    ) -> Page[Order]:
        """Orders, the newest first: of a twin, in some states, of a command or property."""
        c, conditions = order_table.c, []
        if unknown := sorted(set(states) - set(OrderState)):
            raise InvalidInput(f"{', '.join(unknown):.80} is no state of an order; use {', '.join(OrderState)}")
        if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise InvalidInput(f"{cursor!r:.40} is not a cursor of this list; use `next` of the page before")
        conditions += [c.twin == self.entry(twin).id] if twin else []
        conditions += [c.state.in_(sorted(states))] if states else []
        conditions += [c.name == name] if name else []
        conditions += [c.number < int(cursor)] if cursor else []
        query = select(order_table).where(*conditions).order_by(c.number.desc()).limit(limit + 1)
        with self._database.read() as connection:
            found = [order_of(row) for row in connection.execute(query)]
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page(found[:limit], more)

    @staticmethod
    def agrees(reported: Any, desired: Any, property_: PropertyType) -> bool:
        """Whether a reported value counts as the desired one."""
        return agrees(reported, desired, property_)

    def desired(self, twin: str) -> dict[str, Desired]:
        """What the properties of a twin are to be, by property."""
        entry = self.entry(twin)
        with self._database.read() as connection:
            return desired_of(connection, entry.id)

    def standing(self, twin: str) -> list[Standing]:
        """How the rules for orders to a twin stand now."""
        return self._rules.standing(self.entry(twin), self._clock.now())

    def needs_control(self, twin: str) -> bool:
        """Whether only who has taken control may command it."""
        return any(one.required for one in controls_of(self._directory, self.entry(twin)))

    def lapses_s(self, twin: str) -> float:
        """For how long control of it is taken, if nobody says otherwise."""
        return min((one.lapses_s for one in controls_of(self._directory, self.entry(twin))), default=LAPSES_S)

    def reached(self, id: str, states: Collection[OrderState] = ENDED) -> Future[Order]:
        """The order once it is in one of these states, or has ended."""
        return self._waiting.reached(id, states)

    def entry(self, twin: str) -> Entry:
        """Raises UnknownTwin."""
        found = self._directory.twin(twin)
        if found is None:
            raise UnknownTwin(f"there is no twin {twin!r:.100}; search for a part of its name", twin=twin[:128])
        return found

    # following the writer

    def follow(self, block: Block) -> None:
        """What is durable and folded; on the writer's thread."""
        for change in block.changes:
            if change.kind.startswith(_ABOUT_WAYS):
                self._ways = None
            elif change.kind == RESTORED:
                self.dispatcher.expire_all(
                    "the plant was brought back from a backup; give the order again if it is still meant"
                )
            elif change.kind == "source.lost":
                self.dispatcher.unready(change.subject)
        watched = self.dispatcher.open.watched
        if watched:
            wanted = np.fromiter(watched, np.int64, len(watched))
            for frame in block.frames.values():
                found = frame.series[np.isin(frame.series, wanted)]
                if len(found):
                    self.dispatcher.seen(found.tolist())

    # inside

    def _current_ways(self) -> Ways:
        ways = self._ways
        if ways is None:
            ways = self._ways = Ways(self._registry.connectors(), self._directory)
        return ways

    def _run(self, work: Callable[[Connection], Sequence[Change]], actor: str) -> object:
        return self._intake.transact(lambda tx: (None, work(tx)), actor=actor).result()

    def _then(self, future: Future[Any]) -> Future[Order]:
        """The first order of what was written; the dispatcher hears of all of them."""
        later: Future[Order] = Future()

        def done(first: Future[Any]) -> None:
            error = first.exception()
            if error is None:
                orders: list[Order] = first.result()[0]
                self.dispatcher.placed(orders)
            if not later.set_running_or_notify_cancel():
                return
            if error is not None:
                later.set_exception(error)
            else:
                later.set_result(orders[0])

        future.add_done_callback(done)
        return later


class _Slots:
    """Which part fills a slot."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def in_slot(self, twin: str, slot: str) -> tuple[str, ...]:
        links = self._registry.links(twin, kind="part_of", direction="in")
        return tuple(sorted(link.source for link in links if link.slot == slot and link.target == twin))


def _wholes(registry: Registry, twin: str) -> Iterator[str]:
    """What a twin is part of, nearest first."""
    seen, level = {twin}, [twin]
    while level:
        above = []
        for one in level:
            for link in registry.links(one, kind="part_of", direction="out"):
                if link.target not in seen:
                    seen.add(link.target)
                    above.append(link.target)
                    yield link.target
        level = above
