"""Several machines at once: prepared, requested at one moment, committed or put back; every outcome told."""

import pytest

from gemel.commands import OrderState, TransactionState, forget_twin
from gemel.errors import ConfigurationDiffers, Conflict, InvalidInput, KeyReused, NotFound, RevisionConflict
from tests.commands.world import World

S, T = OrderState, TransactionState
BOTH = ({"twin": "pump-1", "speed": 10}, {"twin": "pump-2", "speed": 20})


@pytest.fixture
def world_of(tmp_path):
    made = []

    def of(control="", **how):
        made.append(World(tmp_path, control=control, **how))
        for twin in ("pump-1", "pump-2"):
            made[-1].report("speed", 1, twin=twin)
        return made[-1]

    yield of
    for one in made:
        one.close()


@pytest.fixture
def world(world_of):
    return world_of()


def follow(world, twin="pump-1", value=None):
    """The device takes the oldest errand, and its twin reports what it was told."""
    errand = world.device.answer("acknowledged")
    world.report(errand.name, errand.value if value is None else value, twin=errand.twin)
    world.turn()
    return errand


class TestCommitting:
    def test_what_is_requested_of_all_appears_at_one_position_and_reported_stays_each_machines_own(self, world):
        made = world.together(*BOTH)
        assert (made.state, world.wanted("pump-1", "pump-2")) == (T.PREPARING, [None, None])
        world.turn()
        assert world.transaction(made.id).state is T.COMMITTING
        assert world.wanted("pump-1", "pump-2") == [10, 20]
        blocks = [
            block
            for block in world.journal.blocks()
            if any(change.kind == "command.requested" for change in block.changes)
        ]
        assert [change.subject for change in blocks[0].changes if change.kind == "command.requested"] == [
            "pump-1",
            "pump-2",
        ]
        follow(world)
        assert [world.member(made.id, place).state for place in (0, 1)] == [S.APPLIED, S.SENT]
        assert world.transaction(made.id).state is T.COMMITTING
        follow(world)
        assert world.transaction(made.id).state is T.COMMITTED

    def test_all_are_told_at_once_unless_they_go_in_order(self, world):
        world.together(*BOTH)
        world.turn()
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-1", "pump-2"]

    def test_in_order_a_member_is_told_when_the_one_before_it_is_applied(self, world):
        made = world.together(*BOTH, in_order=True)
        world.turn()
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-1"]
        assert world.wanted("pump-1", "pump-2") == [10, 20], "requested of both, all the same"
        follow(world)
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-2"]
        follow(world)
        assert world.transaction(made.id).state is T.COMMITTED

    def test_every_step_is_journaled_of_every_machine(self, world):
        made = world.together(*BOTH)
        world.turn()
        follow(world)
        follow(world)
        told = [
            (change.kind, change.subject)
            for block in world.journal.blocks()
            for change in block.changes
            if change.body.get("transaction") == made.id
        ]
        kinds = ["transaction.preparing", "transaction.committing", "transaction.committed"]
        assert told == [(kind, twin) for kind in kinds for twin in ("pump-1", "pump-2")]

    def test_the_same_key_is_the_same_transaction(self, world):
        made = world.together(*BOTH, key="shift-7")
        world.turn()
        assert world.together(*BOTH, key="shift-7").id == made.id
        with pytest.raises(KeyReused):
            world.together(BOTH[0], key="shift-7")

    def test_nothing_is_told_where_a_machine_is_not_configured_as_is_assumed(self, world):
        has = {"pump-1": {"P-7"}, "pump-2": {"P-7"}}

        def assumptions(expected, twin):
            if not {part for one in expected for part in one.has} <= has[twin]:
                raise ConfigurationDiffers(f"{twin} has {sorted(has[twin])}")

        world.commander.ask_what_is_assumed(assumptions)
        assuming = [{**one, "expects": [{"has": ["P-7"]}]} for one in BOTH]
        made = world.together(*assuming, key="fitted")
        assert [member.expects[0].has for member in world.transaction(made.id).members] == [("P-7",), ("P-7",)]
        has["pump-2"] = {"P-9"}
        assert world.together(*assuming, key="fitted").id == made.id, "told again it is the same, however it stands now"
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason, world.device.errands) == (T.REFUSED, "configuration", [])
        with pytest.raises(ConfigurationDiffers, match="pump-2 has"):
            world.together(*assuming)
        with pytest.raises(KeyReused):
            world.together(*BOTH, key="fitted")
        has["pump-2"] = {"P-7"}
        made = world.together(*assuming)
        world.turn()
        assert world.transaction(made.id).state is T.COMMITTING

    def test_commands_are_members_too(self, world):
        made = world.together({"twin": "pump-1", "command": "start", "input": {"ramp": 3}}, BOTH[1])
        world.turn()
        world.device.answer("done", output={"cycle": 4})
        world.turn()
        follow(world)
        assert world.transaction(made.id).state is T.COMMITTED
        assert world.member(made.id, 0).output == {"cycle": 4}


