"""What is not sent, and why: interlocks, mode, pace, control, two persons, lost links."""

import pytest

from gemel.commands import OrderState
from gemel.errors import Conflict, NotFound
from tests.commands.world import World

S = OrderState


@pytest.fixture
def world_of(tmp_path):
    made = []

    def of(control):
        made.append(World(tmp_path, control=control))
        return made[-1]

    yield of
    for one in made:
        one.close()


def ended(world, order):
    world.turn()
    return world.order(order.id)


INTERLOCK = (
    "{interlocks: [{name: door_closed, require: \"door = 'closed'\", of: [start], message: close the door first}]}"
)


class TestInterlocks:
    def test_it_refuses_with_its_name_the_values_and_the_way_out(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "open")
        order = ended(world, world.command("start", {"ramp": 1}))
        assert (order.state, order.reason) == (S.REFUSED, "interlock:door_closed")
        assert order.detail == "door is open, and door_closed requires door = 'closed'; close the door first"
        assert world.device.handed == {}

    def test_it_lets_through_what_it_does_not_guard_and_what_it_allows(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "open")
        assert ended(world, world.command("stop")).state is S.SENT
        world.device.answer("done")
        world.report("door", "closed")
        assert ended(world, world.command("start", {"ramp": 1})).state is S.SENT

    def test_a_missing_value_refuses(self, world_of):
        order = ended(world := world_of(INTERLOCK), world.command("start", {"ramp": 1}))
        assert order.state is S.REFUSED
        assert "door has never been reported" in order.detail

    def test_a_stale_value_refuses(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "closed")
        world.step(3600)
        order = ended(world, world.command("start", {"ramp": 1}))
        assert order.state is S.REFUSED
        assert "door is stale (it was closed)" in order.detail

    def test_a_bad_value_refuses(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "closed", quality="BAD")
        order = ended(world, world.command("start", {"ramp": 1}))
        assert "the quality of pump-1.door is bad" in order.detail

    def test_it_is_judged_when_it_is_sent_not_when_it_is_asked_for(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "closed")
        order = world.command("start", {"ramp": 1})
        world.report("door", "open")
        assert ended(world, order).state is S.REFUSED

    def test_it_is_judged_again_after_the_sending_is_on_stable_storage(self, world_of, monkeypatch):
        world = world_of(INTERLOCK)
        world.report("door", "closed")
        order = world.command("start", {"ramp": 1})
        rules, judged = world.commander._rules, []

        def verdict(*told, judge=rules.verdict):
            judged.append(1)
            if len(judged) == 2:  # somebody opens the door meanwhile
                world.report("door", "open")
            return judge(*told)

        monkeypatch.setattr(rules, "verdict", verdict)
        world.turn()
        now = world.order(order.id)
        assert [step.state for step in now.steps] == ["requested", "sent", "refused"]
        assert now.detail.endswith("nothing has left")
        assert world.device.handed == {}

    def test_it_may_speak_of_the_order_itself(self, world_of):
        world = world_of(
            '{interlocks: [{name: slow, require: "wanted <= 50", of: [speed]},'
            ' {name: gentle, require: "input.ramp >= 5", of: [start]}]}'
        )
        assert ended(world, world.set("speed", 60)).reason == "interlock:slow"
        assert ended(world, world.set("speed", 40)).state is S.SENT
        world.device.answer("acknowledged")
        assert ended(world, world.command("start", {"ramp": 4})).reason == "interlock:gentle"
        assert ended(world, world.command("start", {"ramp": 5})).state is S.SENT

    @pytest.mark.parametrize("broken", ["door +", "colour = 1", "speed = 'fast'"])
    def test_one_that_cannot_be_judged_refuses(self, world_of, broken):
        world = world_of(f'{{interlocks: [{{name: broken, require: "{broken}"}}]}}')
        world.report("door", "closed")
        world.report("speed", 1)
        assert ended(world, world.command("stop")).state is S.REFUSED
        assert world.device.handed == {}

    def test_how_the_rules_stand_is_told_before_anybody_asks(self, world_of):
        world = world_of(INTERLOCK)
        world.report("door", "open")
        (rule,) = world.commander.standing("pump-1")
        assert (rule.rule, rule.holds, rule.of) == ("interlock:door_closed", False, ("start",))
        world.report("door", "closed")
        assert world.commander.standing("pump-1")[0].holds


