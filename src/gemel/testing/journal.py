"""What a journal must do on any database: inherit `JournalContract` and give it a `database` fixture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from gemel.database import Database
from gemel.errors import Corrupt, NotFound, NotYet, SequenceConflict
from gemel.journal import SqlJournal, Witness
from gemel.twin import VALUE_TYPES, Block, Change, Form, Frame

__all__ = ["JournalContract", "block_after", "frame_of"]

OpenJournal = Callable[[], SqlJournal]


def frame_of(form: Form, rows: Sequence[tuple[int, int, object]], *, start: int = 0) -> Frame:
    """A frame of (series, time, value) rows with ordinals from `start`."""
    series, time, value = ([row[i] for row in rows] for i in range(3))
    return Frame(
        form=form,
        series=np.array(series, dtype=np.int64),
        time=np.array(time, dtype=np.int64),
        value=pa.array(value, type=VALUE_TYPES[form]),
        quality=np.array([3 if v is None else 0 for v in value], dtype=np.uint8),
        ordinal=np.arange(start, start + len(rows), dtype=np.uint32),
    )


def block_after(journal: SqlJournal, *frames: Frame, changes: int = 0, recorded: int = 7) -> Block:
    """A block that may be appended now."""
    head = journal.head()
    start = sum(len(frame) for frame in frames)
    return Block(
        sequence=head.sequence + 1,
        first=head.position + 1,
        recorded=recorded,
        frames={frame.form: frame for frame in frames},
        changes=tuple(
            Change(kind="event.happened", subject=f"press-{i}", time=i, body={"n": i}, ordinal=start + i)
            for i in range(changes)
        ),
    )


def mixed(journal: SqlJournal) -> Block:
    """A block with every form, nulls, and changes."""
    return block_after(
        journal,
        frame_of(Form.NUMBER, [(9, 1, 1.5), (2, 2, None), (9, 3, -0.0)]),
        frame_of(Form.INTEGER, [(4, 1, 2**63 - 1), (4, 2, None)], start=3),
        frame_of(Form.TEXT, [(6, 1, "läuft"), (5, 2, None), (6, 3, "")], start=5),
        frame_of(Form.ARRAY, [(7, 1, [1.0, 2.0]), (7, 2, None), (7, 3, [])], start=8),
        changes=2,
    )


def told(block: Block) -> list[object]:
    """All that a block says, to compare."""
    frames = {
        form: (f.series.tolist(), f.time.tolist(), f.value.to_pylist(), f.quality.tolist(), f.ordinal.tolist())
        for form, f in block.frames.items()
    }
    return [block.sequence, block.first, block.recorded, frames, block.changes]


class JournalContract:
    """Inherit, and define a fixture `database` that gives an empty, migrated-or-not `Database`."""

    @pytest.fixture
    def opened(self, database: Database) -> Iterator[OpenJournal]:
        """Opens the journal, each call once more, as after a restart."""
        database.migrate()
        journals: list[SqlJournal] = []

        def open_() -> SqlJournal:
            journals.append(SqlJournal(database))
            return journals[-1]

        yield open_
        for journal in journals:
            journal.close()

    def test_an_empty_journal_begins_at_position_zero(self, opened: OpenJournal) -> None:
        head = opened().head()
        assert (head.sequence, head.position) == (0, 0)
        assert list(opened().blocks()) == []

    def test_what_was_appended_is_read_back_after_a_restart(self, opened: OpenJournal) -> None:
        journal = opened()
        block = mixed(journal)
        head = journal.append(block, expected_sequence=0)
        assert (head.sequence, head.position, head.recorded) == (1, block.count, 7)
        again = opened()
        assert again.head() == head
        assert [told(one) for one in again.blocks()] == [told(block)]

    def test_a_second_writer_is_refused(self, opened: OpenJournal) -> None:
        one, other = opened(), opened()
        late = mixed(other)
        one.append(mixed(one), expected_sequence=0)
        with pytest.raises(SequenceConflict):
            other.append(late, expected_sequence=0)
        assert opened().head() == one.head()

    def test_a_block_that_does_not_follow_the_head_is_refused(self, opened: OpenJournal) -> None:
        journal = opened()
        block = mixed(journal)
        journal.append(block, expected_sequence=0)
        with pytest.raises(SequenceConflict):
            journal.append(block, expected_sequence=0)

    def test_what_goes_with_a_block_is_committed_with_it_or_not_at_all(
        self, opened: OpenJournal, database: Database
    ) -> None:
        journal = opened()
        note = sa.Table("note", sa.MetaData(), sa.Column("text", sa.Text))
        with database.write() as tx:
            note.create(tx)

        def fails(tx: sa.Connection) -> None:
            tx.execute(note.insert(), {"text": "lost"})
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            journal.append(mixed(journal), expected_sequence=0, also=fails)
        assert journal.head().sequence == 0

        def keeps(tx: sa.Connection) -> None:
            tx.execute(note.insert(), {"text": "kept"})

        journal.append(mixed(journal), expected_sequence=0, also=keeps)
        with database.read() as tx:
            assert list(tx.execute(sa.select(note.c.text)).scalars()) == ["kept"]

    def test_an_empty_block_commits_what_was_written_and_leaves_the_head(self, opened: OpenJournal) -> None:
        journal = opened()
        head, block = journal.append_from(lambda _: Block(1, 1, 0), expected_sequence=0)
        assert head.sequence == 0
        assert block.count == 0

    def test_blocks_begin_with_the_one_that_holds_the_next_position(self, opened: OpenJournal) -> None:
        journal = opened()
        for _ in range(20):
            journal.append(
                block_after(journal, frame_of(Form.NUMBER, [(1, 1, 1.0)] * 3)),
                expected_sequence=journal.head().sequence,
            )
        for reader in (journal, opened()):  # from memory, from the database
            for after, until, wanted in ((0, None, range(1, 21)), (3, 9, (2, 3)), (4, 5, (2,)), (59, None, (20,))):
                assert [block.sequence for block in reader.blocks(after, until)] == list(wanted), (after, until)
            assert list(reader.blocks(60)) == []

    def test_a_reader_can_wait_for_a_position(self, opened: OpenJournal) -> None:
        journal = opened()
        assert not journal.wait(1, 0.0)
        waited: list[bool] = []
        thread = threading.Thread(target=lambda: waited.append(journal.wait(1, 30.0)))
        thread.start()
        journal.append(mixed(journal), expected_sequence=0)
        thread.join()
        assert waited == [True]

    def test_verify_recomputes_everything_and_tells_how_far_it_is(self, opened: OpenJournal) -> None:
        journal = opened()
        for sequence in range(10):
            journal.append(mixed(journal), expected_sequence=sequence)
        seen: list[tuple[int, int]] = []
        found = journal.verify(progress=lambda done, of: seen.append((done, of)))
        assert (found.ok, found.blocks, found.position, found.witnessed) == (True, 10, journal.head().position, 0)
        assert seen == [(i, 10) for i in range(1, 11)]

    @pytest.mark.parametrize("column", ["body", "hash", "root", "previous", "salts", "checksum"])
    def test_verify_names_the_first_block_with_a_flipped_bit(
        self, opened: OpenJournal, database: Database, column: str
    ) -> None:
        journal = opened()
        for sequence in range(5):
            journal.append(mixed(journal), expected_sequence=sequence)
        flip(database, 3, column)
        found = journal.verify()
        assert not found.ok
        assert found.damaged == 3
        assert found.position == journal.head().position // 5 * 2
        assert "3" in found.reason

    def test_verify_finds_a_change_of_what_is_hashed_even_with_a_right_checksum(
        self, opened: OpenJournal, database: Database
    ) -> None:
        journal = opened()
        journal.append(mixed(journal), expected_sequence=0)
        with database.write() as tx:
            tx.exec_driver_sql("UPDATE journal_block SET recorded = recorded + 1")
        assert journal.verify().damaged == 1

    def test_a_damaged_block_is_never_handed_out(self, opened: OpenJournal, database: Database) -> None:
        journal = opened()
        for sequence in range(3):
            journal.append(mixed(journal), expected_sequence=sequence)
        flip(database, 2, "body")
        reading = opened().blocks()
        assert next(reading).sequence == 1
        with pytest.raises(Corrupt, match="block 2"):
            next(reading)

    @pytest.mark.parametrize("column", ["body", "hash", "previous"])
    def test_opening_refuses_a_damaged_end(self, opened: OpenJournal, database: Database, column: str) -> None:
        journal = opened()
        for sequence in range(3):
            journal.append(mixed(journal), expected_sequence=sequence)
        flip(database, 3, column)
        with pytest.raises(Corrupt):
            opened()

    def test_opening_refuses_a_missing_block(self, opened: OpenJournal, database: Database) -> None:
        journal = opened()
        for sequence in range(3):
            journal.append(mixed(journal), expected_sequence=sequence)
        with database.write() as tx:
            tx.exec_driver_sql("DELETE FROM journal_block WHERE sequence = 2")
        with pytest.raises(Corrupt, match="missing"):
            opened()

    def test_a_removed_end_is_found_by_its_witness(self, opened: OpenJournal, database: Database) -> None:
        journal = opened()
        for sequence in range(3):
            journal.append(mixed(journal), expected_sequence=sequence)
            if sequence == 1:
                witnessed = journal.head()
                journal.add_witness(witness_of(journal))
        assert journal.verify().witnessed == witnessed.position
        journal.add_witness(witness_of(journal))
        with database.write() as tx:
            tx.exec_driver_sql("DELETE FROM journal_block WHERE sequence = 3")
        found = journal.verify()
        assert not found.ok
        assert found.witnessed == witnessed.position

    def test_a_witness_of_another_journal_is_refused(self, opened: OpenJournal) -> None:
        journal = opened()
        journal.append(mixed(journal), expected_sequence=0)
        with pytest.raises(Corrupt, match="another"):
            journal.add_witness(Witness(1, 13, bytes(32), "acme", 1, b""))

    def test_expiry_drops_telemetry_and_keeps_changes_and_proof(self, opened: OpenJournal) -> None:
        journal = opened()
        first = journal.append(mixed(journal), expected_sequence=0).hash
        for sequence in range(1, 20):
            journal.append(mixed(journal), expected_sequence=sequence)
        size = journal.head().position // 20
        before = [told(block)[4] for block in journal.blocks()]
        assert journal.expire(10 * size) == 9
        assert journal.expire(10 * size) == 0
        again = opened()
        assert again.verify().ok
        blocks = list(again.blocks())
        assert [told(block)[4] for block in blocks] == before
        assert [bool(block.frames) for block in blocks] == [False] * 9 + [True] * 11
        kept = [change.ordinal + 1 for change in blocks[0].changes]
        assert [again.prove(position).sequence for position in kept] == [1, 1]
        assert again.prove(kept[0]).holds(first)
        with pytest.raises(NotFound, match="is over"):
            again.prove(1)
        with pytest.raises(NotYet, match="yet to come"):
            again.prove(again.head().position + 1)

    def test_a_leaf_can_be_proven_to_who_knows_only_the_hash(self, opened: OpenJournal) -> None:
        journal = opened()
        journal.append(mixed(journal), expected_sequence=0)
        head = journal.append(mixed(journal), expected_sequence=1)
        count = head.position // 2
        for position in range(count + 1, head.position + 1):
            proof = journal.prove(position)
            assert proof.holds(head.hash)
            assert not proof.holds(bytes(32))


def witness_of(journal: SqlJournal) -> Witness:
    head = journal.head()
    return Witness(head.sequence, head.position, head.hash, "acme", 1, b"signed")


def flip(database: Database, sequence: int, column: str) -> None:
    """Change one bit in the middle of a column of a block's row."""
    table = sa.table("journal_block", sa.column("sequence"), sa.column(column))
    with database.write() as tx:
        data = bytearray(tx.execute(sa.select(table.c[column]).where(table.c.sequence == sequence)).scalar_one())
        data[len(data) // 2] ^= 1
        tx.execute(sa.update(table).where(table.c.sequence == sequence).values({column: bytes(data)}))