class TestAsking:
    @pytest.mark.parametrize(
        ("members", "error", "says"),
        [
            ([], InvalidInput, "1 to 200 members"),
            ([{"twin": "pump-1", "speed": 1}, {"twin": "pump-1", "speed": 2}], InvalidInput, "stands twice"),
            ([{"twin": "pump-1", "property": "speed", "command": "stop"}], InvalidInput, "one of the two"),
            ([{"twin": "pump-1", "command": "dance"}], NotFound, "it has: start, stop"),
            ([{"twin": "pump-1", "command": "stop"}], Conflict, "nothing takes pump-1.stop back"),
            ([{"twin": "pump-1", "speed": 1, "colour": 3}], InvalidInput, "unknown field `colour`"),
        ],
    )
    def test_what_cannot_be_a_transaction_says_why(self, world, members, error, says):
        with pytest.raises(error, match=says):
            world.together(*members)
        assert world.commander.transactions.list().items == []

    def test_an_unknown_rule_for_failures_says_so(self, world):
        with pytest.raises(InvalidInput, match="on_failure"):
            world.together(*BOTH, on_failure="pray")

    def test_a_revision_that_was_overtaken_is_refused_at_once(self, world):
        world.set("speed", 4)
        with pytest.raises(RevisionConflict, match="revision 1, not 0"):
            world.together({"twin": "pump-1", "speed": 1, "if_revision": 0}, BOTH[1])

    def test_one_that_is_overtaken_while_it_prepares_is_refused_whole(self, world_of):
        world = world_of("{two_persons: [speed]}")
        made = world.together({"twin": "pump-1", "speed": 1, "if_revision": 0}, BOTH[1])
        world.set("speed", 4)
        world.commander.transactions.approve(made.id, actor="user-b").result()
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.REFUSED, "revision")
        assert world.wanted("pump-1", "pump-2") == [4, None]


class TestPreparing:
    def test_a_member_that_a_rule_refuses_refuses_all_before_anything_is_requested(self, world_of):
        world = world_of("{interlocks: [{name: shut, require: \"door = 'closed'\"}]}")
        world.report("door", "closed")
        made = world.together(*BOTH)
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.REFUSED, "interlock:shut")
        assert "pump-2.speed: pump-2.door has never been reported" in ended.detail
        assert (world.wanted("pump-1", "pump-2"), world.device.errands) == ([None, None], [])

    def test_a_machine_out_of_reach_refuses_all(self, world):
        world.device.trouble = "the cable is out"
        made = world.together(*BOTH)
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.REFUSED, "link")
        assert "the cable is out" in ended.detail

    def test_it_waits_for_a_second_person_who_agrees_to_all_of_it(self, world_of):
        world = world_of("{two_persons: [speed]}")
        made = world.together(*BOTH)
        world.turn()
        assert world.transaction(made.id).state is T.PREPARING
        with pytest.raises(Conflict, match="somebody else"):
            world.commander.transactions.approve(made.id, actor="user-a").result()
        world.commander.transactions.approve(made.id, actor="user-b").result()
        world.turn()
        assert [world.member(made.id, place).approval for place in (0, 1)] == ["user-b", "user-b"]
        follow(world)
        follow(world)
        assert world.transaction(made.id).state is T.COMMITTED

    def test_nobody_agrees_in_time(self, world_of):
        world = world_of("{two_persons: [speed]}")
        made = world.together(*BOTH, deadline_s=5)
        world.step(6)
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.detail.split(": ")[1]) == (T.EXPIRED, "nobody else approved it")
        assert world.wanted("pump-1", "pump-2") == [None, None]

    def test_taken_back_before_it_is_requested_nothing_happens(self, world_of):
        world = world_of("{two_persons: [speed]}")
        made = world.together(*BOTH)
        world.commander.transactions.cancel(made.id, actor="user-a").result()
        world.turn()
        assert world.transaction(made.id).state is T.CANCELLED
        with pytest.raises(Conflict, match="cannot be taken back"):
            world.commander.transactions.cancel(made.id).result()
        assert world.device.errands == []


