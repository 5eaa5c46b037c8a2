"""The thread over HTTP: who sees what of it, how documents are handed out, what an archive may not do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import gemel
from gemel.access import Action, Role, Selector
from gemel.client import Client
from gemel.configuration import Basis
from gemel.configuration.operations import Raise
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.platform import Platform
from gemel.server import Server
from gemel.thread import Applies, DocumentSpec, LinkSpec, RecordSpec
from tests.server.test_server_parties import token_of
from tests.thread.conftest import node

READS = [Action.READ]


@pytest.fixture(scope="module")
def server(plant: Platform) -> Iterator[Server]:
    """Party a is granted mill-1 with its parts; what is said concerns one machine, both, a part, or nothing."""
    say = plant.thread
    kinds = {"RUN-A": "operation", "RUN-B": "operation", "NC": "nc-program", "REQ": "requirement", "FREE": "drawing"}
    links = [
        ("made", "record:RUN-A", "item:pump-100"),
        ("made", "record:RUN-B", "item:pump-200"),
        ("executed", "record:RUN-A", "record:NC"),
        ("executed", "record:RUN-B", "record:NC"),
        ("satisfies", "part:PUMP", "record:REQ"),
        ("satisfies", "part:SECRET", "record:FREE"),
        ("ran_on", "record:RUN-A", "twin:mill-1@2026-01-01T08:00:00Z/2026-01-01T09:00:00Z"),
    ]
    say.weave(
        [RecordSpec(id=id, kind=kind) for id, kind in kinds.items()],
        [LinkSpec(kind=kind, source=node(source), target=node(to)) for kind, source, to in links],
    )
    say.add_document(DocumentSpec(id="of-part", applies=(Applies(part="PUMP"),), name="m.html"), b"<script>x</script>")
    say.add_document(DocumentSpec(id="of-b"), b"b's", links=[node("item:pump-200")])
    say.add_document(DocumentSpec(id="of-nobody"), b"nobody's")
    plant.gate.parties.add("a", "A Ltd")
    plant.gate.grant("party:a", READS, Selector(twins=("mill-1",)))
    with Server(plant, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def party(server: Server, plant: Platform) -> Iterator[Client]:
    with gemel.connect(server.url, token=token_of(plant, "a", "reader of a")) as client:
        yield client


@pytest.fixture(scope="module")
def engineer(server: Server, plant: Platform) -> Iterator[Client]:
    with gemel.connect(server.url, token=plant.gate.tokens.add("engineer", Role.ENGINEER)[1]) as client:
        yield client


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import is answered with what it found, though a busy machine takes longer than two seconds for it."""
    monkeypatch.setattr("gemel.server.routes.thread.QUICK_S", 60.0)


def test_a_party_follows_the_thread_of_its_machine_and_nothing_of_others_is_on_it(party: Client) -> None:
    found = party.thread.follow("item", "pump-100", depth=6, siblings=True)
    reached = {one["node"] for one in found["reached"]}
    assert {"record:RUN-A", "record:NC", "record:REQ", "document:of-part#1"} <= reached
    assert not [one for one in found["nodes"] if "200" in one or "RUN-B" in one or "of-b" in one or "m-2" in one]
    assert "pump-200" not in str(found)


@pytest.mark.parametrize(
    ("kind", "id", "seen"),
    [
        ("item", "pump-100", True),
        ("item", "pump-200", False),
        ("twin", "mill-1", True),
        ("twin", "mill-2", False),
        ("part", "PUMP", True),
        ("part", "SECRET", False),
        ("record", "RUN-A", True),
        ("record", "RUN-B", False),
        ("record", "NC", True),
        ("record", "REQ", True),
        ("record", "FREE", False),
        ("record", "NO-SUCH", False),
        ("document", "of-part", True),
        ("document", "of-b", False),
        ("document", "of-nobody", False),
        ("slot", "m-2", False),
    ],
)
def test_what_is_not_linked_to_what_a_party_sees_is_not_there(
    party: Client, engineer: Client, kind: str, id: str, seen: bool
) -> None:
    more = {"sub": "coolant"} if kind == "slot" else {}
    if seen:
        assert party.thread.follow(kind, id, **more)["start"].startswith(f"{kind}:{id}")
    else:
        with pytest.raises(NotFound):
            party.thread.follow(kind, id, **more)
    if id != "NO-SUCH":
        assert engineer.thread.follow(kind, id, **more)["start"]


READ_BY: list[tuple[str, Callable[[Client], object], object]] = [
    ("records", lambda who: [one["id"] for one in who.thread.records()["items"]], ["NC", "REQ", "RUN-A"]),
    ("documents", lambda who: [one["id"] for one in who.documents.search()["items"]], ["of-part"]),
    ("valid", lambda who: [one["document"] for one in who.documents.valid("pump-100")], ["of-part"]),
    ("measurements", lambda who: who.thread.measurements(["pump-200"])["items"], []),
]


