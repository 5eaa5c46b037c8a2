"""As-built lists: taken in, held against what is recorded, and received as an inspection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.clock import SteppedClock, parse_time
from gemel.configuration import Configuration, ItemSpec, Node, parse_parts
from gemel.errors import InvalidDocument
from gemel.platform import Platform
from gemel.thread.importing import Preview, load_mapping, shipped
from tests.thread.conftest import BEGUN, at, node
from tests.thread.test_thread_importing import faults, only, workbook

MAPPING = load_mapping(str(shipped("as-built")), "as-built")
PARTS = """
parts:
  - part: PRESS
    end_item: true
    slots: [{slot: drive}, {slot: hoses, count: 4}]
    rules: [{slot: drive, part: DRIVE}, {slot: hoses, part: HOSE}]
  - {part: DRIVE, revisions: [{revision: A}, {revision: B}], slots: [{slot: motor}]}
  - {part: MOTOR, revisions: [{revision: "1"}]}
  - {part: HOSE}
"""
HEAD = ["Machine", "Slot", "Part number", "Rev", "Serial number", "Lot", "Qty", "Installed on", "Certificate"]
LIST = [
    ["P-7", "drive/motor", "MOTOR", "1", "M1", "", "", "2026-01-10", "record:coc-1"],  # before what it is in
    ["P-7", "drive", "DRIVE", "A", "D1", "", "", "10.01.2026", ""],
    ["P-7", "", "PRESS", "", "7007", "", "", "2026-01-09", ""],
    ["P-7", "hoses", "HOSE", "", "", "L9", "3", "2026-01-10T06:00:00Z", ""],
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("as_built") / "plant"
    with Platform.open(folder, clock=SteppedClock(BEGUN), run_connectors=False) as platform:
        parts = platform.configuration.parts
        parts.apply(parts.plan(parse_parts(PARTS)))
        yield platform


def listed(folder: Path, rows: list[list[str]], head: list[str] = HEAD) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "list.csv").write_text("\n".join(";".join(row) for row in [head, *rows]), "utf-8")
    return folder


def slots(found: Node) -> dict[str, str]:
    held = {"/".join(found.path): f"{found.item.part} {found.item.serial or found.item.lot}" for _ in (1,)}
    for part in found.parts:
        held |= slots(part)
    return held


def differences(preview: Preview) -> dict[str, str]:
    return {f"{one.machine}:{slot.slot}": slot.verdict for one in preview.compared for slot in one.slots}


def test_a_list_is_looked_at_then_loaded_with_what_says_so_and_once(shop: Platform, tmp_path: Path) -> None:
    folder, known = listed(tmp_path / "f", LIST), shop.configuration
    looked = only(shop.imports.preview(folder, MAPPING))
    assert (looked.new, looked.same, looked.items, looked.faults) == (4, 0, 4, ())
    assert known.called("7007") == []
    shop.imports.carry_out(folder, MAPPING)
    assert slots(known.tree("P-7", at("01-11"))) == {
        "": "PRESS 7007",
        "drive": "DRIVE D1",
        "drive/motor": "MOTOR M1",
        "hoses": "HOSE L9",
    }
    hoses = next(one.item for one in known.tree("P-7", at("01-11")).parts if one.item.part == "HOSE")
    assert hoses.quantity == 3
    assert [act.basis.evidence for act in known.acts("MOTOR.M1")] == ["record:coc-1"]
    assert known.acts("DRIVE.D1")[0].basis.evidence == "record:as-built-list-csv"
    assert {str(link.target) for link in shop.thread.links(node("record:as-built-list-csv"))} == {"item:P-7"}

    again = only(shop.imports.preview(folder, MAPPING))
    assert (again.repeated, again.new, again.same, again.faults) == (True, 0, 4, ())


def test_pieces_without_a_number_are_counted_one_by_one(shop: Platform, tmp_path: Path) -> None:
    machine = ["P-77", "", "PRESS", "", "777", "", "", "2026-01-09", ""]
    piece = ["P-77", "hoses", "HOSE", "", "", "", "", "2026-01-10", ""]
    shop.imports.carry_out(listed(tmp_path / "one", [machine, piece]), MAPPING)
    three = listed(tmp_path / "three", [machine, piece, piece, piece])
    looked = only(shop.imports.preview(three, MAPPING))
    (beside,) = shop.imports.preview(three, MAPPING).compared
    assert (looked.same, [one.verdict for one in beside.slots]) == (2, ["new", "new"])
    shop.imports.carry_out(three, MAPPING, receive=True)
    assert len(shop.configuration.tree("P-77", at("01-11")).parts) == 3


def test_a_workbook_says_the_same_as_text(shop: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    workbook(
        folder / "list.xlsx",
        [
            HEAD,
            *(
                [
                    one.replace("P-7", "P-8")
                    if one == "P-7"
                    else f"{one}x"
                    if one in ("7007", "M1", "D1", "L9")
                    else one
                    for one in row
                ]
                for row in LIST
            ),
        ],
    )
    looked = only(shop.imports.preview(folder, MAPPING))
    assert (looked.new, looked.faults) == (4, ())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["", "drive", "DRIVE", "", "D9", "", "", "2026-01-10", ""]], "line 2: it does not say of which machine"),
        ([["P-7", "drive", "", "", "D9", "", "", "2026-01-10", ""]], "line 2: it has no part number"),
        ([["P-7", "drive", "DRIVE", "", "D9", "", "", "soon", ""]], "line 2: 'soon' is no date"),
        ([["P-7", "hoses", "HOSE", "", "", "L1", "some", "2026-01-10", ""]], "quantity is a whole number"),
        ([["P-7", "hoses", "HOSE", "", "", "L1", "9" * 5000, "2026-01-10", ""]], "quantity is a whole number"),
        ([["NO-1", "drive", "DRIVE", "", "D9", "", "", "2026-01-10", ""]], "there is no item 'NO-1'; add a line"),
        ([["P-9", "", "PRESS", "", "9", "", "", "", ""]], "line 2 does not say when it was built in"),
        (
            [
                ["P-9", "", "PRESS", "", "9", "", "", "2026-01-01", ""],
                ["P-9", "a/b", "X", "", "1", "", "", "2026-01-01", ""],
            ],
            "line 3: nothing is in a of P-9",
        ),
        (
            [["P-9", "", "PRESS", "", "9", "", "", "2026-01-01", ""]]
            + [["P-9", slot, "DRIVE", "", "D9", "", "", "2026-01-02", ""] for slot in ("drive", "hoses")],
            "line 4: there is an item DRIVE.D9 already",
        ),
    ],
)
def test_each_wrong_line_is_told_with_its_place_and_nothing_is_taken(
    shop: Platform, tmp_path: Path, rows: list[list[str]], said: str
) -> None:
    folder = listed(tmp_path / "f", rows)
    assert any(said in one for one in faults(shop.imports.preview(folder, MAPPING)))
    with pytest.raises(InvalidDocument):
        shop.imports.carry_out(folder, MAPPING)
    assert shop.configuration.called("P-9") == []


def test_a_list_without_its_columns_says_which(shop: Platform, tmp_path: Path) -> None:
    folder = listed(tmp_path / "f", [["A", "1"]], ["Part number", "Slot"])
    (told,) = faults(shop.imports.preview(folder, MAPPING))
    assert "there is no column 'serial'" in told


def machine(known: Configuration, serial: str) -> None:
    """A press with a drive and in it an unknown motor, and a spare drive in a store, since January."""
    known.create(ItemSpec(id=f"press-{serial}", part="PRESS", serial=serial), at("01-01"))
    parts = {"drive": ("DRIVE", "DR-"), "motor": ("MOTOR", ""), "spare": ("DRIVE", "SP-"), "hose": ("HOSE", "H-")}
    for id, (part, letters) in parts.items():
        name, revision = letters and f"{letters}{serial}", "A" if part == "DRIVE" else ""
        known.create(ItemSpec(id=f"{id}-{serial}", part=part, serial=name, revision=revision), at("01-01"))
    known.install(f"drive-{serial}", f"press-{serial}", "drive", at("01-02"))
    known.install(f"motor-{serial}", f"drive-{serial}", "motor", at("01-02"))
    known.install(f"hose-{serial}", f"press-{serial}", "hoses", at("01-02"))


def test_what_a_list_says_otherwise_than_the_record_is_told_slot_by_slot_before_anything_is_written(
    shop: Platform, tmp_path: Path
) -> None:
    known = shop.configuration
    machine(known, "501")
    known.create(ItemSpec(id="press-502", part="PRESS", serial="502"), at("01-01"))
    rows = [
        ["501", "drive", "DRIVE", "A", "SP-501", "", "", "2026-01-20", ""],
        ["501", "drive/motor", "MOTOR", "1", "M-501", "", "", "2026-01-20", ""],
        ["502", "drive", "DRIVE", "B", "N-502", "", "", "2026-01-20", ""],
    ]
    folder = listed(tmp_path / "f", rows)
    looked = shop.imports.preview(folder, MAPPING)
    assert differences(looked) == {
        "501:drive": "elsewhere",
        "501:drive/motor": "new",
        "501:hoses": "unlisted",
        "502:drive": "new",
    }
    assert any(
        "line 2: spare-501 is recorded in nothing" in one and "receive the list" in one for one in faults(looked)
    )
    with pytest.raises(InvalidDocument):
        shop.imports.carry_out(folder, MAPPING)
    assert slots(known.tree("press-501"))["drive"] == "DRIVE DR-501"


def test_a_list_that_is_received_brings_the_record_to_what_it_says(shop: Platform, tmp_path: Path) -> None:
    known = shop.configuration
    machine(known, "601")
    head = ["Machine", "Slot", "Part", "Revision", "Serial", "Lot", "Maker"]
    rows = [
        ["601", "drive", "DRIVE", "B", "DR-601", "", ""],
        ["601", "drive/motor", "MOTOR", "1", "M-601", "", "ACME"],
        ["601", "hoses", "HOSE", "", "", "L6", ""],
    ]
    folder = listed(tmp_path / "f", rows, head)  # no dates: it is of now
    looked = shop.imports.preview(folder, MAPPING, receive=True)
    assert faults(looked) == []
    assert differences(looked) == {"601:drive": "revision", "601:drive/motor": "identity", "601:hoses": "new"}
    done = shop.imports.carry_out(folder, MAPPING, receive=True)
    assert only(done).faults == ()
    held = known.tree("press-601")
    drive = next(one for one in held.parts if one.item.part == "DRIVE")
    assert (drive.item.id, drive.item.revision) == ("drive-601", "B")
    (motor,) = drive.parts
    assert (motor.item.id, motor.item.serial, motor.item.maker) == ("motor-601", "M-601", "ACME")
    assert {one.item.lot for one in held.parts if one.item.part == "HOSE"} == {"", "L6"}
    assert {one.slot for one in known.observations("press-601")} == {"drive", "hoses"}
    assert all(act.basis.seen for act in known.acts("drive-601") if act.basis.source == "import as-built")

    after = shop.imports.preview(folder, MAPPING, receive=True)
    assert differences(after) == {}
    assert only(after).same == 3


def test_the_moment_of_a_list_is_the_one_that_it_is_held_against(shop: Platform, tmp_path: Path) -> None:
    known = shop.configuration
    machine(known, "701")
    known.swap("press-701", "drive", "spare-701", at("02-01"))
    rows = [["701", "drive", "DRIVE", "A", "DR-701", "", "", "2026-01-15", ""]]
    before = shop.imports.preview(listed(tmp_path / "f", rows), MAPPING)
    assert "701:drive" not in differences(before)
    rows[0][7] = "2026-02-15"
    after = shop.imports.preview(listed(tmp_path / "f", rows), MAPPING)
    assert differences(after)["701:drive"] == "elsewhere"
    assert parse_time("2026-02-15T00:00:00Z") < BEGUN


def test_an_item_of_which_no_maker_is_recorded_is_the_one_of_the_list(shop: Platform, tmp_path: Path) -> None:
    machine(shop.configuration, "801")
    head = ["Machine", "Slot", "Part", "Revision", "Serial", "Maker", "Installed on"]
    drive = ["801", "drive", "DRIVE", "A", "DR-801", "ACME", "2026-01-20"]
    looked = shop.imports.preview(listed(tmp_path / "f", [drive], head), MAPPING)
    assert "801:drive" not in differences(looked)
    assert (only(looked).new, only(looked).same) == (0, 1)
    rows = [drive, ["801", "hoses", "DRIVE", "A", "DR-801", "Emca", "2026-01-20"]]
    looked = shop.imports.preview(listed(tmp_path / "f", rows, head), MAPPING)
    assert differences(looked)["801:drive"] == "other", "two of them: nobody can tell which it is"
