"""Pages of what somebody sees, among very much that they do not see: nothing is left out, and nothing is told of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.configuration import Configuration, ItemSpec
from gemel.platform import Platform
from gemel.thread import (
    DocumentSpec,
    LinkSpec,
    Measurement,
    MeasurementQuery,
    RecordQuery,
    RecordSpec,
    Status,
    Thread,
    paging,
)
from gemel.thread.paging import seen_page
from gemel.thread.sight import All
from gemel.twin import Page
from tests.thread.conftest import node


class Only(All):
    """Sees some items, and nothing else by itself."""

    everything = False

    def __init__(self, *items: str) -> None:
        self.items = items

    def twin(self, _id: str, _property: str = "") -> bool:
        return False

    def item(self, id: str) -> bool:
        return id in self.items

    def part(self, part: str) -> bool:
        return part == "SEAL"


@pytest.fixture(scope="module")
def woven(plant: Platform) -> Thread:
    """Of 30 seals, seal-25 alone is seen; each has a record, a document and a measurement."""
    names = [f"seal-{number:02}" for number in range(30)]
    for name in names:
        plant.configuration.create(ItemSpec(id=name, part="SEAL"), plant.clock.now())
    links = [LinkSpec(kind="made", source=node(f"record:run-{one}"), target=node(f"item:{one}")) for one in names]
    told = {"number": 0, "characteristic": "d", "quantity": "diameter", "unit": "mm", "status": Status.PASS}
    none = dict.fromkeys(("nominal", "lower", "upper", "value", "time", "origin"))
    measured = [(Measurement(inspection=f"run-{one}", item=one, act=0, **told, **none), None) for one in names]  # type: ignore[arg-type]  # of many kinds
    plant.thread.weave([RecordSpec(id=f"run-{one}", kind="operation") for one in names], links, measured)
    for one in names:
        plant.thread.add_document(DocumentSpec(id=f"paper-{one}"), b"p", links=[node(f"item:{one}")])
    return plant.thread


ASKED: list[tuple[str, Callable[[Thread, int], Page[object]]]] = [
    ("run-seal-25", lambda it, after: it.records(RecordQuery(after=after, limit=2), sight=Only("seal-25"))),
    ("seal-25", lambda it, after: it.measurements(MeasurementQuery(after=after, limit=2), sight=Only("seal-25"))),
    ("paper-seal-25", lambda it, after: it.documents(after=after, limit=2, sight=Only("seal-25"))),
]


@pytest.mark.parametrize(("seen", "ask"), ASKED, ids=["records", "measurements", "documents"])
def test_what_is_seen_is_found_behind_any_number_of_hidden_ones(
    woven: Thread, monkeypatch: pytest.MonkeyPatch, seen: str, ask: Callable[[Thread, int], Page[object]]
) -> None:
    assert [getattr(one, "item", getattr(one, "id", "")) for one in ask(woven, 0).items] == [seen]
    monkeypatch.setattr(paging, "HIDDEN", 10)
    monkeypatch.setattr(paging, "_AT_ONCE", 5)
    found, after, pages = [], 0, 0
    while True:
        page = ask(woven, after)
        found += [getattr(one, "item", getattr(one, "id", "")) for one in page.items]
        pages += 1
        if page.next is None:
            break
        assert page.next.isdecimal(), "nothing of what is hidden is in it"
        after = int(page.next)
    assert (found, pages > 2) == ([seen], True)


def test_a_part_of_which_few_items_are_seen_is_followed_to_its_end(
    woven: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "HIDDEN", 10)
    monkeypatch.setattr(paging, "_AT_ONCE", 5)
    told, after, nexts = [], "", list[str]()
    while True:
        asked = woven.asked(depth=1, after=after, kinds=("is_a",))
        page = woven.follow(node("part:SEAL"), asked, sight=Only("seal-25"))
        told += [one.node.id for one in page.reached]
        if not (after := page.next):
            break
        nexts.append(after)
    assert told == ["seal-25"]
    assert nexts
    assert not [one for one in nexts if "seal" in one]


def test_what_an_item_is_is_asked_without_what_it_consists_of(
    plant: Platform, woven: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = plant.configuration
    ids = ["m-1", "pump-100", "seal-01"]
    assert known.items([*ids, "nobody"]) == {id: known.tree(id).item for id in ids}
    before = woven.follow(node("item:m-1"), woven.asked(depth=1))

    def refused(*_given: object, **_how: object) -> None:
        raise AssertionError("a whole tree is read for one item")

    monkeypatch.setattr(Configuration, "tree", refused)
    assert woven.follow(node("item:m-1"), woven.asked(depth=1)) == before


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_pages_hold_all_that_is_seen_once_and_in_order(seen: list[bool], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "HIDDEN", 4)
        patch.setattr(paging, "_AT_ONCE", 3)
        rows = list(range(len(seen)))
        found: list[int] = []
        start: int | None = None
        while True:
            begin = start

            def read(last: int | None, count: int, begin: int | None = begin) -> list[int]:
                after = begin if last is None else last
                return [row for row in rows if after is None or row > after][:count]

            page, start = seen_page(read, seen.__getitem__, limit)
            assert len(page) <= limit
            found += page
            if start is None:
                break
    assert found == [row for row in rows if seen[row]]
