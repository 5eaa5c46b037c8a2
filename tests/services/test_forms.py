"""Forms: declared as documents, offered where they apply, taken whole or not at all, kept with their version."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from typer.testing import CliRunner

import gemel
from gemel.access import Role, Selector
from gemel.cli import app
from gemel.client import Client
from gemel.clock import SECOND, SteppedClock, parse_time, to_rfc3339
from gemel.configuration import ItemSpec, Saw, parse_parts
from gemel.configuration.operations import Use
from gemel.errors import (
    ConfigurationDiffers,
    Conflict,
    Denied,
    InvalidDocument,
    InvalidTime,
    KeyReused,
    NotFound,
)
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.forms import FilledQuery, Filling, Form
from gemel.services.forms.checking import checked
from gemel.services.forms.tables import filled_table
from gemel.services.work import WorkSpec, WorkState
from gemel.thread import Asked, Node, NodeKind
from gemel.transfer import export_everything, import_everything
from gemel.twin import Expected, LifeStage

PLANT = """
gemel: 1
types:
  - id: mill
    properties:
      - {name: oil_pressure, unit: bar, group: condition}
      - {name: load, unit: "%"}
twins:
  - {id: mill-7, types: [mill]}
  - {id: mill-8, types: [mill]}
  - {id: mill-9, types: [mill]}
  - {id: mill-11, types: [mill]}
"""
PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: pump}, {slot: guard, safety: true}]
    rules: [{slot: pump, part: PUMP}]
  - {part: PUMP}
"""
FORMS = """
forms:
  - id: weekly
    title: Weekly check
    applies: [{part: MILL, serials: ["M100.."]}]
    fields:
      - {name: guard, ask: Is the guard in its place?, kind: yes_no, expect: ["yes"], observe: guard, outside: block}
      - {name: pressure, ask: Oil pressure, kind: number, unit: kPa, low: 300, high: 700, reading: oil_pressure,
         outside: warn, help: At the gauge on the left side}
      - {name: why, ask: What did you find?, kind: text, shown: "pressure < 300 OR NOT guard"}
      - {name: pump, ask: Serial number of the pump, kind: serial, observe: pump, required: false}
      - {name: hours, ask: Hour meter, kind: number, unit: h, counter: hours, required: false}
      - {name: picture, ask: Picture of the gauge, kind: file, required: false}
  - id: start-up
    title: Start-up
    types: [mill]
    jobs: [JP-1]
    fields: [{name: level, ask: Is it level?, expect: ["yes"]}]
"""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FINE = {"guard": True, "pressure": 500}
WELL = {"form": "weekly", "item": "mill-7-item"}


@pytest.fixture(scope="module")
def clock() -> SteppedClock:
    return SteppedClock(parse_time("2026-05-01T08:00:00Z"))


@pytest.fixture(autouse=True)
def a_minute_goes_by(clock: SteppedClock) -> None:
    clock.step(60)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("forms"), clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        told = platform.configuration
        told.parts.apply(told.parts.plan(parse_parts(PARTS)))
        then = clock.now() - 3600 * SECOND
        told.create(ItemSpec(id="mill-7-item", part="MILL", serial="M107", twin="mill-7"), then)
        told.create(ItemSpec(id="mill-8-item", part="MILL", serial="M088", twin="mill-8"), then)
        told.create(ItemSpec(id="pump-a", part="PUMP", serial="4711"), then)
        told.create(ItemSpec(id="guard-a", part="GUARD", serial="G1"), then)
        told.install("pump-a", "mill-7-item", "pump", then)
        told.install("guard-a", "mill-7-item", "guard", then)
        platform.forms.declared.apply(FORMS)
        yield platform


def filling(platform: Platform, answers: dict[str, Any], **how: Any) -> Filling:
    return Filling(**{"at": platform.clock.now(), **WELL, **how}, answers=answers)


def rows(platform: Platform) -> int:
    with platform.database.read() as tx:
        return tx.scalar(select(func.count()).select_from(filled_table)) or 0