class TestMode:
    def test_a_machine_in_local_mode_takes_no_orders(self, world_of):
        world = world_of("{mode: {property: mode, remote: [remote]}}")
        world.report("mode", "local")
        order = ended(world, world.command("stop"))
        assert (order.state, order.reason) == (S.REFUSED, "mode")
        world.report("mode", "remote")
        assert ended(world, world.command("stop")).state is S.SENT


class TestPace:
    def test_seconds_lie_between_two_and_the_wait_is_told(self, world_of):
        world = world_of("{paces: [{of: [stop], seconds_between: 10}]}")
        assert ended(world, world.command("stop")).state is S.SENT
        world.device.answer("done")
        world.step(4)
        order = ended(world, world.command("stop"))
        assert (order.reason, order.detail[-18:]) == ("pace", "ask again in 6.0 s")
        world.step(6.5)
        assert ended(world, world.command("stop")).state is S.SENT

    def test_so_many_a_minute_survive_a_restart(self, world_of):
        world = world_of("{paces: [{per_minute: 2}]}")
        for _ in range(2):
            assert ended(world, world.command("stop")).state is S.SENT
            world.device.answer("done")
        world.turn()
        world.reopen()
        assert ended(world, world.command("stop")).reason == "pace"
        world.step(61)
        assert ended(world, world.command("stop")).state is S.SENT


class TestControl:
    def test_where_it_is_required_somebody_must_have_it(self, world_of):
        world = world_of("{required: true}")
        assert ended(world, world.command("stop")).reason == "control"
        world.commander.authority.take("pump-1", "user-a")
        assert ended(world, world.command("stop")).state is S.SENT

    def test_it_lapses(self, world_of):
        world = world_of("")
        world.commander.authority.take("pump-1", "user-b", for_s=60)
        assert ended(world, world.command("stop")).reason == "control"
        world.step(61)
        assert ended(world, world.command("stop")).state is S.SENT
        world.commander.authority.sweep(world.clock.now())
        kinds = [c.kind for b in world.journal.blocks() for c in b.changes if c.kind.startswith("control.")]
        assert kinds == ["control.taken", "control.lapsed"]

    def test_it_survives_a_restart(self, world_of):
        world = world_of("")
        world.commander.authority.take("pump-1", "user-b")
        world.reopen()
        assert world.commander.authority.of("pump-1", world.clock.now()).holder == "user-b"

    def test_nobody_gives_up_what_nobody_has(self, world_of):
        with pytest.raises(NotFound):
            world_of("").commander.authority.release("pump-1", "user-a")

    def test_two_cannot_have_it(self, world_of):
        world = world_of("")
        world.commander.authority.take("pump-1", "user-a")
        with pytest.raises(Conflict, match="user-a has control of pump-1"):
            world.commander.authority.take("pump-1", "user-b")


class TestTwoPersons:
    def test_it_waits_for_somebody_else(self, world_of):
        world = world_of("{two_persons: [start]}")
        order = world.command("start", {"ramp": 1})
        assert ended(world, order).state is S.REQUESTED
        with pytest.raises(Conflict, match="your own order"):
            world.commander.approve(order.id, actor="user-a").result()
        assert world.commander.approve(order.id, actor="user-b").result().approval == "user-b"
        assert ended(world, order).state is S.SENT
        assert [change.actor for change in world.changes(order.id)][:2] == ["user-a", "user-b"]

    def test_others_do_not_wait_behind_it(self, world_of):
        world = world_of("{two_persons: [start]}")
        world.command("start", {"ramp": 1})
        assert ended(world, world.command("stop")).state is S.SENT

    def test_nobody_agrees_in_time(self, world_of):
        world = world_of("{two_persons: [start]}")
        order = world.command("start", {"ramp": 1}, deadline_s=5)
        world.step(6)
        assert ended(world, order).detail == "not sent: nobody else approved it"


