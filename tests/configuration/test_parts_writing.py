"""The parts book as a document: whatever is declared reads back as the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.configuration import parse_parts, parts_yaml
from gemel.configuration.parts.values import (
    Condition,
    Effectivity,
    LifeLimit,
    Material,
    PartType,
    Revision,
    SlotRule,
    SlotSpec,
)
from gemel.configuration.values import ItemKind, Level

BOOK = """\
gemel: 1
parts:
- part: MILL
  name: Milling machine
  end_item: true
  slots:
  - {slot: pump, mandatory: true}
  rules:
  - {slot: pump, part: P-7, revisions: [B..], effectivity: {serials: [A1..A9], until: '2026-06-01'}}
- part: '4711'
  revisions:
  - {revision: '08'}
  - {revision: '1e5', replaces: ['08']}
  limits:
  - {kind: hours, limit: 8000}
  traits:
    colour: 'on'
"""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What YAML 1.1, YAML 1.2 and people take for something else than text.
names = texts | st.sampled_from(
    ["08", "1e5", "0o17", "0x1F", "-.5", "+1", "1_000", "on", "no", "~", "null", "2026-01-01"]
)
several = st.lists(names, max_size=3).map(tuple)
amounts = st.floats(allow_nan=False, allow_infinity=False)
effective = st.builds(Effectivity, serials=several, lots=several, start=names, until=names)
conditions = st.lists(st.builds(Condition, part=names, revisions=several, slot=names), max_size=2).map(tuple)
rules = st.builds(
    SlotRule,
    slot=names,
    part=names,
    maker=names,
    revisions=several,
    of=several,
    effectivity=effective,
    requires=conditions,
    excludes=conditions,
    level=st.sampled_from(Level),
)
parts = st.builds(
    PartType,
    part=names,
    maker=names,
    name=texts,
    kind=st.sampled_from(ItemKind),
    end_item=st.booleans(),
    revisions=st.lists(st.builds(Revision, revision=names, replaces=several, note=texts), max_size=3).map(tuple),
    slots=st.lists(st.builds(SlotSpec, slot=names, name=texts, count=st.integers(1, 99)), max_size=2).map(tuple),
    rules=st.lists(rules, max_size=2).map(tuple),
    limits=st.lists(st.builds(LifeLimit, kind=names, limit=amounts, effectivity=effective), max_size=2).map(tuple),
    materials=st.lists(st.builds(Material, material=names, mass=amounts, hazard=texts), max_size=2).map(tuple),
    traits=st.dictionaries(names.filter(lambda name: name != "<<"), texts, max_size=2),
)
books = st.lists(parts, max_size=3)


def test_the_book_is_written_as_people_write_it() -> None:
    assert parts_yaml(parse_parts(BOOK).parts) == BOOK
    assert parts_yaml([]) == "gemel: 1\nparts: []\n"


@settings(max_examples=40, deadline=None)
@given(books)
def test_whatever_is_written_reads_back_as_the_same(book: list[PartType]) -> None:
    assert list(parse_parts(parts_yaml(book)).parts) == book


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(books)
def test_whatever_is_written_reads_back_as_the_same_for_long(book: list[PartType]) -> None:
    assert list(parse_parts(parts_yaml(book)).parts) == book
