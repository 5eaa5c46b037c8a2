"""Several machines at once and goals, over HTTP, by the client and on the command line: done, refused, authorized."""

import json

import pytest
from typer.testing import CliRunner

import gemel
from gemel.access import Action, Role, Selector
from gemel.cli import app
from gemel.errors import Conflict, Denied, InvalidInput, NotFound, UnknownTwin
from gemel.server.orders_seen import WITHHELD
from gemel.twin import PropertyGroup

BENCH = """
gemel: 1
types:
  - id: bench
    properties: [{name: threshold, unit: bar, maximum: 10}]
    commands:
      - {name: ignore, effect: {threshold: {expression: "0"}}}
      - name: watch
        undo: ignore
        input: [{name: pressure, unit: bar}]
        effect: {threshold: {expression: input.pressure}}
  - id: line
    slots: [{name: infeed, type: pump}]
    goals:
      - name: output
        unit: "%"
        minimum: 0
        maximum: 100
        now: infeed.speed / 30
        members: [{slot: infeed, property: speed, value: goal * 30}]
twins:
  - {id: bench-1, types: [bench]}
  - {id: line-1, types: [line]}
  - {id: pump-1, types: [pump], part_of: [{twin: line-1, slot: infeed}]}
"""
BOTH = [
    {"twin": "bench-1", "command": "watch", "input": {"pressure": 4}},
    {"twin": "pump-1", "property": "speed", "value": 600},
]


@pytest.fixture
def plant(server, platform):
    """A client that may configure; the bench and the line stand beside the skid."""
    platform.apply(BENCH)
    with gemel.connect(server.url, token=platform.gate.tokens.add("client", Role.ENGINEER)[1]) as client:
        yield client


