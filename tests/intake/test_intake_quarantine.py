"""What is quarantined can be looked at, replayed after a fix, once, and discarded."""

from datetime import UTC, datetime

import pytest

from gemel.clock import SECOND
from gemel.errors import InvalidInput
from gemel.intake import Happened, Message, Refusal, ReplayRule, SourceRule
from gemel.intake.quarantine import Held, Quarantine
from gemel.intake.replaying import mended
from gemel.twin import PropertyType, TwinSpec, TwinType
from tests.intake.plant import PRESS, START, World, reading

YEAR = 365 * 86_400 * SECOND


def widen(world):
    """The fix: the type allows what was refused."""
    wide = tuple(
        p if p.name != "temperature" else PropertyType(name="temperature", unit="Cel", maximum=2000, aliases=p.aliases)
        for p in PRESS.properties
    )
    world.change(lambda tx: world.registry.put_type(tx, TwinType(id="press", properties=wide, events=PRESS.events)))


def test_a_replay_after_a_fix_takes_what_was_refused_once(world, tmp_path):
    world.one("temperature", 900.0, time=START - 5)
    world.one("temperature", 1500, unit="K", time=START - 4)
    refused = world.intake.replay().result(60)
    assert (refused.accepted, refused.quarantined) == (0, 2)
    assert len(world.held()) == 2  # still the same two
    widen(world)
    receipt = world.intake.replay(actor="p-1").result(60)
    assert (receipt.accepted, receipt.repeated, receipt.quarantined) == (2, 0, 0)
    assert world.values() == pytest.approx([900.0, 1226.85])
    assert [said[2] for said in world.readings()] == [START - 5, START - 4]
    assert world.held() == []
    done = world.held(state="replayed")
    assert sorted(one.position for one in done) == [receipt.first, receipt.first + 2]
    again = world.intake.replay([one.id for one in done]).result(60)
    assert (again.accepted, again.repeated) == (0, 2)
    world.close()
    later = World(tmp_path / "gemel.sqlite")
    assert later.intake.replay([one.id for one in done]).result(60).accepted == 0
    later.close()


def test_a_replay_finds_a_twin_that_was_made_since(world):
    world.tell(Message(readings=[reading(twin="new")], events=[Happened(twin="new", event="overheated", id="e-1")]))
    world.change(lambda tx: world.registry.put_twin(tx, TwinSpec(id="new", types=("press",))))
    world.clock.step(60)
    assert world.intake.replay(twin="new").result(60).accepted == 2
    assert world.readings()[0][2] == START  # without a time of its own it is the time it came in
    assert world.changes("event.happened")[0].time == START
    event = Message(events=[Happened(twin="new", event="overheated", id="e-1")])
    assert world.tell(event).repeated == 1


def test_a_wrong_clock_is_mended_by_a_rule_and_the_original_stays(world):
    wrong = START - 20 * YEAR
    for i in range(3):
        world.one("force", float(i), time=wrong + i * SECOND)
    assert world.tell(Message(events=[Happened(twin="press-1", event="overheated", time=wrong)])).quarantined == 1
    rule = ReplayRule(shift_s=20 * 365 * 86_400)
    receipt = world.intake.replay(rule=rule, code="clock").result(60)
    assert receipt.accepted == 4
    assert [said[2] for said in world.readings()] == [START, START + SECOND, START + 2 * SECOND]
    kept = sorted(world.held(state="replayed"), key=lambda one: one.id)
    assert [one.payload.time for one in kept] == [wrong, wrong + SECOND, wrong + 2 * SECOND, wrong]
    changes = world.changes("quarantine.replayed")
    assert [change.body["quarantine"] for change in changes] == [one.id for one in kept]
    assert changes[0].body["rule"]["shift_s"] == 20 * 365 * 86_400
    assert changes[0].body["told"] == wrong
    assert changes[0].subject == "press-1"


def test_a_rule_that_leaves_the_clock_wrong_leaves_it_held(world):
    world.one("force", 1.0, time=START - 20 * YEAR)
    assert world.intake.replay(rule=ReplayRule(shift_s=60)).result(60).quarantined == 1
    assert [one.state for one in world.held()] == ["held"]
    world.intake.believe("plc", SourceRule(past_s=1e10))
    assert world.intake.replay().result(60).accepted == 1


