"""A log that was imported holds readings: with its twin its content goes; that it was there, and its hash, stay."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gemel.access import ERASED_TEXT
from gemel.clock import SteppedClock, parse_time
from gemel.configuration import Basis
from gemel.errors import Conflict, NotFound
from gemel.platform import Platform
from gemel.thread import Applies, DocumentSpec, LinkSpec, Node, Phase, RecordSpec
from gemel.thread.importing import load_mapping

PLANT = """
gemel: 1
types: [{id: mill, properties: [{name: load}, {name: mode, kind: text}]}]
twins: [{id: mill-1, types: [mill]}, {id: mill-2, types: [mill]}]
"""
SECRET = "worked-by-hannah"
MAPPING = """gemel_mapping: 1
name: logs
files:
- files: ["b.log.gz"]
  record: {id: "file-{file|slug}", kind: process-log}
  document: {id: "paper-{file|slug}", kind: process-log}
process_logs:
- files: ["*.log", "*.log.gz"]
  machine: mill-1
  item: {id: part-1, part: PN-1, serial: "1"}
  record: {id: "log-{file|slug}", kind: process-log}
  operation: {id: "run-{file|slug}-{n}", kind: operation}
  program_record: {id: "nc-{program|slug}", kind: nc-program}
  items: {load: load, mode: mode}
  status: state
  active: [ON]
  stopped: [HOLD]
  ended: [OFF]
  program: program
  opened: opened
  tool: tool
