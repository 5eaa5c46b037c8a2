"""The journal in a SQL database: SQLite or PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, IntegrityError

from gemel.clock import WallClock
from gemel.database import Database, overwrite
from gemel.errors import Corrupt, NotYet, SequenceConflict, StorageFailed
from gemel.journal.acknowledged import Acknowledged
from gemel.journal.base import Head, Progress, Run, Verification, Witness
from gemel.journal.codec import GENESIS, Row, check_row, open_row, seal, without_telemetry, without_twin
from gemel.journal.proof import Proof, prove
from gemel.journal.recent import Recent
from gemel.journal.tables import block_table, witness_table
from gemel.journal.verification import verify_rows
from gemel.twin import Block, Position

__all__ = ["SqlJournal"]

_log = logging.getLogger(__name__)

RECENT_BYTES = 64_000_000
PAGE_BYTES = 8_000_000
PAGE_BLOCKS = 256
EXPIRE_AT_ONCE = 64
EXPIRE_BYTES = 6_000_000
"""Of bodies that one transaction frees: some 30 ms, for which others wait."""
EXPIRE_LOOK = 4096


class SqlJournal:
    """See `gemel.journal.Journal`. Thread-safe; appends wait for one another."""

    def __init__(self, database: Database, partition: str = "main", *, recent_bytes: int = RECENT_BYTES) -> None:
        """Opens the partition and checks its end. Raises Corrupt if an acknowledged block is missing or damaged."""
        self.database = database
        self.partition = partition
        self.failed: str = ""
        """Why the writer has stopped; empty while it runs."""
        self.commit_times: deque[float] = deque(maxlen=1000)
        """Seconds that the last commits took, fsync included."""
        self._clock = WallClock()
        self._recent = Recent(recent_bytes)
        self._lock = threading.Lock()
        self._moved = threading.Condition()
        self._mine = block_table.c.partition == partition
        path = database.url.database if database.is_sqlite else None
        in_file = path and path != ":memory:" and not database.read_only
        self._acknowledged = Acknowledged(Path(f"{path}.{partition}.head")) if in_file else None
        self._expired_to = 0
        self._head = self._open()

    def close(self) -> None:
        """Let the files go. The database is its owner's to close."""
        if self._acknowledged:
            self._acknowledged.close()

    def _open(self) -> Head:
        try:
            with self.database.read() as connection:
                head, count = self._stored_head(connection)
                if head.sequence != count:
                    raise Corrupt(f"the journal ends at block {head.sequence} but holds {count}: blocks are missing")
                last = list(self._rows(connection, block_table.c.sequence >= head.sequence - 1, limit=2))
        except DatabaseError as error:
            raise Corrupt(f"the database of the journal cannot be read: {error.orig!s:.200}") from error
        if last:
            before = last[0].hash if len(last) == 2 else GENESIS
            check_row(last[-1], before if last[-1].sequence > 1 else GENESIS)
        kept = self._acknowledged
        told = kept.read() if kept else None
        if kept and told and (told[0] > head.sequence or (told[0] == head.sequence and told[2] != head.hash)):
            raise Corrupt(
                f"the journal ends at block {head.sequence}, but block {told[0]} was acknowledged: the database lost "
                f"its end. Restore it from a backup or replica; to go on without, remove {kept.path}"
            )
        return head

    def _stored_head(self, connection: Connection) -> tuple[Head, int]:
        c = block_table.c
        count = connection.execute(sa.select(sa.func.count()).where(self._mine)).scalar_one()
        row = connection.execute(
            sa.select(c.sequence, c.first, c.count, c.hash, c.recorded)
            .where(self._mine)
            .order_by(c.sequence.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return Head(0, 0, GENESIS, 0), count
        return Head(row[0], row[1] + row[2] - 1, row[3], row[4]), count

    def head(self) -> Head:
        return self._head

    # writing

    def append(self, block: Block, *, expected_sequence: int, also: Callable[[Connection], None] | None = None) -> Head:
        with self._lock:
            self._check_next(block, expected_sequence)
            row = seal(block, self._head.hash)  # the work of hashing stays outside the transaction

            def write(connection: Connection) -> Block:
                if also is not None:
                    also(connection)
                self._insert(connection, row)
                return block

            self._commit(write)
            return self._follow(block, row)

    def append_from(self, build: Callable[[Connection], Block], *, expected_sequence: int) -> tuple[Head, Block]:
        with self._lock:
            sealed: list[Row] = []

            def write(connection: Connection) -> Block:
                block = build(connection)
                if block.count:
                    self._check_next(block, expected_sequence)
                    sealed.append(seal(block, self._head.hash))
                    self._insert(connection, sealed[0])
                return block

            block = self._commit(write)
            return (self._follow(block, sealed[0]) if sealed else self._head), block

    def _check_next(self, block: Block, expected_sequence: int) -> None:
        head = self._head
        if expected_sequence != head.sequence or block.sequence != head.sequence + 1:
            raise SequenceConflict(
                f"the journal is at block {head.sequence}, not {expected_sequence}; build the block on its head"
            )
        if block.first != head.position + 1 or not block.count:
            raise SequenceConflict(f"the next position is {head.position + 1}, not {block.first}")

    def _insert(self, connection: Connection, row: Row) -> None:
        try:
            connection.execute(block_table.insert(), {"partition": self.partition, **row.values()})
        except IntegrityError as error:
            raise SequenceConflict(
                f"block {row.sequence} was written by another writer; this one must open the journal again"
            ) from error

    def _commit(self, write: Callable[[Connection], Block]) -> Block:
        if self.failed:
            raise StorageFailed(f"the journal takes no more since {self.failed}; restart when the disk is well")
        begun = self._clock.monotonic()
        try:
            with self.database.write() as connection:
                found = write(connection)
            self.commit_times.append(self._clock.monotonic() - begun)
            return found
        except StorageFailed as error:
            self.failed = error.detail
            raise

    def _follow(self, block: Block, row: Row) -> Head:
        head = Head(row.sequence, block.last, row.hash, row.recorded)
        self._remember(head)
        self._recent.add(block)
        with self._moved:
            self._head = head
            self._moved.notify_all()
        return head

    def _remember(self, head: Head) -> None:
        """Tell the file beside the database. The block is durable whatever becomes of that file, so it may fail."""
        if self._acknowledged:
            try:
                self._acknowledged.write(head.sequence, head.position, head.hash)
            except OSError as error:
                _log.warning("%s cannot be written: %s", self._acknowledged.path, error.strerror)

    def expire(
        self, before: Position, *, recorded: int | None = None, run: Run | None = None, at_most: int | None = None
    ) -> int:
        done = 0
        while at_most is None or done < at_most:
            rows = self._expirable(before, recorded)
            if not rows:
                break
            stripped = [(row.sequence, row.checksum, *without_telemetry(row)) for row in rows]
            (run or self._run_here)(partial(self._strip, stripped))
            self._expired_to = rows[-1].sequence
            done += len(rows)
        return done

    def _expirable(self, before: Position, recorded: int | None) -> list[Row]:
        """The next few blocks whose telemetry may go. Looks on from where the last look ended: years lie before."""
        c = block_table.c
        size = sa.func.length(c.body).label("size")
        heads = sa.select(c.sequence, c.first, c.count, c.recorded, c.expired, c.telemetry, size)
        wanted: list[int] = []
        room = EXPIRE_BYTES
        with self.database.read() as connection:
            window = heads.where(self._mine, c.sequence > self._expired_to).order_by(c.sequence).limit(EXPIRE_LOOK)
            for row in connection.execute(window):
                if row.first + row.count > before or (recorded is not None and row.recorded >= recorded):
                    break
                if not row.expired and row.telemetry:
                    room -= row.size
                    if wanted and (room < 0 or len(wanted) == EXPIRE_AT_ONCE):
                        break
                    wanted.append(row.sequence)
                elif not wanted:
                    self._expired_to = row.sequence
            return list(self._rows(connection, c.sequence.in_(wanted), limit=EXPIRE_AT_ONCE)) if wanted else []

    def _strip(self, stripped: Sequence[tuple[int, bytes, bytes, bytes]], connection: Connection) -> None:
        c = block_table.c
        for sequence, was, body, checksum in stripped:
            connection.execute(
                block_table.update()
                .where(self._mine, c.sequence == sequence, c.checksum == was)
                .values(body=body, checksum=checksum, expired=True)
            )

    def _run_here(self, work: Callable[[Connection], None]) -> None:
        with self.database.write() as connection:
            work(connection)

    def erase(self, number: int, twin: str, *, run: Run | None = None, progress: Progress | None = None) -> int:
        head, done = self._head, 0
        for row in self._all_rows(head.sequence):
            blanked = without_twin(row, number, twin)
            if blanked is not None:
                (run or self._run_here)(partial(self._blank, row.sequence, blanked[0]))
                done += blanked[1]
            if progress is not None:
                progress(row.sequence, head.sequence)
        self._recent.clear()
        return done

    def _blank(self, sequence: int, values: dict[str, Any], connection: Connection) -> None:
        overwrite(connection, True)
        connection.execute(block_table.update().where(self._mine, block_table.c.sequence == sequence).values(**values))
        overwrite(connection, False)

    def whole_after(self, position: Position) -> bool:
        c = block_table.c
        gone = sa.select(c.sequence).where(self._mine, c.expired, c.first + c.count - 1 > position)
        # A block has few positions before it: the index over `first` is asked, not every row.
        start = sa.select(sa.func.max(c.first)).where(self._mine, c.first <= position + 1).scalar_subquery()
        with self.database.read() as connection:
            return connection.execute(gone.where(c.first >= sa.func.coalesce(start, 0)).limit(1)).first() is None

    def sealed_before(self, moment: int) -> Position:
        """The last position of the blocks that were sealed before a moment; 0 if there is none."""
        c = block_table.c
        newest = sa.select(c.first + c.count - 1).where(self._mine, c.recorded < moment)
        with self.database.read() as connection:
            return connection.execute(newest.order_by(c.sequence.desc()).limit(1)).scalar_one_or_none() or 0

    def add_witness(self, witness: Witness, *, run: Run | None = None) -> None:
        """Keep another party's word. Raises Corrupt if its hash is not that of our block."""
        (run or self._run_here)(partial(self._add_witness, witness))

    def _add_witness(self, witness: Witness, connection: Connection) -> None:
        c, kept = block_table.c, witness_table.c
        ours = connection.execute(
            sa.select(c.hash).where(self._mine, c.sequence == witness.sequence)
        ).scalar_one_or_none()
        if ours != witness.hash:
            raise Corrupt(f"{witness.party} witnessed another block {witness.sequence} than this journal holds")
        same = sa.and_(kept.partition == self.partition, kept.sequence == witness.sequence, kept.party == witness.party)
        connection.execute(witness_table.delete().where(same))  # said again, and later
        connection.execute(
            witness_table.insert(),
            {"partition": self.partition, **{name: getattr(witness, name) for name in witness.__slots__}},
        )

    def hashes(self, after: int, until: int) -> list[bytes]:
        """The hashes of blocks after + 1 … until, as far as there are."""
        c = block_table.c
        wanted = sa.select(c.hash).where(self._mine, c.sequence > after, c.sequence <= until).order_by(c.sequence)
        with self.database.read() as connection:
            return list(connection.execute(wanted).scalars())

    def head_at(self, sequence: int) -> Head:
        """Where the journal ended with this block. Raises Corrupt if there is none."""
        if sequence == 0:
            return Head(0, 0, GENESIS, 0)
        c = block_table.c
        wanted = sa.select(c.sequence, c.first + c.count - 1, c.hash, c.recorded)
        with self.database.read() as connection:
            row = connection.execute(wanted.where(self._mine, c.sequence == sequence)).one_or_none()
        if row is None:
            raise Corrupt(f"block {sequence} of the journal is missing")
        return Head(*row)

    # reading

    def _rows(self, connection: Connection, where: sa.ColumnElement[bool], *, limit: int) -> Iterator[Row]:
        c = block_table.c
        found = connection.execute(
            sa.select(*[c[name] for name in Row.__slots__]).where(self._mine, where).order_by(c.sequence).limit(limit)
        )
        return (Row(*row) for row in found)

    def blocks(self, after: Position = 0, until: Position | None = None) -> Iterator[Block]:
        head = self._head.position
        stop = head if until is None else min(until, head)
        limit = 4
        while after < stop:
            recent = self._recent.after(after)
            if recent is not None:
                for block in recent:
                    if block.first > stop:
                        return
                    yield block
                    after = block.last
                continue
            rows = self._page(after, limit)
            limit = _limit_after(rows)
            for row in rows:
                if row.first > stop:
                    return
                block = open_row(row)
                if row.first > after + 1:
                    raise Corrupt(f"nothing in the journal holds position {after + 1}: blocks are missing")
                if block.count:
                    yield block
                after = row.first + row.count - 1

    def _page(self, after: Position, limit: int) -> list[Row]:
        """The next few rows that hold something after a position."""
        c = block_table.c
        with self.database.read() as connection:
            start = sa.select(sa.func.max(c.first)).where(self._mine, c.first <= after + 1).scalar_subquery()
            rows = list(self._rows(connection, sa.and_(c.first >= start, c.first + c.count > after), limit=limit))
        if not rows or rows[0].first > after + 1:
            raise Corrupt(f"the journal is at position {self._head.position}, but nothing holds position {after + 1}")
        return rows

    def wait(self, position: Position, timeout_s: float) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self._head.position >= position, timeout_s)

    # proving

    def verify(self, *, progress: Progress | None = None) -> Verification:
        head = self._head
        return verify_rows(self._all_rows(head.sequence), self._witnesses(), head, progress)

    def prove(self, position: Position) -> Proof:
        """That what is at `position` is in its block.

        Raises NotYet if the journal is not there yet, NotFound if it has expired or was erased, Corrupt if damaged.
        """
        if position > self._head.position:
            raise NotYet(f"the journal is at position {self._head.position}; {position} is yet to come")
        return prove(self._page(position - 1, 1)[0], position)

    def _all_rows(self, until: int) -> Iterator[Row]:
        c, done, limit = block_table.c, 0, 4
        while done < until:
            with self.database.read() as connection:
                rows = list(self._rows(connection, sa.and_(c.sequence > done, c.sequence <= until), limit=limit))
            if not rows:
                return
            limit = _limit_after(rows)
            yield from rows
            done = rows[-1].sequence

    def _witnesses(self) -> list[Witness]:
        c = witness_table.c
        with self.database.read() as connection:
            found = connection.execute(
                sa.select(*[c[name] for name in Witness.__slots__]).where(c.partition == self.partition)
            )
            return [Witness(*row) for row in found]


def _limit_after(rows: Sequence[Row]) -> int:
    """How many blocks to read at once, so that they fit in memory whatever their size."""
    size = sum(len(row.body) for row in rows) // len(rows)
    return max(2, min(PAGE_BLOCKS, PAGE_BYTES // (size + 1)))
