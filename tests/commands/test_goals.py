"""One number for many actuators: what each is told, at which pace, and what became of the whole."""

import pytest

from gemel.commands import AskGoal, GoalState, OrderState, TransactionState, forget_twin
from gemel.errors import ConfigurationDiffers, Conflict, InvalidValue, KeyReused, NotFound
from gemel.twin import Expected
from tests.commands.world import World

G, S, T = GoalState, OrderState, TransactionState
LINE = """
gemel: 1
types:
  - id: line
    slots: [{name: infeed, type: pump}, {name: outfeed, type: pump}]
    goals:
      - name: output
        unit: "%%"
        minimum: 0
        maximum: 100
        now: infeed.speed
        %(more)s
        members:
          - {slot: infeed, property: speed, value: goal}
          - {slot: outfeed, property: speed, value: goal * 2, maximum: 150}
twins:
  - {id: line-1, types: [line]}
  - {id: pump-1, types: [pump], part_of: [{twin: line-1, slot: infeed}]}
  - {id: pump-2, types: [pump], part_of: [{twin: line-1, slot: outfeed}]}
"""


@pytest.fixture
def world_of(tmp_path):
    made = []

    def of(more="", **how):
        made.append(World(tmp_path, **how))
        made[-1].apply(LINE % {"more": more})
        for twin in ("pump-1", "pump-2"):
            made[-1].report("speed", 10, twin=twin)
        return made[-1]

    yield of
    for one in made:
        one.close()


@pytest.fixture
def world(world_of):
    return world_of()


def ask(world, value, **how):
    goals = world.commander.goals
    how = {"twin": "line-1", "name": "output", **how}
    entry = world.commander.entry(how["twin"])
    return goals.ask(AskGoal(value=value, **how), entry, actor="user-a").result()


def run_of(world, made):
    return world.commander.goals.get(made.id)


def follow(world):
    """Both machines take what they are told, and report it."""
    told = []
    while world.device.errands:
        errand = world.device.answer("acknowledged")
        world.report("speed", errand.value, twin=errand.twin)
        told.append((errand.twin, errand.value))
        world.turn()
    return told


class TestAtOnce:
    def test_every_member_is_told_its_own_value_and_it_is_one_command_with_one_outcome(self, world):
        made = ask(world, 60)
        world.turn()
        assert world.wanted("pump-1", "pump-2") == [60, 120]
        assert run_of(world, made).state is G.RUNNING
        assert follow(world) == [("pump-1", 60), ("pump-2", 120)]
        ended = run_of(world, made)
        assert (ended.state, ended.at) == (G.REACHED, 60)
        stage = world.transaction(ended.transaction)
        assert (stage.state, stage.goal, stage.title) == (T.COMMITTED, made.id, "output of line-1 to 60 %")

    def test_a_member_has_limits_of_its_own(self, world):
        ask(world, 90)
        world.turn()
        assert world.wanted("pump-2") == [150]

    def test_a_unit_is_converted(self, world):
        assert ask(world, 0.5, unit="1").value == 50

    @pytest.mark.parametrize(
        ("value", "how", "error", "says"),
        [
            (101, {}, InvalidValue, "outside"),
            (50, {"name": "speed"}, NotFound, "it has: output"),
            (50, {"twin": "pump-1"}, NotFound, "it has: none"),
        ],
    )
    def test_what_cannot_be_a_goal_says_why(self, world, value, how, error, says):
        with pytest.raises(error, match=says):
            ask(world, value, **how)

    def test_a_slot_that_nothing_fills_says_so(self, world):
        world.apply(
            LINE.replace("- {id: pump-2, types: [pump], part_of: [{twin: line-1, slot: outfeed}]}", "") % {"more": ""}
        )
        world.intake.transact(
            lambda tx: (None, world.registry.end_link(tx, "part_of", "pump-2", "line-1", slot="outfeed"))
        ).result()
        with pytest.raises(Conflict, match="nothing fills slot outfeed of line-1"):
            ask(world, 50)

    def test_the_same_key_is_the_same_run(self, world):
        made = ask(world, 50, key="shift-7")
        assert ask(world, 50, key="shift-7").id == made.id
        with pytest.raises(KeyReused):
            ask(world, 51, key="shift-7")

    def test_a_member_that_fails_puts_the_others_back_and_the_goal_says_where_it_stands(self, world):
        made = ask(world, 60)
        world.turn()
        errand = world.device.answer("acknowledged")
        world.report("speed", errand.value)
        world.device.answer("refused", detail="too hot")
        world.turn()
        assert follow(world) == [("pump-1", 10)]
        ended = run_of(world, made)
        assert (ended.state, ended.reason) == (G.STOPPED, "device")
        assert "too hot" in ended.detail

    def test_a_newer_goal_takes_its_place(self, world):
        older = ask(world, 60)
        newer = ask(world, 40)
        assert (run_of(world, older).state, run_of(world, older).detail) == (
            G.SUPERSEDED,
            f"{newer.id} took its place",
        )
        world.turn()
        assert world.wanted("pump-1", "pump-2") == [40, 80]

    def test_when_its_members_or_it_are_erased_it_is_over(self, world):
        made = ask(world, 60)
        world.turn()
        for twin in ("pump-1", "pump-2"):
            world.intake.transact(lambda tx, twin=twin: (forget_twin(tx, twin), ())).result()
        world.turn()
        assert (run_of(world, made).state, run_of(world, made).reason) == (G.UNKNOWN, "erased")
        ask(world, 60)
        world.turn()
        world.intake.transact(lambda tx: (forget_twin(tx, "line-1"), ())).result()
        world.turn()
        assert world.commander.goals.list().items == []

    def test_where_it_stands_is_told_by_what_is_reported(self, world):
        aiming, entry = world.commander.goals.aiming, world.commander.entry("line-1")
        goal = aiming.goal(entry, "output")
        assert aiming.stands(entry, goal) == (10, "")
        world.report("speed", 3, quality="BAD")
        assert aiming.stands(entry, goal) == (None, "the quality of pump-1.speed is bad")


