"""What may stand where: over several steps, one way, on conditions; and every answer on it says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.configuration import (
    Basis,
    Book,
    Configuration,
    Fitting,
    ItemSpec,
    Level,
    PartsDocument,
    Span,
    Verdict,
    parse_parts,
    piece,
)
from gemel.configuration.operations import Install, Swap
from gemel.configuration.parts.interchange import reached, stands_for
from gemel.configuration.questions.threats import Gravity
from gemel.errors import GemelError, InvalidDocument, RuleBroken
from gemel.thread import Phase, Record
from gemel.work_pack.fitting import Fits, wanted
from tests.configuration.conftest import World, day

SEEN = Basis(seen=True)
PARTS = """
parts:
  - part: MILL
    end_item: true
    slots: [{slot: pump}, {slot: control}, {slot: seat, count: 2}, {slot: valve}]
    rules:
      - {slot: pump, part: PUMP, revisions: [A]}
      - {slot: pump, part: BANNED, level: block}
      - {slot: control, part: PLC, requires: [{part: PUMP}]}
      - {slot: valve, part: VALVE}
      - {slot: valve, part: VALVE, revisions: [Y], level: block}
  - {part: PUMP, revisions: [{revision: A}, {revision: B, replaces: [A]}, {revision: C, replaces: [B]}]}
  - part: NEW
    revisions:
      - {revision: 1, replaces: [{what: PUMP/C, effectivity: {serials: [100..]}, excludes: [{part: OLD-PLC}]}]}
      - {revision: 2, replaces: [{what: NEW/1, alone: true}]}
      - {revision: 3, replaces: [1]}
  - {part: BANNED, revisions: [{revision: X, replaces: [PUMP]}]}
  - {part: VALVE, revisions: [{revision: X}, {revision: Y, replaces: [X]}, {revision: Z, replaces: [Y]}]}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('interchange') / 'configuration.sqlite'}")
    world.clock.time = day(1, 1)
    yield world
    world.configuration.shared.close()
    world.database.close()


@pytest.fixture
def known(shop: World) -> Configuration:
    conf = shop.configuration
    conf.parts.apply(conf.parts.plan(parse_parts(PARTS), prune=True))
    return conf


_names = count(1)


def mill(conf: Configuration, serial: str = "") -> str:
    number = next(_names)
    conf.create(ItemSpec(id=f"M{number}", part="MILL", serial=serial and f"{serial}"), day(1, 1))
    return f"M{number}"


def put(conf: Configuration, parent: str, slot: str, part: str, revision: str = "") -> str:
    name = f"I{next(_names)}"
    spec = ItemSpec(id=name, part=part, revision=revision, serial=name)
    conf.do(Install(child=name, parent=parent, slot=slot, at=day(1, 2), spec=spec), basis=SEEN)
    return name


def asked(conf: Configuration, machine: str, part: str, revision: str = "", slot: str = "pump") -> Fitting:
    fitter = conf.fitter(machine, day(2, 1))
    place = fitter.place(machine, slot)
    assert place is not None
    return fitter.fitting(place, piece(part, revision))


def test_what_replaces_is_followed_over_several_steps_one_way(known: Configuration) -> None:
    machine = mill(known)
    assert asked(known, machine, "PUMP", "C").instead == ("PUMP B", "PUMP A")
    assert asked(known, machine, "PUMP", "C").fits is True
    book = Book(known.parts.all())
    assert reached(book, "NEW") == {"PUMP", "NEW"}
    assert ("PUMP", "C") not in stands_for(book, "PUMP", "", "B", lambda _: True)
    assert [one.part for one in known.parts.where_used("NEW")] == ["MILL"]


def test_conditions_of_a_step_are_those_of_this_machine(known: Configuration) -> None:
    told = {serial: asked(known, mill(known, serial), "NEW", "1") for serial in ("99", "150", "")}
    assert [told[serial].fits for serial in ("99", "150", "")] == [False, True, None]
    assert "it stands in for PUMP A only for 100..; without OLD-PLC" in told["99"].why
    machine = mill(known, "151")
    put(known, machine, "seat", "OLD-PLC")
    assert asked(known, machine, "NEW", "1").fits is False


def test_what_replaces_one_alone_does_not_go_where_that_one_stands_in(known: Configuration) -> None:
    machine = mill(known, "152")
    assert asked(known, machine, "NEW", "3").fits is True
    assert asked(known, machine, "NEW", "2").fits is False


