"""The thread that carries orders on: sends them when their turn comes, hears what became of them, watches the clock.

It alone moves orders that are under way, and carries transactions and goals on.
"""

from __future__ import annotations

import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from gemel.clock import Clock
from gemel.commands.asking import controls_of
from gemel.commands.carrying import Carrier, Errand, Outcome, Result, Routed
from gemel.commands.fate import AWAITED, DOUBTFUL, WAITING, Fate, Move
from gemel.commands.links import Links
from gemel.commands.open_orders import OpenOrders
from gemel.commands.order import UNDER_WAY, Order, OrderKind, OrderState
from gemel.commands.rules import Rules, Verdict
from gemel.commands.ways import Ways, errand_of
from gemel.errors import GemelError, StorageFailed
from gemel.intake import Intake
from gemel.registry import Directory
from gemel.state import State

__all__ = ["Dispatcher"]

PAUSE_S = 0.5
"""How often it looks by itself: at deadlines, and at connectors that were not ready."""
RETRY_S = 0.5
AGAIN_S, LONGEST_AGAIN_S = 0.25, 10.0
"""How long what did not leave waits until it is tried again, doubled each time."""
_log = structlog.get_logger("gemel.commands")
S = OrderState


class Undertaking(Protocol):
    """What consists of several orders, and is carried on by the dispatcher's thread: transactions, goals."""

    def take_up(self) -> None:
        """What an earlier run left."""

    def turn(self) -> None:
        """Go on where something has changed or is due."""

    def holds(self, order: Order, /) -> bool:
        """Whether an order is not to be sent yet."""

    def abandon(self, why: str) -> None:
        """Nothing of it is to be sent any more."""


