"""Group commit, order, fairness, transactions, and what happens when the disk refuses."""

import asyncio
import threading

import pytest
import sqlalchemy as sa

from gemel.clock import SteppedClock
from gemel.errors import Overloaded, StorageFailed, StorageFull
from gemel.intake import Intake, Message
from gemel.intake.queue import Answer, FairQueue, Item
from gemel.twin import Change, TwinSpec
from tests.intake.plant import START, Gate, World, message, reading


@pytest.fixture
def gated(tmp_path):
    """A world whose writer waits after a commit once the gate is armed."""
    gate = Gate()
    world = World(tmp_path / "gemel.sqlite", after_commit=[gate], queue_bytes=100_000)
    yield world, gate
    gate.open()
    world.close()


def test_what_arrives_during_a_commit_makes_one_block(gated):
    world, gate = gated
    gate.armed = True
    first = world.intake.submit("plc", [message(0)])
    assert gate.reached.wait(60)
    rest = [world.intake.submit(f"plc-{i % 5}", [message(i)]) for i in range(1, 101)]
    assert not first.done()  # a future waits for the fold too
    gate.open()
    positions = [future.result(60) for future in rest]
    blocks = list(world.journal.blocks())
    assert blocks[-1].count == 100
    assert blocks[-2].count == 1
    assert sorted(receipt.first for receipt in positions) == list(range(blocks[-1].first, blocks[-1].last + 1))
    assert all(receipt.first == receipt.last for receipt in positions)


def tell_until_refused(world, taken):
    while True:
        taken.append(world.intake.submit("greedy", [message(len(taken))]))


def test_a_full_queue_refuses_at_once_and_leaves_room_for_others(gated):
    world, gate = gated
    gate.armed = True
    world.intake.submit("plc", [message(0)])
    assert gate.reached.wait(60)
    taken = []
    with pytest.raises(Overloaded) as told:
        tell_until_refused(world, taken)
    assert told.value.retry_after_s > 0
    assert world.intake.waiting()[0] == len(taken)
    modest = world.intake.submit("modest", [message(1)])
    gate.open()
    assert modest.result(60).accepted == 1
    assert [future.result(60).accepted for future in taken] == [1] * len(taken)
    assert world.intake.waiting() == (0, 0)
    assert world.tell(message(7), source="greedy").accepted == 1


def test_a_change_waits_for_its_turn_only(gated):
    world, gate = gated
    gate.armed = True
    world.intake.submit("plc", [message(0)])
    assert gate.reached.wait(60)
    many = [world.intake.submit("greedy", [message(i)]) for i in range(200)]
    change = world.intake.transact(lambda tx: (7, world.registry.put_twin(tx, TwinSpec(id="late", types=("press",)))))
    gate.open()
    result, position = change.result(60)
    assert result == 7
    assert position < many[-1].result(60).last


def test_sources_take_turns():
    queue = FairQueue(10**9, 10**6, SteppedClock().monotonic)
    for source, count in (("a", 100), ("b", 3), ("c", 40)):
        for number in range(count):
            item = Item(source, 10, Answer())
            item.actor = str(number)
            queue.put(item)
    taken = [(item.source, int(item.actor)) for item in queue.take(10**9)]
    assert len(taken) == 143
    assert {source for source, _ in taken[:75]} == {"a", "b", "c"}
    for source in "abc":
        mine = [number for one, number in taken if one == source]
        assert mine == sorted(mine)


def test_work_alone_is_taken_alone_and_is_never_starved():
    queue = FairQueue(10**9, 10**6, SteppedClock().monotonic)
    for source, work in (("a", False), ("w", True), ("a", False), ("a", True), ("a", False), ("b", False)):
        item = Item(source, 10, Answer())
        item.work = (lambda _: None) if work else None
        queue.put(item)
    takes = []
    while queue.waiting()[0]:
        takes.append([item.source for item in queue.take(10**9)])
    assert takes == [["a", "a"], ["w"], ["b"], ["a"], ["a"]]


def test_a_transaction_and_its_changes_are_one(world):
    seen = []

    def fails(tx):
        changes = world.registry.put_twin(tx, TwinSpec(id="half", types=("press",)))
        seen.append(changes)
        raise ValueError("stop")

    before = world.journal.head()
    with pytest.raises(ValueError, match="stop"):
        world.intake.transact(fails).result(60)
    assert world.journal.head() == before
    assert world.registry.directory.twin("half") is None
    _, position = world.intake.transact(
        lambda tx: (None, world.registry.put_twin(tx, TwinSpec(id="whole", types=("press",)))), actor="p-1"
    ).result(60)
    assert world.registry.directory.twin("whole") is not None
    assert world.journal.head().position == position
    (*_, last) = world.journal.blocks()
    assert {change.actor for change in last.changes} == {"p-1"}


def test_a_transaction_without_changes_is_committed_without_a_block(world):
    note = sa.Table("note", sa.MetaData(), sa.Column("text", sa.Text))
    before = world.journal.head()

    def work(tx):
        note.create(tx)
        tx.execute(note.insert(), {"text": "kept"})
        return "done", ()

    assert world.intake.transact(work).result(60) == ("done", before.position)
    with world.database.read() as tx:
        assert tx.execute(sa.select(note.c.text)).scalar_one() == "kept"


