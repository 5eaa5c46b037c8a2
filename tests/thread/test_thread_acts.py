"""Acts of the configuration on the thread: from what is in a slot to who said so and on what it rests, and back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gemel.configuration import Basis, ItemSpec
from gemel.configuration.operations import Correct, Install, Merge, Raise, Swap
from gemel.errors import InvalidInput, NotFound
from gemel.platform import Platform
from gemel.thread import DocumentSpec, LinkSpec, RecordSpec, Thread
from tests.thread.conftest import at, node


def reached(thread: Thread, start: str, **how: object) -> set[str]:
    return {str(one.node) for one in thread.follow(node(start), thread.asked(**how)).reached}


@pytest.fixture(scope="module")
def swapped(plant: Platform) -> int:
    """The act that put pump-new into machine m-1, which rests on a report, under a work order."""
    known, thread = plant.configuration, plant.thread
    records = [
        RecordSpec(id="REPORT-1", kind="inspection"),
        RecordSpec(id="order-of-erp", kind="work-order", system="erp", external="WO-17"),
    ]
    thread.weave(records)
    thread.add_document(DocumentSpec(id="sheet", version="2"), b"signed")
    known.create(ItemSpec(id="pump-new", part="PUMP", serial="PN"), at("01-01"))
    basis = Basis(evidence="record:REPORT-1", work_order="WO-17", source="sap")
    return known.do(Swap(parent="m-1", slot="coolant", new="pump-new", at=at("02-01")), basis=basis).act


def test_from_a_placement_one_comes_to_its_act_and_to_what_that_rests_on(plant: Platform, swapped: int) -> None:
    thread = plant.thread
    for start in ("item:pump-new", "slot:m-1#coolant"):
        found = reached(thread, start)
        assert {f"act:{swapped}", "record:REPORT-1", "record:order-of-erp"} <= found
    assert "item:pump-new" in reached(thread, "slot:m-1#coolant", depth=1)
    (way,) = [one for one in thread.follow(node("item:pump-new")).reached if str(one.node) == "record:REPORT-1"]
    assert [(step.link.kind, step.back) for step in way.path] == [("concerns", True), ("rests_on", False)]


def test_from_a_record_a_document_or_a_work_order_one_comes_back_to_what_rests_on_it(
    plant: Platform, swapped: int
) -> None:
    thread, known = plant.thread, plant.configuration
    for start in ("record:REPORT-1", "record:order-of-erp"):
        assert {f"act:{swapped}", "item:pump-new", "slot:m-1#coolant", "item:m-1"} <= reached(thread, start)
    basis = Basis(reason="a dent", evidence="document:sheet#2")
    raised = known.do(Raise(item="pump-new", at=at("02-02")), basis=basis).act
    by_source = known.do(
        Raise(item="m-2", slot="coolant", at=at("02-02")), basis=Basis(reason="x", source="record:REPORT-1")
    ).act
    assert {f"act:{raised}", "item:pump-new"} <= reached(thread, "document:sheet")
    assert f"act:{raised}" in reached(thread, "document:sheet#2", depth=1)
    assert f"act:{by_source}" in reached(thread, "record:REPORT-1", depth=1)
    assert "slot:m-2#coolant" in reached(thread, f"act:{by_source}", depth=1)
    before = thread.act(raised).recorded - 1
    assert f"act:{raised}" not in reached(thread, "document:sheet", known=before)


def test_acts_that_lead_nowhere_are_told_of_where_one_begins_alone(plant: Platform, swapped: int) -> None:
    thread = plant.thread
    created = next(act.number for act in plant.configuration.acts("pump-new") if act.kind == "created")
    assert f"act:{created}" in reached(thread, "item:pump-new", depth=1)
    from_part = reached(thread, "part:PUMP", depth=2)
    assert f"act:{swapped}" in from_part
    assert f"act:{created}" not in from_part
    used = plant.configuration.use("pump-new", "hours", at("02-03"), at("02-04"), 3.0)
    assert f"act:{used}" not in reached(thread, "item:pump-new", depth=1)


def test_a_time_of_an_item_or_a_slot_has_links_and_acts_of_its_own(plant: Platform, swapped: int) -> None:
    thread, known = plant.thread, plant.configuration
    known.create(ItemSpec(id="pump-old", part="PUMP", serial="PO"), at("01-01"))
    known.do(Install(child="pump-old", parent="m-2", slot="spare", at=at("01-05"), until=at("01-20")))
    january, march = "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z"
    thread.weave(
        [RecordSpec(id="CAL-1", kind="certificate"), RecordSpec(id="CAL-2", kind="certificate")],
        [
            LinkSpec(kind="concerns", source=node("record:CAL-1"), target=node(f"item:pump-old@{january}")),
            LinkSpec(kind="concerns", source=node("record:CAL-2"), target=node(f"slot:m-2#spare@{march}")),
        ],
    )
    assert str(node(f"slot:m-2#spare@{march}")) == f"slot:m-2#spare@{march}"
    assert "record:CAL-1" in reached(thread, "item:pump-old")
    assert "record:CAL-1" in reached(thread, f"item:pump-old@{january}", depth=1)
    assert "record:CAL-1" not in reached(thread, f"item:pump-old@{march}", depth=1)
    assert "slot:m-2#spare" in reached(thread, f"item:pump-old@{january}", depth=1)
    assert "slot:m-2#spare" not in reached(thread, f"item:pump-old@{march}", depth=1)
    assert "item:pump-old" in reached(thread, f"slot:m-2#spare@{january}", depth=1)
    assert "item:pump-old" not in reached(thread, "slot:m-2#spare", depth=1)
    assert "record:CAL-2" in reached(thread, "slot:m-2#spare", depth=1)
    installed = f"act:{known.history('pump-old')[0].begun_by}"
    assert installed in reached(thread, f"item:pump-old@{january}", depth=1)
    assert installed not in reached(thread, f"item:pump-old@{march}", depth=1)


def test_what_was_corrected_leads_to_the_act_that_corrected_it(plant: Platform, swapped: int) -> None:
    known = plant.configuration
    act = known.install("pump-old", "m-2", "other", at("02-10"))
    corrected = known.do(
        Correct(act=act, at=at("02-11")), basis=Basis(reason="the sheet", evidence="record:REPORT-1")
    ).act
    assert f"act:{act}" in reached(plant.thread, "slot:m-2#other", depth=1)
    assert {f"act:{corrected}", "slot:m-2#other"} <= reached(plant.thread, "record:REPORT-1", depth=2)


SPAN = "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"


@pytest.mark.parametrize("text", ["act:x", "act:", "act:1#2", f"slot:part:P#s@{SPAN}", "item:i@2026-01-01T00:00:00Z"])
def test_what_is_no_act_and_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        node(text)


def test_an_act_that_never_was_is_not_found(thread: Thread) -> None:
    with pytest.raises(NotFound):
        thread.follow(node("act:999999"))
    assert str(node("slot:box#a@b")) == "slot:box#a@b"


def test_what_was_merged_twice_has_the_acts_of_what_it_is_now(plant: Platform, swapped: int) -> None:
    known, names = plant.configuration, ("seen-1", "seen-2", "seen-3")
    for name in names:
        known.create(ItemSpec(id=name, part="SEAL"), at("01-01"))
    for one, into in pairwise(names):
        known.do(Merge(item=one, into=into, at=at("02-01")))
    act = known.install("seen-3", "m-2", "seal", at("02-02"))
    for name in names:
        assert f"act:{act}" in reached(plant.thread, f"item:{name}", depth=1)