"""
LINES = "\n".join(f"2026-01-01T00:0{n}:00Z|load|{n}" for n in range(5)) + f"\n2026-01-01T00:05:00Z|mode|{SECRET}\n"


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Platform]:
    clock = SteppedClock(parse_time("2026-02-01T00:00:00Z"))
    with Platform.open(tmp_path / "plant", clock=clock, run_connectors=False) as platform:
        platform.apply(PLANT)
        files = tmp_path / "logs"
        files.mkdir()
        (files / "a.log").write_text(LINES)
        (files / "b.log.gz").write_bytes(gzip.compress(LINES.replace("|1\n", "|9\n").encode()))
        told = platform.imports.carry_out(files, load_mapping(MAPPING))
        assert told.done, told
        platform.thread.add_document(DocumentSpec(id="manual", name="m.txt"), b"a manual of mills")
        platform.history.flush()
        yield platform


def contents(plant: Platform) -> set[str]:
    return set(plant.thread.store.all())


def test_a_preview_names_the_documents_and_does_nothing(plant: Platform) -> None:
    before = contents(plant)
    seen = plant.erasures.preview("mill-1")
    assert {one.name for one in seen.documents} == {"a.log", "b.log.gz"}
    assert {one.sha256 for one in seen.documents} < before
    assert all(one.size > 0 and one.twins == () for one in seen.documents)
    assert plant.erasures.preview("mill-2").documents == []
    assert contents(plant) == before


def test_the_content_goes_and_record_and_hash_stay(plant: Platform, tmp_path: Path) -> None:
    seen = plant.erasures.preview("mill-1")
    counts = plant.erasures.erase_twin("mill-1", seen.code).counts
    assert counts["documents"] == len(seen.documents)
    (manual,) = plant.thread.document("manual").versions
    assert contents(plant) == {manual.content.sha256}
    with pytest.raises(NotFound, match="erased"):
        plant.thread.store.open(seen.documents[0].sha256)
    origin = plant.thread.record("log-a-log").origin
    assert origin is not None
    source = plant.thread.sources([origin.source])[origin.source]
    assert (source.name, source.kept) == ("a.log", False)
    assert plant.erasures.preview("mill-1").documents == []
    plant.close()
    left = b"".join(path.read_bytes() for path in (tmp_path / "plant").rglob("*") if path.is_file())
    assert SECRET.encode() not in left


def test_a_file_of_two_twins_names_the_other_and_its_hold_forbids_it(plant: Platform, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    (both / "b.log.gz").write_bytes(gzip.compress(b"2026-01-01T00:00:00Z|load|1\n"))
    (both / "a.log").write_text(LINES)
    other = MAPPING.replace("machine: mill-1", "machine: mill-2").replace("name: logs", "name: others")
    other = (
        other.replace('{id: "log-', '{id: "other-').replace("file-", "other-file-").replace("paper-", "other-paper-")
    )
    plant.imports.carry_out(both, load_mapping(other))
    seen = plant.erasures.preview("mill-1")
    assert {one.name: one.twins for one in seen.documents} == {"a.log": ("mill-2",), "b.log.gz": ()}
    plant.holds.put("mill-2", "claim 4711", actor="user-1")
    assert plant.erasures.preview("mill-1").held == ["mill-2"]
    with pytest.raises(Conflict, match="mill-2 is held"):
        plant.erasures.erase_twin("mill-1", seen.code)
    plant.holds.release("mill-2")
    assert plant.erasures.erase_twin("mill-1", seen.code).counts["documents"] == len(seen.documents)


def test_a_document_that_came_since_the_preview_has_to_be_looked_at(plant: Platform, tmp_path: Path) -> None:
    seen = plant.erasures.preview("mill-1")
    more = tmp_path / "more"
    more.mkdir()
    (more / "c.log").write_text(LINES.replace("|2\n", "|7\n"))
    plant.imports.carry_out(more, load_mapping(MAPPING))
    with pytest.raises(Conflict, match="documents have changed"):
        plant.erasures.erase_twin("mill-1", seen.code)


def test_documents_are_told_by_themselves_in_the_room_that_is_taken(plant: Platform) -> None:
    room = plant.storage.standing()
    assert room.documents >= sum(one.size for one in plant.erasures.preview("mill-1").documents)
    assert room.used >= room.documents + room.history + room.database
    assert room.used == room.documents + room.history + room.database + room.other


def test_what_the_thread_says_of_the_twin_alone_goes_and_what_it_shares_stays(plant: Platform, tmp_path: Path) -> None:
    thread, twin, part = plant.thread, Node.parse("twin:mill-1"), Node.parse("item:part-1")
    thread.weave(
        [
            RecordSpec(id="WO-1", kind="work-order", title=SECRET),
            RecordSpec(id="WO-2", kind="work-order", title="both"),
        ],
        [
            LinkSpec(kind="concerns", source=Node.parse("record:WO-1"), target=twin),
            LinkSpec(kind="concerns", source=Node.parse("record:WO-2"), target=twin),
            LinkSpec(kind="concerns", source=Node.parse("record:WO-2"), target=part),
        ],
    )
    thread.add_document(
        DocumentSpec(id="photo", kind="photograph", phase=Phase.SERVICE, note=SECRET), b"pixels", links=[twin]
    )
    photo = thread.document("photo").versions[0].content.sha256
    seen = plant.erasures.preview("mill-1")
    assert photo in {one.sha256 for one in seen.documents}
    assert seen.records == 1
    plant.erasures.erase_twin("mill-1", seen.code)
    assert photo not in contents(plant)
    assert (thread.record("WO-1").title, thread.record("WO-2").title) == ("", "both")
    assert thread.document("photo").versions[0].note == ""
    assert thread.links(twin) == []
    with pytest.raises(DatabaseError), plant.database.write() as tx:
        tx.execute(text("DELETE FROM thread_link"))  # the guards are back
    plant.close()
    left = b"".join(path.read_bytes() for path in (tmp_path / "plant").rglob("*") if path.is_file())
    assert SECRET.encode() not in left


def test_what_a_person_wrote_of_the_thread_goes_with_them(plant: Platform) -> None:
    person = plant.gate.accounts.add("Hannah", "a-long-password-1", role="engineer")
    thread = plant.thread.as_(person.id)
    spec = DocumentSpec(id="hint", applies=(Applies(part="PN-1"),), note="ask Jens first")
    woven = thread.add_document(spec, b"x", basis=Basis(reason="as Jens said"))
    assert thread.said([woven.act])[woven.act].basis.reason == "as Jens said"
    assert thread.document("hint").versions[0].note == "ask Jens first"
    plant.erasures.erase_person(person.id)
    assert thread.said([woven.act])[woven.act].basis.reason == ERASED_TEXT
    assert thread.document("hint").versions[0].note == ERASED_TEXT
