"""Effectiveness of machines: read from the history, by item, by configuration, over HTTP, by who may see what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import gemel
from gemel.access import Selector
from gemel.cli import app
from gemel.client import Client
from gemel.clock import parse_time
from gemel.configuration import Basis, ItemSpec
from gemel.errors import InvalidDocument, InvalidQuery, NotFound
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.effectiveness import By, Report, Setting
from gemel.services.work import Costs, PriceSpec
from gemel.twin import Change, Quality, json_schema
from tests.server.test_server_parties import token_of

PLANT = """
gemel: 1
site: {name: Mills, time_zone: UTC}
types:
  - id: controller
    properties:
      - {name: execution, kind: text, group: usage}
      - {name: mode, kind: text, group: process}
      - {name: part_count, kind: integer, group: usage}
      - {name: feed, kind: number, unit: "%", group: process}
  - id: mill
    slots: [{name: controller, type: controller, maximum: 1}]
    properties:
      - {name: power, unit: kW, group: condition}
      - {name: scrap, kind: integer, group: usage}
    effectiveness:
      states:
        - {state: producing, when: "controller.execution = 'ACTIVE'"}
        - {state: down, when: "controller.execution = 'INTERRUPTED'"}
        - {state: set_up, when: "controller.mode = 'MANUAL'"}
        - {state: idle, when: "controller.execution IS NOT NULL"}
      parts: {counter: controller.part_count}
      rejected: {amounts: scrap}
      run_time_s: 120
      shifts: [{name: Early, starts: "06:00", ends: "14:00"}]
      assumed: the run time is a guess
  - {id: bench, properties: [{name: load}]}
twins:
  - {id: m1, types: [mill]}
  - {id: m1.controller, types: [controller], part_of: {twin: m1, slot: controller}}
  - {id: m2, types: [mill]}
  - {id: m2.controller, types: [controller], part_of: {twin: m2, slot: controller}}
  - {id: m3, types: [mill]}
  - {id: m3.controller, types: [controller], part_of: {twin: m3, slot: controller}}
  - {id: bench, types: [bench]}
