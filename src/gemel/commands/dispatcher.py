"""The thread that carries orders on: sends them when their turn comes, hears what became of them, watches the clock.

It alone moves orders that are under way. Every move is a row and a change in one transaction of the writer, on stable
storage before anything follows from it; a move from a state that the order has left meanwhile does nothing.
"""

from __future__ import annotations

import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.commands.asking import controls_of, draft, placed
from gemel.commands.book import find, moved, open_orders
from gemel.commands.carrying import Carrier, Errand, Outcome, Result
from gemel.commands.fate import AWAITED, DOUBTFUL, WAITING, Fate, Move
from gemel.commands.links import Links
from gemel.commands.order import PLATFORM, UNDER_WAY, Ask, Order, OrderKind, OrderState
from gemel.commands.rules import Rules, Verdict
from gemel.commands.ways import Ways, errand_of
from gemel.errors import GemelError, NotFound, StorageFailed
from gemel.intake import Intake
from gemel.registry import Directory
from gemel.state import State
from gemel.twin import Change, FailSafe, series_of

__all__ = ["Dispatcher"]

PAUSE_S = 0.5
"""How often it looks by itself: at deadlines, and at connectors that were not ready."""
RETRY_S = 0.5
AGAIN_S, LONGEST_AGAIN_S = 0.25, 10.0
"""How long what did not leave waits until it is tried again, doubled each time."""
_log = structlog.get_logger("gemel.commands")
S = OrderState


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
        self._changed = threading.Condition()
        self._placed: list[Order] = []
        self._told: list[tuple[str, Outcome]] = []
        self._closing = False
        self._open: dict[str, Order] = {}
        """By id, in the order of their numbers: what has not ended, and desired values of which nothing is known."""
        self._not_before: dict[str, float] = {}
        """Of those that did not leave: when they are tried again, in monotonic seconds."""
        self._left: set[str] = set()
        """Of those that were sent: what comes after them may follow."""
        self._watched: dict[int, str] = {}
        """Series → the newest order that wants a value of it."""
        self._unwritten: list[tuple[str, Outcome]] = []
        """What was told and is not on stable storage yet."""
        self._seen = False
        self._listeners: list[Callable[[Order], None]] = []
        self._over = ""
        """Why nothing that waits is to be sent."""
        self._links = Links(directory, ways)
        self._fate = Fate(directory, state)
        self._thread = threading.Thread(target=self._run, name="gemel-commands", daemon=True)

    # from other threads

    def start(self, carrier: Carrier) -> None:
        """Take up what an earlier run left, and begin."""
        self.begin(carrier)
        self._thread.start()

    def begin(self, carrier: Carrier) -> None:
        """Take up what an earlier run left; whoever steps time calls `turn` from now on."""
        self._carrier = carrier
        self._take_up()

    @property
    def running(self) -> bool:
        return self._carrier is not None and not self._closing

    def listen(self, listener: Callable[[Order], None]) -> None:
        """Call with each order that has moved, on the dispatcher's or the writer's thread; quick."""
        self._listeners.append(listener)

    def placed(self, orders: Sequence[Order]) -> None:
        """These were written by somebody else: asked for, superseded, taken back, approved, settled."""
        with self._changed:
            self._placed += orders
            self._changed.notify()
        self._announce(orders)

    def tell(self, order: str, outcome: Outcome) -> None:
        """What a connector says of an errand."""
        with self._changed:
            self._told.append((order, outcome))
            self._changed.notify()

    def seen(self, series: Iterable[int]) -> None:
        """These were reported; called on the writer's thread."""
        if not self._watched.keys().isdisjoint(series):
            with self._changed:
                self._seen = True
                self._changed.notify()

    @property
    def watched(self) -> dict[int, str]:
        """Series whose values are waited for; replaced as a whole."""
        return self._watched

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
        with self._changed:
            placed, self._placed = self._placed, []
            told, self._told = self._told, []
            over, self._over = self._over, ""
            self._seen = False
        for order in placed:
            self._keep(order)
        self._hear(told)
        self._commit([*self._observed(), *self._overdue(self._clock.now())])
        if over:
            facts = {"reason": "restored", "detail": over}
            waiting = [one for one in self._open.values() if one.state is S.REQUESTED]
            self._commit([Move(one.id, WAITING, S.EXPIRED, facts) for one in waiting])
        self._rules.sweep(self._clock.now())
        self._look_at_links()
        self._send()

    def _hear(self, told: list[tuple[str, Outcome]]) -> None:
        """Write what connectors told; while that cannot be written it is kept, and nothing else is done."""
        self._unwritten += told
        self._commit([move for id, outcome in self._unwritten for move in self._after(id, outcome)])
        self._unwritten.clear()

    def _take_up(self) -> None:
        """What an earlier run left: what it sent is not known, unless the object knows orders again."""
        with self._rules.database.read() as tx:
            orders = open_orders(tx)
        moves = []
        for order in orders:
            self._keep(order)
            if order.state is S.SENT and not self._deduplicates(order):
                detail = "Gemel stopped after it was sent; whether it was carried out cannot be known"
                moves.append(Move(order.id, AWAITED, S.UNKNOWN, {"reason": "restart", "detail": detail}))
            elif order.state is S.SENT:
                moves.append(Move(order.id, AWAITED, S.REQUESTED, {"reason": "", "detail": "to be sent again"}))
        self._commit([*self._observed(), *moves])

    def _deduplicates(self, order: Order) -> bool:
        way = self._ways().of(order.twin, order.name)
        return way is not None and way.binding.deduplicates and order.deadline > self._clock.now()

    # what becomes of orders

    def _after(self, id: str, outcome: Outcome) -> list[Move]:
        """What follows from what a connector said."""
        order = self._open.get(id)
        self._left.add(id)
        if order is None or outcome.result is Result.LEFT:
            return []
        if outcome.result is Result.UNSENT:
            self._left.discard(id)
            wait_s = min(LONGEST_AGAIN_S, AGAIN_S * 2.0 ** min(order.attempts - 1, 10))
            self._not_before[id] = self._clock.monotonic() + wait_s
        return [self._fate.told(order, outcome)]

    def _observed(self) -> list[Move]:
        """Orders whose value is reported now."""
        moves = []
        for id in list(self._watched.values()):
            order = self._open.get(id)
            if order is not None and order.state in DOUBTFUL and self._fate.agrees(order):
                moves.append(Move(id, DOUBTFUL, S.APPLIED, {"reason": "", "detail": ""}))
        return moves

    def _overdue(self, now: int) -> list[Move]:
        moves = []
        for order in self._open.values():
            if order.deadline > now or order.state is S.UNKNOWN:
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
        return self._carrier.ready(way.connector) or "earlier orders to this twin were under way"

    # links that are lost and found

    def _look_at_links(self) -> None:
        """What waits for a twin with a fail-safe expires while its link is lost; the fail-safe goes out first."""
        assert self._carrier is not None
        lost, found = self._links.look(self._carrier)
        waiting = [one for one in self._open.values() if one.state is S.REQUESTED and one.actor != PLATFORM]
        moves = []
        for one in waiting if lost else ():
            if (why := lost.get(one.twin)) is not None:
                detail = f"the link was lost, and {one.twin} has a fail-safe{f' ({why})' if why else ''}"
                moves.append(Move(one.id, WAITING, S.EXPIRED, {"reason": "link", "detail": detail}))
        self._commit(moves)
        for twin, fail_safe in found:
            self._ask_for(twin, fail_safe)

    def _ask_for(self, twin: str, safe: FailSafe) -> None:
        entry, now = self._directory.twin(twin), self._clock.now()
        if entry is None:
            return
        kind = OrderKind.COMMAND if safe.command else OrderKind.PROPERTY
        given = safe.input if safe.command else safe.value
        try:
            ask = Ask(twin=twin, name=safe.command or safe.property, kind=kind, input=given)
            drafted = replace(draft(ask, entry, self._directory, self._ways(), now), actor=PLATFORM, approval="")
            work = partial(placed, drafted=drafted, if_revision=None, now=now)
            orders, _ = self._intake.transact(work, actor=PLATFORM).result()
        except StorageFailed:
            raise
        except GemelError as error:
            _log.warning("a fail-safe could not be asked for", twin=twin, error=error.detail)
            return
        for order in orders:
            self._keep(order)
        self._announce(orders)

    # sending

    def _send(self) -> None:
        """Send what can be sent, one after the other for each twin."""
        assert self._carrier is not None
        while ready := self._due(self._carrier):
            errands: dict[str, Errand] = {}
            moves = [move for order in ready for move in self._sending(order, errands)]
            sent = [order for order in self._commit(moves) if order.state is S.SENT and order.id in errands]
            refused = []
            for order in sent:
                verdict = self._verdict(order)  # again: the commit took its time
                if verdict is None:
                    self._carrier.carry(errands[order.id], self.tell)
                else:
                    facts = {"reason": verdict.reason, "detail": f"{verdict.detail}; nothing has left"}
                    refused.append(Move(order.id, AWAITED, S.REFUSED, facts))
            self._commit(refused)

    def _due(self, carrier: Carrier) -> list[Order]:
        """The next order of each twin, where nothing holds it up."""
        counts: dict[str, int] = defaultdict(int)
        held: set[str] = set()
        for order in self._open.values():
            if order.state in UNDER_WAY:
                counts[order.twin] += 1
                if order.state is S.SENT and order.id not in self._left:
                    held.add(order.twin)
        due = []
        ways, ready, moment = self._ways(), dict[str, str](), self._clock.monotonic()
        for order in self._open.values():
            if order.state is not S.REQUESTED or order.approval == "waiting" or order.twin in held:
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
            for older in self._open.values()
            if (older.twin, older.name, older.kind) == (order.twin, order.name, order.kind)
            and older.state in UNDER_WAY
            and older.number < order.number
        ]

    # moving

    def _commit(self, moves: Sequence[Move]) -> list[Order]:
        """Write moves, all in one transaction; returns the orders that moved, as they are now."""
        if not moves:
            return []
        (orders, others), _ = self._intake.transact(partial(self._moved, moves)).result()
        for order in (*others, *orders):
            self._keep(order)
        self._announce(orders)
        return list(orders)

    def _moved(self, moves: Sequence[Move], tx: Connection) -> tuple[tuple[list[Order], list[Order]], list[Change]]:
        """(those that moved, those that had left the state in which they were looked for)."""
        now, orders, others, changes = self._clock.now(), list[Order](), list[Order](), list[Change]()
        for move in moves:
            try:
                order = find(tx, move.id)
            except NotFound:  # its twin was erased
                others += [replace(held, state=S.CANCELLED) for held in (self._open.get(move.id),) if held is not None]
                continue
            if order.state not in move.since:
                others.append(order)
                continue
            facts = dict(move.facts)
            if move.to is S.SENT:
                facts["sent_after"] = self._state.position  # the writer's thread: all that is durable is folded
            after, change = moved(tx, order, move.to, now, **facts)
            orders.append(after)
            changes.append(change)
        return (orders, others), changes

    def _keep(self, order: Order) -> None:
        """What is known of an order now."""
        doubtful = order.state is S.UNKNOWN and order.kind is OrderKind.PROPERTY
        if order.ended and not doubtful:
            self._open.pop(order.id, None)
            self._not_before.pop(order.id, None)
        else:
            self._open[order.id] = order
        if order.state is not S.SENT:
            self._left.discard(order.id)
        self._watch(order)

    def _watch(self, order: Order) -> None:
        if order.kind is not OrderKind.PROPERTY:
            return
        entry = self._directory.twin(order.twin)
        ref = None if entry is None else entry.properties.get(order.name)
        if entry is None or ref is None:
            return
        series, watched = series_of(entry.number, ref.number), dict(self._watched)
        before = self._open.get(watched.get(series, ""))
        if order.state in DOUBTFUL:
            if before is None or before.number <= order.number:
                watched[series] = order.id
        elif watched.get(series) == order.id:
            del watched[series]
        self._watched = watched

    def _announce(self, orders: Sequence[Order]) -> None:
        for order in orders:
            for listener in list(self._listeners):
                listener(order)