class TestAskingObjects:
    @pytest.fixture
    def world(self, world_of):
        world = world_of()
        world.apply(ASKED)
        for twin in ("mixer-1", "mixer-2"):
            world.report("speed", 1, twin=twin)
        return world

    def members(self):
        return ({"twin": "mixer-1", "speed": 10}, {"twin": "mixer-2", "speed": 20})

    def test_objects_that_can_prepare_are_asked_and_told_when_nothing_comes_of_it(self, world):
        made = world.together(*self.members())
        world.turn()
        asked = [(errand.twin, errand.name, errand.input) for errand, _ in world.device.errands]
        assert asked == [("mixer-1", "reserve", {"value": 10.0}), ("mixer-2", "reserve", {"value": 20.0})]
        assert world.wanted("mixer-1", "mixer-2") == [None, None]
        world.device.answer("done")
        world.device.answer("refused", detail="no batch is loaded")
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.REFUSED, "prepare")
        assert ended.detail == "mixer-2 does not agree: no batch is loaded"
        assert [(errand.twin, errand.name) for errand, _ in world.device.errands] == [("mixer-1", "free")]

    def test_what_all_agreed_to_is_requested(self, world):
        made = world.together(*self.members())
        world.turn()
        world.device.answer("done")
        world.device.answer("done")
        world.turn()
        assert world.wanted("mixer-1", "mixer-2") == [10, 20]
        follow(world)
        follow(world)
        assert world.transaction(made.id).state is T.COMMITTED

    def test_one_that_does_not_answer_in_time_has_not_agreed(self, world):
        made = world.together(*self.members(), deadline_s=5)
        world.turn()
        world.device.answer("done")
        world.step(6)
        world.turn()
        ended = world.transaction(made.id)
        assert ended.state in (T.REFUSED, T.EXPIRED)
        freed = [(errand.twin, errand.name) for errand, _ in world.device.errands if errand.name == "free"]
        assert freed == [("mixer-1", "free"), ("mixer-2", "free")], "it may have agreed, so it is told as well"


ASKED = """
gemel: 1
types:
  - id: mixer
    properties: [{name: speed, writable: true, tolerance: 0.5}]
    commands: [{name: reserve, input: [{name: value}]}, {name: free}]
    control: {prepares: [{of: [speed], command: reserve, release: free}]}
twins: [{id: mixer-1, types: [mixer]}, {id: mixer-2, types: [mixer]}]
connectors:
  - id: wire
    kind: http
    bindings:
      - {address: "http://d/{twin}", twin: "{twin}", property: "{name}", direction: both}
"""


