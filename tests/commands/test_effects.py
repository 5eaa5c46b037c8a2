"""Commands to twins themselves: what their properties become, once, whatever happens."""

import pytest

from gemel.commands import OrderState, Outcome, Result
from gemel.errors import InvalidInput, Overloaded
from tests.commands.world import World

S = OrderState
BENCH = """
gemel: 1
types:
  - id: bench
    properties:
      - {name: threshold, unit: bar, minimum: 0, maximum: 10}
      - {name: mode, kind: enumeration, values: [auto, manual]}
      - {name: changes, kind: integer}
      - {name: advice, kind: text}
    commands:
      - name: watch
        input: [{name: pressure, unit: bar}, {name: mode, kind: enumeration, values: [auto, manual]}]
        output: [{name: threshold, unit: bar}]
        effect:
          threshold: {expression: input.pressure * 1.1}
          mode: {expression: input.mode}
          changes: {expression: "coalesce(changes, 0) + 1"}
      - name: advise
        input: [{name: pressure, unit: bar}]
        effect: {advice: {function: "advisor:advise", inputs: [input.pressure, threshold]}}
    control:
      interlocks: [{name: quiet, of: [watch], require: "mode = 'manual'"}]
twins: [{id: bench-1, types: [bench]}]
"""


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.apply(BENCH)
    for name, value in (("mode", "manual"), ("changes", 0), ("threshold", 2)):
        made.report(name, value, twin="bench-1")
    yield made
    made.close()


def now(world, name):
    return world.state.property(world.commander.entry("bench-1"), name).value


def ended(world, order):
    """What became of it; its thread tells the dispatcher, whose turn we take."""
    reached = world.commander.reached(order.id)
    told = world.commander.dispatcher.tell
    heard = []
    world.commander.dispatcher.tell = lambda id, outcome: (told(id, outcome), heard.append(outcome))
    world.turn()
    world.commander.effects.close()
    world.commander.effects._thread = None
    world.turn()
    return reached.result(60)


WATCH = {"pressure": {"value": 300, "unit": "kPa"}, "mode": "manual"}


def test_its_properties_become_what_its_type_says_and_the_order_tells_them(world):
    order = ended(world, world.command("watch", WATCH, twin="bench-1"))
    assert order.state is S.APPLIED
    assert order.output == {"threshold": pytest.approx(3.3), "mode": "manual", "changes": 1}
    assert (now(world, "threshold"), now(world, "changes")) == (pytest.approx(3.3), 1)
    assert world.device.errands == [], "nothing left here"


def test_rules_hold_for_them_too(world):
    world.report("mode", "auto", twin="bench-1")
    order = ended(world, world.command("watch", WATCH, twin="bench-1"))
    assert (order.state, order.reason) == (S.REFUSED, "interlock:quiet")


def test_the_machines_own_switch_does_not_hold_them_up(world):
    world.apply(BENCH.replace("control:", "control:\n      mode: {property: mode, remote: [auto]}"))
    assert ended(world, world.command("watch", WATCH, twin="bench-1")).state is S.APPLIED


def test_a_value_that_does_not_fit_sets_none_of_them(world):
    order = ended(world, world.command("watch", WATCH | {"pressure": 9.9}, twin="bench-1"))
    assert order.state is S.REFUSED
    assert "outside" in order.detail
    assert (now(world, "threshold"), now(world, "changes")) == (2, 0)


def test_an_input_that_is_not_known_refuses(world):
    world.report("threshold", 2, twin="bench-1", quality="BAD")
    world.commander.effects.call = lambda computed, inputs: "never asked"
    order = ended(world, world.command("advise", {"pressure": 1}, twin="bench-1"))
    assert order.detail == "the quality of bench-1.threshold is bad, and bench-1.advice needs it (threshold)"


class TestFunctions:
    def test_a_function_is_given_its_inputs_and_its_value_is_set(self, world):
        world.commander.effects.call = lambda computed, inputs: f"{computed.function} of {inputs}"
        order = ended(world, world.command("advise", {"pressure": 1}, twin="bench-1"))
        assert order.state is S.APPLIED
        assert now(world, "advice") == "advisor:advise of [1.0, 2.0]"

    def test_one_that_raises_refuses_with_its_words(self, world):
        def fails(computed, inputs):
            raise InvalidInput("advisor:advise gives nothing: ValueError: too low")

        world.commander.effects.call = fails
        order = ended(world, world.command("advise", {"pressure": 1}, twin="bench-1"))
        assert (order.state, order.detail) == (S.REFUSED, "advisor:advise gives nothing: ValueError: too low")

    def test_one_that_does_not_answer_is_asked_again_until_the_deadline(self, world):
        def hangs(computed, inputs):
            raise Overloaded("advisor:advise does not answer: no answer within 5 s", retry_after_s=1.0)

        world.commander.effects.call = hangs
        order = world.command("advise", {"pressure": 1}, twin="bench-1", deadline_s=10)
        world.turn()
        world.commander.effects.close()
        world.commander.effects._thread = None
        world.turn()
        assert world.order(order.id).state is S.REQUESTED
        world.step(11)
        world.turn()
        assert "does not answer" in world.order(order.id).detail

    def test_without_a_platform_there_are_no_functions(self, world):
        order = ended(world, world.command("advise", {"pressure": 1}, twin="bench-1"))
        assert order.state is S.REFUSED


def test_cut_by_a_stop_it_is_done_again_and_has_its_effect_once(world):
    order = world.command("watch", WATCH, twin="bench-1")
    lost = []
    world.commander.effects.carry = lambda errand, tell: lost.append(world.commander.effects.carry_out(errand))
    world.turn()
    assert lost[0].result is Result.DONE, "it was carried out, and nobody heard of it"
    world.reopen()
    after = ended(world, world.order(order.id))
    assert after.state is S.APPLIED
    assert now(world, "changes") == 1


def test_the_intake_knows_the_same_order_again(world):
    order = world.command("watch", WATCH, twin="bench-1")
    told = []
    world.commander.effects.carry = lambda errand, tell: told.append(errand)
    world.turn()
    first, second = (world.commander.effects.carry_out(told[0]) for _ in range(2))
    assert first.output["changes"] == 1
    assert second == Outcome(result=Result.DONE, detail="it was carried out before Gemel stopped")
    assert (order.state, now(world, "changes")) == (S.REQUESTED, 1)
