"""The past of entanglement: computed from what is stored, and equal to what was so when it was the present."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from gemel.clock import SECOND
from gemel.errors import InvalidQuery, UnknownProperty
from gemel.intake import Message, Reported
from tests.entanglement.conftest import PLANT, START, Shop


def test_the_past_says_where_it_was_stale_and_for_how_much_of_the_time(shop: Shop):
    for _ in range(5):
        shop.tell(20.0)
        shop.pass_s(1)
    last = shop.clock.now() - SECOND
    shop.pass_s(25)
    shop.tell(21.0)
    again = shop.clock.now()
    shop.pass_s(5)
    end = shop.clock.now()
    found = shop.platform.tied("press-7", "temperature", START, end)
    assert found.stale == [(last + 10 * SECOND, again)]
    assert found.covered_s == 35
    assert found.share == pytest.approx(1 - (again - last - 10 * SECOND) / (35 * SECOND))
    assert (found.received, found.expected) == (6, 35)
    assert [(span.level, (span.end - span.start) // SECOND) for span in found.levels] == [
        ("shadow", 14),
        ("model", 16),
        ("shadow", 5),
    ]
    assert found.position <= shop.platform.position


def test_another_bound_can_be_tried_before_it_is_declared(shop: Shop):
    shop.tell(20.0)
    shop.pass_s(10)
    start, end = START, shop.clock.now()
    assert shop.platform.tied("press-7", "temperature", start, end).share == 1.0
    assert shop.platform.tied("press-7", "temperature", start, end, within_s=4).share == pytest.approx(0.4)
    assert shop.platform.tied("press-7", "note", start, end, within_s=4).share is None, (
        "never reported: nothing to judge"
    )


def test_what_came_late_was_stale_until_it_came_and_is_late_for_ever(shop: Shop):
    shop.tell(20.0)
    shop.pass_s(40)
    held_up = [
        Message(
            readings=[Reported(twin="press-7", property="temperature", value=20.0, time=START + at * SECOND)],
            sequence=shop.number + at,
            epoch="e",
        )
        for at in range(1, 41)
    ]
    shop.platform.ingest(held_up, source="line")
    shop.pass_s(5)
    found = shop.platform.tied("press-7", "temperature", START, shop.clock.now())
    assert found.stale == [(START + 10 * SECOND, START + 40 * SECOND)], "that is what we knew then"
    assert found.received == 41
    assert found.latency is not None
    assert found.latency.p99_s > 30


def test_lost_messages_are_told_with_when_and_how_many(shop: Shop):
    shop.tell(20.0)
    shop.pass_s(1)
    shop.tell(21.0, skip=4)
    when = shop.clock.now()
    shop.pass_s(1)
    late = Reported(twin="press-7", property="temperature", value=20.5, time=START)
    shop.platform.ingest([Message(readings=[late], sequence=3, epoch="e")], source="line")
    found = shop.platform.tied("press-7", "temperature", START, shop.clock.now())
    assert [(one.source, one.time, one.count) for one in found.lost] == [("line", when, 3)]
    assert found.lost_count == 3


def test_values_told_as_changes_are_stale_when_their_source_was(shop: Shop):
    shop.tell("OPEN", "door")
    shop.pass_s(5)
    shop.platform.state.lost("line", shop.clock.now())
    lost = shop.clock.now()
    shop.pass_s(10)
    shop.platform.state.found("line", shop.clock.now())
    shop.pass_s(5)
    found = shop.platform.tied("press-7", "door", START, shop.clock.now())
    assert len(found.stale) == 1
    begin, end = found.stale[0]
    assert begin == lost
    assert end - begin == pytest.approx(10 * SECOND, abs=SECOND)


def test_a_value_entered_by_hand_is_a_model_of_the_past_too(open_shop: Callable[[], Shop]):
    shop = open_shop()
    shop.platform.apply(PLANT)
    shop.tell(20.0)
    shop.pass_s(3)
    shop.platform.enter("press-7", "temperature", 25.0, actor="user-1")
    shop.pass_s(3)
    shop.tell(21.0)
    shop.pass_s(3)
    end = shop.clock.now()
    shop = open_shop()
    found = shop.platform.tied("press-7", "temperature", START, end)
    assert [(span.level, (span.end - span.start) // SECOND) for span in found.levels] == [
        ("shadow", 3),
        ("model", 3),
        ("shadow", 3),
    ]
    assert found.share == 1.0


def test_long_ranges_are_answered_as_their_pieces_together(shop: Shop):
    """What is asked piece by piece adds up to what is asked at once."""
    for step in range(30):
        if step % 7 < 4:
            shop.tell(20.0, late_s=0.3)
        shop.pass_s(4)
    end = shop.clock.now()
    whole = shop.platform.tied("press-7", "temperature", START, end, within_s=5)
    cuts = [START, START + 33 * SECOND, START + 61 * SECOND, end]
    parts = [shop.platform.tied("press-7", "temperature", a, b, within_s=5) for a, b in pairwise(cuts)]
    assert sum(part.stale_s for part in parts) == pytest.approx(whole.stale_s)
    assert sum(part.received for part in parts) == whole.received
    assert sum(part.covered_s for part in parts) == pytest.approx(whole.covered_s)


def test_what_cannot_be_asked_is_refused(shop: Shop):
    with pytest.raises(UnknownProperty):
        shop.platform.tied("press-7", "colour", START, START + 1)
    with pytest.raises(InvalidQuery, match="before it begins"):
        shop.platform.tied("press-7", "temperature", START, START)
    with pytest.raises(InvalidQuery, match="above 0"):
        shop.platform.tied("press-7", "temperature", START, START + 1, within_s=0)
