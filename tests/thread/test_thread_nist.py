"""From real data: what NIST's machines made in 2017, from the serial number to the tool and back."""

from __future__ import annotations

import gzip
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import gemel
from gemel.demo.product import MAPPING, PRODUCT, load_product
from gemel.errors import InvalidDocument
from gemel.platform import Platform
from gemel.thread import MeasurementQuery, RecordQuery, Status, Traced, excerpt, trace
from gemel.thread.importing import Mapping, Preview, load_mapping, shipped
from tests.thread.conftest import NIST, node


def mapping() -> Mapping:
    return load_mapping(str(shipped(MAPPING)), MAPPING)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("nist") / "plant", run_connectors=False) as platform:
        done = load_product(platform)
        assert done.done
        assert done.errors == 0
        yield platform


@pytest.fixture(scope="module")
def traced(made: Platform) -> Traced:
    made.past()
    return trace(made.thread, ["plate-3", "plate-9"], read=made.history.range)


def test_from_a_serial_number_to_drawing_program_machine_log_and_inspections(made: Platform) -> None:
    found = made.thread.follow(node("item:plate-3"), made.thread.asked(depth=4))
    reached = {str(one.node) for one in found.reached}
    assert {"record:log-plate-3", "record:run-plate-3-1", "record:final-plate-3", "record:incoming-plate-3"} <= reached
    assert "record:nc-log-nist-mtc-crada-plate-3-nc" in reached
    assert "record:cad-release-d-nist-mtc-crada-plate-rev-a-sldprt" in reached
    assert "twin:nist-hurco04@2017-02-01T15:49:56.84375Z/2017-02-01T16:14:11.984375Z" in reached


def test_and_back_from_an_hour_of_the_machine_to_the_serial_number_and_what_was_wrong_with_it(made: Platform) -> None:
    hour = node("twin:nist-hurco04@2017-02-01T16:00:00Z/2017-02-01T16:01:00Z")
    found = made.thread.follow(hour, made.thread.asked(depth=3))
    assert "item:plate-3" in {str(one.node) for one in found.reached}
    failed = [one for one in found.reached if one.node.kind == "measurement"]
    assert len(failed) == 5
    assert all(one.depth == 3 for one in failed)


def test_what_was_out_of_tolerance_leads_to_machine_tool_and_readings_in_one_call(traced: Traced) -> None:
    plate = traced.items[0]
    assert [(one.characteristic, one.value, one.status) for one in plate.measurements] == [
        ("Cone Angle 3", 88.871, "fail"),
        ("Cone Angle 2", 88.842, "fail"),
        ("Cone Angle 4", 88.821, "fail"),
        ("Cone Angle 1", 88.889, "fail"),
        ("RADIUS1 of CYLINDER3", 3.1945, "fail"),
    ]
    run = plate.runs[0]
    assert (run.machine, run.program_name, run.confidence) == ("nist-hurco04", "NIST_MTC_CRADA_PLATE-3.NC", 1.0)
    tools = {tool.tool: tool for tool in run.tools}
    assert set(tools) == {"7", "15", "3", "4", "5", "1", "23"}
    assert 11_000 < tools["3"].readings["spindle_speed"].most <= 12_500
    assert tools["3"].readings["feed_rate"].readings > 50
    assert all(run.start <= tool.start < tool.end <= run.end for tool in run.tools)


def test_what_no_source_says_is_said_to_be_unknown(traced: Traced) -> None:
    told, unlogged = (" ".join(one.unmatched) for one in traced.items)
    assert "no source says which run or tool cut which characteristic" in told
    assert "nothing says which program ran" in told
    assert "no log of a machine at work on it is known" in unlogged
    assert traced.items[1].measurements


def test_every_statement_leads_to_the_very_line_it_was_read_from(made: Platform, traced: Traced) -> None:
    for one in traced.items[0].measurements:
        assert one.origin is not None
        source = traced.sources[one.origin.source]
        told = excerpt(made.thread, source.number, one.origin.place)
        assert re.search(rf">{one.value}<", "\n".join(told.lines)), told
        assert source.sha256 in {path.name for path in made.thread.store.folder.glob("??/*")}
    log, place = traced.items[0].runs[0].sources[0]
    lines = excerpt(made.thread, log, place).lines
    assert any("Program_Status|ACTIVE" in line for line in lines)


def test_the_same_import_again_does_nothing(made: Platform) -> None:
    before = made.position
    again = load_product(made)
    assert all(one.repeated for one in again.files)
    assert (again.acts, made.position) == ((), before)


def test_bounds_and_verdicts_of_the_two_laboratories_are_kept_apart(made: Platform) -> None:
    failed = made.thread.measurements(MeasurementQuery(status=Status.FAIL, limit=10_000)).items
    counts = Counter(re.sub(r"-\d+$", "", one.inspection) for one in failed)
    assert counts == {
        "final-plate": 98,
        "incoming-plate": 50,
        "final-box": 3,
        "incoming-box": 1,
        "final-cover": 1,
    }


def test_a_machine_log_that_was_cut_short_is_refused_whole_and_nothing_is_taken_in(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "process").mkdir(parents=True)
    for name in ("drawings/CAD_FILES.txt", "process/Plate-Hurco04-03of20.shdr.gz"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(PRODUCT / name, folder / name)
    log = next((folder / "process").glob("Plate*03*"))
    log.write_bytes(log.read_bytes()[:-2000])
    with gemel.open(tmp_path / "plant", run_connectors=False) as platform:
        preview = platform.imports.preview(folder, mapping())
        (fault,) = [fault for one in preview.files for fault in one.faults if fault.level == "error"]
        assert "ends in the middle" in fault.message
        with pytest.raises(InvalidDocument, match="ends in the middle"):
            platform.imports.carry_out(folder, mapping())
        assert platform.thread.records(RecordQuery()).items == []
        assert platform.twins().items == []


# The whole data set: facts about it that the pages of the documentation state.


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    if not NIST.is_dir():
        pytest.skip(f"the whole NIST data set is not in {NIST}")
    with gemel.open(tmp_path_factory.mktemp("whole") / "plant", run_connectors=False) as platform:
        return platform.imports.preview(NIST, mapping())


@pytest.mark.slow
def test_of_the_whole_data_everything_is_read_and_what_cannot_be_matched_is_counted(whole: Preview) -> None:
    assert whole.errors == 0
    assert whole.unmatched == ("NIST_README.md",)
    assert sum(one.measurements for one in whole.files) == 4065
    assert sum(one.failed for one in whole.files) == 153
    assert sum(one.readings for one in whole.files) == 355_075
    faults = [fault.message for one in whole.files for fault in one.faults]
    assert sum("has no serial number" in one for one in faults) == 3
    assert sum("nothing says which program ran" in one for one in faults) == 30
    assert sum("is no line of time|name|value" in one for one in faults) == 22


def test_the_files_that_come_with_gemel_are_those_of_nist_unchanged() -> None:
    if not NIST.is_dir():
        pytest.skip(f"the whole NIST data set is not in {NIST}")
    shipped_files = [path for path in PRODUCT.rglob("*") if path.is_file() and path.name != "NOTICE"]
    assert sum(path.stat().st_size for path in shipped_files) < 400_000
    for path in shipped_files:
        same = NIST / path.relative_to(PRODUCT)
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as ours, opened(same, "rb") as theirs:
            assert ours.read() == theirs.read()
