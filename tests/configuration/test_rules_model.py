"""What a slot takes, held against a plain reading of its rules: part, revisions, serial numbers, dates and levels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.configuration import Book, Effectivity, Item, ItemKind, Level, Node, PartType, Revision, SlotRule, SlotSpec
from gemel.configuration.parts.rules import check
from tests.configuration.conftest import day

ORDER = ("Z", "AA", "AB", "1")
SERIALS = ("", "05", "10", "15", "20", "25")
MONTHS = (1, 3, 5, 7)
LEVELS = (Level.ALLOW, Level.WARN, Level.CONCESSION, Level.BLOCK)

told = st.fixed_dictionaries(
    {
        "part": st.sampled_from("PQ"),
        "revisions": st.lists(st.sampled_from(ORDER), max_size=3, unique=True),
        "serials": st.none() | st.tuples(st.sampled_from(SERIALS[1:]), st.sampled_from(SERIALS[1:])).map(sorted),
        "start": st.none() | st.sampled_from(MONTHS),
        "until": st.none() | st.sampled_from(MONTHS),
        "level": st.sampled_from(LEVELS),
    }
)
case = st.fixed_dictionaries(
    {
        "rules": st.lists(told, max_size=6),
        "otherwise": st.sampled_from((Level.WARN, Level.CONCESSION, Level.BLOCK)),
        "safety": st.booleans(),
        "part": st.sampled_from("PQR"),
        "revision": st.sampled_from(("", *ORDER)),
        "serial": st.sampled_from(SERIALS),
        "month": st.sampled_from((1, 2, 3, 4, 5, 6, 7, 8)),
    }
)


def item(id: str, part: str, revision: str, serial: str) -> Item:
    return Item(
        id=id, part=part, revision=revision, maker="", serial=serial, lot="", kind=ItemKind.HARDWARE, twin="", born=0
    )


def found(given: dict[str, Any]) -> Level | None:
    """The level at which the slot does not simply take it."""
    rules = tuple(
        SlotRule(
            slot="s",
            part=one["part"],
            revisions=tuple(one["revisions"]),
            effectivity=Effectivity(
                serials=("..".join(one["serials"]),) if one["serials"] else (),
                start=f"2026-{one['start']:02d}-01" if one["start"] else "",
                until=f"2026-{one['until']:02d}-01" if one["until"] else "",
            ),
            level=one["level"],
        )
        for one in given["rules"]
    )
    slot = SlotSpec(slot="s", otherwise=given["otherwise"], safety=given["safety"])
    revisions = tuple(Revision(revision=one) for one in ORDER)
    book = Book(
        [
            PartType(part="M", end_item=True, slots=(slot,), rules=rules),
            *(PartType(part=part, revisions=revisions) for part in "PQR"),
        ]
    )
    inner = Node(item=item("I", given["part"], given["revision"], "i"), path=("s",), since=0)
    machine = Node(item=item("M1", "M", "", given["serial"]), path=(), since=0, parts=(inner,))
    levels = [one.level for one in check(book, machine, day(given["month"], 15))]
    assert len(levels) <= 1
    return levels[0] if levels else None


def expected(given: dict[str, Any]) -> Level | None:
    """The same, read off the rules one by one; None of a condition: nobody can tell."""

    def fits(rule: dict[str, Any]) -> bool | None:
        serial, month = given["serial"], given["month"]
        conditions: list[bool | None] = [rule["part"] == given["part"]]
        if rule["revisions"]:
            conditions.append(given["revision"] in rule["revisions"] if given["revision"] else None)
        if rule["serials"]:
            conditions.append(rule["serials"][0] <= serial <= rule["serials"][1] if serial else None)
        conditions.append(rule["start"] is None or rule["start"] <= month)
        conditions.append(rule["until"] is None or month < rule["until"])
        return False if False in conditions else None if None in conditions else True

    rules = given["rules"]
    surely = [rule["level"] for rule in rules if fits(rule) is True]
    if Level.BLOCK in surely:
        return Level.BLOCK
    for level in LEVELS[:3]:
        if level in surely:
            return None if level is Level.ALLOW else level
    others = [rule for rule in rules if rule["level"] is not Level.BLOCK]
    if not others:
        return None
    unsure = any(fits(rule) is None for rule in others)
    return Level.WARN if unsure and not given["safety"] else given["otherwise"]


@settings(max_examples=100, deadline=None)
@given(case)
def test_a_slot_takes_what_a_plain_reading_of_its_rules_lets_in(given: dict[str, Any]) -> None:
    assert found(given) == expected(given)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(case)
def test_a_slot_takes_what_its_rules_let_in_in_many_more_cases(given: dict[str, Any]) -> None:
    assert found(given) == expected(given)