def test_a_form_is_declared_as_a_document_and_says_what_would_change(platform: Platform) -> None:
    told = platform.forms.declared.apply(FORMS.replace("Weekly check", "Check of the week"), dry_run=True)
    assert [(one.id, one.what, one.fields) for one in told] == [
        ("weekly", "changed", ("title",)),
        ("start-up", "same", ()),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: kPa", "unit: stones", "is not a UCUM code"),
        ("pressure < 300", "presure < 300", "pressure"),
        ("low: 300", "low: 900", "low is below high"),
        ('expect: ["yes"], observe', 'expect: ["maybe"], observe', "none of yes, no"),
        ("kind: text,", "kind: text, unit: bar,", "only number fields have it"),
        ("{name: why", "{name: guard", "is there twice"),
        ('applies: [{part: MILL, serials: ["M100.."]}]', "about: nothing", "say what it is for"),
    ],
)
def test_a_fault_of_a_form_is_told_with_its_place(platform: Platform, old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        platform.forms.declared.apply(FORMS.replace(old, new))
    assert said in refused.value.detail
    assert refused.value.problems[0].line > 1


def test_forms_are_offered_where_they_apply(platform: Platform) -> None:
    assert [one.form.id for one in platform.forms.offered(item="mill-7-item")] == ["weekly"]
    assert [one.form.id for one in platform.forms.offered(twin="mill-7")] == ["weekly"]
    assert platform.forms.offered(item="mill-8-item") == []  # its serial number is below
    assert platform.forms.offered(item="pump-a") == []
    with pytest.raises(Conflict, match="it is for MILL"):
        platform.forms.fill(filling(platform, FINE, item="pump-a"))


def test_what_is_filled_in_is_a_record_of_the_item_with_all_that_it_does(platform: Platform) -> None:
    configuration = platform.configuration
    picture = {"name": "../gauge.png", "data": base64.b64encode(PIXEL).decode()}
    answers = {**FINE, "pressure": 250, "why": "a leak", "pump": "4711", "hours": 120, "picture": picture}
    done = platform.forms.fill(filling(platform, answers), actor="user-1")
    assert (done.item, done.serial, done.twin, done.version) == ("mill-7-item", "M107", "mill-7", 1)
    assert [one.text for one in done.amiss] == ["Oil pressure: 250 kPa is below 300 kPa"]
    assert platform.now("mill-7")["oil_pressure"].value == pytest.approx(2.5)
    seen = {one.slot: one for one in configuration.observations("mill-7-item")}
    assert (seen["pump"].item, seen["guard"].item) == ("pump-a", "guard-a")
    assert configuration.count("mill-7-item", "hours").amount == 120
    (raised,) = [
        one for one in configuration.nonconformances("mill-7-item") if one.number == done.amiss[0].nonconformance
    ]
    assert raised.level == "warn"
    assert "250 kPa" not in str(raised)  # not everybody who is told of it sees the reading
    record = platform.thread.record(done.id)
    assert (record.kind, record.title, record.revision) == ("form", "Weekly check", "1")
    reached = platform.thread.follow(
        Node(kind=NodeKind.ITEM, id="mill-7-item"), Asked(at=platform.clock.now(), known=platform.clock.now())
    )
    assert {f"record:{done.id}", f"document:{done.id}-picture"} <= {str(one.node) for one in reached.reached}
    (paper,) = platform.thread.document(f"{done.id}-picture").versions
    assert platform.thread.valid_documents("mill-7-item") == []  # it shows what was seen, and is no manual
    assert (paper.name, paper.content.media_type) == ("gauge.png", "image/png")
    assert platform.forms.get(done.id).answers["picture"]["sha256"] == paper.content.sha256
    assert platform.forms.get(done.id).answers["why"] == "a leak"


def test_a_meter_that_tells_more_was_used_since_the_form_was_filled_in_before(platform: Platform) -> None:
    before = platform.configuration.count("pump-a", "hours").amount
    platform.clock.step(60)  # type: ignore[attr-defined]
    platform.forms.fill(filling(platform, {**FINE, "hours": 150}))
    assert platform.configuration.count("mill-7-item", "hours").amount == 150
    assert platform.configuration.count("pump-a", "hours").amount == pytest.approx(before + 30)


def test_a_meter_that_is_told_late_or_beside_other_use_refuses_no_form(platform: Platform, clock: SteppedClock) -> None:
    told, start = platform.configuration, clock.now()
    told.create(ItemSpec(id="mill-9-item", part="MILL", serial="M109", twin="mill-9"), start)

    def meter(after: int, hours: float) -> float:
        at = start + after * SECOND
        platform.forms.fill(filling(platform, {**FINE, "hours": hours}, item="mill-9-item", at=at))
        return told.count("mill-9-item", "hours", at).amount

    clock.step(1000)
    assert meter(100, 100) == 100
    assert meter(200, 110) == 110
    assert meter(150, 104) == 105  # late: what was counted of that time stays
    assert told.count("mill-9-item", "hours", start + 200 * SECOND).amount == 110
    assert meter(300, 120) == 120
    told.do(Use(item="mill-9-item", kind="hours", start=start + 300 * SECOND, end=start + 400 * SECOND, amount=7))
    assert meter(500, 130) == 130  # of 120, 7 are told by somebody else
    assert meter(500, 129) == 129
    assert meter(600, 125) == 125  # another meter
    tried = {**FINE, "hours": 140}
    expects = (Expected(slot="pump", item="pump-b"),)
    with pytest.raises(ConfigurationDiffers):
        platform.forms.fill(filling(platform, tried, item="mill-9-item", expects=expects), dry_run=True)


def test_two_who_hand_in_the_same_at_once_get_one_answer(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    once = filling(platform, {**FINE, "hours": 155}, key="twice")
    first = platform.forms.fill(once, actor="user-1")
    acts = len(platform.configuration.acts("mill-7-item"))
    monkeypatch.setattr(platform.forms, "known", lambda *_: None)  # it looked before the first was kept
    assert platform.forms.fill(once, actor="user-1") == first
    assert len(platform.configuration.acts("mill-7-item")) == acts


def test_readings_that_the_intake_does_not_take_wait_and_the_form_is_taken(platform: Platform) -> None:
    def waiting() -> int:
        with platform.database.read() as tx:
            return tx.scalar(select(func.count()).where(filled_table.c.telling != "")) or 0

    once = filling(platform, {**FINE, "pressure": 610}, key="full")
    platform.intake.refuse("the disk is full")
    try:
        first = platform.forms.fill(once, actor="user-1")
        assert waiting() == 1
        assert platform.forms.fill(once, actor="user-1") == first
        assert waiting() == 1
    finally:
        platform.intake.refuse("")
    assert platform.forms.fill(once, actor="user-1") == first
    assert waiting() == 0
    assert platform.now("mill-7")["oil_pressure"].value == pytest.approx(6.1)


def test_a_reading_that_another_source_brings_is_refused_with_its_field(platform: Platform) -> None:
    before = rows(platform)
    bound = "{address: p, twin: mill-7, property: oil_pressure, mode: samples, within_s: 10, conflict: refuse}"
    platform.apply(PLANT + f"connectors: [{{id: line, kind: http, bindings: [{bound}]}}]\n")
    with pytest.raises(InvalidDocument, match="is brought by line") as refused:
        platform.forms.fill(filling(platform, FINE))
    assert [one.field for one in refused.value.problems] == ["pressure"]
    assert rows(platform) == before
    platform.apply(PLANT + "connectors: [{id: line, kind: http}]\n")
    platform.forms.fill(filling(platform, FINE))


def test_a_slot_that_is_found_empty_is_an_observation(platform: Platform) -> None:
    done = platform.forms.fill(filling(platform, {"guard": False, "pressure": 500, "why": "it is being painted"}))
    seen = next(one for one in platform.configuration.observations("mill-7-item") if one.slot == "guard")
    assert seen.saw is Saw.NOTHING
    assert [one.field for one in done.amiss] == ["guard"]
    assert [one for one in platform.configuration.unsafe("mill-7-item") if one.slot == "guard"]


def test_every_fault_of_the_answers_is_told_and_nothing_is_kept(platform: Platform) -> None:
    before = rows(platform), len(platform.configuration.acts("mill-7-item"))
    with pytest.raises(InvalidDocument) as refused:
        platform.forms.fill(filling(platform, {"pressure": "high", "why": "x", "colour": "red", "hours": True}))
    assert sorted(one.field for one in refused.value.problems) == ["colour", "guard", "hours", "pressure", "why"]
    with pytest.raises(InvalidDocument, match="asked only where"):
        platform.forms.fill(filling(platform, {**FINE, "why": "nothing"}))
    expects = (Expected(slot="pump", item="pump-b"),)
    with pytest.raises(ConfigurationDiffers):
        platform.forms.fill(filling(platform, {**FINE, "pump": "4711", "hours": 999}, expects=expects))
    with pytest.raises(InvalidTime):
        platform.forms.fill(filling(platform, FINE, at=platform.clock.now() + 7200 * SECOND))
    assert (rows(platform), len(platform.configuration.acts("mill-7-item"))) == before


def test_told_again_with_its_key_it_is_the_same(platform: Platform) -> None:
    once = filling(platform, {**FINE, "hours": 160}, key="telephone-1")
    first = platform.forms.fill(once, actor="user-1")
    before = rows(platform), len(platform.configuration.acts("mill-7-item"))
    assert platform.forms.fill(once, actor="user-1") == first
    with pytest.raises(KeyReused):
        platform.forms.fill(filling(platform, FINE, key="telephone-1"), actor="user-1")
    assert (rows(platform), len(platform.configuration.acts("mill-7-item"))) == before


def test_told_again_without_a_moment_it_is_of_the_one_that_it_was_told_with(
    platform: Platform, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = filling(platform, FINE, key="paper-1", at=None)
    first = platform.forms.fill(once, actor="user-1")
    assert first.at == clock.now()
    clock.step(3600)
    assert platform.forms.fill(once, actor="user-1") == first
    assert platform.forms.fill(filling(platform, FINE, key="paper-1", at=first.at), actor="user-1") == first
    monkeypatch.setattr(platform.forms, "known", lambda *_: None)  # it looked before the first was kept
    assert platform.forms.fill(once, actor="user-1") == first
    with pytest.raises(KeyReused):
        platform.forms.fill(filling(platform, {**FINE, "pressure": 501}, key="paper-1", at=None), actor="user-1")


def test_readings_of_so_long_ago_that_none_are_taken_are_refused_before_anything_is_kept(
    platform: Platform, clock: SteppedClock
) -> None:
    long_ago = clock.now() - 12 * 365 * 86_400 * SECOND
    platform.configuration.create(ItemSpec(id="old-item", part="MILL", serial="M111", twin="mill-11"), long_ago)
    before = rows(platform), len(platform.configuration.acts("old-item"))
    refused = filling(platform, {**FINE, "guard": False, "why": "worn"}, item="old-item", at=long_ago + SECOND)
    with pytest.raises(InvalidTime, match=r"taken from 2016-.*declare a form without `reading`"):
        platform.forms.fill(refused)
    assert (rows(platform), len(platform.configuration.acts("old-item"))) == before
    told = "{id: old, title: Old papers, applies: [{part: MILL}], fields: [{name: fine, ask: Was it fine?}]}"
    platform.forms.declared.apply(f"forms: [{told}]")
    paper = Filling(form="old", item="old-item", at=long_ago + SECOND, answers={"fine": True})
    assert platform.forms.fill(paper).at == long_ago + SECOND
    platform.forms.declared.withdraw("old")


def test_only_tried_it_says_what_is_amiss_and_keeps_nothing(platform: Platform) -> None:
    before = rows(platform), len(platform.configuration.acts("mill-7-item"))
    tried = platform.forms.fill(filling(platform, {**FINE, "pressure": 800}), dry_run=True)
    assert (tried.id, [one.text for one in tried.amiss]) == ("", ["Oil pressure: 800 kPa is above 700 kPa"])
    assert (rows(platform), len(platform.configuration.acts("mill-7-item"))) == before


def test_readings_that_a_stop_left_behind_are_handed_in_at_the_next_start(platform: Platform) -> None:
    done = platform.forms.fill(filling(platform, {**FINE, "pressure": 640}))
    telling = (
        f'[{{"twin": "mill-7", "property": "oil_pressure", "value": 640, "unit": "kPa", "time": {done.at}}},'
        f'{{"twin": "mill-7", "property": "load", "value": 7, "unit": "%", "time": {done.at}}}]'
    )

    def left(tx: Any) -> list[Any]:
        tx.execute(filled_table.update().where(filled_table.c.id == done.id).values(telling=telling))
        return []

    platform.change(left)
    platform.forms.start()
    with platform.database.read() as tx:
        assert tx.scalar(select(func.count()).where(filled_table.c.telling != "")) == 0
    assert platform.now("mill-7")["oil_pressure"].value == pytest.approx(6.4)
    assert "load" not in platform.now("mill-7")  # told before: the same message brings nothing new


def test_a_changed_form_is_a_new_version_and_old_answers_keep_theirs(platform: Platform) -> None:
    old = platform.forms.fill(filling(platform, FINE))
    known = platform.clock.now()
    platform.clock.step(60)  # type: ignore[attr-defined]
    platform.forms.declared.apply(FORMS.replace("high: 700", "high: 450"))
    _, newest = platform.forms.version("weekly")
    assert newest == old.version + 1
    late = platform.forms.fill(filling(platform, FINE, version=old.version, at=known))  # handed in after the change
    assert (late.version, late.amiss) == (old.version, ())
    with pytest.raises(Conflict, match="fill in the newest one"):
        platform.forms.fill(filling(platform, FINE, version=old.version))
    assert platform.forms.fill(filling(platform, FINE)).amiss != ()
    asked, _ = platform.forms.version("weekly", platform.forms.get(old.id).version)
    assert asked.fields[1].high == 700


def test_a_form_of_a_job_plan_is_filled_in_under_its_work_order(platform: Platform) -> None:
    forms, orders = platform.forms, platform.work.orders
    start_up = {"form": "start-up"}
    with pytest.raises(Conflict, match="under a work order that follows JP-1"):
        forms.fill(filling(platform, {"level": True}, **start_up))
    orders.put(WorkSpec(id="wo-1", item="mill-7-item", twin="mill-7", job="JP-1"))
    orders.put(WorkSpec(id="wo-2", item="mill-8-item", twin="mill-8", job="JP-1"))
    assert [(one.form.id, one.order) for one in forms.offered(item="mill-7-item")] == [
        ("start-up", "wo-1"),
        ("weekly", ""),
    ]
    (open_,) = forms.of_order("wo-1")
    assert open_.filled is None
    with pytest.raises(Conflict, match="wo-2 is for mill-8"):
        forms.fill(filling(platform, {"level": True}, order="wo-2", **start_up))
    done = forms.fill(filling(platform, {"level": True}, order="wo-1", **start_up))
    (filled,) = forms.of_order("wo-1")
    assert filled.filled == done
    assert forms.of_order("wo-2")[0].filled is None
    assert [one.id for one in forms.filled(FilledQuery(order="wo-1")).items] == [done.id]
    orders.move("wo-1", WorkState.CANCELLED)
    assert [one.form.id for one in forms.offered(item="mill-7-item")] == ["weekly"]


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["guard", "pressure", "why", "pump", "hours", "picture", "", "at", "colour"])


@pytest.fixture(scope="module")
def weekly(platform: Platform) -> Form:
    return platform.forms.version("weekly", 1)[0]


def any_answers_are_taken_or_refused(form: Form, answers: dict[str, Any]) -> None:
    try:
        kept = checked(form, answers)
    except InvalidDocument as error:
        refused = error.problems
    else:
        refused = []
    if refused:
        return
    assert set(kept) <= set(answers)
    again = {name: one for name, one in kept.items() if name != "picture"}
    assert checked(form, again) == again


@example({"guard": True, "pressure": 10**400})
@example({"guard": True, "pressure": 500, "pump": "\ud800"})
@example({"guard": True, "pressure": 500, "picture": {"name": "x", "data": "no base64!"}})
@example({"guard": True, "pressure": 100, "why": " "})
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.dictionaries(NAMES, ANY) | st.fixed_dictionaries({"guard": st.booleans(), "pressure": st.floats()}))
def test_any_answers_are_taken_whole_or_refused_with_the_field(weekly: Form, answers: dict[str, Any]) -> None:
    any_answers_are_taken_or_refused(weekly, answers)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.dictionaries(NAMES, ANY))
