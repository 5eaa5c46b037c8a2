"""Store and forward: one thread follows the journal and hands its blocks to another Gemel, each under its number.

Upstream remembers the highest number of each epoch on stable storage, in the transaction that takes the block; what
comes again under a number has no effect. So upstream alone says where to go on: nothing is lost or doubled by a cut, a
crash of either side, or an answer that never came. The epoch stands for this journal (the hash of its first block) and
its life (a restore begins a new one).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import structlog

from gemel.clock import SECOND, Clock
from gemel.connectors.reach import in_header
from gemel.connectors.supervisor import Supervisor
from gemel.edge.messages import Outgoing, Writer
from gemel.edge.standing import EdgeStanding, Progress, Reached
from gemel.edge.upstream import Upstream
from gemel.errors import Conflict, GemelError, Overloaded
from gemel.folder import EdgeSettings, Folder
from gemel.history import EventQuery, History
from gemel.journal import SqlJournal
from gemel.registry import Registry
from gemel.twin import Change, Position, parse_duration

__all__ = ["Edge"]

BATCH, BATCH_BLOCKS = 5_000, 500
"""Readings, and blocks, of one round."""
IDLE_S, LOOK_S, AGED_S = 1.0, 10.0, 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, REFUSED_PAUSE_S = 0.25, 10.0, 30.0
RESTORED, SKIPPED = "backup.restored", "edge.skipped"
_log = structlog.get_logger("gemel.edge")


class _Plant(Protocol):
    """Whose journal is forwarded; an open platform is one."""

    folder: Folder
    journal: SqlJournal
    registry: Registry
    history: History
    supervisor: Supervisor
    clock: Clock
    epoch: str

    def tell(self, changes: Sequence[Change]) -> None: ...


class Edge:
    """The forwarding of one plant. Close it."""

    def __init__(self, plant: _Plant, settings: EdgeSettings) -> None:
        self._plant, self._settings, self._clock = plant, settings, plant.clock
        self._journal = plant.journal
        self._progress = Progress(plant.folder.path / "edge.json")
        self._writer = Writer(plant.registry.directory, settings.select)
        self._position: Position = self._progress.reached.position
        self._aged, self._aged_due = 0, 0.0
        self._closing = threading.Event()
        self._state, self._since = "connecting", plant.clock.now()
        self._error, self._note, self._problem = "", "", ""
        self._moved = False
        self._holes: list[tuple[Position, Position]] = []
        self._sent = self._repeated = self._quarantined = self._skipped = 0
        self._thread = threading.Thread(target=self._run, name="gemel-edge", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop after the request that is under way."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    # how it stands

    @property
    def floor(self) -> Position:
        """Retention leaves what comes after it: it is not upstream yet, and not older than the settings allow."""
        reached = self._progress.reached
        if (kept_s := parse_duration(self._settings.keep)) is None:
            return reached.position
        if (now := self._clock.monotonic()) >= self._aged_due:
            self._aged_due = now + AGED_S
            self._aged = self._sealed_before(self._clock.now() - kept_s * SECOND, reached.sequence)
        return max(reached.position, self._aged)

    def _sealed_before(self, moment: int, after: int) -> Position:
        """The last position of the blocks that were sealed before a moment, by halves: they are in order of time."""
        low, high = after, self._journal.head().sequence
        while low < high:
            middle = (low + high + 1) // 2
            if self._journal.head_at(middle).recorded < moment:
                low = middle
            else:
                high = middle - 1
        return self._journal.head_at(low).position

    def standing(self) -> EdgeStanding:
        """How it fares now."""
        reached, head, now = self._progress.reached, self._journal.head(), self._clock.now()
        first = next(iter(self._journal.blocks(after=reached.position)), None)
        oldest = None if first is None else first.recorded
        state = self._state
        return EdgeStanding(
            url=self._settings.url,
            name=self._settings.name,
            state=state if state != "forwarding" or oldest is not None else "level",
            acknowledged=reached.position,
            buffered=head.position - reached.position,
            blocks=head.sequence - reached.sequence,
            oldest=oldest,
            lag_s=0.0 if oldest is None else max(0, now - oldest) / SECOND,
            sent=self._sent,
            repeated=self._repeated,
            quarantined=self._quarantined,
            problem=self._problem,
            skipped=self._skipped,
            error=self._error,
            note=self._note,
            since=self._since,
        )

    def _turn(self, state: str, error: str = "") -> None:
        if (state, error) != (self._state, self._error):
            if state != self._state:
                self._since = self._clock.now()
            _log.info("forwarding", state=state, error=error, upstream=self._settings.url)
        self._state, self._error = state, error

    # forwarding

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._closing.is_set():
            wait = None
            try:
                self._forward()
            except GemelError as error:
                refused = 400 <= error.status < 500 and not isinstance(error, Overloaded)
                self._turn("refused" if refused else "waiting", error.detail)
                wait = error.extra.get("retry_after_s", REFUSED_PAUSE_S if refused else None)
            except OSError as error:
                self._turn("waiting", str(error))
            if self._moved:
                pause = FIRST_PAUSE_S
            self._closing.wait(pause * (0.5 + random.random() / 2) if wait is None else wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _forward(self) -> None:
        """One connection, until it fails or this closes."""
        self._moved = False
        settings, reach = self._settings, self._plant.supervisor.reach
        assert settings.token is not None  # of settings with a url
        verify: bool | str = str(reach.file(settings.certificate)) if settings.certificate else True
        upstream = Upstream(settings.url, settings.name, token=in_header(reach.secret(settings.token)), verify=verify)
        try:
            while not self._journal.head().sequence:  # a plant of which nothing is known yet
                if self._closing.wait(IDLE_S):
                    return
            epoch, who = self._epoch(self._plant.epoch), upstream.who()
            number = upstream.reached(epoch)
            begun = self._earlier(upstream, epoch, who) if number is None else self._there(number)
            self._keep(Reached(epoch=epoch, sequence=begun.sequence, position=begun.position, who=who))
            fresh = number is None
            while not self._closing.is_set():
                if settings.offer:
                    note = upstream.offer(self._plant.registry, self._writer, self._clock.monotonic())
                    self._note = self._note if note is None else note
                batch = self._batch()
                if batch:
                    self._send(upstream, batch, first=fresh)
                    self._moved, fresh = True, False
                else:
                    self._turn("forwarding")
                    self._journal.wait(self._position + 1, IDLE_S)
        finally:
            upstream.close()

    def _batch(self) -> list[Outgoing]:
        """The next blocks; `_holes`: the positions before and between them that have expired."""
        self._holes = []
        found: list[Outgoing] = []
        count, last = 0, self._position
        reached, epoch = self._progress.reached.sequence, self._progress.reached.epoch
        for block in islice(self._journal.blocks(after=self._position), BATCH_BLOCKS):
            if block.sequence <= reached:  # what is left of one that has expired in part
                continue
            if block.first > last + 1:
                self._holes.append((last + 1, block.first - 1))
            last = block.last
            outgoing = self._writer.of(block, epoch)
            found.append(outgoing)
            count += outgoing.count
            if count >= BATCH:
                break
        return found

    def _send(self, upstream: Upstream, batch: list[Outgoing], *, first: bool) -> None:
        messages = [message for one in batch for message in one.messages]
        if first:  # what came before this epoch has another one's numbers
            at = len(batch[0].messages) - 1
            messages[at] = ({**messages[at][0], "sparse": True}, messages[at][1])
        for receipt in upstream.send(messages):
            self._sent += receipt.accepted
            self._repeated += receipt.repeated
            self._quarantined += receipt.quarantined
            for problem in receipt.problems[-1:]:
                self._problem = f"{problem.get('code', '')}: {problem.get('detail', '')}"
        sequence = batch[-1].sequence
        position = self._journal.head_at(sequence).position
        before = self._progress.reached
        self._keep(Reached(epoch=before.epoch, sequence=sequence, position=position, who=before.who))
        for hole in self._holes:
            self._skip(*hole)
        self._turn("forwarding")

    def _keep(self, reached: Reached) -> None:
        self._position = reached.position
        self._progress.keep(reached)

    def _skip(self, first: Position, last: Position) -> None:
        self._skipped += last - first + 1
        body = {"first": first, "last": last, "upstream": self._settings.url}
        _log.warning("positions had expired before they were forwarded", first=first, last=last)
        self._plant.tell([Change(kind=SKIPPED, subject="edge", time=self._clock.now(), body=body)])

    # where to go on

    def _epoch(self, life: str) -> str:
        first = self._journal.head_at(1).hash.hex()[:20]
        return f"{first}.{life}" if life else first

    def _there(self, number: int) -> Reached:
        """The block that upstream has under a number is the last one. Raises Conflict."""
        head = self._journal.head()
        if number + 1 > head.sequence:
            raise Conflict(
                f"upstream has {number + 1} blocks of this journal, which ends at block {head.sequence}: this folder "
                "is older than what was forwarded. Restore it with `gemel backup restore`, which begins a new life"
            )
        return Reached(sequence=number + 1, position=self._journal.head_at(number + 1).position)

    def _earlier(self, upstream: Upstream, epoch: str, who: str) -> Reached:
        """Upstream knows nothing of this epoch under this token: what it has under another one, or of earlier lives of
        this plant, as far as this life shares it."""
        kept = self._progress.reached
        if kept.epoch == epoch and kept.who != who and kept.sequence <= self._journal.head().sequence:
            # another token, so another source: what the old one told counts, also where its answer was lost
            number = upstream.reached(epoch, formerly=kept.who)
            return kept if number is None else self._there(number)
        head = self._journal.head()
        limit = head.position
        for life, shared in self._lives():
            limit = min(limit, shared)
            number = upstream.reached(self._epoch(life))
            if number is None:
                continue
            if number + 1 <= head.sequence and (there := self._there(number)).position <= limit:
                return there
            return Reached(sequence=self._block_at(limit), position=limit)
        return Reached()

    def _lives(self) -> list[tuple[str, Position]]:
        """Earlier lives of this plant, the last one first, each with the position up to which the next shares it."""
        query = EventQuery(kinds=(RESTORED,), newest_first=False, limit=1000)
        self._plant.history.wait(self._journal.head().position, LOOK_S)
        facts = self._plant.history.events(query).items
        lives = ["", *(fact.change.id for fact in facts)]
        shared = [int(fact.change.body["position"]) for fact in facts]
        return list(zip(lives[:-1], shared, strict=True))[::-1]

    def _block_at(self, position: Position) -> int:
        """The block that ends at a position, or goes on over it; 0 before the first."""
        block = next(iter(self._journal.blocks(after=position)), None)
        return self._journal.head().sequence if block is None else block.sequence - 1
