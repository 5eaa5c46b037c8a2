"""Work packs: for exactly this serial number and job, with what was believed; as far as it is shared with who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from gemel.access import Action, ItemColumn, ItemView, Principal, Role, Selector
from gemel.cli import app
from gemel.clock import to_rfc3339
from gemel.configuration import Basis, Configuration, ItemKind, ItemSpec, Seen, operations, parse_parts
from gemel.errors import Corrupt, InvalidInput
from gemel.platform import Platform
from gemel.server import Server
from gemel.thread import ALL
from gemel.work_pack import Gathering, WorkPack, check_sealed, drawn, gather
from tests.configuration.conftest import day
from tests.server.test_server_parties import token_of

PLANT = """
gemel: 1
site: {name: Works, time_zone: Europe/Vienna}
types: [{id: machine, properties: [{name: speed}]}]
twins: [{id: m1, types: [machine]}]
"""
PARTS = """
gemel: 1
parts:
  - part: MILL
    end_item: true
    slots: [{slot: pump, name: Coolant pump}, {slot: guard, name: "Guard <door>", safety: true, mandatory: true}]
    rules:
      - {slot: pump, part: P-7, maker: Acme, revisions: [B, C]}
      - {slot: pump, part: P-8, effectivity: {serials: [SN-100..SN-200]}}
      - {slot: pump, part: P-9, effectivity: {serials: [SN-500..]}}
    materials:
      - {material: steel 1.0038, mass: 900, recycled: 0.25, recovery: steel scrap}
      - {material: mineral oil, mass: 12, hazard: "harms water", recovery: 13 02 05*}
  - part: P-7
    revisions: [{revision: A}, {revision: B}, {revision: C}]
    limits: [{kind: hours, limit: 1000}]
    materials: [{material: steel 1.0038, mass: 100, recycled: 0.5, recovery: steel scrap}]
