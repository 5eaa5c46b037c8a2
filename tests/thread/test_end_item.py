"""Ranges of serial numbers mean the number of the nearest end item: wherever that stands, and never that of a part."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gemel.access import Principal, Role
from gemel.clock import SteppedClock
from gemel.configuration import Configuration, ItemKind, ItemSpec, Seen, parse_parts
from gemel.platform import Platform
from gemel.thread import ALL, Applies, BulletinState, DocumentSpec
from gemel.work_pack import Gathering, gather
from tests.thread.conftest import BEGUN, at

S = BulletinState
PARTS = """
parts:
  - {part: LINE, slots: [{slot: first}]}
  - part: MILL
    end_item: true
    revisions: [{revision: A}, {revision: B}, {revision: C}]
    slots: [{slot: pump, effectivity: {serials: [100..199]}}]
    rules:
      - {slot: pump, part: PUMP, effectivity: {serials: [100..199]}, of: [B..]}
      - {slot: pump, part: OLD, of: [..A]}
  - {part: PUMP, limits: [{kind: hours, limit: 10, effectivity: {serials: [100..199]}}, {kind: days, limit: 9}]}
"""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two mills in a line in a hall, and one that stands alone; a pump in each, and a spare one in the hall."""
    folder = tmp_path_factory.mktemp("works") / "plant"
    with Platform.open(folder, clock=SteppedClock(BEGUN), run_connectors=False) as platform:
        known = platform.configuration
        known.parts.apply(known.parts.plan(parse_parts(PARTS)))
        known.create(ItemSpec(id="hall", part="", kind=ItemKind.LOCATION), at("01-01"))
        known.create(ItemSpec(id="line", part="LINE", serial="777"), at("01-01"))
        known.install("line", "hall", "bay 3", at("01-01"))
        for own, (serial, slot) in enumerate((("150", "first"), ("250", "second"), ("199", "")), 120):
            known.create(ItemSpec(id=f"mill-{serial}", part="MILL", serial=serial, revision="C"), at("01-01"))
            known.create(ItemSpec(id=f"pump-{serial}", part="PUMP", serial=str(own)), at("01-01"))
            known.install(f"pump-{serial}", f"mill-{serial}", "pump" if serial != "250" else "spare", at("01-01"))
            if slot:
                known.install(f"mill-{serial}", "line", slot, at("01-01"))
        known.create(ItemSpec(id="spare", part="PUMP", serial="151"), at("01-01"))
        known.install("spare", "hall", "shelf", at("01-01"))
        for part in ("MILL", "PUMP"):
            spec = DocumentSpec(id=f"of-{part}", applies=(Applies(part=part, serials=("100..199",)),))
            platform.thread.add_document(spec, part.encode())
        yield platform


@pytest.fixture
def known(works: Platform) -> Configuration:
    return works.configuration


def test_documents_are_valid_by_the_number_of_the_machine_in_a_line_in_a_hall(works: Platform) -> None:
    def valid(item: str) -> list[str]:
        return [one.document for one in works.thread.valid_documents(item, at("02-01"))]

    assert (valid("mill-150"), valid("pump-150")) == (["of-MILL"], ["of-PUMP"])
    assert (valid("mill-199"), valid("pump-199")) == (["of-MILL"], ["of-PUMP"])
    assert (valid("mill-250"), valid("pump-250")) == ([], [])
    assert valid("spare") == []  # its own number says nothing of the machine that it will come into


def test_the_end_item_is_the_nearest_one(known: Configuration) -> None:
    def end(item: str) -> str | None:
        found = known.end_item(item, at("02-01"))
        return None if found is None else found.id

    assert [end(one) for one in ("pump-150", "mill-150", "line", "spare")] == ["mill-150", "mill-150", "line", None]
    assert end("hall") == "hall"


def test_limits_are_of_the_machine_and_count_where_none_is_known(known: Configuration) -> None:
    def kinds(item: str) -> set[str]:
        return {one.kind for one in known.limits(item, at("02-01"))}

    assert kinds("pump-150") == kinds("spare") == {"hours", "days"}
    assert kinds("pump-250") == {"days"}
    told = {one.item for one in known.remaining(kind="hours", at=at("02-01")).items}
    assert told == {"pump-150", "pump-199", "spare"}


@pytest.mark.parametrize("asked", ["mill-150", "line"])
def test_a_work_pack_has_the_papers_and_slots_of_the_machine_wherever_it_stands(works: Platform, asked: str) -> None:
    view = works.view(Principal(id="user-x", kind="User", role=Role.VIEWER))
    seen = Seen(works.database, works.clock, view)
    where = Gathering(items=seen, configuration=works.configuration, thread=works.thread, sight=ALL)
    pack = gather(where, asked, "", at("02-01"), at("03-02"))
    assert {one.version.document for one in pack.papers} == {"of-MILL", "of-PUMP"}
    changed = [one for one in pack.exchanges if one.path[-1] == "pump"]
    assert [[each.part for each in one.allowed] for one in changed] == [["PUMP"]]  # its days are used up; C is in B..


def test_a_bulletin_is_for_the_number_of_the_mill_and_not_that_of_its_line(works: Platform) -> None:
    def open_at(part: str, *serials: str) -> dict[str, tuple[str, ...]]:
        id = f"SB-{part}-{'-'.join(serials)}"
        applies = (Applies(part=part, serials=serials),)
        works.thread.add_document(DocumentSpec(id=id, kind="bulletin", start=at("01-15"), applies=applies), id.encode())
        found = works.thread.bulletins.get(id, at("02-01"))[1]
        assert {one.machine for one in found if one.state is S.UNKNOWN} <= {"spare"}  # it is in no mill yet
        return {one.machine: one.items for one in found if one.state is S.OPEN}

    assert open_at("PUMP", "100..199") == {"line": ("pump-150",), "mill-199": ("pump-199",)}
    assert open_at("MILL", "200..") == {"line": ("mill-250",)}
    assert open_at("PUMP", "700..") == {}  # the line's own number is no mill's
    assert open_at("LINE", "700..") == {"line": ("line",)}