def test_what_is_banned_stays_banned_whatever_it_replaces(known: Configuration) -> None:
    machine = mill(known, "153")
    told = asked(known, machine, "BANNED", "X")
    assert (told.fits, told.level, told.why) == (False, Level.BLOCK, "it must not be here")
    fitter = known.fitter(machine, day(2, 1))
    offered = fitter.allowed(fitter.places[0])
    assert [(one.part, one.revisions, one.instead[-1:]) for one in offered] == [
        ("PUMP", ("A",), ()),
        ("PUMP", ("B",), ("PUMP A",)),
        ("PUMP", ("C",), ("PUMP A",)),
        ("NEW", ("1",), ("PUMP A",)),
        ("NEW", ("3",), ("PUMP A",)),
    ]


def test_a_ban_is_of_what_it_names_and_not_of_what_replaces_that(known: Configuration) -> None:
    machine = mill(known, "160")
    told = {name: asked(known, machine, "VALVE", name, "valve").fits for name in "XYZ"}
    assert told == {"X": True, "Y": False, "Z": True}
    put(known, machine, "valve", "VALVE", "Z")
    assert known.findings(machine, day(2, 1)) == []


def test_what_else_in_the_machine_would_break_is_told(known: Configuration) -> None:
    machine = mill(known, "154")
    put(known, machine, "pump", "PUMP", "A")
    put(known, machine, "control", "PLC")
    told = asked(known, machine, "NEW", "1")
    assert told.fits is False
    assert "PLC needs PUMP in the same machine" in told.why


def test_an_offer_says_what_it_waits_for(known: Configuration) -> None:
    fitter = known.fitter(mill(known, "155"), day(2, 1))
    (plc,) = fitter.allowed(fitter.places[1])
    assert (plc.part, plc.now) == ("PLC", False)
    assert "not now: PLC needs PUMP" in str(plc)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ("{what: NIL}", "what"),
        ("{what: PUMP/Q}", "what"),
        ("{what: PUMP, effectivity: {from: tomorrow}}", "effectivity.from"),
        ("{what: PUMP, requires: [{part: PUMP, revisions: [B..]}]}", "requires[0].revisions[0]"),
    ],
)
def test_what_is_wrong_with_a_step_is_told_where_it_stands(known: Configuration, told: str, field: str) -> None:
    text = f"parts: [{{part: PUMP}}, {{part: X, revisions: [{{revision: A, replaces: [{told}]}}]}}]"
    with pytest.raises(InvalidDocument) as caught:
        known.parts.plan(parse_parts(text))
    assert [one.field for one in caught.value.problems] == [f"parts[1].revisions[0].replaces[0].{field}"]


# all answers agree

REVISIONS = ("A", "B", "C")
SERIALS = ("05", "15", "25")
effectivity = st.sampled_from(({}, {"serials": ["10..20"]}, {"serials": ["..20"], "from": "2026-03-01"}))
conditions = st.lists(st.sampled_from(({"part": "X"}, {"part": "X", "revisions": ["B.."]}, {"part": "P"})), max_size=1)
conditional = {"effectivity": effectivity, "requires": conditions, "excludes": conditions}
rule = st.fixed_dictionaries(
    {
        "slot": st.just("s"),
        "part": st.sampled_from("PQ"),
        "revisions": st.lists(st.sampled_from(("A", "B..", "..B", "C")), max_size=1),
        "of": st.lists(st.sampled_from(("A", "B..")), max_size=1),
        "level": st.sampled_from(("allow", "allow", "warn", "concession", "block")),
        **conditional,
    }
)
step = st.sampled_from(("A", "B", "P", "Q", "R", "P/A", "Q/B", "R/C"))
replaced = step | st.fixed_dictionaries({"what": step, "alone": st.booleans(), **conditional})
part = st.lists(st.lists(replaced, max_size=2), min_size=3, max_size=3)
case = st.fixed_dictionaries(
    {
        "rules": st.lists(rule, min_size=1, max_size=4),
        "parts": st.tuples(part, part, part),
        "slot": st.fixed_dictionaries(
            {"otherwise": st.sampled_from(("warn", "concession", "block")), "safety": st.booleans()}
        ),
        "machine": st.tuples(st.sampled_from(SERIALS), st.sampled_from(("", *REVISIONS))),
        "other": st.sampled_from((None, ("X", "A"), ("X", "C"), ("X", ""), ("P", "A"))),
        "held": st.sampled_from((None, ("Q", "B"))),
        "new": st.tuples(st.sampled_from("PQR"), st.sampled_from(("", *REVISIONS))),
    }
)