def test_any_answers_are_taken_whole_or_refused_with_the_field_many(weekly: Form, answers: dict[str, Any]) -> None:
    any_answers_are_taken_or_refused(weekly, answers)


# over the network


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    server = Server(platform)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def people(platform: Platform, server: Server) -> Iterator[dict[str, Client]]:
    gate = platform.gate
    gate.parties.add("maker", "Maker Ltd")
    reads = {"read", "subscribe", "query", "export"}
    gate.grant("party:maker", reads, Selector(twins=("mill-7",)), groups=["configuration"])
    secrets = {
        "boss": gate.tokens.add("boss", Role.ENGINEER)[1],
        "fitter": gate.tokens.add("fitter", Role.OPERATOR)[1],
        "clerk": gate.tokens.add("clerk", Role.VIEWER)[1],
    }
    account = gate.accounts.add("maker", None, None, party="maker", kind="service")
    secrets["maker"] = gate.tokens.add("maker", None, owner=account.id)[1]
    found = {name: gemel.connect(server.url, token=secret) for name, secret in secrets.items()}
    yield found
    for one in found.values():
        one.close()


def test_who_may_maintain_fills_in_and_who_may_configure_declares(
    platform: Platform, people: dict[str, Client]
) -> None:
    boss, fitter, clerk = (people[name] for name in ("boss", "fitter", "clerk"))
    assert [one["what"] for one in boss.forms.declare(FORMS, dry_run=True)] == ["changed", "same"]
    with pytest.raises(Denied):
        fitter.forms.declare(FORMS)
    (offered,) = fitter.forms.of("mill-7-item")
    assert (offered["form"]["id"], offered["may"]) == ("weekly", True)
    assert clerk.forms.of("mill-7-item")[0]["may"] is False
    handed = {"form": "weekly", "item": "mill-7-item", "at": "2026-05-01T08:10:00Z", "answers": FINE, "key": "k1"}
    handed["version"] = 1
    with pytest.raises(Denied):
        clerk.forms.fill(handed)
    done = fitter.forms.fill(handed)
    assert fitter.forms.fill(handed)["id"] == done["id"]
    told, refused = fitter.forms.fill_all([handed, {**handed, "key": "k2", "answers": {"guard": 1}}])
    assert told["filled"]["id"] == done["id"]
    assert refused["problem"]["code"] == "invalid-document"
    assert {one["field"] for one in refused["problem"]["problems"]} == {"guard", "pressure"}
    read = clerk.forms.get(done["id"])
    assert (read["answers"], read["asked"]["fields"][1]["high"]) == ({"guard": True, "pressure": 500.0}, 700)
    assert clerk.forms.filled(item="mill-7-item", limit=1).items[0]["id"] == done["id"]


