"""Frames with an identity are taken once, and a source can ask how far it came."""

import pytest

from gemel.errors import InvalidInput, UnknownTwin
from gemel.intake import Message
from tests.intake.plant import START
from tests.intake.test_intake_frames import batch, told


def test_a_numbered_frame_has_one_effect_whatever_it_holds_the_second_time(world):
    first = told(world, batch([("press-1", "force", START, 1.0)]), identity=("stream", 0))
    again = told(world, batch([("press-1", "force", START + 1, 2.0)]), identity=("stream", 0))
    other = told(world, batch([("press-1", "force", START + 2, 3.0)]), identity=("another", 0))
    assert (first.accepted, again.accepted, again.repeated, other.accepted) == (1, 0, 1, 1)
    assert [value for *_, value, _ in world.readings()] == [1.0, 3.0]


def test_frames_and_messages_count_in_one_epoch_and_tell_how_far_it_came(world):
    assert world.intake.reached("plc", "stream") is None
    told(world, batch([("press-1", "force", START, 1.0)]), identity=("stream", 4))
    assert world.intake.reached("plc", "stream") == 4
    repeat = world.intake.submit("plc", [Message(sequence=4, epoch="stream")]).result(60)
    world.intake.submit("plc", [Message(sequence=9, epoch="stream", sparse=True)]).result(60)
    assert repeat.accepted == 0
    assert world.intake.reached("plc", "stream") == 9
    assert world.intake.reached("other", "stream") is None


def test_a_strict_frame_that_was_refused_may_come_again(world):
    with pytest.raises(UnknownTwin):
        told(world, batch([("nobody", "force", START, 1.0)]), strict=True, identity=("stream", 1))
    assert told(world, batch([("press-1", "force", START, 1.0)]), strict=True, identity=("stream", 1)).accepted == 1


@pytest.mark.parametrize("sequence", [-1, 2**63])
def test_a_number_that_cannot_be_is_refused(world, sequence):
    with pytest.raises(InvalidInput, match="must be from 0"):
        told(world, batch([("press-1", "force", START, 1.0)]), identity=("stream", sequence))
