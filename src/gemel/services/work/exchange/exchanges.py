"""The exchanges of a platform: declared, tried, run by themselves and when asked. `platform.work.exchanges`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import structlog
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.connectors.reach import Reach
from gemel.database import Database
from gemel.errors import GemelError, InvalidInput, NotFound, StorageFailed
from gemel.registry import Registry, TwinQuery
from gemel.services.base import Run
from gemel.services.work.exchange import keeping
from gemel.services.work.exchange.declared import ORDERS, Exchange, parse_exchanges
from gemel.services.work.exchange.exchanging import Exchanging, Preview
from gemel.services.work.exchange.keeping import Ran, Thing
from gemel.services.work.exchange.mapping import LookUps
from gemel.services.work.exchange.plugged import Plugged
from gemel.services.work.exchange.sides import OrderSide, RecordSide, Side
from gemel.services.work.orders import Orders
from gemel.thread import Thread
from gemel.twin import Block, Change, Page

__all__ = ["ExchangeDifference", "Exchanges", "Standing"]

SOON_S = 1.0
"""After a change here they are told so soon, if nothing is to wait."""
CLOSE_S = 15.0
"""So long closing waits for a round; it may be cut anywhere."""
_log = structlog.get_logger("gemel.services.work")


class ExchangeDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What declaring a document changes of one exchange."""

    id: str
    what: str
    """new, changed, same."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as it stands."""

    exchange: Exchange
    things: dict[str, int]
    """State → how many: same, waiting, conflict, refused."""
    pulled: int | None
    """When a pull over HTTP last went well."""
    last: Ran | None
    """The last run that did something, or failed."""


