"""The parts book: parts as a document, applied with the difference first, with all the states that it had."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.configuration import Configuration, PartsDocument, parse_parts, parts_schema
from gemel.configuration.parts.ordering import in_revisions, in_serials, natural
from gemel.configuration.parts.values import PartType, Revision
from gemel.errors import Conflict, InvalidDocument, NotFound
from tests.configuration.conftest import World

PARTS = """
gemel: 1
parts:
  - part: MILL
    name: Milling machine
    end_item: true
    slots:
      - {slot: pump, mandatory: true}
      - {slot: guard, mandatory: true, safety: true}
      - {slot: bolts, count: 8}
    rules:
      - {slot: pump, part: PUMP, revisions: [B..]}
      - {slot: pump, part: PUMP, revisions: [A], effectivity: {serials: [..M100], until: 2026-06-01}}
      - {slot: pump, part: OTHER, level: concession}
  - part: PUMP
    revisions:
      - revision: A
      - {revision: B, replaces: [A]}
      - revision: 10
    limits:
      - {kind: hours, limit: 2000}
"""


def apply(configuration: Configuration, text: str) -> str:
    plan = configuration.parts.plan(parse_parts(text))
    configuration.parts.apply(plan)
    return str(plan)


def test_a_document_is_applied_with_a_difference_that_people_can_read_and_only_once(plain: World) -> None:
    parts = plain.configuration.parts
    first = apply(plain.configuration, PARTS)
    assert first.startswith("2 to create, 0 to change, 0 to remove")
    assert not parts.plan(parse_parts(PARTS))
    assert "Nothing to do" in apply(plain.configuration, PARTS)
    assert [change.kind for change in plain.journaled] == ["parts.applied"]
    plain.clock.time = 5_000
    told = apply(plain.configuration, PARTS.replace("count: 8", "count: 12").replace("limit: 2000", "limit: 1800"))
    assert "slots.bolts.count: 8 → 12" in told
    assert "limits.hours.limit: 2000.0 → 1800.0" in told
    slot = parts.part("MILL").slot("bolts")
    before = parts.part("MILL", known=4_000).slot("bolts")
    assert (slot and slot.count, before and before.count) == (12, 8)
    assert [state.slots[2].count for _, state in parts.states("MILL")] == [8, 12]


def test_the_order_of_revisions_is_a_change_of_its_own(plain: World) -> None:
    apply(plain.configuration, "parts: [{part: P, revisions: [{revision: A}, {revision: B}]}]")
    told = apply(plain.configuration, "parts: [{part: P, revisions: [{revision: B}, {revision: A}]}]")
    assert 'order: ["A","B"] → ["B","A"]' in told


def test_what_a_document_does_not_have_stays_unless_it_is_pruned(plain: World) -> None:
    parts = plain.configuration.parts
    apply(plain.configuration, PARTS)
    only = parse_parts("parts: [{part: PUMP}]")
    assert "remove" not in str(parts.plan(only)).splitlines()[1]
    plan = parts.plan(only, prune=True)
    assert "- part MILL" in str(plan)
    parts.apply(plan)
    assert [part.part for part in parts.all()] == ["PUMP"]
    with pytest.raises(NotFound, match="no part 'MILL'"):
        parts.part("MILL")


def test_a_plan_of_before_is_refused(plain: World) -> None:
    parts = plain.configuration.parts
    old = parts.plan(parse_parts(PARTS))
    apply(plain.configuration, "parts: [{part: X}]")
    with pytest.raises(Conflict, match="plan again"):
        parts.apply(old)


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("parts:\n  - {part: P, slotz: []}", 2, "parts[0].slotz", "slots"),
        ("parts:\n  - part: P\n    rules:\n      - {slot: x, part: Q}", 4, "parts[0].rules[0].slot", "no slot 'x'"),
        (
            "parts:\n  - part: P\n    slots: [{slot: x}]\n    rules:\n      - {slot: x, part: P, revisions: [A..B]}",
            5,
            "parts[0].rules[0].revisions[0]",
            "order of the revisions of P is not declared",
        ),
        (
            "parts:\n  - part: P\n    revisions:\n      - revision: A\n      - revision: A",
            5,
            "parts[0].revisions[1].revision",
            "here twice",
        ),
        (
            "parts:\n  - part: P\n    limits:\n      - {kind: hours, limit: -1}",
            4,
            "parts[0].limits[0].limit",
            "more than 0",
        ),
        (
            "parts:\n  - part: P\n    slots:\n      - slot: x\n        effectivity: {from: 2026-13-01}",
            5,
            "parts[0].slots[0].effectivity.from",
            "2026-13-01",
        ),
        ("parts:\n  - {part: P}\n  - {part: P}", 3, "parts[1].part", "already"),
        ("parts:\n  - {part: P, revisions: [{revision: 1.10}]}", 2, "parts[0].revisions[0].revision", "text is wanted"),
        (
            "parts:\n  - {part: P, slots: [{slot: x, otherwise: allow}]}",
            2,
            "parts[0].slots[0].otherwise",
            "has no rules",
        ),
        (
            "parts:\n  - {part: P, revisions: [{revision: B, replaces: [Q]}]}",
            2,
            "parts[0].revisions[0].replaces[0]",
            "neither a revision of P nor a part",
        ),
    ],
)
def test_a_fault_is_told_with_its_line_and_field(plain: World, text: str, line: int, field: str, says: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        plain.configuration.parts.plan(parse_parts(text))
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (line, field)
    assert says in problem.message


def test_the_published_schema_takes_the_document(plain: World) -> None:
    import yaml

    schema = parts_schema()
    document: Any = yaml.safe_load(
        PARTS.replace("revision: 10", "revision: '10'").replace("2026-06-01", "'2026-06-01'")
    )
    jsonschema.validate(document, schema)
    assert "SlotRule" in schema["$defs"]
    assert "A9 is before A10" in schema["$defs"]["Effectivity"]["properties"]["serials"]["description"]
    assert schema["$defs"]["Effectivity"]["properties"].keys() >= {"from", "until"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"parts": [{"part": "P", "wrong": 1}]}, schema)


def test_where_a_part_is_used_counts_what_it_may_replace(plain: World) -> None:
    apply(
        plain.configuration,
        PARTS + "  - {part: PUMP-7, revisions: [{revision: A, replaces: [PUMP/B]}]}\n",
    )
    used = plain.configuration.parts.where_used("PUMP-7")
    assert {(one.part, one.slot) for one in used} == {("MILL", "pump")}


def test_a_part_of_one_maker_is_another_than_that_of_any(plain: World) -> None:
    apply(plain.configuration, "parts: [{part: P, name: any}, {part: P, maker: ACME, name: theirs}]")
    parts = plain.configuration.parts
    assert (parts.part("P").name, parts.part("P", "ACME").name, parts.part("P", "OTHER").name) == (
        "any",
        "theirs",
        "any",
    )


def test_the_order_of_revisions_is_that_of_the_book_not_of_letters() -> None:
    names = ["Y", "Z", "AA", "9", "10"]
    part = PartType(part="P", revisions=tuple(Revision(revision=name) for name in names))
    assert [name for name in names if in_revisions(part, name, ("Z..9",))] == ["Z", "AA", "9"]
    assert in_revisions(part, "10", ("..9",)) is False
    assert in_revisions(part, "", ("..9",)) is None
    assert in_revisions(part, "7", ("..9",)) is None
    assert in_revisions(None, "7", ("7",)) is True


def test_serial_numbers_are_ordered_as_people_read_them() -> None:
    assert sorted(["A10", "A9", "A100", "a1"], key=natural) == ["a1", "A9", "A10", "A100"]
    assert in_serials("A120", ("A100..A250", "A300.."))
    assert not in_serials("A251", ("A100..A250", "A300.."))
    assert in_serials("A1000", ("A300..",))
    assert not in_serials("B400", ("A300..",))
    assert in_serials("007", ("1..10",))
    assert in_serials("A" + "9" * 5000, ("A1.." + "A1" + "0" * 5000,))  # more than Python makes a number of
    assert in_serials("B5", ("A1..C99",))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_range_of_numbers_holds_what_lies_between(first: int, last: int, one: int) -> None:
    assert in_serials(f"SN-{one}", (f"SN-{first}..SN-{last}",)) == (first <= one <= last)


def test_a_document_may_be_made_in_a_program(plain: World) -> None:
    parts = plain.configuration.parts
    parts.apply(parts.plan(PartsDocument(parts=(PartType(part="P"),))))
    assert parts.part("P").part == "P"