def document(given: dict[str, Any]) -> PartsDocument:
    revisions = [
        [{"revision": name, "replaces": told} for name, told in zip(REVISIONS, one, strict=True)]
        for one in given["parts"]
    ]
    plain = [{"revision": name} for name in REVISIONS]
    slots = [{"slot": "s", **given["slot"]}, {"slot": "t"}]
    parts = [{"part": "M", "end_item": True, "revisions": plain, "slots": slots, "rules": given["rules"]}]
    parts += [{"part": name, "revisions": told} for name, told in zip("PQR", revisions, strict=True)]
    return parse_parts(json.dumps({"parts": [*parts, {"part": "X", "revisions": plain}]}))


def agree(world: World, given: dict[str, Any]) -> None:
    conf = world.configuration
    conf.parts.apply(conf.parts.plan(document(given), prune=True))
    number, now = next(_names), day(2, 1)
    machine, new = f"A{number}", f"N{number}"
    serial, revision = given["machine"]
    spec = ItemSpec(id=machine, part="M", revision=revision, serial=f"{serial}.{number}")
    conf.create(spec, day(1, 1))
    held = put(conf, machine, "s", *given["held"]) if given["held"] else ""
    if given["other"]:
        put(conf, machine, "t", *given["other"])
    conf.create(ItemSpec(id=new, part=given["new"][0], revision=given["new"][1], serial=new), day(1, 1))

    fitter = conf.fitter(machine, now)
    place = fitter.place(machine, "s")
    assert place is not None
    told = fitter.fitting(place, piece(*given["new"]))
    offered = [one for one in fitter.allowed(place) if one.part == given["new"][0]]
    record = Record(
        id="job", kind="job-plan", title="", phase=Phase.SERVICE, revision="", system="", external="", url="",
        attributes={"parts": [{"part": given["new"][0], "revision": given["new"][1], "slot": "s"}]},
        valid=Span(0), recorded=Span(0), act=1, origin=None,
    )  # fmt: skip
    (kit,) = wanted([record], conf.tree(machine, now), fitter)
    said = (
        Swap(parent=machine, slot="s", new=new, at=now)
        if held
        else Install(child=new, parent=machine, slot="s", at=now)
    )
    (tried,) = conf.do_all([(said, Basis())], dry_run=True)
    conf.do(said, basis=SEEN)
    (found,) = [one for one in conf.sides(machine, now).slots if one.path == ("s",)]
    levels = [one.level for one in conf.findings(machine, now) if one.item == new]
    stops = [one for one in conf.threats(machine, now) if one.item == new and one.gravity is Gravity.STOPS]

    assert told.level == max(levels, key=list(Level).index, default=Level.ALLOW)
    assert isinstance(tried, RuleBroken if told.level in (Level.BLOCK, Level.CONCESSION) else object)
    assert isinstance(tried, GemelError) == (told.level in (Level.BLOCK, Level.CONCESSION))
    assert {Verdict.ALLOWED: True, Verdict.CONCESSION: True, Verdict.UNSURE: None, Verdict.NOT_ALLOWED: False}.get(
        found.verdict, True
    ) is told.fits
    if place.rules:
        assert {Fits.YES: True, Fits.UNKNOWN: None, Fits.NO: False}[kit.fits] is told.fits
    if told.level is Level.BLOCK:
        assert stops
    now_allowed = [one for one in offered if not one.revisions or given["new"][1] in named(one.revisions)]
    if told.fits and place.lines() and found.verdict is not Verdict.FREE and told.instead:
        assert any(one.now for one in now_allowed)
    if told.fits is False:
        assert not any(one.now and one.instead and given["new"][1] in one.revisions for one in offered)


def named(ranges: tuple[str, ...]) -> set[str]:
    told = {"A": "A", "B": "B", "C": "C", "B..": "BC", "..B": "AB"}
    return {name for one in ranges for name in told[one]}


@settings(max_examples=8, deadline=None)
@given(given=case)
def test_rules_kits_sides_and_gaps_say_the_same(shop: World, given: dict[str, Any]) -> None:
    agree(shop, given)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None)
@given(given=case)
def test_rules_kits_sides_and_gaps_say_the_same_in_many_more_cases(shop: World, given: dict[str, Any]) -> None:
    agree(shop, given)