class Exchanges:
    """Every verb may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        rooms: tuple[Database, Clock, Run],
        *,
        registry: Registry,
        reach: Reach,
        orders: Orders,
        thread: Thread,
    ) -> None:
        self._folder, self._rooms, self._reach = folder, rooms, reach
        self._database, self._clock, self._run = rooms
        self._registry = registry
        self._sides: dict[bool, Side] = {True: OrderSide(orders), False: RecordSide(thread)}
        self._look = _look_ups(registry, orders)
        self._locks: dict[str, threading.Lock] = {}
        self._changed, self._turned = threading.Condition(), threading.Condition()
        self._woken = self._closing = False
        self._thread = threading.Thread(target=self._work, name="gemel-exchanges", daemon=True)

    # what is declared

    def apply(
        self, document: str | Sequence[Exchange], *, dry_run: bool = False, actor: str = ""
    ) -> list[ExchangeDifference]:
        """Declare what a document says; other exchanges stay. Returns the difference, with `dry_run` only that.

        Raises InvalidDocument with every fault; UnknownPlugin, MissingExtra, PluginFailed.
        """
        wanted = parse_exchanges(document) if isinstance(document, str) else tuple(document)
        known = self.all()
        told = [ExchangeDifference(id=one.id, what=_difference(known.get(one.id), one)) for one in wanted]
        changed = [one for one, difference in zip(wanted, told, strict=True) if difference.what != "same"]
        for one in changed:
            if one.plugin:
                with Plugged(one, self._reach):  # that there is such a plug-in, and takes these settings
                    pass
        if changed and not dry_run:
            now = self._clock.now()

            def work(tx: Connection) -> list[Change]:
                for one in changed:
                    keeping.declare(tx, one.id, one, now=now, actor=actor)
                    if one.push is not None:
                        keeping.look_again(tx, one.id)
                return [_change("exchange.declared", one.id, now, actor) for one in changed]

            self._run(work, actor=actor)
            self.wake()
        return told

    def withdraw(self, id: str, *, actor: str = "") -> None:
        """Exchange nothing more by it; what was taken in stays. Raises NotFound."""
        keeping.must(self.all(), id)
        now = self._clock.now()

        def work(tx: Connection) -> list[Change]:
            keeping.declare(tx, id, None, now=now, actor=actor)
            return [_change("exchange.withdrawn", id, now, actor)]

        self._run(work, actor=actor)

    def all(self) -> dict[str, Exchange]:
        """By id."""
        with self._database.read() as tx:
            return keeping.declared(tx)

    def standing(self) -> list[Standing]:
        """All of them, as they stand."""
        with self._database.read() as tx:
            counts = keeping.counts(tx)
            return [
                Standing(
                    exchange=one,
                    things=counts.get(id, {}),
                    pulled=keeping.place_of(tx, id)[1],
                    last=next(iter(keeping.runs(tx, id, limit=1).items), None),
                )
                for id, one in keeping.declared(tx).items()
            ]

    # what is done

    def preview(self, id: str) -> Preview:
        """What a run would do. Raises NotFound."""
        with self._lock(id):
            return self._one(id).preview()

    def run(self, id: str, *, only: Literal["", "pull", "push"] = "", at_once: bool = True) -> list[Ran]:
        """Exchange now. `at_once`: also what was to wait after a failure. Raises NotFound.

        What they may have made, and have not answered, is told again before anything is taken in: it would come back
        as something new.
        """
        done: list[Ran] = []
        with self._lock(id):
            one = self._one(id)
            if one.exchange.pull is not None and only != "push":
                if one.unanswered():
                    done.append(one.push(now_all=True, unanswered=True))
                if not one.unanswered():
                    done.append(one.pull())
            if one.exchange.push is not None and only != "pull":
                done.append(one.push(now_all=at_once))
        failed = next((ran for ran in done if ran.outcome == "failed"), None)
        if failed is not None:
            _log.warning("an exchange failed", exchange=id, direction=failed.direction, detail=failed.detail)
        return done

    def settle(self, id: str, external: str, keep: Literal["ours", "theirs"]) -> Thing:
        """Say whose the fields are that both sides changed. Raises NotFound."""
        with self._lock(id):
            done = self._one(id).settle(external, keep)
        self.wake()
        return done

    # what is asked

    def things(self, id: str, *, states: Sequence[str] = (), limit: int = 100, after: int | None = None) -> Page[Thing]:
        """What is exchanged, and how each stands. Raises NotFound."""
        keeping.must(self.all(), id)
        with self._database.read() as tx:
            return keeping.things(tx, id, states=states, limit=limit, after=after)

    def runs(self, id: str, *, limit: int = 100, after: int | None = None) -> Page[Ran]:
        """The runs that did something, or failed; the newest first. Raises NotFound."""
        keeping.must(self.all(), id)
        with self._database.read() as tx:
            return keeping.runs(tx, id, limit=limit, after=after)

    # by itself

    def follow(self, block: Block) -> None:
        """On the writer's thread: what may have to be told."""
        if any(change.kind.startswith(("work.", "thread.")) for change in block.changes):
            self.wake()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Until something is so; looked at after each round of exchanges."""
        with self._turned:
            return self._turned.wait_for(done, timeout_s)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)
            if self._thread.is_alive():
                _log.warning("an exchange does not end; it is left where it is", waited_s=CLOSE_S)

    def _work(self) -> None:
        due: dict[str, float] = {}
        while True:
            now = time.monotonic()
            try:
                exchanges = {id: one for id, one in self.all().items() if one.every_s > 0}
                due = {id: due.get(id, now) for id in exchanges}
                for id, one in exchanges.items():
                    if self._closing:
                        return
                    pulls = due[id] <= now
                    if pulls:
                        due[id] = time.monotonic() + one.every_s
                    if pulls or one.push is not None:
                        self._by_itself(id, only="" if pulls else "push")
            except StorageFailed:
                return  # nothing is written any more; the platform says so
            except GemelError as error:  # a full disk passes
                _log.warning("exchanges wait", error=error.detail)
            with self._turned:
                self._turned.notify_all()
            with self._changed:
                pause = min((at - time.monotonic() for at in due.values()), default=None)
                pause = None if pause is None else max(pause, SOON_S)
                self._changed.wait_for(lambda: self._closing or self._woken, pause)
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, SOON_S if self._woken else 0)
                if self._closing:
                    return
                self._woken = False

    def _by_itself(self, id: str, *, only: Literal["", "push"]) -> None:
        """One that fails does not hold up the others."""
        try:
            self.run(id, only=only, at_once=False)
        except StorageFailed:
            raise
        except GemelError as error:
            _log.warning("an exchange failed", exchange=id, detail=error.detail)
        except Exception:  # whatever else it is, the others must not stand still
            _log.exception("an exchange failed", exchange=id)

    # inside

    def _lock(self, id: str) -> threading.Lock:
        with self._changed:
            return self._locks.setdefault(id, threading.Lock())

    def _one(self, id: str) -> Exchanging:
        exchange = keeping.must(self.all(), id)
        return Exchanging(
            exchange,
            self._sides[exchange.kind == ORDERS],
            reach=self._reach,
            house=(self._place, lambda: self._closing),
            look=self._look,
            rooms=self._rooms,
        )

    def _place(self, name: str) -> Path:
        """A folder below outbox/. Raises InvalidInput."""
        root = (self._folder / "outbox").absolute()
        path = (self._folder.absolute() / name).resolve()
        if root.resolve() not in path.parents:
            raise InvalidInput(f"{name!r:.100} is not below the platform's outbox/; write it like outbox/erp")
        return path


def _difference(known: Exchange | None, wanted: Exchange) -> str:
    return "new" if known is None else "same" if known == wanted else "changed"


def _change(kind: str, id: str, now: int, actor: str) -> Change:
    return Change(kind=kind, subject=id, time=now, actor=actor)


def _look_ups(registry: Registry, orders: Orders) -> LookUps:
    configuration = orders.configuration

    def twin(text: str, by_serial: bool) -> str:
        if not by_serial:
            entry = registry.directory.twin(text)
            if entry is None:
                raise NotFound(f"there is no twin {text!r:.100}; use `look_up: serial` if it is a serial number")
            return entry.id
        found = registry.search(TwinQuery(serial=text, limit=2)).items
        return _only([one.id for one in found], text, "twin")

    def item(text: str, by_serial: bool) -> str:
        found = configuration.called(text)
        chosen = [one.id for one in found if (one.serial == text if by_serial else one.id == text)]
        return _only(chosen or [one.id for one in found], text, "item")

    def serial(what: str, id: str) -> str:
        if what == "twin":
            return registry.twin(id).serial or id
        return next((one.serial for one in configuration.called(id) if one.id == id and one.serial), id)

    def person(system: str, who: str, was: str, new: bool) -> str:
        if who == was:
            return who  # our own id of them, told back
        known = orders.person(system, who, new=False)
        if known:
            return known
        if was.startswith("person-") and not orders.knows_person(was):
            return was  # erased, and not made known again
        return orders.person(system, who) if new else "somebody new"

    return LookUps(twin=twin, item=item, serial=serial, person=person)


def _only(found: list[str], text: str, what: str) -> str:
    if not found:
        raise NotFound(f"no {what} has the id or serial number {text!r:.100}")
    if len(found) > 1:
        raise InvalidInput(f"{text!r:.100} is the serial number of several: {', '.join(found[:3])}; use ids")
    return found[0]
