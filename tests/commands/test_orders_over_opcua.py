"""Orders to a real OPC UA server: written, called, applied when the object shows it."""

import pytest

from gemel.commands import OrderState

S = OrderState


def states(order):
    return [step.state for step in order.steps]


class TestDesiredValues:
    def test_a_desired_value_is_applied_when_the_object_reports_it(self, platform, skid):
        order = platform.set("pump-1", "speed", 1500, wait_s=60)
        assert order.state is S.APPLIED, order
        assert states(order)[:2] == [S.REQUESTED, S.SENT]
        assert platform.now("pump-1")["speed"].value == pytest.approx(1500)
        assert ("SpeedSet", 1500.0) in skid.writes

    def test_a_value_that_the_object_takes_and_does_not_follow_times_out(self, platform, skid):
        skid.stuck = True
        for seconds in (3, 30):  # on a busy machine three are over before it is taken
            order = platform.set("pump-1", "speed", 700, deadline_s=seconds, wait_s=60)
            if S.ACKNOWLEDGED in states(order):
                break
        assert order.state is S.TIMED_OUT
        assert S.ACKNOWLEDGED in states(order)
        assert "reported 0.0, not 700" in order.detail