class TestUnits:
    DOCUMENT = """
gemel: 1
types:
  - id: drive
    properties:
      - {name: speed, unit: /min, writable: true, tolerance: 0.5}
      - {name: rated, unit: /s}
  - id: mill
    slots: [{name: drive, type: drive}]
    goals:
      - name: output
        unit: "%"
        now: drive.speed / 15
        members: [{slot: drive, property: speed, value: goal / 100 * drive.rated}]
twins:
  - {id: mill-1, types: [mill]}
  - {id: drive-1, types: [drive], part_of: [{twin: mill-1, slot: drive}]}
connectors:
  - id: wire
    kind: http
    bindings: [{address: "http://d/1", twin: drive-1, property: speed, direction: both}]
"""

    def test_what_a_member_is_told_is_in_its_own_unit_and_where_it_stands_is_a_bare_number(self, tmp_path):
        world = World(tmp_path)
        world.apply(self.DOCUMENT)
        world.report("speed", 300, twin="drive-1")
        world.report("rated", 25, twin="drive-1")
        made = ask(world, 40, twin="mill-1")
        world.turn()
        assert world.wanted("drive-1") == [600]
        entry = world.commander.entry("mill-1")
        goal = world.commander.goals.aiming.goal(entry, "output")
        assert world.commander.goals.aiming.stands(entry, goal) == (20, "")
        assert run_of(world, made).state is G.RUNNING
        world.close()