@pytest.fixture
def terminal(server, plant, platform):
    token = platform.gate.tokens.add("terminal", Role.OPERATOR)[1]

    def run(*arguments, exit_code=0):
        done = CliRunner().invoke(app, ["--at", server.url, "--token", token, *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == exit_code, done.output
        return done.stdout

    return run


def test_all_of_it_is_done_and_the_answer_shows_every_member(plant, platform, skid):
    made = plant.transaction(BOTH, title="rinse", wait_s=60)
    assert made["state"] == "committed", made
    assert [(m["twin"], m["state"]) for m in made["members"]] == [("bench-1", "applied"), ("pump-1", "applied")]
    assert made["members"][1]["reported"]["value"] == 600
    assert skid.value("Speed") == pytest.approx(600)
    assert platform.now("bench-1")["threshold"].value == 4
    assert plant.transactions("pump-1").items[0]["id"] == made["id"]
    assert plant.transactions.get(made["id"])["title"] == "rinse"
    assert plant.orders.get(made["members"][0]["order"])["role"] == "member"


def test_one_that_fails_puts_the_other_back(plant, platform, skid):
    members = [BOTH[0], {"twin": "pump-1", "command": "start", "input": {"ramp": 55}, "undo": {"command": "stop"}}]
    made = plant.transaction(members, wait_s=60)
    assert (made["state"], made["reason"]) == ("compensated", "device")
    assert [m["undone_state"] for m in made["members"]] == ["applied", ""]
    assert platform.now("bench-1")["threshold"].value == 0


@pytest.mark.parametrize(
    ("members", "error", "says"),
    [
        ([], InvalidInput, "at least one member"),
        ([{"twin": "nobody", "command": "go"}], UnknownTwin, "nobody"),
        ([BOTH[0], BOTH[0]], InvalidInput, "stands twice"),
        ([{"twin": "pump-1", "command": "stop"}], Conflict, "nothing takes pump-1.stop back"),
    ],
)
def test_what_cannot_be_asked_for_says_why(plant, members, error, says):
    with pytest.raises(error, match=says):
        plant.transaction(members)


def test_the_right_to_command_one_machine_is_not_the_right_to_command_both(server, plant, platform):
    gate = platform.gate
    viewer = gate.tokens.add("looks", Role.VIEWER)[1]
    with gemel.connect(server.url, token=viewer) as client:
        with pytest.raises(Denied):
            client.transaction(BOTH)
        made = plant.transaction(BOTH, wait_s=60)
        assert client.transactions.get(made["id"])["state"] == "committed"
        with pytest.raises(Denied):
            client.transactions.cancel(made["id"])
        with pytest.raises(Denied):
            client.goal("line-1", "output", 20)


def test_a_goal_is_reached_and_told(plant, skid):
    run = plant.goal("line-1", "output", 20, wait_s=60)
    assert (run["state"], run["at"]) == ("reached", 20), run
    assert skid.value("Speed") == pytest.approx(600)
    (goal,) = plant.goals("line-1")
    assert (goal["now"], goal["run"]["id"]) == (pytest.approx(20), run["id"])
    assert plant.goals.get(run["id"])["state"] == "reached"
    assert plant.goals.runs("line-1", "output").items[0]["id"] == run["id"]
    with pytest.raises(Conflict):
        plant.goals.cancel(run["id"])
    with pytest.raises(NotFound, match="it has: output"):
        plant.goal("line-1", "input", 3)


def test_why_a_goal_is_not_known_is_told_to_nobody_who_may_not_see_what_it_reads(server, plant, platform):
    platform.apply(BENCH.replace("line-1", "line-2").replace("pump-1", "pump-2"))  # a pump that never reports
    platform.gate.parties.add("maker", "Maker")
    account = platform.gate.accounts.add("reader of the maker", None, None, party="maker", kind="service")
    token = platform.gate.tokens.add("reader of the maker", None, owner=account.id)[1]
    line = Selector(twins=("line-2",))
    platform.gate.grant("party:maker", (Action.READ,), line, groups=[PropertyGroup.PROCESS])
    (own,) = plant.goals("line-2")
    assert own["now"] is None
    assert "pump-2" in own["why"]
    with gemel.connect(server.url, token=token) as reader:
        (goal,) = reader.goals("line-2")
    assert (goal["now"], goal["why"]) == (None, WITHHELD)


SHARED = """
gemel: 1
types:
  - id: mixer
    slots: [{name: feed, type: pump}, {name: gauge, type: pump}]
    goals:
      - {name: mix, minimum: 0, maximum: 100, members: [{slot: feed, property: speed, value: goal * gauge.speed}]}
twins:
  - {id: mixer-1, types: [mixer]}
  - {id: pump-3, types: [pump], part_of: [{twin: mixer-1, slot: gauge}]}
  - {id: pump-1, types: [pump], part_of: [{twin: line-1, slot: infeed}, {twin: mixer-1, slot: feed}]}
"""


def test_why_a_goal_is_refused_or_a_run_ended_is_told_to_nobody_who_may_not_see_what_it_reads(server, plant, platform):
    """A party that may command every member is told no value of a pump that it may not see."""
    platform.apply(SHARED)
    gate = platform.gate
    gate.parties.add("blender", "Blender")
    account = gate.accounts.add("of the blender", None, None, party="blender", kind="service")
    token = gate.tokens.add("of the blender", None, owner=account.id)[1]
    both = Selector(twins=("mixer-1", "pump-1"))
    gate.grant("party:blender", (Action.READ, Action.COMMAND), both, groups=[PropertyGroup.PROCESS])
    with pytest.raises(Conflict, match="pump-3") as own:
        plant.goal("mixer-1", "mix", 20)
    with gemel.connect(server.url, token=token) as blender:
        with pytest.raises(Conflict) as refused:
            blender.goal("mixer-1", "mix", 20)
        assert refused.value.detail == WITHHELD != own.value.detail
        with pytest.raises(InvalidInput, match="100"):
            blender.goal("mixer-1", "mix", 101)
        platform.write("pump-3", "speed", 2_000)
        with pytest.raises(InvalidInput) as refused:
            blender.goal("mixer-1", "mix", 20)
        assert refused.value.detail == WITHHELD
        platform.write("pump-3", "speed", 20)
        platform.commander.authority.take("pump-1", "user-of-the-plant")
        ended = blender.goal("mixer-1", "mix", 10, wait_s=40)
        assert (ended["state"], ended["detail"]) == ("refused", WITHHELD)
        assert blender.goals.get(ended["id"])["detail"] == WITHHELD
        (run,) = blender.goals.runs("mixer-1", "mix").items
        assert run["detail"] == WITHHELD
    assert "user-of-the-plant" in plant.goals.get(ended["id"])["detail"]
    platform.commander.authority.release("pump-1", "user-of-the-plant")


def test_two_clients_at_once_get_one_order_that_both_read(server, plant, platform):
    token = platform.gate.tokens.add("another", Role.OPERATOR)[1]
    with gemel.connect(server.url, token=token) as other:
        made = [
            client.transaction([{**BOTH[0], "input": {"pressure": bar}}]) for client, bar in ((plant, 1), (other, 2))
        ]
        ended = [
            client.transactions.get(one["id"], wait_s=60) for client, one in zip((other, plant), made, strict=True)
        ]
        assert [one["state"] for one in ended] == ["committed", "committed"]
        assert platform.now("bench-1")["threshold"].value == 2
        assert plant.transactions("bench-1", limit=2).items == other.transactions("bench-1", limit=2).items


class TestCommandLine:
    def test_several_machines_are_told_in_one_line(self, terminal, skid):
        told = terminal("transaction", "bench-1.watch:pressure=4", "pump-1.speed=300", "--in-order", "--wait", "60")
        assert "committed" in told
        assert "pump-1.speed = 300" in told
        id = json.loads(terminal("--json", "transactions", "--limit", "1"))[0]["id"]
        assert "committing" in terminal("transactions", "show", id)

    def test_one_that_fails_is_an_exit_code(self, terminal, skid):
        terminal("transaction", "bench-1.watch:pressure=11", "pump-1.speed=300", "--leave", "--wait", "60", exit_code=3)

    def test_what_is_no_member_says_how_it_is_written(self, terminal):
        with pytest.raises(InvalidInput, match=r"is not TWIN\.PROPERTY=VALUE"):
            terminal("transaction", "speed=3")

    def test_a_goal_is_asked_for_and_shown(self, terminal, skid):
        assert "reached line-1.output to 30" in terminal("goal", "line-1", "output", "30", "--wait", "60")
        assert "30 %" in terminal("goals", "show", "line-1")
        assert "reached" in terminal("goals", "runs", "line-1", "output")