def test_a_twin_can_be_told_of_as_soon_as_it_is_made(world):
    world.tell(message(1))
    made = world.intake.transact(lambda tx: (None, world.registry.put_twin(tx, TwinSpec(id="new", types=("press",)))))
    receipt = world.tell(message(2), Message(readings=[reading(twin="new")]))
    made.result(60)
    assert receipt.quarantined == 0


def test_many_threads_may_tell_at_once(world):
    def tell(k):
        for i in range(50):
            world.tell(message(i), source=f"plc-{k}")

    threads = [threading.Thread(target=tell, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.readings()) == 400
    assert world.journal.verify().ok


async def test_an_event_loop_awaits_its_receipts(world):
    async def connection(k):
        return [await world.intake.deliver(f"plc-{k}", [message(i, id=str(i))]) for i in range(20)]

    found = await asyncio.gather(*(connection(k) for k in range(10)))
    assert sum(receipt.accepted for receipts in found for receipt in receipts) == 200
    cancelled = world.intake.deliver("plc", [message(1)])
    cancelled.cancel()
    assert (await world.intake.deliver("plc", [message(2)])).accepted == 1


def test_a_follower_that_fails_does_not_stop_the_writer(tmp_path):
    def fails(_):
        raise RuntimeError("cannot follow")

    world = World(tmp_path / "gemel.sqlite", after_commit=[fails])
    assert world.tell(message(1)).accepted == 1
    assert world.tell(message(2)).accepted == 1
    world.close()


def test_close_makes_durable_what_waits_and_then_refuses(gated):
    world, gate = gated
    gate.armed = True
    futures = [world.intake.submit("plc", [message(i)]) for i in range(10)]
    assert gate.reached.wait(60)
    closing = threading.Thread(target=world.intake.close)
    closing.start()
    gate.open()
    closing.join()
    assert [future.result(0).accepted for future in futures] == [1] * 10
    with pytest.raises(Overloaded, match="closing"):
        world.intake.submit("plc", [message(1)])
    world.intake.close()


class Lives:
    def __init__(self):
        self.told = []

    def heartbeat(self, source, time):
        self.told.append(("heartbeat", source, time))

    def lost(self, source, time):
        self.told.append(("lost", source, time))

    def found(self, source, time):
        self.told.append(("found", source, time))


def test_the_life_of_sources_is_told_and_journaled(tmp_path):
    lives = Lives()
    world = World(tmp_path / "gemel.sqlite", sources=lives)
    world.intake.heartbeat("plc")
    world.intake.lost("plc", "connection refused").result(60)
    world.intake.found("plc").result(60)
    assert lives.told == [(what, "plc", START) for what in ("heartbeat", "lost", "found")]
    assert [change.body for change in world.changes("source.lost")] == [{"reason": "connection refused"}]
    assert [change.subject for change in world.changes("source.found")] == ["plc"]
    world.close()


class FailingDisk:
    """The journal of a world, whose disk refuses when told to."""

    def __init__(self, journal):
        self._journal = journal
        self.refuse = None
        self.database = journal.database
        self.head = journal.head
        self.blocks = journal.blocks

    def _also(self, also):
        def write(tx):
            also(tx)
            if self.refuse is not None:
                raise sa.exc.OperationalError("COMMIT", {}, Exception(self.refuse))

        return write

    def append(self, block, *, expected_sequence, also=None):
        return self._journal.append(block, expected_sequence=expected_sequence, also=self._also(also))

    def append_from(self, build, *, expected_sequence):
        return self._journal.append_from(build, expected_sequence=expected_sequence)


@pytest.fixture
def failing(tmp_path):
    world = World(tmp_path / "gemel.sqlite")
    world.intake.close()
    disk = FailingDisk(world.journal)
    world.intake = Intake(disk, world.registry, world.clock)
    yield world, disk
    world.close()


def test_a_full_disk_refuses_clearly_and_takes_in_again_later(failing):
    world, disk = failing
    told = [message(1, id="m-1"), message(2, sequence=5), message(3)]
    world.tell(message(0))
    disk.refuse = "database or disk is full"
    with pytest.raises(StorageFull, match="free space"):
        world.tell(*told)
    disk.refuse = None
    assert world.tell(*told, resumed=True).accepted == 3  # nothing of it was taken, so nothing of it is a repeat
    assert world.tell(*told, resumed=True).repeated == 3
    assert world.values() == [0.0, 1.0, 2.0, 3.0]


def test_a_failed_disk_ends_the_writer_and_everyone_is_told(failing):
    world, disk = failing
    disk.refuse = "disk I/O error"
    with pytest.raises(StorageFailed):
        world.tell(message(1))
    disk.refuse = None
    with pytest.raises(StorageFailed):
        world.tell(message(2))
    with pytest.raises(StorageFailed):
        world.change(lambda _: [Change(kind="a.b", subject="x", time=1)])
    assert world.values() == []