class Dispatcher:
    """One for a platform. `start` it when the connectors run."""

    def __init__(
        self,
        intake: Intake,
        directory: Directory,
        state: State,
        clock: Clock,
        *,
        rules: Rules,
        ways: Callable[[], Ways],
    ) -> None:
        self._intake, self._directory, self._state, self._clock = intake, directory, state, clock
        self._rules, self._ways = rules, ways
        self._carrier: Carrier | None = None
        self._own: Carrier | None = None
        self._changed = threading.Condition()
        self._placed: list[Order] = []
        self._told: list[tuple[str, Outcome]] = []
        self._closing = False
        self.open = OpenOrders(rules.database, intake, directory, state, clock)
        self._undertakings: tuple[Undertaking, ...] = ()
        self._not_before: dict[str, float] = {}
        """Of those that did not leave: when they are tried again, in monotonic seconds."""
        self._left: set[str] = set()
        """Of those that were sent: what comes after them may follow."""
        self._unwritten: list[tuple[str, Outcome]] = []
        """What was told and is not on stable storage yet."""
        self._seen = False
        self._over = ""
        """Why nothing that waits is to be sent."""
        self._links = Links(directory, ways, clock, intake, self.open)
        self._fate = Fate(directory, state)
        self._thread = threading.Thread(target=self._run, name="gemel-commands", daemon=True)

    # from other threads

    def start(self, carrier: Carrier) -> None:
        """Take up what an earlier run left, and begin."""
        self.begin(carrier)
        self._thread.start()

    def begin(self, carrier: Carrier) -> None:
        """Take up what an earlier run left; whoever steps time calls `turn` from now on."""
        self._carrier = carrier if self._own is None else Routed(self._own, carrier)
        self._take_up()
        for one in self._undertakings:
            one.take_up()

    def carry_on(self, own: Carrier, *undertakings: Undertaking) -> None:
        """What to carry on besides single orders, and who carries commands to twins themselves; before `begin`."""
        self._own, self._undertakings = own, undertakings

    @property
    def running(self) -> bool:
        return self._carrier is not None and not self._closing

    def placed(self, orders: Sequence[Order]) -> None:
        """These were written by somebody else: asked for, superseded, taken back, approved, settled."""
        with self._changed:
            self._placed += orders
            self._changed.notify()
        self.open.announce(orders)

    def wake(self) -> None:
        """Something is to be carried on."""
        with self._changed:
            self._seen = True
            self._changed.notify()

    def tell(self, order: str, outcome: Outcome) -> None:
        """What a connector says of an errand."""
        with self._changed:
            self._told.append((order, outcome))
            self._changed.notify()

    def seen(self, series: Iterable[int]) -> None:
        """These were reported; called on the writer's thread."""
        if not self.open.watched.keys().isdisjoint(series):
            self.wake()

    def ready(self, connector: str) -> str:
        """Why a connector can carry nothing just now; empty if it can."""
        return "nothing is sent here" if self._carrier is None else self._carrier.ready(connector)

    def expire_all(self, why: str) -> None:
        """What waits is not to be sent any more; called on the writer's thread."""
        with self._changed:
            self._over = why
            self._changed.notify()

    def unready(self, connector: str) -> None:
        """Its link was lost, however short; called on the writer's thread."""
        self._links.lose(connector)

    def close(self) -> None:
        """Stop; what is under way stays as it is on stable storage."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    # the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._placed or self._told or self._seen, PAUSE_S)
                if self._closing:
                    return
            try:
                self.turn()
            except StorageFailed:
                return  # nothing is written any more; the platform says so
            except Exception as error:  # a full queue or disk passes; whatever else it is, orders must not stand still
                detail = error.detail if isinstance(error, GemelError) else traceback.format_exc()
                _log.warning("orders wait", error=detail)
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, RETRY_S)

    def turn(self) -> None:
        """Hear what there is to hear, end what is over, send what can be sent."""
        assert self._carrier is not None
        with self._changed:
            placed, self._placed = self._placed, []
            told, self._told = self._told, []
            over = self._over
            self._seen = False
        for order in placed:
            self.open.keep(order)
        self._hear(told)
        self.open.commit([*self._observed(), *self._overdue()])
        if over:
            for one in self._undertakings:
                one.abandon(over)
            facts = {"reason": "restored", "detail": over}
            waiting = [one for one in self.open if one.state is S.REQUESTED]
            self.open.commit([Move(one.id, WAITING, S.EXPIRED, facts) for one in waiting])
            self._over = ""  # only now: what could not be written is written at the next turn, before anything is sent
        self._rules.sweep(self._clock.now())
        self._links.turn(self._carrier)
        for one in self._undertakings:
            one.turn()
        self._send(self._carrier)

    def _hear(self, told: list[tuple[str, Outcome]]) -> None:
        """Write what connectors told; while that cannot be written it is kept, and nothing else is done."""
        self._unwritten += told
        self.open.commit([move for id, outcome in self._unwritten for move in self._after(id, outcome)])
        self._unwritten.clear()

    def _take_up(self) -> None:
        """What an earlier run left: what it sent is not known, unless the object knows orders again."""
        moves = []
        for order in self.open.take_up():
            if order.state is S.SENT and not self._deduplicates(order):
                detail = "Gemel stopped after it was sent; whether it was carried out cannot be known"
                moves.append(Move(order.id, AWAITED, S.UNKNOWN, {"reason": "restart", "detail": detail}))
            elif order.state is S.SENT:
                moves.append(Move(order.id, AWAITED, S.REQUESTED, {"reason": "", "detail": "to be sent again"}))
        self.open.commit([*self._observed(), *moves])

    def _deduplicates(self, order: Order) -> bool:
        way = self._ways().of(order.twin, order.name)
        return way is not None and way.binding.deduplicates and order.deadline > self._clock.now()

    # what becomes of orders

    def _after(self, id: str, outcome: Outcome) -> list[Move]:
        """What follows from what a connector said."""
        order = self.open.get(id)
        if outcome.result is Result.LEFT:
            self._left.add(id)
            return []
        if order is None:
            return [Move(id, frozenset(), S.UNKNOWN, told=outcome)]  # it has ended: nothing moves it
        self._left.add(id)
        if outcome.result is Result.UNSENT:
            self._left.discard(id)
            wait_s = min(LONGEST_AGAIN_S, AGAIN_S * 2.0 ** min(order.attempts - 1, 10))
            self._not_before[id] = self._clock.monotonic() + wait_s
        return [self._fate.told(order, outcome)]

    def _observed(self) -> list[Move]:
        """Orders whose value is reported now."""
        moves = []
        for id in list(self.open.watched.values()):
            order = self.open.get(id)
            if order is not None and order.state in DOUBTFUL and self._fate.agrees(order):
                moves.append(Move(id, DOUBTFUL, S.APPLIED, {"reason": "", "detail": ""}))
        return moves

    def _overdue(self) -> list[Move]:
        moves = []
        for order in self.open:
            if order.state is S.UNKNOWN or not self.open.over(order):
                continue
            if order.state is S.REQUESTED:
                why = order.detail or self._why_not_sent(order)
                moves.append(Move(order.id, WAITING, S.EXPIRED, {"reason": "deadline", "detail": f"not sent: {why}"}))
            else:
                moves.append(self._fate.over(order))
        return moves

    def _why_not_sent(self, order: Order) -> str:
        if order.approval == "waiting":
            return "nobody else approved it"
        way = self._ways().of(order.twin, order.name)
        if way is None or self._carrier is None:
            return "no connector carries it"
        if any(one.holds(order) for one in self._undertakings):
            return "what it comes after in its transaction has not ended"
        return self._carrier.ready(way.connector) or "earlier orders to this twin were under way"

    # sending

    def _send(self, carrier: Carrier) -> None:
        """Send what can be sent, one after the other for each twin."""
        while ready := self._due(carrier):
            errands: dict[str, Errand] = {}
            moves = [move for order in ready for move in self._sending(order, errands)]
            sent = [order for order in self.open.commit(moves) if order.state is S.SENT and order.id in errands]
            refused = []
            for order in sent:
                verdict = self._verdict(order)  # again: the commit took its time
                if verdict is None:
                    carrier.carry(errands[order.id], self.tell)
                else:
                    facts = {"reason": verdict.reason, "detail": f"{verdict.detail}; nothing has left"}
                    refused.append(Move(order.id, AWAITED, S.REFUSED, facts))
            self.open.commit(refused)

    def _due(self, carrier: Carrier) -> list[Order]:
        """The next order of each twin, where nothing holds it up."""
        self._forget()
        counts: dict[str, int] = defaultdict(int)
        held: set[str] = set()
        for order in self.open:
            if order.state in UNDER_WAY:
                counts[order.twin] += 1
                if order.state is S.SENT and order.id not in self._left:
                    held.add(order.twin)
        due = []
        ways, ready, moment = self._ways(), dict[str, str](), self._clock.monotonic()
        for order in self.open:
            if order.state is not S.REQUESTED or order.approval == "waiting" or order.twin in held:
                continue
            if any(one.holds(order) for one in self._undertakings):
                held.add(order.twin)
                continue
            way = ways.of(order.twin, order.name)
            if way is None:
                continue
            held.add(order.twin)
            if self._not_before.get(order.id, 0.0) > moment:
                continue
            if way.connector not in ready:
                ready[way.connector] = carrier.ready(way.connector)
            if not ready[way.connector] and counts[order.twin] < self._in_flight(order.twin):
                due.append(order)
        return due

    def _forget(self) -> None:
        """What was noted of orders that are not where it matters any more."""
        self._left &= {order.id for order in self.open if order.state is S.SENT}
        for id in [id for id in self._not_before if self.open.get(id) is None]:
            del self._not_before[id]

    def _in_flight(self, twin: str) -> int:
        entry = self._directory.twin(twin)
        return min((one.in_flight for one in controls_of(self._directory, entry)), default=8) if entry else 1

    def _verdict(self, order: Order) -> Verdict | None:
        entry = self._directory.twin(order.twin)
        if entry is None:
            return Verdict("twin", f"there is no twin {order.twin} any more")
        return self._rules.verdict(order, entry, self._clock.now())

    def _sending(self, order: Order, errands: dict[str, Errand]) -> list[Move]:
        """The order on its way, in the place of earlier values of the same property; or refused by a rule."""
        verdict = self._verdict(order)
        entry, way = self._directory.twin(order.twin), self._ways().of(order.twin, order.name)
        if verdict is None and entry is not None and way is not None:
            try:
                errands[order.id] = errand_of(order, way, entry, self._directory)
            except GemelError as error:
                verdict = Verdict("binding", error.detail)
            else:
                attempts = order.attempts + 1
                facts = {"connector": way.connector, "attempts": attempts, "reason": "", "detail": ""}
                return [Move(order.id, WAITING, S.SENT, facts), *self._replaced(order)]
        verdict = verdict or Verdict("binding", "no connector carries it any more")
        return [Move(order.id, WAITING, S.REFUSED, {"reason": verdict.reason, "detail": verdict.detail})]

    def _replaced(self, order: Order) -> list[Move]:
        """Earlier values of the same property that were sent, and will not be reported any more."""
        if order.kind is not OrderKind.PROPERTY:
            return []
        facts = {"reason": "newer", "detail": f"it was sent, and {order.id} desires another value"}
        return [
            Move(older.id, UNDER_WAY, S.SUPERSEDED, facts)
            for older in self.open
            if (older.twin, older.name, older.kind) == (order.twin, order.name, order.kind)
            and older.state in UNDER_WAY
            and older.number < order.number
        ]
