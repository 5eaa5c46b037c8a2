"""Software, files and campaigns over HTTP: who may target whose machines, who is given a file, what is told to whom."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

import gemel
from gemel.access import Role, Selector
from gemel.client import Client
from gemel.configuration import ItemSpec
from gemel.errors import Conflict, Denied, InvalidDocument, InvalidInput, NotFound
from gemel.platform import Platform
from gemel.server import Server
from gemel.services.campaigns import Rights

DRIVES = """
gemel: 1
types:
  - id: drive
    properties: [{name: firmware, kind: text, group: configuration}]
    commands:
      - name: update
        input: [{name: version, kind: text}, {name: url, kind: text}, {name: size, kind: integer}]
        optional: [url, size]
        effect: {firmware: {expression: input.version}}
twins: [{id: drive-0, types: [drive]}, {id: drive-1, types: [drive]}, {id: drive-2, types: [drive]}]
"""
SOFTWARE = """
software:
  - part: DRV-FW
    scheme: semver
    keys: [%s]
    versions: [{version: 1.0.0, artifact: %s}, {version: 1.1.0, artifact: %s}, {version: 1.2.0, artifact: %s}]
    required: [{versions: ">=1.1", why: bulletin 7}]
    ways:
      - {type: drive, slot: firmware, reports: firmware, command: update,
         inputs: {version: "{version}", url: "{url}", size: "{size}"}}
