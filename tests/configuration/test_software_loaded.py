"""Software that was put into a slot, and what is reported to run there: what runs is what is reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import Applicability, Basis, Expected, Having, ItemKind, ItemSpec, parse_parts
from gemel.configuration.operations import Modify, Report
from gemel.configuration.questions.fleet import FleetPage
from gemel.errors import ConfigurationDiffers, GemelError
from tests.configuration.conftest import World, day

PARTS = "parts: [{part: FW, kind: software, revisions: [{revision: '1'}, {revision: '2'}, {revision: '3'}]}]"


def test_fleet_and_expectations_count_what_is_reported_and_not_what_was_put_there_before(plain: World) -> None:
    plain.clock.time = day(6, 1)
    made = plain.configuration
    made.parts.apply(made.parts.plan(parse_parts(PARTS)))
    made.create(ItemSpec(id="M", part="MILL"), day(1, 1))
    made.create(ItemSpec(id="fw", part="FW", revision="1", kind=ItemKind.SOFTWARE), day(1, 1))
    made.install("fw", "M", "plc", day(1, 1))
    made.do(Report(item="M", slot="plc", part="FW", version="2", at=day(3, 1)))
    old = Having.parse("FW:<2")

    def has(at: int) -> list[str]:
        return [one.root for one in made.fleet(old, at=at).machines]

    assert (has(day(2, 1)), has(day(4, 1))) == (["M"], [])
    (ever,) = made.fleet(old, during=(day(1, 1), day(6, 1))).machines
    assert [(one.start, one.end) for one in ever.spans] == [(day(1, 1), day(3, 1))]
    assert made.applies(Applicability(having=(old,)), "M").applies is False
    change = Modify(child="M", name="revision", value="B", at=day(6, 1))
    expects = (Expected(root="M", has=("!FW:<2", "FW:=2")),)
    made.do(change, basis=Basis(expects=expects), dry_run=True)
    made.do(Report(item="M", slot="plc", part="FW", version="1", at=day(5, 1)))
    assert has(day(5, 2)) == ["M"]
    with pytest.raises(ConfigurationDiffers):
        made.do(change, basis=Basis(expects=expects), dry_run=True)


# what was put into a slot, against what is reported there: held against a plain model

END = 12
SLOTS, HELD, HOLDERS = ("plc", "aux"), ("fw", "os"), ("M", "N", "card")
moments = st.integers(1, END - 1)
said = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(HELD), st.sampled_from(HOLDERS), st.sampled_from(SLOTS), moments),
        st.tuples(st.just("take"), st.sampled_from((*HELD, "card")), st.just(""), st.just(""), moments),
        st.tuples(st.just("put"), st.just("card"), st.sampled_from(("M", "N")), st.just("io"), moments),
        st.tuples(
            st.just("tell"),
            st.sampled_from(HOLDERS),
            st.sampled_from(("FW:1", "FW:2", "OS:2")),
            st.sampled_from(SLOTS),
            moments,
        ),
    ),
    max_size=12,
)
RUNS = iter(range(10**6))


def hold_against_the_model(world: World, acts: list[tuple[str, str, str, str, int]]) -> None:
    made, run = world.configuration, next(RUNS)
    parts = {"fw": "FW", "os": "OS"}
    name = {one: f"{run}-{one}" for one in (*HELD, *HOLDERS)}
    for one in name:
        kind = ItemKind.SOFTWARE if one in HELD else ItemKind.HARDWARE
        revision = "1" if one in HELD else ""
        made.create(
            ItemSpec(id=name[one], part=parts.get(one, "BOX"), serial=name[one], revision=revision, kind=kind), 0
        )
    reports: dict[tuple[str, str, int], tuple[str, str]] = {}
    for what, one, other, slot, at in acts:
        with suppress(GemelError):
            if what == "put":
                made.install(name[one], name[other], slot, at)
            elif what == "take":
                made.remove(name[one], at)
            else:
                part, _, version = other.partition(":")
                made.do(Report(item=name[one], slot=slot, part=part, version=version, at=at))
                reports[one, slot, at] = part, version
    places = {one: made.history(name[one]) for one in name}

    def held(one: str, at: int) -> tuple[str, str]:
        found = [(each.parent.split("-")[1], each.slot) for each in places[one] if each.valid.covers(at)]
        return found[0] if found else ("", "")

    def root(one: str, at: int) -> str:
        return root(held(one, at)[0], at) if held(one, at)[0] else name[one]

    def told(one: str, slot: str, at: int) -> tuple[str, str]:
        times = [then for holder, where, then in reports if (holder, where) == (one, slot) and then <= at]
        return reports[one, slot, max(times)] if times else ("", "")

    def running(part: str, version: str, at: int) -> set[str]:
        put = [one for one in HELD if (parts[one], "1") == (part, version) and not told(*held(one, at), at)[0]]
        runs = [one for one in HOLDERS for slot in SLOTS if told(one, slot, at) == (part, version)]
        return {root(one, at) for one in (*put, *runs)}

    mine = FleetPage(only=lambda part, serial, lot: serial.startswith(f"{run}-"))
    for part, version in (("FW", "1"), ("FW", "2"), ("OS", "1"), ("OS", "2")):
        having = Having(part=part, revisions=(version,))
        found = made.fleet(having, during=(1, END), page=mine).machines
        answered = {(one.root, at) for one in found for span in one.spans for at in range(span.start, span.end)}
        assert answered == {(one, at) for at in range(1, END) for one in running(part, version, at)}
        for at in (1, END - 1):
            applies = {one for one in name.values() if made.applies(Applicability(having=(having,)), one, at).applies}
            assert running(part, version, at) <= applies


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('loaded') / 'configuration.sqlite'}")
    world.clock.time = day(1, 1)
    yield world
    world.configuration.shared.close()
    world.database.close()


ANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=4, **ANY)
@given(said)
def test_software_that_was_put_into_a_slot_counts_while_nothing_is_reported_of_that_slot(
    shop: World, said: list[tuple[str, str, str, str, int]]
) -> None:
    hold_against_the_model(shop, said)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=200, **ANY)
@given(said)
def test_software_that_was_put_into_a_slot_counts_so_in_many_more_cases(
    shop: World, said: list[tuple[str, str, str, str, int]]
) -> None:
    hold_against_the_model(shop, said)


def test_what_else_is_reported_of_the_slot_takes_the_place_of_what_was_put_there(shop: World) -> None:
    acts = [("put", "fw", "M", "plc", 1), ("tell", "M", "OS:2", "plc", 4), ("tell", "M", "FW:2", "aux", 6)]
    hold_against_the_model(shop, acts)
    acts = [("put", "card", "M", "io", 1), ("put", "fw", "card", "plc", 2), ("tell", "card", "FW:2", "aux", 3)]
    hold_against_the_model(shop, acts)
