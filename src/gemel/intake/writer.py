"""The one writer: takes what arrived, makes it one block, one transaction, one fsync; then tells everybody."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from gemel.errors import StorageFailed
from gemel.intake.frames import Resolver, take_frame
from gemel.intake.outcome import Outcome
from gemel.intake.payloads import FRAME, READINGS
from gemel.intake.quarantine import Quarantine
from gemel.intake.queue import Answer, FairQueue, Item
from gemel.intake.replaying import event_keys, take_again
from gemel.intake.steady import SteadyClock
from gemel.intake.taker import Taker
from gemel.journal import Journal
from gemel.twin import Block, Change

__all__ = ["Writer"]

BLOCK_BYTES = 4_000_000
REPLAYABLE = frozenset({"reading", "event", READINGS, FRAME})
_log = structlog.get_logger(__name__)


class Writer:
    """A thread that empties the queue, block by block."""

    def __init__(
        self,
        journal: Journal,
        queue: FairQueue,
        taker: Taker,
        quarantine: Quarantine,
        clock: SteadyClock,
        followers: Sequence[Callable[[Block], None]],
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._taker = taker
        self._quarantine = quarantine
        self._clock = clock
        self._followers = followers
        self._resolver = Resolver()
        self._thread = threading.Thread(target=self._run, name="gemel-writer", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while items := self._queue.take(BLOCK_BYTES):
            try:
                if items[0].work is not None:
                    self._transact(items[0])
                elif items[0].replays is not None:
                    self._replay(items[0])
                else:
                    self._take(items)
            except BaseException as error:  # whatever it is: nobody may wait for ever
                _log.error("writer.failed", error=str(error), trace=traceback.format_exc())
                self._resolve([(item.answer, None, error) for item in items])

    # readings and events

    def _take(self, items: list[Item]) -> None:
        taker = self._taker
        taker.begin(items)
        outcomes: list[tuple[Item, Outcome]] = []
        answers: list[tuple[Answer, Any, BaseException | None]] = []
        for item in items:
            try:
                outcomes.append(
                    (item, take_frame(taker, self._resolver, item) if item.frame is not None else taker.take(item))
                )
            except Exception as error:  # strict, or objects that are no messages: it is that caller's
                answers.append((item.answer, None, error))
        if outcomes:
            answers.extend(self._commit(outcomes))
        self._resolve(answers)

    def _commit(self, outcomes: list[tuple[Item, Outcome]]) -> list[tuple[Answer, Any, BaseException | None]]:
        taker, head = self._taker, self._journal.head()
        first = head.position + 1
        taker.tails.flush(taker.builder)
        block = taker.builder.block(head.sequence + 1, first, self._clock.now())
        held = [one for _, outcome in outcomes for one in outcome.held()]

        def also(connection: Connection) -> None:
            taker.identities.write(connection, first)
            taker.watermarks.write(connection)
            self._quarantine.write(connection, held)

        def nothing(connection: Connection) -> Block:
            also(connection)
            return block

        try:
            if block.count:
                head = self._journal.append(block, expected_sequence=head.sequence, also=also)
            elif held or taker.watermarks.changed:
                self._journal.append_from(nothing, expected_sequence=head.sequence)
        except Exception as error:
            taker.watermarks.forget()
            taker.tails.forget()
            self._quarantine.forget()
            self._failed(error)
            return [(item.answer, None, error) for item, _ in outcomes]
        taker.watermarks.kept()
        if block.count:
            self._tell(block)
        return [(item.answer, outcome.receipt(first, head.position), None) for item, outcome in outcomes]

    # what was quarantined

    def _replay(self, item: Item) -> None:
        taker, (ids, rule) = self._taker, item.replays
        outcome = Outcome(0)

        def build(connection: Connection) -> Block:
            rows = self._quarantine.read(connection, ids)
            taker.begin([], extra=[key for row in rows for key in event_keys(row)])
            for row in rows:
                if row.form in REPLAYABLE:
                    taken = take_again(taker, row, rule, outcome)
                    if taken.ordinal is not None:
                        position = first + taken.ordinal
                        self._quarantine.settle(connection, row.id, state="replayed", position=position)
                        self._quarantine.write(connection, taken.left)
            outcome.repeated += len(ids) - len(rows)
            outcome.end = taker.builder.count
            taker.identities.write(connection, first)
            return taker.builder.block(head.sequence + 1, first, self._clock.now())

        head = self._journal.head()
        first = head.position + 1
        try:
            head, block = self._journal.append_from(build, expected_sequence=head.sequence)
        except Exception as error:
            self._failed(error)
            self._resolve([(item.answer, None, error)])
            return
        if block.count:
            self._tell(block)
        self._resolve([(item.answer, outcome.receipt(first, head.position), None)])

    # changes of what is known

    def _transact(self, item: Item) -> None:
        work = item.work
        assert work is not None
        head = self._journal.head()
        results: list[Any] = []

        def build(connection: Connection) -> Block:
            result, changes = work(connection)
            results.append(result)
            numbered = tuple(_stamped(change, item.actor, at) for at, change in enumerate(changes))
            return Block(head.sequence + 1, head.position + 1, self._clock.now(), {}, numbered)

        try:
            head, block = self._journal.append_from(build, expected_sequence=head.sequence)
        except Exception as error:
            self._failed(error)
            self._resolve([(item.answer, None, error)])
            return
        if block.count:
            self._tell(block)
        self._resolve([(item.answer, (results[0], head.position), None)])

    # telling

    def _tell(self, block: Block) -> None:
        for follower in self._followers:
            try:
                follower(block)
            except Exception as error:  # the block is durable: whoever cannot follow must not stop the others
                _log.error("follower.failed", block=block.sequence, error=str(error), trace=traceback.format_exc())

    def _failed(self, error: Exception) -> None:
        if isinstance(error, StorageFailed):
            _log.error("storage.failed", detail=error.detail)
            self._queue.close(error)

    def _resolve(self, answers: Sequence[tuple[Answer, Any, BaseException | None]]) -> None:
        """Futures of threads one by one; those of an event loop together, in one call."""
        loops: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any, BaseException | None]]] = {}
        for answer, result, error in answers:
            if answer.loop is not None:
                loops.setdefault(answer.loop, []).append((answer.future, result, error))
            elif answer.future.set_running_or_notify_cancel():
                if error is None:
                    answer.future.set_result(result)
                else:
                    answer.future.set_exception(error)
        for loop, done in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve_here, done)
            except RuntimeError:  # the loop has closed, so nobody waits
                _log.info("loop.gone", answers=len(done))


def _resolve_here(done: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _stamped(change: Change, actor: str, ordinal: int) -> Change:
    return msgspec.structs.replace(change, ordinal=ordinal, actor=change.actor or actor)