@pytest.mark.parametrize(("what", "ask", "told"), READ_BY, ids=[row[0] for row in READ_BY])
def test_lists_hold_what_a_party_sees(party: Client, what: str, ask: Callable[[Client], object], told: object) -> None:
    assert ask(party) == told, what


def test_what_is_of_others_is_not_there_by_any_address(party: Client) -> None:
    for ask in (
        lambda: party.thread.record("RUN-B"),
        lambda: party.documents.get("of-b"),
        lambda: party.documents.content("of-b", "1"),
        lambda: party.documents.valid("pump-200"),
        lambda: party.thread.trace(["pump-200"]),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_trace_tells_nothing_that_the_thread_hides(party: Client, engineer: Client, plant: Platform) -> None:
    """Granted is the item in its machine, not the mill at which it was made, nor the program that is another's."""
    machine = node("twin:mill-2@2026-01-03T08:00:00Z/2026-01-03T09:00:00Z")
    plant.thread.weave(
        [RecordSpec(id="RUN-C", kind="operation"), RecordSpec(id="NC-B", kind="nc-program", title="theirs")],
        [
            LinkSpec(kind="made", source=node("record:RUN-C"), target=node("item:pump-100")),
            LinkSpec(kind="ran_on", source=node("record:RUN-C"), target=machine),
            LinkSpec(kind="executed", source=node("record:RUN-A"), target=node("record:NC-B")),
            LinkSpec(kind="concerns", source=node("record:NC-B"), target=node("item:pump-200")),
        ],
        basis=Basis(source="scheduler of b", reason="from the other mill"),
    )
    (hidden,), (whole,) = (one.thread.trace(["pump-100"], status="")["items"] for one in (party, engineer))
    assert [one["machine"] for one in whole["runs"]] == ["mill-1", "mill-2"]
    assert [(one["run"], one["program"]) for one in hidden["runs"]] == [("RUN-A", "NC")]
    assert "RUN-C: no machine and no time of it are known" in hidden["unmatched"]
    told = str(party.thread.trace(["pump-100"], status=""))
    assert not [word for word in ("mill-2", "theirs", "NC-B", "scheduler of b", "other mill") if word in told]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "thread/sources/1"),
        ("POST", "thread"),
        ("DELETE", "thread/links/1"),
        ("POST", "thread/imports"),
        ("PUT", "documents/x/versions/1"),
        ("DELETE", "documents/of-part/versions/1"),
    ],
)
def test_a_party_says_nothing_and_looks_into_no_file(party: Client, method: str, path: str) -> None:
    answer = httpx.request(
        method, f"{party.url}/api/v1/{path}", headers={"Authorization": f"Bearer {party.access_again['token']}"}
    )
    assert answer.status_code == 403


def test_a_document_is_saved_and_never_carried_out(party: Client) -> None:
    token = {"Authorization": f"Bearer {party.access_again['token']}"}
    answer = httpx.get(f"{party.url}/api/v1/documents/of-part/versions/1/content", headers=token)
    assert answer.content == b"<script>x</script>"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


def test_an_engineer_hands_in_a_version_links_it_and_withdraws_it(engineer: Client) -> None:
    engineer.documents.hand_in(
        "guide", "1", b"%PDF-1.7 guide", title="Guide", language="en", applies='[{"part": "PUMP"}]', links="twin:mill-2"
    )
    (one,) = [one for one in engineer.documents.valid("pump-200") if one["document"] == "guide"]
    assert (one["content"]["media_type"], one["language"]) == ("application/pdf", "en")
    assert engineer.documents.content("guide", "1", language="en") == b"%PDF-1.7 guide"
    with pytest.raises(Conflict):
        engineer.documents.hand_in("guide", "1", b"%PDF-1.7 other", language="en")
    engineer.documents.withdraw("guide", "1", reason="wrong")
    with pytest.raises(NotFound):
        engineer.documents.content("guide", "1")


def test_an_engineer_says_records_and_links_and_ends_them(engineer: Client) -> None:
    told = engineer.thread.weave(
        [{"id": "ECO-1", "kind": "change-order", "system": "plm", "url": "https://plm.example.com/ECO-1"}],
        [{"kind": "changes", "source": {"kind": "record", "id": "ECO-1"}, "target": {"kind": "part", "id": "PUMP"}}],
        basis={"source": "plm", "key": "ECO-1"},
    )
    assert (told["records"], told["links"]) == (1, 1)
    found = engineer.thread.follow("record", "ECO-1", depth=1)
    (step,) = found["reached"][0]["path"]
    assert (step["phrase"], step["target"], found["nodes"]["record:ECO-1"]["phase"]) == (
        "changes",
        "part:PUMP",
        "design",
    )
    engineer.thread.end(step["link"], reason="it was another part")
    assert engineer.thread.follow("record", "ECO-1")["reached"] == []


