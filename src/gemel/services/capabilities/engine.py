"""The thread that carries licences on: has machines unlocked when their time comes, and locked when it is over.

It keeps nothing that is not on stable storage. That a machine is to be told is written before the order is asked for,
and each order has a key of its own; so what follows a stop in between is never a second order.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from heapq import heappop, heappush

import structlog
from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import SECOND, Clock
from gemel.commands import Ask, Commander, Order, OrderKind
from gemel.configuration import Machine, Module, SoftwareBook
from gemel.database import Database
from gemel.errors import GemelError, NotFound, Overloaded, StorageFailed, StorageFull
from gemel.services.base import Run
from gemel.services.campaigns.aiming import inputs_of
from gemel.services.capabilities.deciding import NOT_ASKED, Move, decided, may_follow
from gemel.services.capabilities.rows import came, find, keep, open_licences
from gemel.services.capabilities.values import Capability, Licence, LicenceState
from gemel.twin import Change

__all__ = ["Engine", "Objects"]

S = LicenceState
LONGEST_PAUSE_S = 60.0
"""So often it looks at least while something is open: moments pass without anything being journaled."""
WHOLE = 600 * SECOND
"""So often all licences are looked at, whatever was journaled."""
SOON_S = 0.5
RETRY_S = 1.0
DEADLINE_S = 600.0
_log = structlog.get_logger("gemel.services.capabilities")
Objects = Callable[[str, str], str]
"""Why nothing is sent on behalf of somebody (first) to a twin (second); empty: it may be."""
Known = Callable[[str], Capability | None]


class Engine:
    """One for a platform."""

    def __init__(
        self,
        rooms: tuple[Database, Clock, Run],
        *,
        book: SoftwareBook,
        commander: Commander,
        known: Known,
        objects: Objects,
    ) -> None:
        self._database, self._clock, self._run = rooms
        self._book, self._commander, self._known, self._objects = book, commander, known, objects
        self._woken, self._closing = True, False
        self._everything = True
        self._twins, self._items = set[str](), set[str]()
        """Of which something was journaled since the last turn; with `_everything`, of anything."""
        self._open: dict[str, dict[str, Licence]] = {}
        """Twin → id → licence that may still become something of itself; of the thread alone."""
        self._due: list[tuple[int, str]] = []
        """(moment, twin): when a licence begins or ends, a heap; each is in it once."""
        self._noted = set[tuple[int, str]]()
        self._moving: set[str] = set()
        """Twins of licences that are on their way."""
        self._looked = 0
        self._turns = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="gemel-licences", daemon=True)

    # from other threads

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self, twins: Collection[str] = (), items: Collection[str] = (), *, everything: bool = False) -> None:
        """Look at what is under way or due, and at what is of these twins and items, or at all."""
        with self._changed:
            self._twins |= set(twins)
            self._items |= set(items)
            self._everything |= everything
            self._woken = True
            self._changed.notify_all()

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Until something is so; looked at after each turn."""
        with self._changed:
            return self._changed.wait_for(done, timeout_s)

    # the thread

    def _work(self) -> None:
        pause: float | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._woken, pause)
                if self._closing:
                    return
            try:
                pause = self.turn()
            except StorageFailed:
                return  # nothing is written any more; the platform says so
            except Exception as error:  # a full queue or disk passes; licences must not stand still
                detail = error.detail if isinstance(error, GemelError) else traceback.format_exc()
                _log.warning("licences wait", error=detail)
                with self._changed:
                    self._woken = self._everything = True
                    self._changed.wait_for(lambda: self._closing, RETRY_S)

    def turn(self) -> float | None:
        """Look once at all that may have to be carried on, and do what is due; how long until something may be due by
        itself."""
        now = self._clock.now()
        twins = self._touched(now)
        open_ = [one for twin in sorted(twins) for one in self._open.get(twin, {}).values()]
        machines = self._book.machines(sorted({one.twin for one in open_})) if open_ else {}
        soon = False
        for one in sorted(open_, key=lambda one: one.number):
            beside = self._open[one.twin].values()
            other = any(o.capability == one.capability and o.id != one.id and o.holds(now) for o in beside)
            soon |= self._carry_on(one, machines.get(one.twin), now=now, other=other)
        with self._changed:
            self._turns += 1
            self._changed.notify_all()
        return SOON_S if soon else self._pause()

    def _touched(self, now: int) -> set[str]:
        """The twins whose licences have to be looked at, with these licences read anew."""
        with self._changed:
            self._woken = False
            twins, items, everything = self._twins, self._items, self._everything
            self._twins, self._items, self._everything = set(), set(), False
        everything |= not self._looked <= now < self._looked + WHOLE
        if everything:
            self._open.clear()
            self._due.clear()
            self._noted.clear()
            self._looked = now
        else:
            twins |= self._book.twins_of(items) if items else set()
            while self._due and self._due[0][0] <= now:
                self._noted.discard(due := heappop(self._due))
                twins.add(due[1])
            twins |= self._moving
        with self._database.read() as tx:
            found = open_licences(tx, None if everything else twins)
        for twin in twins:
            self._open.pop(twin, None)
        for one in found:
            self._open.setdefault(one.twin, {})[one.id] = one
            for moment in (one.starts, one.over):
                if moment is not None and moment > now and (moment, one.twin) not in self._noted:
                    self._noted.add((moment, one.twin))
                    heappush(self._due, (moment, one.twin))
        self._moving = {one.twin for one in found if one.state in (S.UNLOCKING, S.ENDING)}
        return set(self._open) if everything else twins

    def _pause(self) -> float | None:
        if not self._open:
            return None
        due = [(self._due[0][0] - self._clock.now()) / SECOND] if self._due else []
        return min([LONGEST_PAUSE_S, *(max(0.01, one) for one in due)])

    def _carry_on(self, licence: Licence, machine: Machine | None, *, now: int, other: bool) -> bool:
        """Do what is due; whether an order for it is under way. `other`: another licence of the same holds."""
        capability = self._known(licence.capability)
        module = module_of(machine, licence)
        if capability is None:
            return False  # it was withdrawn: nothing is told any more
        reported = "" if module is None else module.version
        licence, order = self._asked(licence)
        move = decided(licence, capability, reported, order, now=now, other=other)
        if move is None:
            if licence.state not in (S.UNLOCKING, S.ENDING):
                return False
            if licence.wanted and not licence.order:
                return self._ask(licence, capability)
            return order is not None and may_follow(order, now)
        if move.tell:
            move = self._checked(licence, capability, machine, move)
        after = self._moved(licence, move)
        if move.tell:
            return after is None or self._ask(after, capability)
        return move.to in (S.UNLOCKING, S.ENDING) and order is not None and may_follow(order, now)

    def _checked(self, licence: Licence, capability: Capability, machine: Machine | None, move: Move) -> Move:
        """The move, or why nothing is told: looked at anew, right before."""
        module = module_of(machine, licence)
        back = move.to is S.ENDING

        def not_so(reason: str, detail: str) -> Move:
            return Move(S.ENDING if back else S.REFUSED, {**move.facts, "reason": reason, "detail": detail})

        if machine is None or module is None:
            return not_so("changed", f"{licence.twin} has no place for {capability.part} any more")
        way = self._book.way(licence.twin, capability.part, licence.slot)
        if way is None or not way.command:
            told = "people unlock it" if not back else "people lock it"
            return Move(move.to, {**move.facts, "reason": "by-hand", "detail": f"{told}: it takes no command"})
        objections = [] if back else self._book.judge().objections(machine, module, capability.unlocked)
        if objections:
            return not_so(objections[0].rule, "; ".join(one.text for one in objections))
        if why := self._objects(licence.actor, licence.twin):
            return not_so("rights", why)
        return move

    def _moved(self, licence: Licence, move: Move) -> Licence | None:
        """Write it, if it is something new, and the licence still is as it was when this was decided."""
        now, facts = self._clock.now(), dict(move.facts)
        if move.tell:
            facts |= {"attempt": licence.attempt + 1, "wanted": move.tell, "order": ""}
        elif replace(licence, state=move.to, **facts) == licence:
            return None
        done: list[Licence] = []

        def work(tx: Connection) -> Sequence[Change]:
            known = find(tx, licence.id)
            done.clear()
            if known != licence:
                return []
            if move.to is licence.state and not move.tell and move.facts.get("reason") == licence.reason:
                keep(tx, replace(licence, **facts))
                done.append(replace(licence, **facts))
                return []
            after, change = came(tx, licence, move.to, now, actor="gemel", **facts)
            done.append(after)
            return [change]

        try:
            self._run(work, actor="gemel")
        except NotFound:  # its twin was erased meanwhile
            return None
        self._moving.add(licence.twin)
        return done[0] if done else None

    def _ask(self, licence: Licence, capability: Capability) -> bool:
        """Order it; whether to look again soon: it is under way, or was not taken yet."""
        way = self._book.way(licence.twin, capability.part, licence.slot)
        if way is None or not way.command:
            return False
        given: dict[str, str | int] = {"part": capability.part, "version": licence.wanted, "licence": licence.id}
        given["until"] = "" if licence.over is None else licence.over // SECOND
        ask = Ask(
            twin=licence.twin,
            name=way.command,
            kind=OrderKind.COMMAND,
            input=inputs_of(way, given),
            deadline_s=DEADLINE_S,
            key=_key(licence),
        )
        try:
            order = self._commander.ask(ask, actor=licence.actor).result()
        except StorageFailed:
            raise
        except (Overloaded, StorageFull) as error:
            _log.info("a licence is not asked for yet", licence=licence.id, error=error.detail)
        except GemelError as error:
            to = S.ENDING if licence.state is S.ENDING else S.REFUSED
            self._moved(licence, Move(to, {"reason": "order", "detail": error.detail, "order": NOT_ASKED}))
        else:
            self._note(licence, order)
        return True

    def _asked(self, licence: Licence) -> tuple[Licence, Order | None]:
        """The licence and its order, looked for where it is not noted: a stop came between asking and noting."""
        if licence.order or not licence.wanted:
            return licence, self.order(licence)
        order = self._commander.asked(licence.twin, _key(licence))
        return (licence, None) if order is None else (self._note(licence, order), order)

    def _note(self, licence: Licence, order: Order) -> Licence:
        """Write which order a licence is told by, whatever else became of the licence meanwhile."""
        done = [replace(licence, order=order.id)]

        def work(tx: Connection) -> Sequence[Change]:
            known = find(tx, licence.id)
            if (known.attempt, known.wanted, known.order) == (licence.attempt, licence.wanted, ""):
                done[:] = [replace(known, order=order.id)]
                keep(tx, done[0])
            return []

        with suppress(NotFound):  # its twin was erased meanwhile
            self._run(work, actor="gemel")
        return done[0]

    def order(self, licence: Licence) -> Order | None:
        """What a licence is told by, if that is noted."""
        if licence.order in ("", NOT_ASKED):
            return None
        try:
            return self._commander.order(licence.order)
        except NotFound:
            return None


def module_of(machine: Machine | None, licence: Licence) -> Module | None:
    """The place of a licence in a machine."""
    modules = () if machine is None else machine.modules
    return next((one for one in modules if (one.twin, one.slot) == (licence.twin, licence.slot)), None)


def _key(licence: Licence) -> str:
    """Of the order of this attempt."""
    return f"{licence.id}/{licence.attempt}"
