"""A person and a twin go for good: from every file, while proof, audit and the record of the erasure stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.access import ERASED_TEXT
from gemel.erasure import read_ledger
from gemel.errors import Conflict, GemelError, UnknownTwin
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform

PLANT = """
gemel: 1
types:
  - id: press
    properties: [{name: force, unit: kN}, {name: mode, kind: text}]
    events: [{name: broke}]
twins:
  - {id: press-7, types: [press], name: Hannah's press, serial: SN-HANNAH, aliases: [seven], attributes: {who: hannah}}
  - {id: die-1, types: [press], name: Die, part_of: press-7}
  - {id: press-8, types: [press], name: Press 8}
"""
SECRET = "worked-by-hannah"


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Platform]:
    with Platform.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        for twin in ("press-7", "press-8"):
            platform.write(twin, "force", 12.0)
        platform.ingest(
            [
                Message(readings=[Reported(twin="press-7", property="mode", value=SECRET)]),
                Message(events=[Happened(twin="press-7", event="broke", fields={"note": SECRET}, id="e-1")]),
                Message(readings=[Reported(twin="press-7", property="force", value=f"{SECRET}-wrong")]),
            ]
        )
        platform.history.flush()
        yield platform


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def erase(plant: Platform, twin: str) -> dict[str, int]:
    seen = plant.erasures.preview(twin)
    return plant.erasures.erase_twin(twin, seen.code, actor="user-1").counts


def test_a_preview_counts_and_does_nothing(plant: Platform) -> None:
    seen = plant.erasures.preview("press-7")
    assert (seen.twins, seen.parts, seen.readings, seen.quarantined, seen.held) == (["press-7"], ["die-1"], 2, 1, [])
    assert seen.events >= 2
    assert plant.now("press-7")["mode"].value == SECRET


def test_an_erased_twin_is_in_no_file_and_the_journal_still_verifies(plant: Platform, tmp_path: Path) -> None:
    counts = erase(plant, "press-7")
    assert counts["reading"] == 1
    assert counts["reading_text"] == 1
    assert counts["journal"] >= 4
    assert plant.verify().ok
    assert plant.registry.twin("press-7").name == ""
    assert plant.now("press-8")["force"].value == 12.0
    plant.close()
    left = everything(tmp_path / "plant")
    for word in (SECRET, "SN-HANNAH", "Hannah's press"):
        assert word.encode() not in left, word
    with Platform.open(tmp_path / "plant") as again:
        assert again.verify().ok
        assert again.at("press-8", again.clock.now())["force"].value == 12.0
        erased = [fact.change for fact in again.events().items if fact.change.kind == "twin.erased"]
        assert [change.subject for change in erased] == ["press-7"]


def test_readings_of_an_erased_twin_are_refused(plant: Platform) -> None:
    erase(plant, "press-7")
    receipt = plant.ingest([Message(readings=[Reported(twin="press-7", property="force", value=1.0)])])
    assert (receipt.accepted, receipt.quarantined) == (0, 1)


def test_an_id_is_never_given_again_and_the_alias_is_free(plant: Platform) -> None:
    erase(plant, "press-7")
    with pytest.raises(UnknownTwin):
        plant.registry.twin("seven")
    with pytest.raises(GemelError):
        plant.apply(PLANT)
    assert plant.registry.twin("press-7").types == ()


def test_only_what_was_previewed_is_erased(plant: Platform) -> None:
    seen = plant.erasures.preview("press-7")
    with pytest.raises(Conflict, match="preview"):
        plant.erasures.erase_twin("press-7", seen.code, parts=True)
    both = plant.erasures.preview("press-7", parts=True)
    assert plant.erasures.erase_twin("press-7", both.code, parts=True).twins == ["press-7", "die-1"]


def test_a_hold_refuses_and_says_so_beforehand(plant: Platform) -> None:
    plant.holds.put("press-7", "claim 4711", actor="user-1")
    seen = plant.erasures.preview("press-7")
    assert seen.held == ["press-7"]
    with pytest.raises(Conflict, match="held"):
        plant.erasures.erase_twin("press-7", seen.code)
    plant.holds.release("press-7")
    assert erase(plant, "press-7")


def test_a_hold_covers_parts_also_those_that_were_taken_out_since(plant: Platform) -> None:
    plant.holds.put("press-7", "claim 4711", actor="user-1")
    assert plant.erasures.preview("die-1").held == ["die-1"]
    plant.change(lambda tx: plant.registry.end_link(tx, "part_of", "die-1", "press-7"))
    with pytest.raises(Conflict, match="die-1 is held"):
        plant.erasures.erase_twin("die-1", plant.erasures.preview("die-1").code)
    plant.holds.release("press-7")
    assert erase(plant, "die-1")


def test_an_erasure_that_was_cut_short_goes_on(plant: Platform, tmp_path: Path) -> None:
    number = plant.registry.twin("press-7").number
    plant.change(lambda tx: plant.erasures.ledger.put(tx, _begun("press-7")) or [])
    plant.close()
    with Platform.open(tmp_path / "plant") as again:
        assert [entry.done for entry in again.erasures.ledger.all()] == [True]
        assert again.history.count(number) == 0


def test_a_restored_backup_is_erased_again(plant: Platform, tmp_path: Path) -> None:
    plant.close()
    shutil.copytree(tmp_path / "plant", tmp_path / "backup")
    with Platform.open(tmp_path / "plant") as now:
        erase(now, "press-7")
    with Platform.open(tmp_path / "backup") as restored:
        assert restored.erasures.reapply(read_ledger(tmp_path / "plant")) == 1
        assert restored.erasures.reapply(read_ledger(tmp_path / "plant")) == 0
        assert restored.verify().ok
    assert SECRET.encode() not in everything(tmp_path / "backup")


def test_a_database_that_is_put_back_is_erased_again_when_it_is_opened(plant: Platform, tmp_path: Path) -> None:
    plant.close()
    shutil.copytree(tmp_path / "plant", tmp_path / "backup")
    with Platform.open(tmp_path / "plant") as now:
        erase(now, "press-7")
    shutil.copy(tmp_path / "plant/erasures.json", tmp_path / "backup")
    with Platform.open(tmp_path / "backup") as restored:
        assert restored.registry.twin("press-7").types == ()
        assert restored.erasures.resume() == 0
    assert SECRET.encode() not in everything(tmp_path / "backup")


def test_an_erased_person_is_in_no_file(plant: Platform, tmp_path: Path) -> None:
    boss = plant.gate.accounts.add("Boss", "a long sentence 1", "administrator")
    hannah = plant.gate.accounts.add("Hannah Weber", "a long sentence 2", "engineer")
    _, secret = plant.gate.tokens.add("hers", "viewer", actor=hannah.id)
    plant.holds.put("press-8", "Hannah Weber said so", actor=hannah.id)
    assert [hold.reason for hold in plant.holds.all()] == ["Hannah Weber said so"]
    plant.erasures.erase_person("Hannah Weber", actor=boss.id)
    assert [hold.reason for hold in plant.holds.all()] == [ERASED_TEXT]
    assert plant.gate.accounts.name(hannah.id) == ""
    assert plant.verify().ok
    plant.close()
    left = everything(tmp_path / "plant")
    assert b"Hannah Weber" not in left
    assert hannah.id.encode() in left
    assert secret.encode() not in left
    assert [(entry.kind, entry.subject) for entry in read_ledger(tmp_path / "plant")] == [("person", hannah.id)]


def _begun(twin: str):
    from gemel.erasure import Entry

    return Entry(kind="twin", subject=twin, time=1)