MAPPING = "gemel_mapping: 1\nname: x\nlists:\n- {files: [a.txt], line: '(?P<n>R\\d)', record: {id: '{n}', kind: cad}}\n"


def test_a_folder_is_looked_at_first_and_then_taken_in_as_a_job(engineer: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("R1\nnothing\nR2\n")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING)
    looked = engineer.thread.import_folder(tmp_path, mapping, dry_run=True)
    assert (looked["files"][0]["records"], looked["done"]) == (2, False)
    with pytest.raises(NotFound):
        engineer.thread.record("R1")
    assert engineer.thread.import_folder(tmp_path, mapping)["done"]
    found = engineer.thread.record("R1")
    told = engineer.thread.source(found["origin"]["source"], found["origin"]["place"])
    assert (told["source"]["name"], told["lines"][0]) == ("a.txt", "R1")
    assert engineer.thread.import_folder(tmp_path, mapping)["files"][0]["repeated"]


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt"])
def test_an_archive_does_not_lead_out_of_its_folder(engineer: Client, name: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
        archive.writestr("mapping.yaml", MAPPING)
    with pytest.raises(InvalidInput, match="leads out of the archive"):
        engineer._at.request("POST", "/api/v1/thread/imports", content=packed.getvalue())


def test_what_is_no_archive_is_refused(engineer: Client) -> None:
    packed, named = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "R1\n" * 1000)
    with zipfile.ZipFile(named, "w") as archive:
        archive.writestr("\u00e4.txt", "x")
    broken = bytearray(packed.getvalue())
    broken[35:45] = b"\xff" * 10  # where the packed text begins
    for body in (b"", b"PK\x03\x04 none", bytes(broken), named.getvalue().replace("\u00e4".encode(), b"\xff\xff")):
        with pytest.raises(InvalidInput, match="no whole ZIP"):
            engineer._at.request("POST", "/api/v1/thread/imports", content=body)


def test_a_list_is_sent_as_a_file_by_itself_and_received(engineer: Client, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Machine,Slot,Part,Serial\nm-1,coolant,PUMP,P-new\n")
    looked = engineer.thread.import_folder(path, "as-built", receive=True, dry_run=True)
    (machine,) = looked["compared"]
    assert [(one["slot"], one["verdict"], one["recorded"]) for one in machine["slots"]] == [
        ("coolant", "other", ["pump-100"])
    ]
    given = {"mapping": "as-built", "name": "list.csv", "receive": "true", "dry_run": "true"}
    sent = engineer._at.request("POST", "/api/v1/thread/imports", params=given, content=path.read_bytes())
    assert sent.json()["result"]["compared"][0]["slots"][0]["verdict"] == "other"
    dated = b"Machine,Slot,Part,Serial,Date\nm-1,coolant,PUMP,P-new,2026-02-20\n"
    sent = engineer._at.request("POST", "/api/v1/thread/imports", params=given | {"receive": "false"}, content=dated)
    (fault,) = sent.json()["result"]["files"][0]["faults"]
    assert fault["message"].endswith("receive the list, and the record becomes as it says")
    assert (sent.json()["result"]["files"][0]["new"], sent.json()["result"]["files"][0]["same"]) == (0, 0)
    for name in ("../list.csv", ".hidden", "a\\b.csv"):
        with pytest.raises(InvalidInput, match="is no name of a file"):
            engineer._at.request("POST", "/api/v1/thread/imports", params=given | {"name": name}, content=b"")


def test_a_party_follows_the_acts_of_its_machine_and_no_others(party: Client, plant: Platform) -> None:
    known = plant.configuration
    ours, theirs = (known.history(f"pump-{number}")[0].begun_by for number in (100, 200))
    found = party.thread.follow("item", "pump-100", depth=1)
    assert f"act:{ours}" in found["nodes"]
    told = party.thread.follow("act", str(ours), depth=1)
    assert told["nodes"][told["start"]]["what"] == "installed"
    assert {"item:pump-100", "slot:m-1#coolant"} <= {one["node"] for one in told["reached"]}
    with pytest.raises(NotFound):
        party.thread.follow("act", str(theirs))
    out = known.do(
        Raise(item="pump-200", at=known.history("pump-200")[0].valid.start),
        basis=Basis(reason="r", evidence="record:NC"),
    ).act
    reached = {one["node"] for one in party.thread.follow("record", "NC", depth=2)["reached"]}
    assert f"act:{out}" not in reached
