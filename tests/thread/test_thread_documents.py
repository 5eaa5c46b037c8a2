"""Documents: kept by their hash, valid for serial numbers and times, never carried out by a browser."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gemel
from gemel.backup import Goal, Vault, restore
from gemel.configuration import FOREVER, Basis, Item, ItemKind, PartType, Revision
from gemel.errors import Conflict, Corrupt, InvalidInput, NotFound, TooLarge
from gemel.platform import Platform
from gemel.thread import Applies, DocumentSpec, Store, Thread
from gemel.thread.store import sniffed
from gemel.transfer import import_everything
from tests.thread.conftest import at, node


def piece(part: str, *, revision: str = "", serial: str = "", lot: str = "") -> Item:
    told = {"maker": "", "kind": ItemKind.HARDWARE, "twin": "", "born": 0}
    return Item(id=f"one {part}", part=part, revision=revision, serial=serial, lot=lot, **told)  # type: ignore[arg-type]


def manual(version: str, **more: object) -> DocumentSpec:
    return DocumentSpec(id="pump-manual", version=version, **more)  # type: ignore[arg-type]


def in_use(thread: Thread, item: str, day: str, **more: object) -> list[str]:
    found = thread.valid_documents(item, at(day), **more)  # type: ignore[arg-type]
    return [f"{one.document} {one.version}{one.language and ' ' + one.language}" for one in found]


def test_the_manual_that_is_valid_for_this_serial_number_today(plant: Platform) -> None:
    thread = plant.thread
    for_100 = Applies(part="PUMP", revisions=("B",), serials=("1..150",))
    thread.add_document(manual("1", applies=(for_100,), start=at("01-01")), b"one")
    thread.add_document(manual("2", applies=(Applies(part="PUMP"),), start=at("02-01")), b"two")
    thread.add_document(
        DocumentSpec(id="pump-bulletin", kind="bulletin", applies=(Applies(part="PUMP", serials=("151..",)),)), b"new"
    )
    thread.add_document(DocumentSpec(id="pump-other", applies=(Applies(part="PUMP", revisions=("A",)),)), b"old")
    assert in_use(thread, "pump-100", "01-15") == ["pump-manual 1"]
    assert in_use(thread, "pump-200", "01-15") == ["pump-bulletin 1"]
    assert in_use(thread, "pump-100", "02-15") == ["pump-manual 2"]
    assert in_use(thread, "pump-200", "02-15") == ["pump-bulletin 1", "pump-manual 2"]


def test_a_document_that_is_linked_to_one_item_is_of_that_item_alone(plant: Platform) -> None:
    spec = DocumentSpec(id="certificate-100", kind="certificate", language="de")
    plant.thread.add_document(spec, b"proven", links=[node("item:pump-100")])
    assert "certificate-100 1 de" in in_use(plant.thread, "pump-100", "01-15")
    assert "certificate-100 1 de" not in in_use(plant.thread, "pump-100", "01-15", language="en")
    assert "certificate-100 1 de" not in in_use(plant.thread, "pump-200", "01-15")


def test_a_version_keeps_its_content_and_a_withdrawn_one_was_valid_then(plant: Platform) -> None:
    thread = plant.thread
    thread.add_document(DocumentSpec(id="card", applies=(Applies(part="PUMP"),)), b"first")
    with pytest.raises(Conflict, match="another content"):
        thread.add_document(DocumentSpec(id="card", applies=(Applies(part="PUMP"),)), b"second")
    plant.clock.step(1)
    before = plant.clock.now()
    plant.clock.step(60)
    with pytest.raises(InvalidInput, match="reason"):
        thread.withdraw_document("card", "1", basis=Basis())
    thread.withdraw_document("card", "1", basis=Basis(reason="wrong torque"))
    assert "card 1" not in in_use(thread, "pump-100", "03-15")
    assert "card 1" in in_use(thread, "pump-100", "03-15", known=before)
    with pytest.raises(NotFound):
        thread.withdraw_document("card", "1", basis=Basis(reason="again"))


def test_versions_follow_one_another_however_often_that_is_corrected(plant: Platform) -> None:
    """No day is left without a version that has one by what is known now."""
    thread, why = plant.thread, Basis(reason="not released")

    def say(version: str, start: str, end: str = "") -> None:
        told = {"start": at(start)} | ({"end": at(end)} if end else {})
        thread.add_document(DocumentSpec(id="guide", version=version, applies=(Applies(part="PUMP"),), **told), b"g")

    def by_month() -> str:
        used = [in_use(thread, "pump-100", f"{month:02}-15") for month in range(1, 8)]
        return "".join(next((one[-1] for one in told if one.startswith("guide ")), "-") for told in used)

    say("1", "01-01")
    say("2", "03-01")
    assert by_month() == "1122222"
    say("2", "04-01")
    assert by_month() == "1112222", "what it was cut to before is not kept"
    say("3", "06-01", "07-01")
    assert by_month() == "111223-"
    acts = thread.document("guide").versions
    say("1", "01-01")
    assert thread.document("guide").versions == acts, "the same again is nothing new"
    thread.withdraw_document("guide", "2", basis=why)
    assert by_month() == "111113-"
    thread.withdraw_document("guide", "3", basis=why)
    assert by_month() == "1111111"
    say("0", "01-01")
    say("4", "05-01")
    thread.withdraw_document("guide", "4", basis=why)
    assert [one.valid.end for one in thread.document("guide").versions] == [FOREVER, FOREVER]


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_serial_numbers_are_ordered_as_people_read_them(serial: int, least: int, most: int) -> None:
    told, root = Applies(part="P", serials=(f"A{least}..A{most}",)), piece("M", serial=f"A{serial}")
    assert told.covers(piece("P"), root, None, 0) == (least <= serial <= most)
    assert Applies(part="P", serials=(f"A{least}..",)).covers(piece("P"), root, None, 0) == (serial >= least)
    assert not told.covers(piece("Q"), root, None, 0)


def test_revisions_come_in_the_order_of_their_part_and_lots_are_of_the_machine() -> None:
    part = PartType(part="P", revisions=tuple(Revision(revision=one) for one in ("Y", "Z", "AA", "AB")))
    told = Applies(part="P", revisions=("Z..AA",), lots=("L7",))
    machine, revisions = piece("M", lot="L7"), ("Y", "Z", "AA", "AB", "")
    assert [one for one in revisions if told.covers(piece("P", revision=one), machine, part, 0)] == ["Z", "AA"]
    for other in (piece("M", lot="L8"), piece("M", serial="A1")):
        assert not told.covers(piece("P", revision="Z"), other, part, 0)
    between = Applies(part="P", revisions=("Y..AB",))
    assert between.covers(piece("P", revision="Z"), machine, part, 0)
    assert not between.covers(piece("P", revision="Z"), machine, None, 0)  # nobody said in which order they come


def test_what_is_kept_is_named_by_its_hash_once_and_proven_by_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "documents")
    one, two = store.keep(b"%PDF-1.4 x"), store.keep(iter([b"%PDF", b"-1.4 x"]))
    assert one == two
    assert one.sha256 == hashlib.sha256(b"%PDF-1.4 x").hexdigest()
    assert list(store.all()) == [one.sha256]
    assert store.check(one.sha256) == 10
    store.path(one.sha256).write_bytes(b"%PDF-1.4 y")
    with pytest.raises(Corrupt):
        store.check(one.sha256)
    for name in ("..", "../gemel.sqlite", "A" * 64, ""):
        with pytest.raises(NotFound):
            store.path(name)


def test_what_is_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path / "documents", largest=100)
    with pytest.raises(TooLarge):
        store.keep(b"x" * 60 for _ in range(2))
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "image/png"),
        (b"<!doctype html><script>alert(1)</script>", "text/plain; charset=utf-8"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain; charset=utf-8"),
        (b"<?xml version='1.0'?><x/>", "text/plain; charset=utf-8"),
        ("Größe".encode(), "text/plain; charset=utf-8"),
        (b"\x00\x01\x02\xff", "application/octet-stream"),
        (b"", "text/plain; charset=utf-8"),
    ],
)
def test_the_kind_of_a_content_is_what_its_bytes_show_and_never_one_that_runs(head: bytes, kind: str) -> None:
    assert sniffed(head) == kind


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nSet-Cookie: x", 'x"; filename=y', "C:\\boot.ini", ""])
def test_a_hostile_file_name_is_made_harmless(name: str) -> None:
    told = DocumentSpec(id="d", name=name).checked().name
    assert told
    assert not set('/\\\r\n":;') & set(told)


def test_documents_are_in_backups_and_in_exports(tmp_path: Path) -> None:
    with gemel.open(tmp_path / "plant", run_connectors=False) as plant:
        plant.thread.add_document(DocumentSpec(id="one"), b"first")
        made = plant.backup(tmp_path / "vault")
        assert [file.path for file in made.shared if file.path.startswith("documents/")]
        plant.thread.add_document(DocumentSpec(id="two"), b"second")
        again = plant.backup(tmp_path / "vault")
        plant.export_everything(tmp_path / "export")
    vault = Vault(tmp_path / "vault")
    for id, expected in ((made.id, {"one"}), (again.id, {"one", "two"})):
        restore(vault, tmp_path / id, id=id)
        assert contents(tmp_path / id) == expected
    import_everything(tmp_path / "export", tmp_path / "imported")
    assert contents(tmp_path / "imported") == {"one", "two"}
    stored = next((tmp_path / "vault/documents").glob("??/*"))
    stored.write_bytes(b"changed")
    with pytest.raises(Corrupt):
        restore(vault, tmp_path / "damaged")


def test_a_document_that_came_after_the_backup_is_there_when_the_log_is_followed(tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    following = f"backup: {{to: {tmp_path / 'vault'}, follow: true, follow_every_s: 3600, every: forever}}\n"
    (tmp_path / "plant/gemel.yaml").write_text(following)
    with gemel.open(tmp_path / "plant") as plant:
        assert plant.backups.wait_made(1, 60)  # with the log begins a backup
        plant.thread.add_document(DocumentSpec(id="one"), b"first")
        plant.thread.add_document(DocumentSpec(id="two"), b"second")
        position = plant.position
        assert plant.backups.log is not None
        plant.backups.log.poll()
    restore(Vault(tmp_path / "vault"), tmp_path / "there", goal=Goal(position=position))
    assert contents(tmp_path / "there") == {"one", "two"}


def contents(folder: Path) -> set[str]:
    """Documents of a plant whose contents are as they were written."""
    with gemel.open(folder, run_connectors=False) as plant:
        found = plant.thread.documents().items
        for one in found:
            assert plant.thread.store.check(one.versions[0].content.sha256) == one.versions[0].content.size
        return {one.id for one in found}


@pytest.mark.parametrize(
    "told", [{"serials": ("A" + "9" * 5000,)}, {"lots": ("L" * 129,)}, {"revisions": ("B" * 300,)}]
)
def test_for_what_a_version_applies_is_bounded(told: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        DocumentSpec(id="SB-1", kind="bulletin", applies=(Applies(part="P", **told),)).checked()