def at(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("rule", "told", "true"),
    [
        (ReplayRule(shift_s=-3600), at(2020, 1, 1, 12), at(2020, 1, 1, 11)),
        (ReplayRule(shift_s=0.5), 1_000_001, 1_500_001),
        (ReplayRule(time_zone="Europe/Berlin"), at(2020, 1, 15, 12), at(2020, 1, 15, 11)),
        (ReplayRule(time_zone="Europe/Berlin"), at(2020, 7, 15, 12), at(2020, 7, 15, 10)),
        (ReplayRule(rate=0.5, anchor=at(2020, 1, 1)), at(2020, 1, 1, 2), at(2020, 1, 1, 1)),
        (ReplayRule(rate=1 / 1.01, anchor=0, shift_s=10), 101 * SECOND, 110 * SECOND),
    ],
)
def test_rules_mend_times(rule, told, true):
    assert mended(told, rule) == true


@pytest.mark.parametrize(
    "rule",
    [ReplayRule(rate=0.0), ReplayRule(rate=float("nan")), ReplayRule(shift_s=1e12), ReplayRule(time_zone="Mars/Base")],
)
def test_rules_that_mean_nothing_are_refused(world, rule):
    with pytest.raises(InvalidInput):
        world.intake.replay([], rule)


def test_pages_follow_one_another_and_can_be_narrowed(world):
    for i in range(25):
        world.tell(Message(readings=[reading(twin=f"no-{i % 5}")]), source=f"plc-{i % 2}")
    world.one("force", "x", source="plc-9")
    seen, cursor = [], None
    while True:
        page = world.intake.quarantined(limit=10, cursor=cursor, code="unknown-twin")
        seen += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 25
    assert len(world.held(source="plc-0")) == 13
    assert len(world.held(twin="no-3")) == 5
    for bad in ({"limit": 0}, {"cursor": "x' OR 1"}):
        with pytest.raises(InvalidInput):
            world.intake.quarantined(**bad)


def test_discarding_keeps_the_row_and_drops_the_content(world):
    world.one("force", "secret")
    (held,) = world.held()
    assert world.intake.discard([held.id, 999], actor="p-1").result(60)[0] == 1
    assert world.held() == []
    (gone,) = world.held(state="discarded")
    assert not gone.payload
    assert world.intake.replay([held.id]).result(60).accepted == 0
    assert world.intake.discard([held.id]).result(60)[0] == 0
    assert [change.body for change in world.changes("quarantine.discarded")] == [{"quarantine": [held.id]}]


def test_the_original_is_kept_as_it_came(world):
    odd = [float("nan"), {"b": 1, "a": [None]}, "ä" * 40_000, 2**80, "\ud800"]
    for value in odd:
        world.one("temperature", value)
    held = sorted(world.held(), key=lambda one: one.id)
    assert held[0].payload.value != held[0].payload.value  # NaN
    assert held[1].payload.value == odd[1]
    assert held[2].payload.value == odd[2]
    assert [one.form for one in held] == ["reading", "reading", "reading", "raw", "raw"]
    assert str(2**80).encode() in held[3].payload


def test_a_huge_payload_is_kept_in_part(world):
    world.one("program", "x" * 3_000_000)
    (held,) = world.held()
    assert held.size > 3_000_000
    assert len(held.payload) == 1 << 20


def test_a_source_that_floods_the_quarantine_fills_only_its_part(world):
    quarantine = Quarantine(world.database, max_held=5)
    refusal = Refusal(code="malformed", detail="no")
    with world.database.write() as tx:
        quarantine.write(tx, [Held("flood", 1, refusal, b"x")] * 9)
        quarantine.write(tx, [Held("other", 1, refusal, b"x")])
    assert [len(world.held(source=source)) for source in ("flood", "other")] == [5, 1]
    with world.database.write() as tx:
        quarantine.settle(tx, world.held(source="flood")[0].id, state="discarded")
        quarantine.write(tx, [Held("flood", 1, refusal, b"y")] * 2)
    assert len(world.held(source="flood")) == 5