class TestPuttingBack:
    def fail(self, world, made, *, how="refused"):
        """pump-1 is applied, pump-2 is not."""
        world.turn()
        follow(world)
        world.device.answer(how, detail="the drive is hot")
        world.turn()
        return world.transaction(made.id)

    def test_what_was_done_is_put_back_to_what_was_desired_before(self, world):
        world.set("speed", 4)
        world.turn()
        follow(world)
        made = world.together(*BOTH)
        failing = self.fail(world, made)
        assert (failing.state, failing.reason) == (T.COMPENSATING, "device")
        assert "pump-2.speed is refused: the drive is hot" in failing.detail
        assert world.wanted("pump-1", "pump-2") == [4, 1], "requested is as it was, of both at once"
        assert [(errand.twin, errand.value) for errand, _ in world.device.errands] == [("pump-1", 4)]
        follow(world)
        ended = world.transaction(made.id)
        assert ended.state is T.COMPENSATED
        undone = world.order(ended.members[0].undone)
        assert (undone.state, undone.role, undone.actor) == (S.APPLIED, "undo", "user-a")
        assert ended.members[1].undone == "", "what was refused needs nothing"

    def test_without_an_earlier_wish_it_is_put_back_to_what_was_reported(self, world):
        failing = self.fail(world, world.together(*BOTH))
        assert [(errand.twin, errand.value) for errand, _ in world.device.errands] == [("pump-1", 1)]
        assert failing.state is T.COMPENSATING

    def test_what_is_declared_puts_it_back(self, world):
        member = {"twin": "pump-1", "speed": 10, "undo": {"command": "stop"}}
        self.fail(world, world.together(member, BOTH[1]))
        assert [errand.name for errand, _ in world.device.errands] == ["stop"]

    def test_a_command_is_taken_back_as_its_type_says(self, world):
        made = world.together({"twin": "pump-1", "command": "start", "input": {"ramp": 1}}, BOTH[1])
        world.turn()
        world.device.answer("done", output={"cycle": 1})
        world.device.answer("refused")
        world.turn()
        assert [errand.name for errand, _ in world.device.errands] == ["stop"]
        world.device.answer("done")
        world.turn()
        assert world.transaction(made.id).state is T.COMPENSATED

    def test_the_last_member_is_put_back_first_and_each_waits_for_the_one_before(self, world):
        members = (*BOTH, {"twin": "pump-1", "command": "start", "input": {"ramp": 1}})
        made = world.together(*members, in_order=True)
        world.turn()
        follow(world)
        follow(world)
        world.device.answer("refused")
        world.turn()
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-2"]
        follow(world)
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-1"]
        follow(world)
        assert world.transaction(made.id).state is T.COMPENSATED

    def test_what_has_not_left_is_taken_back(self, world):
        made = world.together(*BOTH, in_order=True)
        world.turn()
        world.device.answer("refused")
        world.turn()
        assert world.member(made.id, 1).state is S.CANCELLED
        assert world.transaction(made.id).state is T.REFUSED, "nothing of it was done"
        assert world.wanted("pump-1", "pump-2") == [1, 1]

    def test_left_as_it_is_it_is_told_partly_done(self, world):
        made = world.together(*BOTH, on_failure="leave")
        ended = self.fail(world, made)
        assert (ended.state, world.device.errands) == (T.PARTLY, [])
        assert world.wanted("pump-1", "pump-2") == [10, 20]

    def test_a_timeout_counts_as_a_failure_and_is_put_back(self, world):
        made = world.together(*BOTH)
        world.turn()
        follow(world)
        world.device.answer("acknowledged")
        world.step(31)
        world.turn()
        assert world.member(made.id, 1).state is S.TIMED_OUT
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-2"]
        follow(world)
        follow(world)
        assert world.transaction(made.id).state is T.COMPENSATED

    def test_an_unknown_member_makes_it_unknown_until_a_person_settles_it(self, world):
        made = world.together(*BOTH, on_failure="leave")
        self.fail(world, made, how="unknown")
        assert world.transaction(made.id).state is T.UNKNOWN
        world.commander.resolve(world.member(made.id, 1).id, applied=True, actor="user-b").result()
        world.turn()
        assert world.transaction(made.id).state is T.COMMITTED

    def test_putting_back_that_fails_leaves_it_partly_done(self, world):
        made = world.together(*BOTH)
        self.fail(world, made)
        world.device.answer("refused", detail="it is stuck")
        world.turn()
        ended = world.transaction(made.id)
        assert ended.state is T.PARTLY
        assert world.order(ended.members[0].undone).detail == "it is stuck"

    def test_a_wish_that_came_later_is_not_undone(self, world):
        made = world.together(*BOTH)
        world.turn()
        follow(world)
        newer = world.set("speed", 7, actor="user-b")
        world.device.answer("refused")
        world.turn()
        ended = world.transaction(made.id)
        assert world.wanted("pump-1") == [7]
        assert newer.id in ended.members[0].note
        assert ended.members[0].undone == ""

    def test_a_single_order_need_not_wait_for_a_transaction(self, world):
        made = world.together(*BOTH)
        world.turn()
        world.set("speed", 0, actor="user-b")
        world.device.answer("left")
        world.turn()
        assert world.member(made.id, 0).state is S.SUPERSEDED

    def test_taken_back_on_its_way_it_is_put_back(self, world):
        made = world.together(*BOTH, in_order=True)
        world.turn()
        follow(world)
        world.commander.transactions.cancel(made.id, actor="user-a").result()
        world.device.answer("unsent")
        world.turn()
        world.turn()
        assert world.member(made.id, 1).state is S.CANCELLED
        follow(world)
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.COMPENSATED, "cancelled")