def test_the_command_line_fills_in_and_shows_what_was(
    server: Server, people: dict[str, Client], tmp_path: Path
) -> None:
    token = str(people["fitter"].access_again["token"])
    (tmp_path / "gauge.png").write_bytes(PIXEL)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--at", server.url, "--token", token, *arguments])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    assert "Weekly check" in run("forms", "of", "mill-7-item")
    given = ["guard=no", "pressure=500", "why=it is being painted", f"picture=@{tmp_path / 'gauge.png'}"]
    at = ("--time", "2026-05-01T08:20:00Z")
    told = run("fill", "weekly", "mill-7-item", *at, *(text for one in given for text in ("-a", one)))
    assert "it is being painted" in told
    keyed = ("fill", "weekly", "mill-7-item", "--key", "paper-7", "-a", "guard=yes", "-a", "pressure=500")
    first = run("--json", *keyed)
    assert run("--json", *keyed) == first
    maker = ("--token", str(people["maker"].access_again["token"]))
    refused = CliRunner().invoke(app, ["--at", server.url, *maker, "fill", "weekly", "mill-7-item", "-a", "guard=yes"])
    assert "maintain" in str(refused.exception)  # and not that it may not read all that is declared
    assert "gauge.png" in told
    assert "M107" in run("forms", "filled", "--item", "mill-7-item")


