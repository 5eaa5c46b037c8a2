"""Many clients, the same machines: what is requested is always the whole of one transaction, in one order for all."""

import shutil
import tempfile
import threading
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gemel.commands import Outcome, Result, TransactionState
from tests.commands.world import World

T = TransactionState
TWINS = ("pump-1", "pump-2")


def both(value):
    return [{"twin": twin, "speed": value} for twin in TWINS]


class Together(RuleBasedStateMachine):
    """Devices that follow, refuse, keep silent; a platform that is killed. Both machines begin at 0."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder)
        for twin in TWINS:
            self.world.report("speed", 0, twin=twin)
        self.asked = {}

    def teardown(self):
        self.world.close()
        shutil.rmtree(self.folder)

    @rule(value=st.integers(1, 50), in_order=st.booleans(), leave=st.booleans(), turned=st.booleans())
    def ask(self, value, in_order, leave, turned):
        members = both(value)[::-1] if turned else both(value)
        how = "leave" if leave else "compensate"
        made = self.world.together(*members, in_order=in_order, on_failure=how, deadline_s=20)
        self.asked[made.id] = value

    @precondition(lambda self: self.world.device.errands)
    @rule(place=st.integers(0, 1), result=st.sampled_from(["done", "done", "refused", "unknown", "unsent"]))
    def answer(self, place, result):
        errands = self.world.device.errands
        errand, tell = errands.pop(min(place, len(errands) - 1))
        tell(errand.order, Outcome(result=Result(result)))
        if result == "done":
            self.world.report("speed", errand.value, twin=errand.twin)
        self.world.turn()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def take_back(self, data):
        id = data.draw(st.sampled_from(sorted(self.asked)))
        if self.world.transaction(id).state in (T.PREPARING, T.COMMITTING) and not self.world.transaction(id).reason:
            self.world.commander.transactions.cancel(id).result()

    @rule()
    def turn(self):
        self.world.turn()

    @rule(seconds=st.sampled_from([1, 21]))
    def pass_time(self, seconds):
        self.world.step(seconds)
        self.world.turn()

    @rule()
    def kill(self):
        self.world.reopen()

    @invariant()
    def what_is_requested_is_the_whole_of_one(self):
        one, other = self.world.wanted(*TWINS)
        assert one == other
        assert one in (None, 0, *self.asked.values())

    @invariant()
    def they_are_requested_by_rising_number(self):
        told = [
            change.body["transaction"]
            for block in self.world.journal.blocks()
            for change in block.changes
            if change.kind == "transaction.committing" and change.subject == "pump-1"
        ]
        numbers = [self.world.transaction(id).number for id in told]
        assert numbers == sorted(set(numbers))

    @invariant()
    def one_at_a_time_is_under_way(self):
        states = [self.world.transaction(id).state for id in self.asked]
        assert sum(state in (T.COMMITTING, T.COMPENSATING) for state in states) <= 1

    @invariant()
    def the_outcome_is_what_the_members_say(self):
        for id in self.asked:
            one = self.world.transaction(id)
            orders = self.world.commander.transactions.orders([one])
            states = [orders[member.order].state for member in one.members if member.order]
            if one.state is T.COMMITTED:
                assert states == ["applied", "applied"]
            if one.state in (T.REFUSED, T.EXPIRED) and states:
                assert "applied" not in states


TestTogether = Together.TestCase
TestTogether.settings = settings(
    max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_clients_at_once_get_one_order_and_nobody_ever_sees_a_half(tmp_path):
    world = World(tmp_path)
    for twin in TWINS:
        world.report("speed", 0, twin=twin)

    def follows(errand, tell):
        world.report("speed", errand.value, twin=errand.twin)
        tell(errand.order, Outcome(result=Result.ACKNOWLEDGED))

    world.device.at_once = follows
    clients, each = 4, 4
    made, seen, over = [], [], threading.Event()

    def client(number):
        mine = []
        for step in range(each):
            value = 1 + number * each + step
            id = world.together(*both(value), deadline_s=600).id
            made.append((id, value))
            mine.append(world.commander.transactions.reached(id))
        for one in mine:
            one.result(120)

    def reader():
        while not over.is_set():
            seen.append(tuple(world.wanted(*TWINS)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    watching = threading.Thread(target=reader)
    for thread in (*threads, watching):
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            world.turn()
    finally:
        for thread in threads:
            thread.join()
        over.set()
        watching.join()
    values = dict(made)
    ended = sorted((world.transaction(id) for id in values), key=lambda one: one.number)
    assert [one.state for one in ended] == [T.COMMITTED] * (clients * each)
    assert all(one == other for one, other in seen), "somebody saw a half"
    order = [values[one.id] for one in ended]
    told = {twin: [c.body["input"] for c in requested(world) if c.subject == twin] for twin in TWINS}
    assert told["pump-1"] == told["pump-2"] == order, "one order everywhere, that of the journal"
    shown = [one for one, _ in seen if one is not None]
    places = [order.index(value) for value in shown]
    assert all(one <= other for one, other in pairwise(places)), "what was read never went back"
    world.close()


def requested(world):
    return [c for block in world.journal.blocks() for c in block.changes if c.kind == "command.requested"]