"""
ODD = "Öl & <b>Schraube</b> № 5 ≥ 3 Нм"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("pack"), run_connectors=False) as platform:
        platform.apply(PLANT)
        made = platform.configuration
        for id, part, more in (
            ("M1", "MILL", {"twin": "m1", "serial": "SN-150"}),
            ("PUMP-A", "P-7", {"maker": "Acme", "serial": "A/1", "revision": "A"}),
            ("PUMP-B", "P-7", {"maker": "Acme", "serial": "A/2", "revision": "C"}),
        ):
            made.create(ItemSpec(id=id, part=part, **more), day(1, 1))
        made.install("PUMP-A", "M1", "pump", day(1, 1))
        made.use("M1", "hours", day(1, 1), day(3, 1), 950.0)
        made.parts.apply(made.parts.plan(parse_parts(PARTS)))
        swap = operations.Swap(parent="M1", slot="pump", new="PUMP-B", at=platform.clock.now())
        made.plans.make((swap,), at=platform.clock.now(), title="new pump", work_order="WO-17")
        yield platform


@pytest.fixture(scope="module")
def clients(platform: Platform) -> Iterator[dict[str, httpx.Client]]:
    gate = platform.gate
    gate.parties.add("acme", "Acme")
    columns = (ItemColumn.SERIALS, ItemColumn.REVISIONS)
    gate.grant(
        "party:acme", [Action.READ], Selector(everything=True), items=ItemView(makers=("Acme",), columns=columns)
    )
    secrets = {role: gate.tokens.add(role, role)[1] for role in ("viewer", "operator")}
    secrets["acme"] = token_of(platform, "acme", "of acme")
    made = {}
    with Server(platform, port=0) as server:
        for name, secret in secrets.items():
            headers = {"Authorization": f"Bearer {secret}"}
            made[name] = httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=60)
        done = made["operator"].post(
            "/thread",
            json={
                "records": [
                    {"id": "WO-17", "kind": "work-order", "title": "Exchange the pump"},
                    {
                        "id": "JP-3",
                        "kind": "job-plan",
                        "title": "Pump",
                        "attributes": {
                            "steps": ["Lock out", {"title": "Tighten", "torque": "12 Nm"}, ODD],
                            "tools": ["torque wrench"],
                            "skills": ["fitter"],
                        },
                    },
                ],
                "links": [
                    {
                        "kind": "describes",
                        "source": {"kind": "record", "id": "JP-3"},
                        "target": {"kind": "record", "id": "WO-17"},
                    }
                ],
            },
        )
        assert done.status_code < 300, done.text
        put = made["operator"].put(
            "/documents/manual/versions/3",
            params={"title": "Manual of the mill", "kind": "manual", "applies": '[{"part": "MILL"}]'},
            content=b"turn it off first",
            headers={"Content-Type": "text/plain"},
        )
        assert put.status_code < 300, put.text
        yield made
        for client in made.values():
            client.close()


def packed(platform: Platform, item: str = "M1", job: str = "") -> WorkPack:
    now = platform.clock.now()
    return gather(_as_viewer(platform), item, job, now, now)


def _as_viewer(platform: Platform) -> Gathering:
    view = platform.view(Principal(id="user-x", kind="User", role=Role.VIEWER))
    seen = Seen(platform.database, platform.clock, view)
    return Gathering(seen, platform.configuration, platform.thread, ALL, platform.forms)


def test_a_pack_is_of_this_serial_number(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    assert clients
    pack = packed(platform, job="WO-17")
    (swap,) = pack.exchanges
    (due,) = packed(platform, job="JP-3").exchanges
    assert (swap.path, swap.out and swap.out.id, swap.new and swap.new.id) == (("pump",), "PUMP-A", "PUMP-B")
    assert [str(one) for one in swap.allowed] == ["P-7 of Acme, revision B or C", "P-8"]  # not P-9: another range
    assert due.why == "950 of 1,000 hours used"
    assert pack.steps == ("Lock out", "Tighten – 12 Nm", ODD)
    assert (pack.tools, pack.skills, pack.job_title) == (("torque wrench",), ("fitter",), "Exchange the pump")
    assert [one.title for one in pack.papers] == ["Manual of the mill"]
    assert [slot.path for slot in pack.safety_slots] == [("guard",)]
    assert any("guard" in one.slot for one in pack.unsafe)
    assert pack.hash == platform.configuration.hash("M1", pack.at, known=pack.known)
    assert pack.withheld == ()


def test_the_same_pack_is_the_same_paper(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    assert clients
    pack = packed(platform, job="WO-17")
    one, two = (drawn(pack, page="https://example.org/items/M1", zone="Europe/Vienna") for _ in range(2))
    assert one == two
    assert one.startswith(b"%PDF-")


def test_a_pack_over_http_says_what_was_believed(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    told = clients["viewer"].get("/items/M1/work-pack.pdf", params={"job": "WO-17"})
    assert (told.status_code, told.headers["content-type"]) == (200, "application/pdf")
    assert re.fullmatch(r"WP-[0-9A-F]{10}", told.headers["gemel-reference"])
    assert clients["viewer"].get("/items/NOTHING/work-pack.pdf").status_code == 404
    assert clients["viewer"].get("/items/M1/work-pack.pdf", params={"job": "WO-99"}).status_code == 404
    assert clients["viewer"].get("/items/M1/work-pack.pdf", params={"job": "77"}).status_code == 404
    assert clients["viewer"].post("/items/M1/work-pack.pdf").status_code == 403
    early = {"at": to_rfc3339(day(2, 1)), "known": to_rfc3339(platform.clock.now())}
    one, two = (clients["viewer"].get("/items/M1/work-pack.pdf", params=early) for _ in range(2))
    assert one.content == two.content


def test_who_is_sent_with_a_pack_is_told_when_something_else_becomes_known(
    platform: Platform, clients: dict[str, httpx.Client]
) -> None:
    sent = clients["operator"].post("/items/M1/work-pack.pdf", params={"at": to_rfc3339(day(2, 1))})
    assert sent.status_code == 200
    made: Configuration = platform.configuration
    act = made.remove("PUMP-A", day(1, 15))
    relied = [one.reliance for one in made.dependants(act).relied]
    assert ("visit", sent.headers["gemel-reference"]) in [(one.kind, one.reference) for one in relied if one]
    made.withdraw(act, basis=Basis(reason="it is still there", seen=True))


def test_what_may_come_into_a_slot_is_offered_with_what_is_at_hand(clients: dict[str, httpx.Client]) -> None:
    told = clients["viewer"].get("/items/M1/slots/pump/fitting").json()
    assert (told["name"], told["ruled"]) == ("Coolant pump", True)
    assert [(one["part"], one["maker"], one["revisions"]) for one in told["allowed"]] == [
        ("P-7", "Acme", ["B", "C"]),
        ("P-8", "", []),
    ]
    first = told["pieces"][0]  # before those that do not fit
    assert (first["item"]["id"], first["fits"], first["stock"]) == ("PUMP-B", True, True)
    free = clients["viewer"].get("/items/PUMP-B/slots/seal/fitting").json()
    assert (free["ruled"], free["allowed"]) == (False, [])
    assert clients["acme"].get("/items/M1/slots/pump/fitting").status_code == 404


def test_a_party_gets_a_pack_of_what_is_shared_with_it(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    when = {"at": to_rfc3339(day(1, 10))}
    assert clients["acme"].get("/items/PUMP-A/work-pack.pdf", params=when).status_code == 200
    gone = platform.configuration.remove("PUMP-A", day(1, 15))
    assert clients["acme"].get("/items/M1/work-pack.pdf").status_code == 404  # nothing of Acme is in it any more
    platform.configuration.withdraw(gone, basis=Basis(reason="it is still there", seen=True))
    assert clients["acme"].get("/items/PUMP-B/work-pack.pdf").status_code == 404  # is in no machine
    assert clients["acme"].get("/items/PUMP-A/work-pack.pdf", params={**when, "job": "WO-17"}).status_code == 404


def test_a_pack_lists_the_software_that_was_reported_as_far_as_it_is_shared(
    platform: Platform, clients: dict[str, httpx.Client]
) -> None:
    when = {"at": to_rfc3339(day(1, 10))}
    without = clients["viewer"].get("/items/M1/work-pack", params=when).json()
    assert without["software"] == []
    said = operations.Report(item="PUMP-A", slot="drive", version="2.4", at=day(1, 5), part="DRV-FW")
    act = platform.configuration.do(said).act
    pack = clients["viewer"].get("/items/M1/work-pack", params=when).json()
    (one,) = pack["software"]
    assert (one["path"], one["item"]) == (["pump", "drive"], "PUMP-A")
    assert (one["runs"]["part"], one["runs"]["version"], one["runs"]["state"]) == ("DRV-FW", "2.4", "free")
    assert one["runs"]["since"].startswith("2026-01-05")
    assert (pack["hash"], pack["reference"]) != (without["hash"], without["reference"])
    paper = packed(platform, "PUMP-A")
    bare = msgspec.structs.replace(paper, software=())
    assert len(drawn(paper, page="https://example.org")) > len(drawn(bare, page="https://example.org"))
    told = clients["acme"].get("/items/PUMP-A/work-pack", params=when).json()
    assert (told["software"], told["tree"]["software"]) == ([], [])
    assert "software" in told["withheld"]
    platform.configuration.withdraw(act, basis=Basis(reason="it was another one"))


def test_a_pack_lists_the_forms_that_are_for_this_serial_number_and_this_job(
    platform: Platform, clients: dict[str, httpx.Client]
) -> None:
    before = platform.clock.now()
    declared = platform.forms.declared
    fields = "[{name: done, ask: Done, kind: yes_no}]"
    mill = "{id: weekly, title: Weekly check, applies: [{part: MILL}], fields: %s}"
    other = "{id: other, title: Of other mills, applies: [{part: MILL, serials: [SN-500..]}], fields: %s}"
    job = "{id: start-up, title: Start-up, jobs: [JP-3], fields: %s}"
    declared.apply(f"forms: [{', '.join(one % fields for one in (mill, other, job))}]")
    pack = packed(platform, job="WO-17")
    assert [(one.form, one.version, one.title) for one in pack.forms] == [
        ("start-up", 1, "Start-up"),
        ("weekly", 1, "Weekly check"),
    ]
    assert [one.form for one in packed(platform).forms] == ["weekly"]  # without the job
    bare = msgspec.structs.replace(pack, forms=())
    assert len(drawn(pack, page="https://example.org")) > len(drawn(bare, page="https://example.org"))
    as_then = clients["viewer"].get("/items/M1/work-pack", params={"known": to_rfc3339(before)}).json()
    assert as_then["forms"] == []  # then nobody had declared them
    assert [one["form"] for one in clients["viewer"].get("/items/M1/work-pack").json()["forms"]] == ["weekly"]
    told = clients["acme"].get("/items/PUMP-A/work-pack", params={"at": to_rfc3339(day(1, 10))}).json()
    assert (told["forms"], "forms" in told["withheld"]) == ([], True)
    for one in ("weekly", "other", "start-up"):
        declared.withdraw(one)
    assert packed(platform, job="WO-17").forms == ()
    (then,) = gather(_as_viewer(platform), "M1", "", pack.at, pack.known).forms
    assert then.form == "weekly"


def test_documents_are_told_by_views_that_tell_documents(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    put = clients["operator"].put(
        "/documents/sheet/versions/1",
        params={"title": "Data sheet", "kind": "manual", "applies": '[{"part": "P-7"}]'},
        content=b"12 Nm",
    )
    assert put.status_code < 300, put.text
    when = {"at": to_rfc3339(day(1, 10))}
    assert clients["acme"].get("/items/PUMP-A/documents", params=when).status_code == 404
    assert clients["acme"].get("/documents").json()["items"] == []
    view = ItemView(makers=("Acme",), columns=(ItemColumn.SERIALS, ItemColumn.DOCUMENTS))
    made = platform.gate.grant("party:acme", [Action.READ], Selector(everything=True), items=view)
    assert clients["acme"].get("/items/PUMP-A/documents", params=when).status_code == 200
    assert clients["acme"].get("/items/M1/documents", params=when).status_code == 404
    platform.gate.grants.revoke(made.id)
    assert clients["acme"].get("/documents").json()["items"] == []


def test_a_machine_is_made_of_what_is_in_it_and_what_needs_care_comes_first(platform: Platform) -> None:
    told = platform.configuration.materials("M1", day(1, 10))
    assert [(one.material, one.mass, one.recycled, one.items) for one in told.materials] == [
        ("mineral oil", 12.0, 0.0, ("M1",)),
        ("steel 1.0038", 1000.0, 275.0, ("M1", "PUMP-A")),
    ]
    assert (told.mass, told.declared, told.undeclared) == (1012.0, 2, ())
    before = platform.configuration.materials("M1", day(1, 1), known=day(1, 1))
    assert before.materials == ()  # then nobody had declared it


def test_a_dossier_says_all_of_it_and_that_nobody_changed_it(
    platform: Platform, clients: dict[str, httpx.Client], tmp_path: Path
) -> None:
    when = {"at": to_rfc3339(day(1, 10)), "known": to_rfc3339(platform.clock.now())}
    told = clients["viewer"].get("/items/M1/dossier", params=when)
    assert told.status_code == 200, told.text
    sealed = check_sealed(told.content, str(platform.witness.keys.public))
    said = sealed.dossier
    assert (said["plant"], said["item"]["serial"], said["at"]) == ("Works", "SN-150", when["at"])
    assert [part["item"]["id"] for part in said["tree"]["parts"]] == ["PUMP-A"]
    assert {(one["item"], tuple(one["path"])) for one in said["history"]} == {("M1", ()), ("PUMP-A", ("pump",))}
    assert {one["kind"] for one in said["acts"]} >= {"created", "installed"}
    assert said["documents"][0]["title"] == "Manual of the mill"
    assert said["materials"]["mass"] == 1012.0
    assert "guard" in said["completeness"]["threatens"][0]
    again = clients["viewer"].get("/items/M1/dossier", params=when)
    assert again.content == told.content
    for old, new in ((b"SN-150", b"SN-151"), (b'"sha256":"', b'"sha256":"0')):
        with pytest.raises(Corrupt):
            check_sealed(told.content.replace(old, new, 1))
    with pytest.raises(Corrupt, match="not by the key"):
        check_sealed(told.content, "other+12ab34cd+AAAA")
    with pytest.raises(InvalidInput):
        check_sealed(b"{}")
    paper = clients["viewer"].get("/items/M1/dossier.pdf", params=when)
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    assert clients["acme"].get("/items/PUMP-A/dossier", params=when).status_code == 404
    (tmp_path / "M1.json").write_bytes(told.content)
    done = CliRunner().invoke(app, ["item", "check-dossier", str(tmp_path / "M1.json")])
    assert (done.exit_code, sealed.sha256 in done.output.replace("\n", "")) == (0, True), done.output


def test_what_was_retired_is_told_to_whoever_recycles_it(platform: Platform, clients: dict[str, httpx.Client]) -> None:
    made, now = platform.configuration, platform.clock.now()
    for id, kind in (("OLD", ItemKind.HARDWARE), ("OLD-P", ItemKind.HARDWARE), ("RECYCLER", ItemKind.LOCATION)):
        part, maker, revision = {"OLD": ("MILL", "", ""), "OLD-P": ("P-7", "Acme", "B")}.get(id, ("YARD", "", ""))
        made.create(ItemSpec(id=id, part=part, maker=maker, revision=revision, kind=kind, serial=id), day(1, 1))
    made.install("OLD-P", "OLD", "pump", day(1, 1))
    made.install("OLD", "RECYCLER", "yard", day(2, 1))
    made.remove("OLD-P", day(2, 2), to=("RECYCLER", "pumps"))
    for id in ("OLD", "OLD-P"):
        made.remove(id, day(2, 3))
        made.retire(id, day(2, 3), basis=Basis(reason="shredded", evidence="certificate 81"))
    assert now > day(2, 3)
    passport = made.materials("OLD", day(1, 20))
    assert passport.mass == 1012.0
    said = check_sealed(clients["operator"].get("/items/OLD/dossier").content).dossier
    assert said["item"]["retired"] == to_rfc3339(day(2, 3))
    assert said["acts"][-1]["basis"]["evidence"] == "certificate 81"
    assert ("OLD-P", to_rfc3339(day(2, 2))) in {(one["item"], one["span"]["end"]) for one in said["history"]}


def test_what_threatens_operation_comes_first_and_is_asked_of_all_machines(
    platform: Platform, clients: dict[str, httpx.Client]
) -> None:
    page = clients["viewer"].get("/threats", params={"limit": 1}).json()
    rest = clients["viewer"].get("/threats", params={"cursor": page["next"]}).json()
    told = {one["item"]: one for one in (*page["items"], *rest["items"])}
    assert "OLD" not in told
    assert "PUMP-B" not in told  # a spare has no gap that stops anything
    first = told["M1"]["threats"][0]
    assert (first["gravity"], first["kind"], first["slot"]) == ("stops", "safety", "guard")
    then = clients["viewer"].get("/items/M1/threats", params={"at": to_rfc3339(day(1, 10))}).json()
    assert [(one["gravity"], one["kind"], one["slot"]) for one in then] == [
        ("stops", "safety", "guard"),
        ("stops", "rule", "pump"),  # its revision A is none of B and C
    ]
    read = Basis(reason="as its own counter says")
    platform.configuration.adjust("PUMP-A", "hours", 5_000.0, platform.clock.now() - 1, basis=read)
    (worn,) = platform.configuration.threats("PUMP-A")
    assert (worn.gravity, worn.kind) == ("stops", "limit")
    assert clients["acme"].get("/threats").json()["items"] == []
    headers = clients["viewer"].headers["Authorization"]
    url = str(clients["viewer"].base_url).removesuffix("/api/v1/")
    for item, code in (("M1", 3), ("RECYCLER", 0)):
        asked = ["--at", url, "configuration", "threats", item]
        done = CliRunner().invoke(app, asked, env={"GEMEL_TOKEN": headers.removeprefix("Bearer ")})
        assert done.exit_code == code, done.output