def test_another_party_is_told_what_it_sees_and_no_more(platform: Platform, people: dict[str, Client]) -> None:
    boss, maker = people["boss"], people["maker"]
    (offered,) = maker.forms.of("mill-7-item")
    assert (offered["may"], offered["form"]["applies"]) == (False, [])
    for asked in (lambda: maker.forms.of("mill-8-item"), maker.forms, lambda: maker.forms.version("weekly")):
        with pytest.raises((NotFound, Denied)):
            asked()
    answers = {"guard": False, "pressure": 650, "why": "painted"}
    done = boss.forms.fill({**WELL, "at": "2026-05-01T08:12:00Z", "version": 1, "answers": answers})
    other = boss.forms.fill({**WELL, "at": "2026-05-01T08:13:00Z", "version": 1, "answers": FINE})
    seen = maker.forms.get(done["id"])
    assert seen["withheld"]
    assert seen["answers"] == {"guard": False, "why": "painted"}  # the pressure is of a group that is not granted
    assert seen["actor"] == ""
    assert [one["field"] for one in seen["amiss"]] == ["guard"]
    hidden = boss.forms.fill({**WELL, "at": "2026-05-01T08:13:30Z", "version": 1, "answers": {**FINE, "pressure": 900}})
    assert maker.forms.get(hidden["id"])["amiss"] == []
    since = parse_time("2026-05-01T08:13:10Z")
    terms = {"selector": Selector(twins=("mill-7",)), "history_from": since}
    platform.gate.grant("party:maker", {"read"}, groups=["condition"], **terms)
    assert maker.forms.get(hidden["id"])["answers"]["pressure"] == 900
    assert "pressure" not in maker.forms.get(other["id"])["answers"]  # it was read before that
    assert {one["id"] for one in maker.forms.filled().items} >= {done["id"], other["id"]}
    with pytest.raises(Denied):
        maker.forms.fill({**WELL, "at": "2026-05-01T08:14:00Z", "answers": FINE})


