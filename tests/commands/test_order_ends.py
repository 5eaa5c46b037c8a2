"""Ends of orders: answers after them, clocks that are set, values that agree, of every kind."""

import pytest

from gemel.clock import SteppedClock
from gemel.commands import Commander, OrderState, Outcome, Result
from gemel.twin import Kind, PropertyType
from tests.commands.world import World

S = OrderState


class SetClock(SteppedClock):
    """A clock that somebody sets, while seconds go by as before."""

    def set(self, seconds):
        self._now += round(seconds * 1_000_000)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, clock=SetClock())
    yield made
    made.close()


class TestLateAnswers:
    def late(self, world, *outcomes):
        order = world.command("stop")
        world.turn()
        _, tell = world.device.errands.pop()
        world.step(31)
        world.turn()
        for outcome in outcomes:
            tell(order.id, outcome)
        world.turn()
        return world.order(order.id)

    def test_it_is_kept_with_the_order_journaled_and_changes_nothing(self, world):
        order = self.late(world, Outcome(result=Result.DONE, detail="it took long", output={"cycle": 3}))
        assert order.state is S.UNKNOWN
        assert [(one.result, one.detail, one.output) for one in order.late] == [("done", "it took long", {"cycle": 3})]
        told = [change for change in world.changes(order.id) if change.kind == "command.answered_late"]
        assert [(change.subject, change.body["result"]) for change in told] == [("pump-1", "done")]
        assert "answered_late" not in [str(step.state) for step in order.steps]

    def test_the_same_again_is_kept_once_and_at_most_ten_are(self, world):
        same = Outcome(result=Result.DONE)
        others = [Outcome(result=Result.ACKNOWLEDGED, detail=str(number)) for number in range(20)]
        assert len(self.late(world, same, same, *others).late) == 10

    def test_it_is_there_after_a_stop(self, world):
        order = self.late(world, Outcome(result=Result.REFUSED, detail="I could not"))
        world.reopen()
        assert [one.result for one in world.order(order.id).late] == ["refused"]

    def test_what_the_object_told_in_time_is_no_late_answer_when_it_is_told_twice(self, world):
        order = world.command("stop")
        world.turn()
        errand, tell = world.device.errands.pop()
        for _ in range(2):
            tell(errand.order, Outcome(result=Result.DONE))
        world.turn()
        assert (world.order(order.id).state, world.order(order.id).late) == (S.APPLIED, ())


class TestClocksThatAreSet:
    def test_set_back_an_order_gets_no_more_time(self, world):
        world.device.trouble = "no link"
        order = world.command("stop", deadline_s=20)
        world.turn()
        world.clock.set(-3600)
        world.step(21)
        world.turn()
        assert world.order(order.id).state is S.EXPIRED

    def test_what_was_sent_ends_as_well(self, world):
        order = world.command("stop", deadline_s=20)
        world.turn()
        world.clock.set(-3600)
        world.step(21)
        world.turn()
        assert world.order(order.id).state is S.UNKNOWN

    def test_set_ahead_nothing_is_sent_too_late(self, world):
        world.device.trouble = "no link"
        order = world.command("stop", deadline_s=20)
        world.turn()
        world.clock.set(3600)
        world.device.trouble = ""
        world.turn()
        assert (world.order(order.id).state, world.device.errands) == (S.EXPIRED, [])


@pytest.mark.parametrize(
    ("kind", "more", "reported", "desired", "agree"),
    [
        ("number", {"tolerance": 0.5}, 10.4, 10, True),
        ("number", {"tolerance": 0.5}, 10.6, 10, False),
        ("number", {}, 0.1 + 0.2, 0.3, True),
        ("integer", {}, 3, 3, True),
        ("integer", {}, 3, 4, False),
        ("boolean", {}, True, True, True),
        ("boolean", {}, 1, True, True),
        ("boolean", {}, False, True, False),
        ("boolean", {}, None, False, False),
        ("enumeration", {"values": ("open", "closed")}, "open", "open", True),
        ("enumeration", {"values": ("open", "closed")}, "closed", "open", False),
        ("text", {}, "a", "a", True),
        ("array", {"tolerance": 0.1}, [1.0, 2.05], [1, 2], True),
        ("array", {"tolerance": 0.1}, [1.0, 2.2], [1, 2], False),
        ("array", {}, [1.0, 2.0, 3.0], [1, 2], False),
        ("array", {}, [], [], True),
        ("object", {}, {"a": 1}, {"a": 1}, True),
    ],
)
def test_a_reported_value_agrees_with_the_desired_one_of_its_kind(kind, more, reported, desired, agree):
    property_ = PropertyType(name="p", kind=Kind(kind), **more)
    assert Commander.agrees(reported, desired, property_) is agree


def test_an_enumeration_is_applied_when_it_is_reported(world):
    world.apply(
        "gemel: 1\nconnectors: [{id: wire, kind: http, bindings: "
        '[{address: "http://d/9", twin: pump-1, property: valve, direction: both}]}]'
    )
    order = world.set("valve", "open")
    world.turn()
    world.device.answer("acknowledged")
    world.report("valve", "closed")
    world.turn()
    assert world.order(order.id).state is S.ACKNOWLEDGED
    world.report("valve", "open")
    world.turn()
    assert world.order(order.id).state is S.APPLIED