class TestRamp:
    RAMP = "ramp_per_s: 5\n        step_s: 4"

    def stages(self, world, made):
        """The values of all stages, each a step later."""
        told = []
        for _ in range(10):
            world.turn()
            told += [value for twin, value in follow(world) if twin == "pump-1"]
            if run_of(world, made).over:
                break
            world.step(4)
        return told

    def test_it_comes_near_step_by_step_no_faster_than_it_may(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60)
        assert self.stages(world, made) == [30, 50, 60]
        ended = run_of(world, made)
        assert (ended.state, ended.start, ended.at) == (G.REACHED, 10, 60)

    def test_it_goes_down_as_it_goes_up(self, world_of):
        world = world_of(self.RAMP)
        for twin in ("pump-1", "pump-2"):
            world.report("speed", 70, twin=twin)
        assert self.stages(world, ask(world, 20)) == [50, 30, 20]

    def test_no_stage_begins_before_its_time(self, world_of):
        world = world_of(self.RAMP)
        ask(world, 60)
        world.turn()
        follow(world)
        world.step(3.9)
        world.turn()
        assert world.device.errands == []
        world.step(0.2)
        world.turn()
        assert len(world.device.errands) == 2

    def test_a_slow_machine_is_waited_for(self, world_of):
        world = world_of(self.RAMP)
        ask(world, 60)
        world.turn()
        world.step(10)
        world.turn()
        assert [errand.value for errand, _ in world.device.errands] == [30, 60]

    def test_a_stage_that_fails_goes_back_to_the_stage_before_it(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60)
        world.turn()
        follow(world)
        world.step(4)
        world.turn()
        errand = world.device.answer("acknowledged")
        world.report("speed", errand.value)
        world.device.answer("refused")
        world.turn()
        assert follow(world) == [("pump-1", 30)]
        ended = run_of(world, made)
        assert (ended.state, ended.at) == (G.STOPPED, 30)
        assert world.wanted("pump-1", "pump-2") == [30, 60]

    def test_no_stage_begins_where_the_configuration_is_not_as_is_assumed(self, world_of):
        world, has = world_of(self.RAMP), {"P-7"}

        def assumptions(expected, twin):
            if not {part for one in expected for part in one.has} <= has:
                raise ConfigurationDiffers(f"{twin} has {sorted(has)}")

        world.commander.ask_what_is_assumed(assumptions)
        with pytest.raises(ConfigurationDiffers, match="line-1 has"):
            ask(world, 60, expects=(Expected(has=("P-9",)),))
        made = ask(world, 60, key="fitted", expects=(Expected(has=("P-7",)),))
        with pytest.raises(KeyReused):
            ask(world, 60, key="fitted")
        world.turn()
        follow(world)
        has.clear()
        assert ask(world, 60, key="fitted", expects=(Expected(has=("P-7",)),)).id == made.id
        world.step(4)
        world.turn()
        ended = run_of(world, made)
        assert (ended.state, ended.reason, ended.detail) == (G.STOPPED, "configuration", "line-1 has []")
        assert not world.device.errands

    def test_stopped_by_a_person_it_holds(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60)
        world.turn()
        follow(world)
        world.commander.goals.cancel(made.id, actor="user-a").result()
        world.step(20)
        world.turn()
        assert (run_of(world, made).state, world.device.errands) == (G.CANCELLED, [])
        with pytest.raises(Conflict, match="cannot be stopped"):
            world.commander.goals.cancel(made.id).result()

    def test_without_knowing_where_it_stands_no_ramp_begins(self, world_of):
        world = world_of(self.RAMP)
        world.report("speed", 3, quality="BAD")
        with pytest.raises(Conflict, match="is bad"):
            ask(world, 60)

    def test_told_again_with_its_key_it_is_the_same_also_where_nobody_knows_any_more_where_it_stands(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60, key="up")
        world.report("speed", 3, quality="BAD")
        assert ask(world, 60, key="up").id == made.id
        with pytest.raises(KeyReused):
            ask(world, 50, key="up")

    def test_what_was_read_of_a_stage_before_begins_no_stage_again(self, world_of, monkeypatch):
        world = world_of(self.RAMP)
        goals = world.commander.goals
        made = ask(world, 60, key="up")
        world.turn()
        follow(world)
        monkeypatch.setattr(goals, "_asked", lambda *_: None)  # it looked before the first was kept
        world.step(4)
        read = ask(world, 60, key="up")  # as it was when the first stage was reached …
        late, goals._placed = goals._placed, []
        world.turn()  # … and heard of when the second was begun
        goals._placed = late
        assert read.id == made.id
        second = run_of(world, made).transaction
        world.step(4)
        world.turn()
        assert run_of(world, made).transaction == second
        assert [errand.value for errand, _ in world.device.errands] == [50, 100]

    def test_a_ramp_that_a_stop_cut_is_not_gone_on_with(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60)
        world.turn()
        follow(world)
        world.reopen()
        world.step(4)
        world.turn()
        ended = run_of(world, made)
        assert (ended.state, ended.at, ended.reason) == (G.STOPPED, 30, "restart")
        assert world.device.errands == []

    def test_one_that_had_told_nothing_tells_nothing_after_a_stop(self, world_of):
        world = world_of(self.RAMP)
        made = ask(world, 60)
        world.reopen()
        world.turn()
        assert (run_of(world, made).state, world.device.errands) == (G.REFUSED, [])