def test_a_party_hands_in_what_it_filled_in_before_its_order_was_closed(
    platform: Platform, people: dict[str, Client]
) -> None:
    gate, orders = platform.gate, platform.work.orders
    gate.grant("party:maker", {"maintain"}, Selector(twins=("mill-7",)), groups=["configuration"])
    orders.put(WorkSpec(id="wo-7", item="mill-7-item", twin="mill-7", job="JP-1"))
    orders.put(WorkSpec(id="wo-8", item="mill-7-item", twin="mill-7", job="JP-2"))
    maker, at = people["maker"], to_rfc3339(platform.clock.now())
    handed = {"form": "start-up", "item": "mill-7-item", "at": at, "answers": {"level": True}, "key": "cellar"}
    platform.clock.step(60)  # type: ignore[attr-defined]
    orders.move("wo-7", WorkState.CANCELLED)
    for wrong in ({"order": "wo-8"}, {"form": "none"}, {}):
        with pytest.raises(NotFound, match=r"there is no form '[a-z-]*' for it"):  # and not why
            maker.forms.fill({**handed, **wrong})
    done = maker.forms.fill({**handed, "order": "wo-7"})
    platform.forms.declared.withdraw("start-up")
    assert maker.forms.fill({**handed, "order": "wo-7"})["id"] == done["id"]
    platform.forms.declared.apply(FORMS)


