"""The same thing told again has no second effect; something else under the same name is a conflict, listed."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.errors import MessageConflict
from gemel.intake import Happened, Message, Reported
from gemel.intake.identity import Watermark
from tests.intake.plant import START, World, message, reading
from tests.tables import migrated


def counts(receipt):
    return receipt.accepted, receipt.repeated, receipt.quarantined


def test_a_message_id_counts_once_for_ever(world, tmp_path):
    assert counts(world.tell(message(1, 2, id="m-1"))) == (2, 0, 0)
    again = world.tell(message(1, 2, id="m-1"))
    assert counts(again) == (0, 2, 0)
    assert again.last == world.journal.head().position
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    assert counts(later.tell(message(1, 2, id="m-1"))) == (0, 2, 0)
    assert counts(later.tell(message(1, 2, id="m-1"), source="another")) == (2, 0, 0)
    later.close()


def test_the_same_id_in_one_submission_counts_once(world):
    assert counts(world.tell(message(1, id="m-1"), message(1, id="m-1"))) == (1, 1, 0)


def test_the_same_id_with_other_content_is_a_conflict_and_listed(world):
    world.tell(message(1, id="m-1"))
    assert counts(world.tell(message(2, id="m-1"))) == (0, 0, 1)
    (held,) = world.held(code="conflict")
    assert held.form == "message"
    assert held.payload == message(2, id="m-1")
    with pytest.raises(MessageConflict):
        world.tell(message(2, id="m-1"), strict=True)
    assert world.values() == [1.0]


def test_an_event_id_counts_once_for_ever(world, tmp_path):
    event = Happened(twin="press-1", event="overheated", time=START, id="e-1")
    assert counts(world.tell(Message(events=[event]))) == (1, 0, 0)
    assert counts(world.tell(Message(events=[event]))) == (0, 1, 0)
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    assert counts(later.tell(Message(events=[event]))) == (0, 1, 0)
    other = Happened(twin="press-2", event="overheated", time=START, id="e-1")
    assert counts(later.tell(Message(events=[other]))) == (0, 0, 1)
    later.close()


@pytest.mark.parametrize("id_", ["x" * 10_000, "../../x", "a\x00b", "Ω", " ", "\n"])
def test_odd_ids_are_ids_too(world, id_):
    assert counts(world.tell(message(1, id=id_))) == (1, 0, 0)
    assert counts(world.tell(message(1, id=id_))) == (0, 1, 0)


def test_a_message_with_a_part_in_quarantine_is_not_taken_twice(world):
    told = Message(readings=[reading(value=1.0), reading("temperature", 999.0)], id="m-1")
    assert counts(world.tell(told)) == (1, 0, 1)
    assert counts(world.tell(told)) == (0, 2, 0)
    assert len(world.held()) == 1


def test_numbered_messages_count_once_per_epoch(world, tmp_path):
    assert counts(world.tell(message(1, sequence=0, epoch="a"), message(2, sequence=1, epoch="a"))) == (2, 0, 0)
    assert counts(world.tell(message(2, sequence=1, epoch="a"))) == (0, 1, 0)
    assert counts(world.tell(message(3, sequence=0, epoch="b"))) == (1, 0, 0)
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    assert counts(later.tell(message(2, sequence=1, epoch="a"), message(4, sequence=2, epoch="a"))) == (1, 1, 0)
    later.close()


def test_a_gap_may_be_filled_later_once(world, tmp_path):
    world.tell(message(1, sequence=10))
    world.tell(message(2, sequence=15))
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    for number, taken in ((12, 1), (12, 0), (11, 1), (15, 0), (3, 1), (10, 0), (3, 0), (16, 1)):
        assert later.tell(message(number, sequence=number)).accepted == taken, number
    later.close()


@pytest.mark.parametrize("number", [-1, 2**63, "3", 1.5])
def test_a_number_that_is_none_is_quarantined(world, number):
    assert counts(world.tell(message(1, sequence=number))) == (0, 0, 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=80))
def test_a_watermark_takes_each_number_once_in_any_order(numbers):
    mark = Watermark()
    taken = [number for number in numbers if mark.take(number)]
    assert taken == list(dict.fromkeys(numbers))


def test_within_one_connection_a_value_may_come_back(world):
    same = [reading(value=value, time=START) for value in (1.0, 2.0, 1.0)]
    world.tell(Message(readings=same))
    world.tell(Message(readings=same[:1]))
    assert world.values() == [1.0, 2.0, 1.0, 1.0]


def test_after_a_reconnect_what_was_taken_is_a_repeat(world):
    world.tell(
        message(1, 2), Message(readings=[reading("program", "a", time=START), reading("wave", [1.0], time=START)])
    )
    world.tell(Message(readings=[reading("count", 5, time=START), reading("force", None, time=START)]))
    again = Message(
        readings=[
            *message(1, 2, 3).readings,
            reading("program", "a", time=START),
            reading("program", "b", time=START),
            reading("wave", [1.0], time=START),
            reading("count", 5, time=START),
            reading("force", None, time=START),
        ]
    )
    assert counts(world.tell(again, resumed=True)) == (2, 6, 0)
    assert counts(world.tell(again, resumed=True, source="another")) == (8, 0, 0)


def test_an_event_without_an_id_is_a_repeat_only_after_a_reconnect(world):
    event = Message(events=[Happened(twin="press-1", event="overheated", time=START, fields={"peak": 1.0})])
    assert counts(world.tell(event)) == (1, 0, 0)
    assert counts(world.tell(event)) == (1, 0, 0)
    assert counts(world.tell(event, resumed=True)) == (0, 1, 0)


def test_a_reconnect_after_a_restart_is_known_from_the_journal(world, tmp_path):
    told = [
        message(1, 2, 3),
        Message(readings=[reading("program", "a", time=START), reading("wave", [1.0, 2.0], time=START)]),
        Message(events=[Happened(twin="press-1", event="overheated", time=START, fields={"peak": 1.0})]),
    ]
    world.tell(*told)
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    assert counts(later.tell(*told, message(4), resumed=True)) == (1, 6, 0)
    later.close()


def test_a_long_tail_is_forgotten_from_its_beginning(world):
    for start in range(0, 60_000, 10_000):
        world.tell(Message(readings=[reading(value=float(i), time=START + i) for i in range(start, start + 10_000)]))
    last = Message(readings=[reading(value=float(i), time=START + i) for i in range(44_000, 60_000)])
    assert counts(world.tell(last, resumed=True)) == (0, 16_000, 0)


# Streams of several connections, each in its own order, some told twice, in any interleaving.

STREAMS = {
    "ids": [message(i, id=f"m-{i}") for i in range(5)],
    "numbers": [message(100 + i, sequence=i, epoch="boot-1") for i in range(5)],
    "plain": [Message(readings=[reading("count", 200 + i, time=START + i)]) for i in range(5)],
    "events": [
        Message(events=[Happened(twin="press-1", event="overheated", time=START + i, id=f"e-{i}")]) for i in range(5)
    ],
}


@st.composite
def tellings(draw):
    """[(source, message, resumed)]: each stream whole, then from some place on once more after a reconnect."""
    queues = []
    for source, messages in STREAMS.items():
        queue = [(source, one, False) for one in messages]
        for _ in range(draw(st.integers(0, 2))):
            start = draw(st.integers(0, len(messages)))
            queue += [(source, one, True) for one in messages[start:]]
        queues.append(queue)
    order = draw(st.permutations([k for k, queue in enumerate(queues) for _ in queue]))
    taken = [iter(queue) for queue in queues]
    return [next(taken[k]) for k in order]


@pytest.fixture(scope="module")
def numbered_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("permutations")
    return (folder / f"{i}.sqlite" for i in itertools.count())


@settings(deadline=None, max_examples=25)
@given(telling=tellings())
def test_any_interleaving_with_repeats_gives_the_same_readings(numbered_files, telling):
    world = World(next(numbered_files))
    futures = [world.intake.submit(source, [one], resumed=resumed) for source, one, resumed in telling]
    receipts = [future.result(60) for future in futures]
    told = sorted(said[3] for said in world.readings())
    assert told == [*range(5), *range(100, 105), *range(200, 205)]
    for low in (0, 100, 200):  # the order within a connection is kept
        mine = [said[3] for said in world.readings() if low <= said[3] < low + 100]
        assert mine == sorted(mine)
    assert len(world.changes("event.happened")) == 5
    assert sum(receipt.accepted for receipt in receipts) == 20
    assert sum(receipt.accepted + receipt.repeated for receipt in receipts) == len(telling)
    world.close()


def test_a_reported_value_costs_no_garbage_collection():
    assert not Reported.__struct_config__.gc


@pytest.mark.postgres
def test_identity_and_quarantine_work_on_postgresql(postgres, tmp_path):
    world = World(migrated(postgres))
    odd = "\x00" * 3
    assert counts(world.tell(message(1, id="m-1"), message(2, id=odd), message(1, id="m-1"))) == (2, 1, 0)
    assert counts(world.tell(message(3, id="m-1"))) == (0, 0, 1)
    assert counts(
        world.tell(message(4, sequence=3, epoch="\x00" * 500), message(4, sequence=3, epoch="\x00" * 500))
    ) == (1, 1, 0)
    bad = Message(
        readings=[
            reading("no\x00thing"),
            reading("program", "a\x00b"),
            reading("temperature", 900.0),
            reading("x" * 999),
        ]
    )
    assert counts(world.tell(bad)) == (1, 0, 3)
    assert world.tell(message(1, 2, 4), resumed=True).repeated == 0  # they had ids: those tell, not the tail
    assert len(world.held()) == 4
    assert world.intake.replay().result(60).quarantined == 3
    assert world.intake.discard([one.id for one in world.held()]).result(60)[0] == 4
    assert world.journal.verify().ok
    world.close()