"""
START, END = "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"


def at(clock: str, day: int = 5) -> int:
    return parse_time(f"2026-01-{day:02}T{clock}:00Z")


def report(platform: Platform, twin: str, *rows: tuple[str, str, object], source: str = "") -> None:
    """(time, property, value); None: unavailable."""
    told = [
        Reported(
            twin=twin, property=name, value=value, time=at(time), quality=Quality.UNAVAILABLE if value is None else 0
        )
        for time, name, value in rows
    ]
    platform.intake.submit(source or twin, [Message(readings=told)], strict=True).result()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("mills") / "plant") as opened:
        opened.apply(PLANT)
        report(
            opened,
            "m1.controller",
            ("05:00", "execution", "READY"),
            ("05:00", "mode", "AUTOMATIC"),
            ("05:00", "part_count", 1000),
            ("05:00", "feed", 80.0),
            ("06:00", "execution", "ACTIVE"),
            ("09:00", "execution", "INTERRUPTED"),
            ("09:00", "part_count", 1060),
            ("09:30", "execution", "ACTIVE"),
            ("09:30", "feed", 100.0),
            ("12:00", "execution", "READY"),
            ("12:00", "part_count", 50),  # switched off and on again: the counter began anew
            ("13:00", "mode", "MANUAL"),
            ("14:00", "mode", "AUTOMATIC"),
        )
        report(opened, "m1", ("05:00", "power", 10.0), ("09:30", "power", 20.0), ("12:30", "scrap", 10))
        report(
            opened,
            "m2.controller",
            ("05:00", "execution", "READY"),
            ("05:00", "mode", "AUTOMATIC"),
            ("05:00", "part_count", 0),
            ("06:00", "execution", "ACTIVE"),
            ("09:30", "part_count", 90),
            ("10:00", "execution", None),
            ("11:00", "execution", "ACTIVE"),
            ("11:30", "part_count", 150),
            ("14:00", "execution", "READY"),
        )
        made = opened.configuration
        for id, part, revision, twin in (
            ("M1", "MILL", "", "m1"),
            ("M2", "MILL", "", "m2"),
            ("SP-1", "SPINDLE", "A", ""),
            ("SP-2", "SPINDLE", "B", ""),
        ):
            made.create(ItemSpec(id=id, part=part, revision=revision, twin=twin), at("00:00", 1))
        made.install("SP-1", "M1", "spindle", at("00:00", 1))
        made.install("SP-2", "M2", "spindle", at("00:00", 1))
        made.remove("SP-2", at("09:30"))
        made.swap("M1", "spindle", "SP-2", at("09:30"))
        made.install("SP-1", "M2", "spindle", at("09:30"))
        opened.past()
        yield opened


def of(platform: Platform, twin: str, **how: str) -> Report:
    return platform.effectiveness.of(twin, START, END, **how)


# of a machine


def test_a_day_of_a_machine_has_the_figures_that_a_pencil_has(platform: Platform):
    total = of(platform, "m1").total
    assert total.seconds == pytest.approx(
        {"producing": 330 * 60, "down": 1800, "idle": 3600, "set_up": 3600, "unknown": 0}
        | dict.fromkeys(["repair", "maintenance", "planned_stop"], 0)
    )
    assert (total.parts, total.good, total.failures) == (110.0, 100.0, 1)
    assert total.availability == pytest.approx(330 / 480)
    assert total.effectiveness == pytest.approx(220 / 330)
    assert total.quality_ratio == pytest.approx(100 / 110)
    assert total.oee == pytest.approx(100 * 2 / 480)


def test_before_anything_was_told_nothing_is_known(platform: Platform):
    assert of(platform, "m1").total.unplanned["unknown"] == 5 * 3600
    found = platform.effectiveness.of("m1", "2025-01-05T00:00:00Z", "2025-01-06T00:00:00Z").total
    assert (found.oee, found.availability, found.known_share) == (None, None, 0.0)
    assert "data" in [one.what for one in found.missing]


def test_what_is_unavailable_is_a_gap_and_what_was_counted_in_it_is_told_apart(platform: Platform):
    total = of(platform, "m2").total
    assert (total.seconds["unknown"], total.seconds["producing"]) == (3600, 7 * 3600)
    assert total.availability == 1.0
    assert total.availability_at_least == pytest.approx(7 / 8)
    assert total.parts == 150.0
    assert total.good is None  # nobody has told of scrap


def test_hours_add_up_to_the_day(platform: Platform):
    found = of(platform, "m1", by="hour")
    assert len(found.buckets) == 24
    assert sum(one.figures.seconds["producing"] for one in found.buckets) == found.total.seconds["producing"]
    assert sum(one.figures.parts or 0 for one in found.buckets) == found.total.parts
    assert sum(one.figures.failures for one in found.buckets) == 1
    (shift,) = of(platform, "m1", by="shift").buckets
    assert (shift.label, shift.figures.oee) == ("Early", found.total.oee)


def test_two_halves_asked_for_apart_are_the_whole(platform: Platform):
    for cut in ("09:00", "09:15", "12:00"):
        halves = [platform.effectiveness.of("m1", *span).total for span in ((START, at(cut)), (at(cut), END))]
        whole = of(platform, "m1").total
        for state, seconds in whole.seconds.items():
            assert sum(one.seconds[state] for one in halves) == seconds
        assert sum(one.parts or 0 for one in halves) == whole.parts
        assert sum(one.failures for one in halves) == whole.failures


def test_the_states_are_told_as_a_bar_without_holes(platform: Platform):
    found = of(platform, "m1")
    assert [one.state for one in found.states] == [
        *("unknown", "idle", "producing", "down", "producing", "idle", "set_up", "idle"),
    ]
    assert (found.states[0].start, found.states[-1].end) == (parse_time(START), parse_time(END))
    assert found.declared[0].assumed == "the run time is a guess"


def test_a_source_that_was_lost_leaves_a_gap_until_it_tells_again(platform: Platform):
    rows = (("05:00", "mode", "AUTOMATIC"), ("05:00", "execution", "ACTIVE"), ("10:00", "execution", "ACTIVE"))
    report(platform, "m3.controller", *rows)
    lost = Change(
        kind="freshness.lost",
        subject="m3.controller",
        time=at("07:00"),
        body={"properties": ["execution"], "source": ""},
    )
    platform.change(lambda _: [lost])
    platform.past()
    total = of(platform, "m3").total
    assert (total.seconds["unknown"], total.seconds["producing"]) == (3 * 3600, 5 * 3600)


def test_a_count_that_comes_late_changes_the_figures(platform: Platform):
    before = of(platform, "m3").total
    assert (before.parts, {one.what for one in before.missing}) == (None, {"not_told", "parts"})
    report(platform, "m3.controller", ("05:30", "part_count", 5), ("11:00", "part_count", 35), source="late")
    platform.past()
    assert of(platform, "m3").total.parts == 30.0


def test_what_lies_ahead_is_not_asked_for(platform: Platform):
    with pytest.raises(InvalidQuery, match="future"):
        platform.effectiveness.of("m1", "2200-01-01T00:00:00Z", "2200-01-02T00:00:00Z")
    with pytest.raises(InvalidQuery, match="ends before"):
        platform.effectiveness.of("m1", END, START)


def test_a_type_that_says_nothing_says_how_to_say_it(platform: Platform):
    with pytest.raises(NotFound, match=r"declare `effectiveness` in its type \(bench\)"):
        of(platform, "bench")
    assert platform.effectiveness.machines() == ["m1", "m2", "m3"]


# of an item


def test_a_spindle_keeps_its_own_figures_across_machines(platform: Platform):
    found = platform.effectiveness.of_item("SP-1", START, END)
    assert [(one.root, one.twin, one.path) for one in found.stays] == [
        ("M1", "m1", ("spindle",)),
        ("M2", "m2", ("spindle",)),
    ]
    shown = [one.figures for one in found.stays]
    assert [one.seconds["producing"] for one in shown if one] == [3 * 3600, 3.5 * 3600]
    assert found.total.seconds["producing"] == 6.5 * 3600
    assert found.total.parts == sum(one.parts or 0 for one in shown if one) == 60 + 150


def test_silence_is_not_zero(platform: Platform):
    """Nobody ever told of scrap of m2: that is no quality of 100 %."""
    total = of(platform, "m2").total
    assert (total.quality_ratio, total.oee) == (None, None)
    assert "quality" in [one.what for one in total.missing]


def test_both_spindles_together_are_both_machines(platform: Platform):
    machines = [of(platform, one).total for one in ("m1", "m2")]
    spindles = [platform.effectiveness.of_item(one, START, END, by="hour") for one in ("SP-1", "SP-2")]
    for state in machines[0].seconds:
        assert sum(one.total.seconds[state] for one in spindles) == sum(one.seconds[state] for one in machines)
        hours = sum(one.figures.seconds[state] for each in spindles for one in each.buckets)
        assert hours == sum(one.seconds[state] for one in machines)
    assert sum(one.total.parts or 0 for one in spindles) == sum(one.parts or 0 for one in machines)


def test_what_was_believed_of_a_swap_is_asked_again(platform: Platform):
    known = platform.configuration.acts("SP-1")[-1].recorded
    act = next(one for one in platform.configuration.acts("SP-1") if one.kind == "swapped")
    later = platform.configuration.acts("SP-1")[-1].number
    platform.configuration.withdraw(later, basis=Basis(reason="it was another one"))
    after = platform.effectiveness.of_item("SP-1", START, END)
    assert [one.root for one in after.stays if one.figures] == ["M1"]
    then = platform.effectiveness.of_item("SP-1", START, END, known=known)
    assert [one.root for one in then.stays] == ["M1", "M2"]
    assert act.number < later
    platform.configuration.install("SP-1", "M2", "spindle", at("09:30"))


# by configuration, by setting


def test_machines_are_compared_by_what_was_in_a_slot(platform: Platform):
    found = platform.effectiveness.compare(["m1", "m2"], START, END, by=By(slot="spindle", property="power"))
    groups = {one.label: one for one in found.groups}
    assert set(groups) == {"SPINDLE A", "SPINDLE B"}
    a, b = groups["SPINDLE A"], groups["SPINDLE B"]
    assert (a.machines, b.machines) == (("m1", "m2"), ("m1", "m2"))
    assert a.figures.seconds["producing"] + b.figures.seconds["producing"] == (330 + 420) * 60
    assert (a.mean, b.mean) == (pytest.approx(10.0), pytest.approx(20.0))
    assert found.unit == "kW"
    other = a if found.reference == b.label else b
    assert other.paired is not None
    assert other.paired.machines >= 0
    by_item = platform.effectiveness.compare(["m1"], START, END, by=By(slot="spindle", items=True))
    assert {one.label for one in by_item.groups} == {"SP-1", "SP-2"}
    by_part = platform.effectiveness.compare(["m1", "m2"], START, END, by=By(part="SPINDLE", target="availability"))
    assert {one.label for one in by_part.groups} == {"A", "B"}
    shared = next(one.paired for one in by_part.groups if one.paired)
    assert shared.machines == 2


def test_a_group_of_one_machine_or_of_little_time_says_so(platform: Platform):
    (one, two) = platform.effectiveness.compare(["m1"], START, END, by=By(slot="spindle")).groups
    assert any("only m1" in text for text in one.warnings)
    assert any("few parts" in text or "little time" in text or "only" in text for text in two.warnings)
    alone = platform.effectiveness.compare(["m1"], START, END, by=By(slot="nowhere"))
    assert [one.label for one in alone.groups] == ["nothing"]
    assert "nothing to compare" in alone.warnings[0]
    without = platform.effectiveness.compare(["m3"], START, END, by=By(slot="spindle"))
    assert "of no item" in without.left_out["m3"]


def test_the_best_setting_comes_first_and_is_called_observed(platform: Platform):
    asked = Setting(properties=("controller.feed",), target="availability")
    found = platform.effectiveness.settings(["m1", "m2"], START, END, setting=asked)
    assert [one.label for one in found.groups] == ["80", "100"]
    assert found.groups[0].figures.availability == pytest.approx(180 / 210)
    assert "observed" in found.warnings[-1]
    assert "nothing is told" in found.left_out["m2"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Setting(properties=()), "one to 3"),
        (Setting(properties=("controller.feed",), target="luck"), "no key figure"),
        (Setting(properties=("a + b",)), "no name of a property"),
        (Setting(properties=("controller.feed",), bins=1), "2 to 20"),
    ],
)
def test_a_question_that_means_nothing_is_refused(platform: Platform, setting: Setting, message: str):
    with pytest.raises(InvalidQuery, match=message):
        platform.effectiveness.settings(["m1"], START, END, setting=setting)
    with pytest.raises(InvalidQuery, match="a slot, or a part"):
        platform.effectiveness.compare(["m1"], START, END, by=By(slot="a", part="b"))


# what is declared


@pytest.mark.parametrize(
    ("section", "field", "message"),
    [
        ("{states: []}", "states", "producing"),
        ("{states: [{state: producing, when: load}]}", "states[0].when", "true or false"),
        ("{states: [{state: producing, when: lod > 1}]}", "states[0].when", "did you mean load"),
        ("{states: [{state: producing, when: age(load) > 1}]}", "states[0].when", "of this moment"),
        ("{states: [{state: producing, when: sum(parts.load) > 1}]}", "states[0].when", "computed property"),
        ("{states: [{state: producing, when: load > 1}], parts: {counter: lod}}", "parts.counter", "did you mean"),
        ("{states: [{state: producing, when: load > 1}], good: {counter: load}}", "good", "all parts"),
        ("{states: [{state: producing, when: load > 1}], run_time_s: 0}", "run_time_s", "above 0"),
        ("{states: [{state: producing, when: load > 1}], run_times_s: {A: 1}}", "run_times_s", "program"),
        ("{states: [{state: producing, when: load > 1}], closed: [tomorrow]}", "closed[0]", "no date"),
        (
            '{states: [{state: producing, when: load > 1}], shifts: [{starts: "25:00", ends: "06:00"}]}',
            "shifts[0].starts",
            "time of day",
        ),
        (
            "{states: [{state: producing, when: load > 1}], "
            'shifts: [{starts: "05:00", ends: "06:00", every: "FREQ=HOURLY"}]}',
            "shifts[0].every",
            "which days",
        ),
    ],
)
def test_a_fault_of_the_declaration_is_told_with_its_line_and_field(
    platform: Platform, section: str, field: str, message: str
):
    text = f"gemel: 1\ntypes:\n  - id: bench\n    properties: [{{name: load}}]\n    effectiveness: {section}\n"
    with pytest.raises(InvalidDocument) as told:
        platform.apply(text)
    (problem,) = told.value.problems
    assert problem.field == f"types[0].effectiveness.{field}"
    assert problem.line == 5
    assert message in problem.message


def test_the_schema_of_plants_has_the_section():
    told = json_schema("plant")["$defs"]
    assert set(told["Effectiveness"]["properties"]) >= {"states", "parts", "shifts", "run_time_s", "assumed"}
    assert "planned busy time" in told["Effectiveness"]["properties"]["shifts"]["description"]


# over HTTP


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


def test_the_client_asks_for_all_of_it(platform: Platform, server: Server):
    secret = platform.gate.tokens.add("viewer", "viewer")[1]
    with Client(server.url, token=secret) as client:
        asked = client.effectiveness
        assert [one["twin"] for one in asked(START, END, limit=2).items] == ["m1", "m2"]
        page = asked(START, END, limit=2)
        assert [one["twin"] for one in asked(START, END, cursor=page.next or "").items] == ["m3"]
        day = asked.of("m1", START, END, by="shift")
        assert (day["start"], day["buckets"][0]["label"]) == (START, "Early")
        assert day["total"]["oee"] == pytest.approx(200 / 480)
        assert asked.of_item("SP-1", START, END)["stays"][0]["root"] == "M1"
        compared = asked.compare(["m1", "m2"], START, END, slot="spindle", property="power")
        assert {one["label"] for one in compared["groups"]} == {"SPINDLE A", "SPINDLE B"}
        best = asked.settings(["m1"], START, END, setting=["controller.feed"], target="availability")
        assert best["groups"][0]["label"] == "80"
        with pytest.raises(NotFound):
            asked.of("bench", START, END)
        with pytest.raises(InvalidQuery):
            asked.of("m1", START, END, by="month")


def test_the_command_line_tells_it_to_people_and_to_programs(platform: Platform, server: Server):
    secret = platform.gate.tokens.add("shell", "viewer")[1]

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--at", server.url, "--token", secret, *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    span = ("--from", START, "--to", END)
    shown = run("effectiveness", "m1", "--by", "shift", *span)
    assert "assumed: the run time is a guess" in shown
    assert "41.7%" in shown
    assert "unknown" in run("effectiveness", *span)
    assert json.loads(run("--json", "effectiveness", "of", "m1", *span))["total"]["parts"] == 110
    assert "M2" in run("effectiveness", "--item", "SP-1", *span)
    assert "SPINDLE A" in run("effectiveness", "compare", "--slot", "spindle", *span)
    assert "same machine" in run("effectiveness", "settings", "m1", "--setting", "controller.feed", *span)


@pytest.fixture(scope="module")
def parties(platform: Platform, server: Server) -> Iterator[dict[str, httpx.Client]]:
    """`all` sees m1 whole, `part` its use and condition alone, `late` its use from noon on, `other` m2 alone."""
    terms = {
        "all": {"selector": Selector(twins=("m1",))},
        "part": {"selector": Selector(twins=("m1",)), "groups": ["usage", "condition", "configuration"]},
        "late": {"selector": Selector(twins=("m1",)), "history_from": at("12:00")},
        "other": {"selector": Selector(twins=("m2",))},
    }
    made = {}
    for name, term in terms.items():
        platform.gate.parties.add(name, name)
        platform.gate.grant(f"party:{name}", ["read"], term.pop("selector"), **term)  # type: ignore[arg-type]
        secret = token_of(platform, name, f"reader of {name}")
        made[name] = httpx.Client(
            base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=60
        )
    yield made
    for one in made.values():
        one.close()


WHEN = {"start": START, "end": END}


def test_a_party_is_told_of_its_own_machines_alone(parties: dict[str, httpx.Client]):
    listed = parties["all"].get("/effectiveness", params=WHEN).json()["items"]
    assert [one["twin"] for one in listed] == ["m1"]
    assert listed[0]["figures"]["oee"] == pytest.approx(200 / 480)
    assert parties["all"].get("/twins/m2/effectiveness", params=WHEN).status_code == 404
    compared = parties["all"].get(
        "/effectiveness/configurations", params=[*WHEN.items(), ("slot", "spindle"), ("machine", "m2")]
    )
    assert compared.status_code == 404
    assert "m2" not in parties["all"].get("/effectiveness/settings", params={**WHEN, "setting": "controller.feed"}).text


def test_a_state_of_which_a_part_is_hidden_is_unknown_and_not_another_one(parties: dict[str, httpx.Client]):
    """Who does not see the mode would else be told that it was idle while it was set up."""
    told = parties["part"].get("/twins/m1/effectiveness", params=WHEN)
    assert told.status_code == 200
    total = told.json()["total"]
    assert (total["oee"], total["known_share"], total["seconds"]["unknown"]) == (None, 0.0, 8 * 3600)
    assert "mode" not in told.text
    assert "not shared with you" in told.text


def test_the_past_that_is_not_granted_is_a_gap(parties: dict[str, httpx.Client]):
    total = parties["late"].get("/twins/m1/effectiveness", params=WHEN).json()["total"]
    assert (total["seconds"]["unknown"], total["seconds"]["producing"]) == (6 * 3600, 0)
    assert total["seconds"]["set_up"] == 3600


def test_an_item_is_told_of_while_its_machine_is_seen(parties: dict[str, httpx.Client]):
    found = parties["all"].get("/items/SP-1/effectiveness", params=WHEN)
    assert found.status_code == 200, found.text
    told = [(one["root"], bool(one["figures"])) for one in found.json()["stays"]]
    assert ("M1", True) in told
    assert "M2" not in found.text
    assert found.json()["total"]["seconds"]["producing"] == 3 * 3600
    nobody = parties["all"].get("/items/SP-9/effectiveness", params=WHEN)
    assert nobody.status_code == 404


def test_a_view_of_a_part_does_not_tell_of_the_machine_around_it(platform: Platform, server: Server):
    platform.gate.parties.add("maker", "Maker")
    items = {"parts": ["SPINDLE"], "columns": ["readings"]}
    secret = token_of(platform, "maker", "reader of maker")
    with httpx.Client(base_url=f"{server.url}/api/v1", timeout=60) as http:
        admin = {"Authorization": f"Bearer {platform.gate.tokens.add('admin', 'administrator')[1]}"}
        made = http.post(
            "/grants",
            json={
                "to": "party:maker",
                "selector": {"twins": ["m1"]},
                "actions": ["read"],
                "groups": [],
                "items": items,
            },
            headers=admin,
        )
        assert made.status_code == 201, made.text
        answer = http.get("/items/SP-1/effectiveness", params=WHEN, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code in {403, 404}
        assert "producing" not in answer.text


def test_the_declaration_is_shown_only_to_who_sees_every_group(platform: Platform, parties: dict[str, httpx.Client]):
    assert parties["part"].get("/types/mill").json().get("effectiveness") is None
    assert platform.type("mill").effectiveness is not None


# what downtime costs; last, for prices hold for all that is asked after them


def priced(platform: Platform, amount: str, currency: str = "EUR", **of: Any) -> None:
    platform.work.prices.put(PriceSpec(per_hour=amount, currency=currency, rests_on="plan of 2026", **of))


def amounts(cost: Costs | None) -> dict[str, str]:
    assert cost is not None
    return {currency: str(amount) for currency, amount in cost.amounts.items()}


def test_downtime_without_a_price_says_how_one_is_told(platform: Platform):
    found = of(platform, "m1")
    assert (found.cost, amounts(found.cost)) == (Costs(unpriced_h=0.5), {})
    (text,) = [one.text for one in found.total.missing if one.what == "price"]
    assert "gemel work price 1250 EUR --twin m1" in text
    assert "price" not in [one.what for one in of(platform, "m2").total.missing]  # it was never down


def test_downtime_costs_what_an_hour_of_the_machine_does_then(
    platform: Platform, server: Server, parties: dict[str, httpx.Client]
):
    priced(platform, "1000", type="mill")
    priced(platform, "1600", twin="m1", since=at("09:15"))  # a quarter of an hour at each
    found = of(platform, "m1", by="hour")
    assert amounts(found.cost) == {"EUR": "650.00"}
    assert [amounts(one.cost) for one in found.buckets if amounts(one.cost)] == [{"EUR": "650.00"}]
    assert found.cost is not None
    assert found.cost.rests_on == ("1000 EUR/h: plan of 2026", "1600 EUR/h: plan of 2026")
    assert "price" not in [one.what for one in found.total.missing]
    spindle = platform.effectiveness.of_item("SP-1", START, END)
    assert amounts(spindle.cost) == {"EUR": "650.00"}
    assert [amounts(one.cost) for one in spindle.stays if one.cost is not None] == [{"EUR": "650.00"}, {}]
    told = parties["all"].get("/twins/m1/effectiveness", params=WHEN).json()
    assert told["cost"]["amounts"] == {"EUR": "650.00"}
    secret = platform.gate.tokens.add("controller", "viewer")[1]
    shown = CliRunner().invoke(
        app, ["--at", server.url, "--token", secret, "effectiveness", "m1", "--from", START, "--to", END]
    )
    assert "Downtime cost 650.00 EUR" in shown.output
    assert "plan of 2026" in shown.output


def test_who_does_not_see_what_is_financial_is_told_no_cost(platform: Platform, parties: dict[str, httpx.Client]):
    priced(platform, "1000", type="mill")
    part = parties["part"]
    told = part.get("/twins/m1/effectiveness", params={**WHEN, "by": "shift"}).json()
    assert (told["cost"], told["buckets"][0]["cost"]) == (None, None)
    assert "price" not in [one["what"] for one in told["total"]["missing"]]
    assert part.get("/effectiveness", params=WHEN).json()["items"][0]["cost"] is None
    groups = part.get("/effectiveness/configurations", params={**WHEN, "slot": "spindle"}).json()["groups"]
    assert groups
    assert {one["cost"] for one in groups} == {None}


def test_machines_of_two_currencies_have_no_sum(platform: Platform):
    report(platform, "m3.controller", ("06:00", "execution", "INTERRUPTED"), ("07:00", "execution", "READY"))
    platform.past()
    priced(platform, "1000", twin="m1", since=at("00:00"))
    priced(platform, "2000", "USD", twin="m3")
    setting = Setting(properties=("controller.execution",), target="availability")
    compared = platform.effectiveness.settings(["m1", "m3"], START, END, setting=setting)
    (down,) = [one for one in compared.groups if one.label == "INTERRUPTED"]
    assert amounts(down.cost)["USD"] == "2000.00"
    assert set(amounts(down.cost)) == {"EUR", "USD"}


def test_hours_without_a_price_are_told_of_each_machine_that_an_item_was_in(platform: Platform):
    report(platform, "m3.controller", ("11:00", "execution", "INTERRUPTED"), ("11:30", "execution", "READY"))
    platform.past()
    made = platform.configuration
    made.create(ItemSpec(id="M3", part="MILL", twin="m3"), at("00:00", 1))
    made.create(ItemSpec(id="TABLE-1", part="TABLE"), at("00:00", 1))
    made.install("TABLE-1", "M1", "table", at("00:00", 1))
    made.remove("TABLE-1", at("10:00"))
    made.install("TABLE-1", "M3", "table", at("10:00"))
    for twin in ("m1", "m3"):
        priced(platform, "", "", twin=twin, since=at("00:00"))
    found = platform.effectiveness.of_item("TABLE-1", START, END)
    told = [one.text for one in found.total.missing if one.what == "price"]
    assert [f"--twin {twin} " in text for twin, text in zip(("m1", "m3"), told, strict=True)] == [True, True]
    assert found.cost is not None
    assert found.cost.unpriced_h == sum(one.cost.unpriced_h for one in found.stays if one.cost)