def test_what_a_twin_was_is_not_judged_by_what_it_became(platform: Platform) -> None:
    head = "forms: [{id: taking-over, title: Taking over, types: [mill], stages: [planned]"
    text = f"{head}, fields: [{{name: level, ask: Is it level}}]}}]"
    platform.forms.declared.apply(text)
    over = {"form": "taking-over", "item": "mill-7-item", "at": platform.clock.now()}
    platform.clock.step(60)  # type: ignore[attr-defined]
    platform.change(lambda tx: platform.registry.set_stage(tx, "mill-7", LifeStage.BUILT))
    assert platform.forms.fill(filling(platform, {"level": True}, **over)).form == "taking-over"
    with pytest.raises(Conflict, match="mill-7 is built"):
        platform.forms.fill(filling(platform, {"level": True}, **{**over, "at": platform.clock.now()}))
    platform.forms.declared.withdraw("taking-over")


def test_forms_and_answers_go_along_when_a_plant_leaves(platform: Platform, tmp_path: Path) -> None:
    export_everything(platform, tmp_path / "out", lambda folder: Platform.open(folder, run_connectors=False))
    import_everything(tmp_path / "out", tmp_path / "new")
    with Platform.open(tmp_path / "new", run_connectors=False) as other:
        before = platform.forms.filled(FilledQuery(limit=1000)).items
        assert other.forms.filled(FilledQuery(limit=1000)).items == before
        assert other.forms.version("weekly", 1) == platform.forms.version("weekly", 1)


def test_what_people_wrote_is_gone_with_them(platform: Platform) -> None:
    account = platform.gate.accounts.add("leaver", "a long password 17", Role.OPERATOR)
    done = platform.forms.fill(
        filling(platform, {"guard": False, "pressure": 500, "why": "my own words"}), actor=account.id
    )
    with platform.database.read() as tx:
        assert "my own words" not in str(tx.scalar(select(filled_table.c.body).where(filled_table.c.id == done.id)))
    looks = f"sealed:{account.id}:AAAA"
    plain = platform.forms.fill(filling(platform, {**FINE, "pump": looks}), actor="user-1")
    platform.erasures.erase_person(account.id)
    assert platform.forms.get(plain.id).answers["pump"] == looks  # a serial number is no word of a person
    assert "my own words" not in str(platform.forms.get(done.id).answers)
