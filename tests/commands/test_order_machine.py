"""Orders against a device that drops, doubles, delays and lies, restarts at any step; whatever happens, these hold."""

import shutil
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gemel.commands import ENDED, OrderState, Outcome, Result
from gemel.errors import Conflict, Overloaded, RevisionConflict
from tests.commands.world import World

S = OrderState
AFTER = {
    S.REQUESTED: {S.SENT, S.REFUSED, S.EXPIRED, S.SUPERSEDED, S.CANCELLED},
    S.SENT: {
        *(S.REQUESTED, S.DELIVERED, S.ACKNOWLEDGED, S.APPLIED, S.REFUSED),
        *(S.TIMED_OUT, S.UNKNOWN, S.SUPERSEDED),
    },
    S.DELIVERED: {S.ACKNOWLEDGED, S.APPLIED, S.REFUSED, S.TIMED_OUT, S.UNKNOWN, S.SUPERSEDED},
    S.ACKNOWLEDGED: {S.APPLIED, S.REFUSED, S.TIMED_OUT, S.UNKNOWN, S.SUPERSEDED},
    S.UNKNOWN: {S.APPLIED, S.REFUSED},
}
"""What may follow what."""
SAYS = ["done", "acknowledged", "delivered", "left", "", "unknown"]


class Orders(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        self.asked, self.carried, self.lied = {}, Counter(), set()
        self.sequence = []
        self.tells = []
        self.keys = {}

    def teardown(self):
        self.the_journal_tells_the_same()
        self.world.close()
        shutil.rmtree(self.folder)

    # people

    @rule(ramp=st.integers(0, 60), key=st.sampled_from(["", "", "a", "b"]))
    def command(self, ramp, key):
        try:
            order = self.world.command("start", {"ramp": ramp}, key=key, deadline_s=20)
        except Conflict:
            assert self.keys[key] != ramp, "only other content is a conflict"
            return
        except Overloaded:
            return
        if key:
            assert self.keys.setdefault(key, ramp) == ramp
        self.asked.setdefault(order.id, order)

    @rule(value=st.integers(0, 3), locked=st.booleans(), stale=st.booleans())
    def desire(self, value, locked, stale):
        before = self.world.commander.desired("pump-1").get("speed")
        revision = 0 if before is None else before.revision
        try:
            order = self.world.set("speed", value, if_revision=revision - stale if locked else None, deadline_s=20)
        except RevisionConflict:
            assert locked
            assert stale
            return
        assert order.revision == revision + 1
        assert not (locked and stale)
        self.asked[order.id] = order

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data):
        id = data.draw(st.sampled_from(list(self.asked)))
        before = self.world.order(id).state
        try:
            self.world.commander.cancel(id).result()
            assert before is S.REQUESTED
        except Conflict:
            assert before is not S.REQUESTED

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), applied=st.booleans())
    def settle(self, data, applied):
        id = data.draw(st.sampled_from(list(self.asked)))
        before = self.world.order(id).state
        try:
            self.world.commander.resolve(id, applied=applied, actor="user-b").result()
            assert before is S.UNKNOWN
        except Conflict:
            assert before is not S.UNKNOWN

    # the device

    @precondition(lambda self: self.world.device.errands)
    @rule(
        carries_out=st.booleans(), result=st.sampled_from(["done", "acknowledged", "delivered", "left", "", "unknown"])
    )
    def act(self, carries_out, result):
        """It carries the errand out or drops it, and says something of it, or nothing."""
        errand, tell = self.world.device.errands.pop(0)
        if carries_out:
            self.carried[errand.order] += 1
            self.sequence.append(errand.order)
        elif result in ("done", "acknowledged"):
            self.lied.add(errand.order)
        self.tells.append((errand, tell))
        if result:
            output = {"cycle": 1} if result == "done" else None
            tell(errand.order, Outcome(result=Result(result), output=output))

    @precondition(lambda self: self.world.device.errands)
    @rule(result=st.sampled_from(["refused", "unsent"]))
    def decline(self, result):
        """It says that it did not, and did not."""
        errand, tell = self.world.device.errands.pop(0)
        tell(errand.order, Outcome(result=Result(result)))

    @precondition(lambda self: self.tells)
    @rule(data=st.data(), result=st.sampled_from(["done", "acknowledged", "delivered", "unknown"]))
    def say_again(self, data, result):
        """Late, doubled, contradictory."""
        errand, tell = data.draw(st.sampled_from(self.tells))
        if not self.carried[errand.order] and result in ("done", "acknowledged"):
            self.lied.add(errand.order)
        tell(errand.order, Outcome(result=Result(result)))

    @rule(value=st.integers(0, 3))
    def report(self, value):
        self.world.report("speed", value)

    @rule(there=st.booleans())
    def link(self, there):
        self.world.device.trouble = "" if there else "no link"

    # time and chance

    @rule(seconds=st.sampled_from([1, 8, 21]))
    def pass_time(self, seconds):
        self.world.step(seconds)
        self.world.turn()

    @rule()
    def turn(self):
        self.world.turn()

    @rule()
    def kill(self):
        """The process ends and begins again; what the device was about to say is lost."""
        self.tells.clear()
        self.world.reopen()

    # what holds

    @invariant()
    def nothing_is_carried_out_twice(self):
        assert all(count <= 1 for count in self.carried.values()), self.carried

    @invariant()
    def nothing_is_carried_out_that_did_not_leave(self):
        for id in self.asked:
            order = self.world.order(id)
            if S.SENT not in [step.state for step in order.steps]:
                assert not self.carried[id], order

    @invariant()
    def each_follows_a_way_through_its_states(self):
        for id in self.asked:
            steps = [step.state for step in self.world.order(id).steps]
            for one, other in pairwise(steps):
                assert other in AFTER.get(one, ()), steps

    def the_journal_tells_the_same(self):
        for id in self.asked:
            told = [change.kind.removeprefix("command.") for change in self.world.changes(id)]
            told = [kind for kind in told if kind != "answered_late"]
            assert told == [str(step.state) for step in self.world.order(id).steps]

    @invariant()
    def a_command_that_is_applied_was_carried_out_or_the_device_lied_or_a_person_said_so(self):
        for id in self.asked:
            order = self.world.order(id)
            if order.state is S.APPLIED and order.kind == "command" and order.reason != "settled":
                assert self.carried[id] or id in self.lied, order

    @invariant()
    def what_the_device_refused_is_not_applied(self):
        for id in self.asked:
            order = self.world.order(id)
            if order.state in (S.EXPIRED, S.CANCELLED) or (order.state is S.REFUSED and order.reason == "device"):
                assert not self.carried[id], order

    @invariant()
    def orders_are_carried_out_in_their_order(self):
        numbers = [self.world.order(id).number for id in self.sequence]
        assert numbers == sorted(numbers)

    @invariant()
    def what_is_desired_is_what_the_latest_wish_said(self):
        wishes = [self.world.order(id) for id, order in self.asked.items() if order.kind == "property"]
        if wishes:
            latest = max(wishes, key=lambda order: order.number)
            desired = self.world.commander.desired("pump-1")["speed"]
            assert (desired.value, desired.order, desired.revision) == (latest.input, latest.id, latest.revision)

    @invariant()
    def nothing_stays_open_for_ever(self):
        for id in self.asked:
            order = self.world.order(id)
            if order.deadline + 5_000_000 < self.world.clock.now() and not self.world.device.errands:
                self.world.turn()
                assert self.world.order(id).state in ENDED


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
def test_the_same_for_long():
    often = settings(max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Orders, settings=often)