class TestOrderOfTransactions:
    def test_those_that_share_a_twin_are_requested_one_after_the_other(self, world):
        one = world.together(*BOTH)
        other = world.together({"twin": "pump-2", "speed": 22}, {"twin": "pump-1", "speed": 11})
        world.turn()
        assert world.wanted("pump-1", "pump-2") == [10, 20]
        assert world.commander.transactions.coordinator.waits_for(world.transaction(other.id)) == one.id
        follow(world)
        follow(world)
        assert world.wanted("pump-1", "pump-2") == [11, 22]

    def test_one_that_is_put_back_is_over_before_the_next_begins(self, world):
        one = world.together(*BOTH)
        other = world.together({"twin": "pump-1", "speed": 11}, {"twin": "pump-2", "speed": 22})
        world.turn()
        follow(world)
        world.device.answer("refused")
        world.turn()
        assert world.wanted("pump-1", "pump-2") == [1, 1]
        follow(world)
        assert world.transaction(one.id).state is T.COMPENSATED
        assert world.transaction(other.id).state is T.COMMITTING
        assert world.wanted("pump-1", "pump-2") == [11, 22]

    def test_one_that_waits_for_a_person_holds_nobody_up(self, world_of):
        world = world_of("{two_persons: [start]}")
        world.together({"twin": "pump-1", "command": "start", "input": {"ramp": 1}})
        other = world.together(*BOTH)
        world.turn()
        assert world.transaction(other.id).state is T.COMMITTING


class TestAfterAStop:
    def test_a_transaction_goes_on_where_it_stands(self, world):
        made = world.together(*BOTH)
        world.turn()
        follow(world)
        world.reopen()
        world.turn()
        ended = world.transaction(made.id)
        assert world.member(made.id, 1).state is S.UNKNOWN, "it was sent, and nobody can tell"
        assert ended.state is T.COMPENSATING
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-2"]

    def test_one_that_was_preparing_is_prepared_anew(self, world):
        made = world.together(*BOTH)
        world.reopen()
        world.turn()
        assert world.transaction(made.id).state is T.COMMITTING
        assert len(world.device.errands) == 2

    def test_nothing_is_sent_or_put_back_after_a_restore(self, world):
        made = world.together(*BOTH)
        world.turn()
        follow(world)
        world.commander.dispatcher.expire_all("the plant was brought back from a backup")
        world.turn()
        ended = world.transaction(made.id)
        assert (ended.state, ended.reason) == (T.UNKNOWN, "restored")
        assert [errand.twin for errand, _ in world.device.errands] == ["pump-2"]

    def test_what_is_erased_is_gone_from_its_transactions(self, world):
        made = world.together(*BOTH)
        world.turn()
        world.intake.transact(lambda tx: (forget_twin(tx, "pump-2"), ())).result()
        assert [member.twin for member in world.transaction(made.id).members] == ["pump-1"]
        world.intake.transact(lambda tx: (forget_twin(tx, "pump-1"), ())).result()
        world.commander.transactions.coordinator.touch(made.id)
        world.turn()
        with pytest.raises(NotFound):
            world.transaction(made.id)