class TestLostLinks:
    SAFE = "{fail_safe: {command: stop}}"

    def test_the_fail_safe_is_sent_first_when_the_link_is_there_again(self, world_of):
        world = world_of(self.SAFE)
        world.turn()
        world.device.trouble = "the cable is out"
        lost = world.set("speed", 3)
        order = ended(world, lost)
        assert (order.state, order.reason) == (S.EXPIRED, "link")
        world.device.trouble = ""
        world.turn()
        assert [errand.name for errand, _ in world.device.errands] == ["stop", "stop"]
        actors = {world.order(errand.order).actor for errand, _ in world.device.errands}
        assert actors == {"gemel"}

    def test_a_loss_that_nobody_saw_counts_too(self, world_of):
        world = world_of(self.SAFE)
        world.turn()
        world.intake.lost("wire", "for a moment").result()
        world.turn()
        assert len(world.device.errands) == 2

    @pytest.mark.parametrize(("said", "sent"), [("", []), (", at_start: true", ["stop", "stop"])])
    def test_over_the_first_connection_after_a_start_only_what_says_so_is_sent(self, world_of, said, sent):
        world = world_of(f"{{fail_safe: {{command: stop{said}}}}}")
        world.device.trouble = "still connecting"
        world.turn()
        assert world.device.errands == []
        world.device.trouble = ""
        world.turn()
        assert [errand.name for errand, _ in world.device.errands] == sent

    def test_no_rule_holds_the_fail_safe_up(self, world_of):
        world = world_of("{required: true, fail_safe: {command: stop}, mode: {property: mode, remote: [remote]}}")
        world.turn()
        world.intake.lost("wire", "for a moment").result()
        world.turn()
        assert [errand.name for errand, _ in world.device.errands] == ["stop", "stop"]


class TestSafeConfiguration:
    RISKY = "{safe_configuration: [start], interlocks: [{name: shut, require: \"door = 'closed'\", of: [stop]}]}"

    def test_what_is_risky_is_refused_with_what_threatens(self, world_of):
        world = world_of(self.RISKY)
        world.commander.ask_before_risk(lambda twin: [f"guard of {twin} is empty", "b", "c", "d", "e"])
        order = ended(world, world.command("start", {"ramp": 1}))
        assert (order.state, order.reason) == (S.REFUSED, "configuration")
        told = "pump-1 is not safe as it is configured: guard of pump-1 is empty; b; c (and 2 more)"
        assert order.detail == told
        (rule, _) = world.commander.standing("pump-1")
        assert (rule.rule, rule.holds, rule.detail, rule.of) == ("configuration", False, told, ("start",))

    def test_what_is_safe_and_what_is_not_risky_is_sent(self, world_of):
        world, asked = world_of(self.RISKY), []
        world.commander.ask_before_risk(lambda twin: asked.append(twin) or [])
        assert ended(world, world.command("start", {"ramp": 1})).state is S.SENT
        assert set(asked) == {"pump-1"}
        world.device.answer("done")
        world.report("door", "closed")
        asked.clear()
        assert ended(world, world.command("stop")).state is S.SENT
        assert asked == []

    def test_where_nobody_can_tell_nothing_risky_is_sent(self, world_of):
        world = world_of(self.RISKY)
        assert "nobody knows what pump-1 consists of" in ended(world, world.command("start", {"ramp": 1})).detail

        def lost(twin):
            raise NotFound(f"there is no {twin}")

        world.commander.ask_before_risk(lost)
        order = ended(world, world.command("start", {"ramp": 1}))
        assert (order.state, order.reason, order.detail) == (S.REFUSED, "rule", "there is no pump-1")
