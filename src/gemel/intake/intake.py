"""The one way in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from sqlalchemy import Connection

from gemel.clock import Clock
from gemel.errors import GemelError, InvalidId, InvalidInput, Overloaded, StorageFull
from gemel.intake.base import Message, Missed, Quarantined, Receipt, Refusal, ReplayRule, SourceRule, summed
from gemel.intake.frames import check_batch
from gemel.intake.identity import Identities, Watermarks, missed, reached
from gemel.intake.outcome import MAX_PROBLEMS
from gemel.intake.plans import Guard, Plans
from gemel.intake.quarantine import Held, Quarantine, withheld
from gemel.intake.queue import Answer, FairQueue, Item, size_of_messages
from gemel.intake.replaying import check_rule
from gemel.intake.steady import SteadyClock
from gemel.intake.tail import Tails
from gemel.intake.taker import Taker
from gemel.intake.times import Window
from gemel.intake.validate import check_text
from gemel.intake.writer import Writer
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import Block, Change, Page, Position

__all__ = ["Intake", "SourceFollower"]

QUEUE_BYTES = 64_000_000
QUEUE_COUNT = 100_000
TAIL_POSITIONS = 262_144
MAX_REPLAY = 100_000
REPLAYED_AT_ONCE = 10_000
"""Readings that one block takes from the quarantine: others wait for it."""
MAX_SOURCE = 128
T = TypeVar("T")
Scope = Callable[[str], bool]
"""Whether a source may speak of a twin, by id or alias."""


class SourceFollower(Protocol):
    """Who wants to know whether sources live; the state."""

    def heartbeat(self, source: str, time: int) -> None: ...
    def lost(self, source: str, time: int) -> None: ...
    def found(self, source: str, time: int) -> None: ...


class Intake:
    """Checks what sources tell, makes it durable in order, and then folds it. All verbs may be called from any thread.

    A future resolves after fsync and fold. Order within one source is kept.
    """

    def __init__(
        self,
        journal: SqlJournal,
        registry: Registry,
        clock: Clock,
        *,
        after_commit: Sequence[Callable[[Block], None]] = (),
        sources: SourceFollower | None = None,
        guard: Guard | None = None,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        """`after_commit` is called on the writer's thread with each block, after the registry's directory has
        followed; it must be quick and must not submit."""
        self._journal = journal
        self._clock = clock
        self._sources = sources
        self._refused = ""
        self._queue = FairQueue(queue_bytes, QUEUE_COUNT, clock.monotonic)
        self._quarantine = Quarantine(journal.database)
        head = journal.head()
        start, steady = head.position, SteadyClock(clock, head.recorded)
        self._taker = Taker(
            Plans(registry.directory, guard),
            Identities(journal.database),
            Watermarks(journal.database),
            Tails(lambda: journal.blocks(max(0, start - TAIL_POSITIONS), start)),
            steady,
        )

        def follow(block: Block) -> None:
            if block.changes:
                registry.committed(block.changes)

        followers = [follow, *after_commit]
        self._writer = Writer(journal, self._queue, self._taker, self._quarantine, steady, followers)

    # telling

    def submit(
        self,
        source: str,
        messages: Sequence[Message],
        *,
        strict: bool = False,
        resumed: bool = False,
        actor: str = "",
        scope: Scope | None = None,
    ) -> Future[Receipt]:
        """Hand in what `source` sent.

        What cannot be accepted goes to quarantine and is counted in the receipt; with `strict` the whole submission is
        refused with an error instead. `resumed`: these messages follow a reconnect, so readings that were taken before
        are repeats. `scope`: which twins the source may speak of; what it says of others is refused with the code
        `not-granted`. Raises Overloaded at once when the queue is full, StorageFailed when the writer has stopped.
        """
        item = self._messages(source, messages, Answer(), strict=strict, resumed=resumed)
        item.actor, item.scope = actor, scope
        return self._hand_in(item)

    def deliver(
        self,
        source: str,
        messages: Sequence[Message],
        *,
        strict: bool = False,
        resumed: bool = False,
        actor: str = "",
        scope: Scope | None = None,
    ) -> asyncio.Future[Receipt]:
        """`submit` for a running event loop: all futures of one block resolve in one call to the loop."""
        item = self._messages(source, messages, Answer(asyncio.get_running_loop()), strict=strict, resumed=resumed)
        item.actor, item.scope = actor, scope
        self._queue.put(item)
        future: asyncio.Future[Receipt] = item.answer.future
        return future

    def _hand_in(self, item: Item) -> Future[Any]:
        self._queue.put(item)
        future: Future[Any] = item.answer.future
        return future

    def _messages(
        self, source: str, messages: Sequence[Message], answer: Answer, *, strict: bool, resumed: bool
    ) -> Item:
        item = Item(self._admitted(source), size_of_messages(messages), answer)
        item.messages, item.strict, item.resumed = messages, strict, resumed
        return item

    def submit_frame(
        self,
        source: str,
        batch: pa.RecordBatch,
        *,
        strict: bool = False,
        actor: str = "",
        identity: tuple[str, int] | None = None,
        scope: Scope | None = None,
    ) -> Future[Receipt]:
        """Hand in readings as columns: `twin` and `property` (best dictionary-encoded), or `series` (int64); `value`;
        perhaps `time` (timestamp, or int64 microseconds) and `quality`. At most a million rows. `identity`: epoch and
        sequence, as a message has them; the same again has no second effect.

        Raises InvalidInput for other columns, and as `submit`.
        """
        checked = check_batch(batch)
        item = Item(self._admitted(source), checked.nbytes, Answer())
        item.frame, item.strict, item.actor, item.scope = checked, strict, actor, scope
        if identity is not None:
            epoch, sequence = identity
            if not 0 <= sequence < 2**63:
                raise InvalidInput(f"the sequence of a frame is {sequence}; it must be from 0 to 2^63 - 1")
            item.identity = (check_text("the epoch of a frame", epoch), sequence)
        return self._hand_in(item)

    def refuse(self, reason: str) -> None:
        """Take no readings and events from now on: who hands some in gets StorageFull with the reason; "" ends it.

        Changes (`transact`) go on, and what the platform tells of itself (sources `gemel`, `gemel.…`).
        """
        self._refused = reason

    def _admitted(self, source: str) -> str:
        checked = _checked(source)
        if self._refused and checked.partition(".")[0] != "gemel":
            raise StorageFull(self._refused)
        return checked

    def reached(self, source: str, epoch: str) -> int | None:
        """The highest sequence of this epoch on stable storage: where a source that was restarted goes on."""
        return reached(self._journal.database, source, epoch)

    def missed(self, source: str = "") -> list[Missed]:
        """Numbers that sources which number their messages have left out, and that have not come late either."""
        return missed(self._journal.database, source)

    def reject(self, source: str, payload: bytes, reason: str) -> Future[Receipt]:
        """Keep bytes that `source` sent and nobody understands in quarantine, with the reason."""
        refusal = Refusal(code="malformed", detail=reason)
        return self._hold([Held(_checked(source), self._clock.now(), refusal, bytes(payload))])

    def withhold(self, source: str, message: Message) -> Future[Receipt]:
        """Keep a message of twins that `source` does not speak for in quarantine; whoever allows it can replay it."""
        return self._hold(withheld(_checked(source), message, self._clock.now()))

    def _hold(self, held: list[Held]) -> Future[Receipt]:
        def keep(connection: Connection) -> tuple[None, Sequence[Change]]:
            self._quarantine.write(connection, held)
            return None, ()

        problems = [one.refusal for one in held[:MAX_PROBLEMS]]
        kept = self.transact(keep)
        return _then(kept, lambda done: Receipt(last=done[1], quarantined=len(held), problems=problems))

    def transact(
        self, work: Callable[[Connection], tuple[T, Sequence[Change]]], *, actor: str = ""
    ) -> Future[tuple[T, Position]]:
        """Do `work` in the writer's transaction; the changes it returns are journaled in the same one.

        An exception of `work` undoes all of it and is the future's.
        """
        item = Item("", 1_000, Answer())
        item.work, item.actor = work, actor
        return self._hand_in(item)

    # the life of sources

    def heartbeat(self, source: str) -> None:
        """`source` lives, and all its values are as they were. Not journaled."""
        if self._sources is not None:
            self._sources.heartbeat(source, self._clock.now())

    def lost(self, source: str, reason: str) -> Future[tuple[None, Position]]:
        """The connection to `source` is lost: what it brings becomes stale. Journaled as `source.lost`."""
        return self._source_changed("lost", source, {"reason": ascii(reason[:1000])[1:-1]})

    def found(self, source: str) -> Future[tuple[None, Position]]:
        """The connection to `source` is there again. Journaled as `source.found`."""
        return self._source_changed("found", source, {})

    def _source_changed(self, what: str, source: str, body: dict[str, Any]) -> Future[tuple[None, Position]]:
        now = self._clock.now()
        _checked(source)
        change = Change(kind=f"source.{what}", subject=source, time=now, source=source, body=body)
        item = Item(source, 1_000, Answer())  # in the queue of its source: after the readings it sent before
        item.work = lambda _connection: (None, (change,))
        done = self._hand_in(item)
        if self._sources is not None:
            tell = self._sources.lost if what == "lost" else self._sources.found
            done.add_done_callback(lambda done: None if done.exception() else tell(source, now))
        return done

    def believe(self, source: str, rule: SourceRule | None) -> None:
        """What times to believe of a source; None: the default again."""
        if rule is None:
            self._taker.rules.pop(source, None)
        else:
            self._taker.rules[source] = rule

    def believed_since(self, source: str) -> int:
        """The earliest time that is believed of a source now."""
        return Window.of(self._taker.rules.get(source, SourceRule()), self._clock.now()).earliest

    # quarantine

    def quarantined(
        self,
        *,
        source: str = "",
        code: str = "",
        twin: str = "",
        state: str = "held",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Quarantined]:
        """What was not accepted, the newest first; `state` "" for all."""
        if not 1 <= limit <= 10_000:
            raise InvalidInput(f"limit {limit} is not between 1 and 10000")
        if cursor is not None and not cursor.isdecimal():
            raise InvalidInput(f"{cursor!r:.40} is not a cursor of this list; use `next` of the page before")
        return self._quarantine.page(limit=limit, cursor=cursor, where=_where(source, code, twin, state))

    def held(self, sources: Sequence[str]) -> dict[str, int]:
        """How much of each of these sources is in quarantine; a source of which nothing is, is left out."""
        return self._quarantine.held(sources)

    def replay(
        self,
        ids: Iterable[int] | None = None,
        rule: ReplayRule | None = None,
        *,
        source: str = "",
        code: str = "",
        twin: str = "",
        actor: str = "",
    ) -> Future[Receipt]:
        """Hand in again what is held: these ids, or the oldest hundred thousand of a source, code and twin.

        What is accepted now is marked as replayed and never taken twice; what is refused again stays held. With a
        `rule` the times are mended first; the original stays in the row and a change records the rule.
        """
        if rule is not None:
            check_rule(rule)
        wanted = self._quarantine.ids(_where(source, code, twin, ""), MAX_REPLAY) if ids is None else list(ids)
        parts = self._quarantine.portions(wanted, REPLAYED_AT_ONCE) or [[]]
        return _gathered([self._replay(part, rule, actor) for part in parts])

    def _replay(self, ids: list[int], rule: ReplayRule | None, actor: str) -> Future[Receipt]:
        item = Item("", 100 * len(ids) + 100, Answer())
        item.replays, item.actor = (ids, rule), actor
        return self._hand_in(item)

    def discard(self, ids: Iterable[int], *, actor: str = "") -> Future[tuple[int, Position]]:
        """Give up what is held; its content goes, its row and reason stay. How many rows."""
        wanted = list(ids)

        def give_up(connection: Connection) -> tuple[int, Sequence[Change]]:
            rows = self._quarantine.read(connection, wanted)
            for row in rows:
                self._quarantine.settle(connection, row.id, state="discarded")
            now = self._clock.now()
            body = {"quarantine": [row.id for row in rows]}
            changes = [Change(kind="quarantine.discarded", subject="quarantine", time=now, body=body)] if rows else []
            return len(rows), changes

        return self.transact(give_up, actor=actor)

    # the whole

    def waiting(self) -> tuple[int, int]:
        """(submissions, bytes) that are not durable yet."""
        return self._queue.waiting()

    def close(self) -> None:
        """Take no more, make durable what waits, end the writer. Safe to call again."""
        self._queue.close(_closed())
        self._writer.join()


def _checked(source: str) -> str:
    if isinstance(source, str) and 0 < len(source) <= MAX_SOURCE and source.isprintable():
        return source
    raise InvalidId(f"source {source!r:.100} is not allowed; name it with 1 to {MAX_SOURCE} printable characters")


def _closed() -> GemelError:
    return Overloaded("the platform is closing; send again when it is back", retry_after_s=5.0)


def _where(source: str, code: str, twin: str, state: str) -> dict[str, str]:
    given = {"source": source, "code": code, "twin": twin, "state": state}
    return {column: value for column, value in given.items() if value}


def _gathered(futures: Sequence[Future[Receipt]]) -> Future[Receipt]:
    """One receipt of several that come in order; the error of the first that has one."""
    if len(futures) == 1:
        return futures[0]
    receipts: list[Receipt] = []
    whole: Future[Receipt] = Future()

    def follow(done: Future[Receipt]) -> None:
        error = done.exception()
        if whole.done():
            return
        if error is not None:
            whole.set_exception(error)
            return
        receipts.append(done.result())
        if len(receipts) == len(futures):
            whole.set_result(summed(receipts))

    for future in futures:
        future.add_done_callback(follow)
    return whole


def _then(future: Future[Any], result: Callable[[Any], T]) -> Future[T]:
    """A future of `result(what the first one gives)`."""
    later: Future[T] = Future()

    def done(first: Future[Any]) -> None:
        if not later.set_running_or_notify_cancel():
            return  # whoever waited has gone
        error = first.exception()
        if error is not None:
            later.set_exception(error)
        else:
            later.set_result(result(first.result()))

    future.add_done_callback(done)
    return later