"""
KEY = Ed25519PrivateKey.generate()
PATIENCE_S = 60.0


def signed(content: bytes) -> str:
    return base64.b64encode(KEY.sign(hashlib.sha256(content).digest())).decode()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("drives") / "plant") as opened:
        opened.apply(DRIVES)
        for number in range(3):
            spec = ItemSpec(id=f"D-{number}", part="DRIVE", serial=f"S{number}", twin=f"drive-{number}")
            opened.configuration.create(spec, opened.clock.now())
            opened.write(f"drive-{number}", "firmware", "1.0.0")
        opened.gate.parties.add("a", "A Ltd")
        rights = ["read", "command"]
        opened.gate.grant("party:a", rights, Selector(twins=("drive-0",)))
        yield opened


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def as_(platform: Platform, server: Server) -> Iterator[Callable[[str], Client]]:
    made: dict[str, Client] = {}

    def client(who: str) -> Client:
        if who not in made:
            if who == "party":
                account = platform.gate.accounts.add("reader of a", None, None, party="a", kind="service")
                secret = platform.gate.tokens.add("reader of a", None, owner=account.id)[1]
            else:
                secret = platform.gate.tokens.add(who, Role(who))[1]
            made[who] = gemel.connect(server.url, token=secret)
        return made[who]

    yield client
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def engineer(platform: Platform, as_: Callable[[str], Client], tmp_path_factory: pytest.TempPathFactory) -> Client:
    """With software declared: 1.0.0 and 1.1.0 have signed files, 1.2.0 has one that somebody else signed."""
    client, folder, hashes = as_("engineer"), tmp_path_factory.mktemp("files"), []
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        path = folder / f"drive-{version}.bin"
        path.write_bytes(version.encode() * 1000)
        signature = signed(path.read_bytes() if version != "1.2.0" else b"another")
        hashes.append(client.software.add_file(path, signature=signature)["sha256"])
    key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    told = client.software.apply(SOFTWARE % (key, *hashes))
    assert told == [{"part": "DRV-FW", "what": "new", "fields": []}]
    assert platform.software_reports.wait(platform.position, PATIENCE_S)
    return client


def finished(platform: Platform, id: str) -> str:
    return str(platform.campaigns.wait(id, {"finished", "paused"}, timeout_s=PATIENCE_S).state)


def test_machines_are_shown_against_what_they_have_to_run(engineer):
    page = engineer.software.installed("DRV-FW")
    assert [one["worst"] for one in page.items] == ["behind"] * 3
    one = engineer.software.of("drive-1")["software"][0]
    assert (one["module"]["version"], one["required"], one["fresh"]) == ("1.0.0", [">=1.1"], True)
    assert one["reasons"] == ["1.0.0 is not >=1.1, which is required (bulletin 7)"]


def test_a_draft_can_be_tried_as_it_is_told(engineer):
    selection = {"effectivity": {"serials": ["A1.."], "from": "2020-01-01"}}
    drafted = engineer.campaigns.create({"part": "DRV-FW", "version": "1.1.0", "selection": selection})["campaign"]
    names = ("part", "version", "title", "selection", "at_once", "deadline_s", "settle_s", "start")
    groups = [{name: one[name] for name in ("name", "share", "success", "errors")} for one in drafted["groups"]]
    told = engineer.campaigns.preview({name: drafted[name] for name in names} | {"groups": groups})
    assert told["counts"].keys() == {"eligible", "in_sync", "blocked"}
    engineer.campaigns.do(drafted["id"], "stop")


def test_a_document_with_faults_is_refused_with_their_places(engineer):
    with pytest.raises(InvalidDocument) as refused:
        engineer.software.apply("software:\n  - part: X\n    versions: [{version: 1 0}]\n    ways: [{type: t}]\n")
    assert {problem["line"] for problem in refused.value.extra["problems"]} <= {3, 4}
    with pytest.raises(InvalidDocument):
        engineer.software.apply("software:\n  - {part: X, required: [{versions: 'more than 2'}]}\n")


def test_a_file_that_is_not_signed_by_a_key_of_the_software_is_not_handed_out(engineer):
    with pytest.raises(InvalidInput, match="not signed by one of its keys"):
        engineer.campaigns.create({"part": "DRV-FW", "version": "1.2.0"})


def test_a_party_targets_only_machines_that_it_may_command_and_sees_no_others(platform, engineer, as_):
    party, draft = as_("party"), {"part": "DRV-FW", "version": "1.1.0", "groups": [{"name": "all"}]}
    told = party.campaigns.preview(draft)
    assert [one["twin"] for one in told["machines"]] == ["drive-0"]
    assert told["withheld"] == 0, "that there are others is not told"
    made = party.campaigns.create(draft)["campaign"]["id"]
    party.campaigns.start(made)
    assert finished(platform, made) == "finished"
    assert [one["twin"] for one in party.campaigns.targets(made).items] == ["drive-0"]
    order = platform.orders("drive-0").items[0]
    assert order.input["size"] == 5000
    assert order.input["url"].startswith(f"{platform.campaigns.address}/api/v1/software/files/")

    others = engineer.campaigns.create({**draft, "selection": {"twins": ["drive-1"]}})["campaign"]["id"]
    with pytest.raises(NotFound):
        party.campaigns.get(others)
    assert others not in [one["campaign"]["id"] for one in party.campaigns().items]
    assert [one["machine"]["twin"] for one in party.software.installed().items] == ["drive-0"]
    with pytest.raises(Denied):
        as_("viewer").campaigns.do(others, "stop")
    with pytest.raises(Denied):
        as_("viewer").campaigns.create(draft)


def test_it_is_begun_watched_and_signed_off_and_its_report_has_the_proofs(platform, engineer):
    draft = {"part": "DRV-FW", "version": "1.1.0", "selection": {"versions": "<1.1"}, "title": "all of them"}
    made = engineer.campaigns.create(draft)["campaign"]["id"]
    assert engineer.campaigns.start(made)["campaign"]["state"] in {"running", "finished"}
    assert finished(platform, made) == "finished"
    overview = engineer.campaigns.get(made)
    assert [(one["name"], one["state"]) for one in overview["groups"]] == [("first", "done"), ("rest", "done")]
    with pytest.raises(Conflict):
        engineer.campaigns.do(made, "resume")
    assert engineer.campaigns.do(made, "sign-off")["campaign"]["signed"]["sha256"]
    report = engineer.campaigns.report(made)
    assert {one["proof"]["version"] for one in report["targets"]} == {"1.1.0"}
    assert all(one["proof"]["position"] > 0 and one["proof"]["time"].endswith("Z") for one in report["targets"])


def test_a_device_is_given_a_file_only_while_a_campaign_has_it_fetch_it(platform, server, engineer):
    _, code = platform.gate.devices.add("drive-2", ["drive-2"])
    secret = platform.gate.devices.claim(code).secret
    known = {one["name"]: one["sha256"] for one in engineer.software.files()}
    url = f"{server.url}/api/v1/software/files/{known['drive-1.0.0.bin']}"
    with httpx.Client(headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE_S) as device:
        assert device.get(url).status_code == 404
        with platform.database.write() as tx:  # a campaign that goes back: the device is under way to 1.0.0
            tx.execute(text("UPDATE service_campaign_target SET state = 'rolling_back' WHERE twin = 'drive-2'"))
        answer = device.get(url)
        assert answer.content == b"1.0.0" * 1000
        assert device.get(url.replace(known["drive-1.0.0.bin"], known["drive-1.1.0.bin"])).status_code == 404
    assert httpx.get(url).status_code == 401


def test_what_is_journaled_of_software_can_be_asked_of_any_moment(platform, engineer, tmp_path: Path):
    before = platform.clock.now()
    old = engineer.software.get("DRV-FW")
    engineer.software.apply("software: [{part: OTHER, versions: [{version: R9}, {version: R10}]}]")
    engineer.software.withdraw("OTHER")
    assert [one["part"] for one in engineer.software()] == ["DRV-FW"]
    assert set(platform.software.all(known=before)) == {"DRV-FW"}
    assert len(old["history"]) == 1
    history = engineer.software.get("OTHER")["history"]
    assert [one["software"] is None for one in history] == [True, False]
    engineer.software.withdraw("DRV-FW")
    assert platform.software.fleet().items == []
    assert platform.software.fleet(known=before).items


def test_on_whose_behalf_it_is_sent_must_still_be_allowed_it(platform):
    objection = Rights(platform.gate).objection
    accounts = platform.gate.accounts
    person = accounts.add("Ada", None, Role.OPERATOR)
    guest = accounts.add("Gast", None, None, party="a")
    assert objection(person.id, "drive-1") == objection(guest.id, "drive-0") == ""
    assert f"{guest.id}, on whose behalf it is sent, may not command drive-1" in objection(guest.id, "drive-1")
    accounts.change(person.id, role=Role.VIEWER)
    assert "may not command drive-1 any more" in objection(person.id, "drive-1")
    accounts.change(person.id, role=Role.OPERATOR, disabled=True)
    assert "may not sign in" in objection(person.id, "drive-1")
    accounts.erase(person.id)
    assert "no such account any more" in objection(person.id, "drive-1")
    token, _ = platform.gate.tokens.add("cell", Role.OPERATOR)
    assert objection(token.id, "drive-1") == ""
    platform.gate.tokens.withdraw(token.id)
    assert "withdrawn" in objection(token.id, "drive-1")
    assert "claim it again" in objection("device:gone", "drive-1")
    assert objection("library", "drive-1") == "", "who has the plant open has no account"
