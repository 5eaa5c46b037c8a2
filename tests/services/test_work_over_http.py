"""Work over HTTP and on the command line: who sees which orders, the kit for one serial number, visits told twice."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

import gemel
from gemel.access import Action, Role, Selector
from gemel.cli import app
from gemel.client import Client
from gemel.clock import SECOND, to_rfc3339
from gemel.configuration import Basis, ItemSpec, parse_parts
from gemel.errors import ConfigurationDiffers, Conflict, Denied, InvalidInput, NotFound, RevisionConflict
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.server import Server
from gemel.thread import LinkSpec, Node, Phase, RecordSpec
from tests.server.test_server_parties import token_of

HOUR = 3600 * SECOND
PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: execution, kind: enumeration, values: [ACTIVE, INTERRUPTED, READY]}
      - {name: hydraulics, kind: condition}
      - {name: rate, group: financial}
      - {name: build, kind: text, group: configuration}
twins:
  - {id: press-7, types: [press], serial: S7}
  - {id: press-8, types: [press], serial: S8}
  - {id: press-9, types: [press]}
"""
PARTS = """
parts:
  - part: PRESS
    end_item: true
    slots: [{slot: pump}]
    rules:
      - {slot: pump, part: P-7, revisions: [B, C]}
      - {slot: pump, part: P-8, effectivity: {serials: [S8]}}
  - part: P-7
    revisions: [{revision: A}, {revision: B}, {revision: C}]
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("work") / "plant", run_connectors=False) as opened:
        opened.apply(PLANT)
        then = opened.clock.now() - 100 * HOUR
        for number in (7, 8):
            spec = ItemSpec(id=f"M-{number}", part="PRESS", serial=f"S{number}", twin=f"press-{number}")
            opened.configuration.create(spec, then)
        opened.configuration.parts.apply(opened.configuration.parts.plan(parse_parts(PARTS)))
        for id in ("PUMP-A", "PUMP-B"):
            opened.configuration.create(ItemSpec(id=id, part="P-7", revision="B", serial=id), then)
        opened.thread.weave(
            [RecordSpec(id="JP-1", kind="job-plan", attributes={"tools": ["wrench"], "skills": ["hydraulics"]})],
            [LinkSpec(kind="concerns", source=Node.parse("record:JP-1"), target=Node.parse("part:PRESS"))],
        )
        gate = opened.gate
        gate.parties.add("service", "Service partner")
        gate.parties.add("maker", "Maker")
        groups = ["identity", "configuration"]
        gate.grant("party:service", [Action.READ, Action.MAINTAIN], Selector(twins=("press-7",)), groups=groups)
        gate.grant("party:maker", [Action.READ], Selector(twins=("press-8",)), groups=[*groups, "financial"])
        yield opened


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    with Server(platform, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def as_(platform: Platform, server: Server) -> Iterator[Callable[[str], Client]]:
    secrets = {str(role): platform.gate.tokens.add(str(role), role)[1] for role in Role}
    for party in ("service", "maker"):
        secrets[party] = token_of(platform, party, f"of {party}")
    made: dict[str, Client] = {}

    def client(name: str) -> Client:
        if name not in made:
            made[name] = gemel.connect(server.url, token=secrets[name])
        return made[name]

    yield client
    for one in made.values():
        one.close()


def ago(platform: Platform, hours: float) -> str:
    return to_rfc3339(platform.clock.now() - round(hours * HOUR))


def test_the_kit_says_which_parts_fit_exactly_this_serial_number(as_: Callable[[str], Client]) -> None:
    work = as_("operator").work
    parts = [{"part": "P-7", "revision": "A", "slot": "pump"}, {"part": "P-8", "slot": "pump"}, {"part": "O-ring"}]
    fits = {}
    for number in (7, 8):
        work.put({"id": f"KIT-{number}", "twin": f"press-{number}", "title": "Pump", "job": "JP-1", "parts": parts})
        kit = work.kit(f"KIT-{number}")
        assert (kit["serial"], kit["tools"], kit["skills"]) == (f"S{number}", ["wrench"], ["hydraulics"])
        fits[number] = {one["part"]: one["fits"] for one in kit["parts"]}
    assert fits == {
        7: {"P-7": "no", "P-8": "no", "O-ring": "unknown"},
        8: {"P-7": "no", "P-8": "yes", "O-ring": "unknown"},
    }


def test_a_machine_without_an_item_has_the_kit_that_its_order_says(as_: Callable[[str], Client]) -> None:
    as_("operator").work.put({"id": "KIT-9", "twin": "press-9", "tools": ["lamp"], "parts": [{"part": "P-7"}]})
    kit = as_("operator").work.kit("KIT-9")
    assert (kit["tools"], kit["parts"][0]["fits"]) == (["lamp"], "unknown")
    assert "no item of press-9" in kit["parts"][0]["why"]


def test_the_work_pack_of_an_order_has_its_kit(as_: Callable[[str], Client]) -> None:
    as_("operator").work.put({"id": "PACK-1", "twin": "press-7", "parts": [{"part": "P-7", "revision": "C"}]})
    assert as_("operator").items.work_pack("M-7", job="PACK-1").startswith(b"%PDF")


def test_a_visit_that_is_told_twice_is_one_and_what_it_says_now_counts(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    work = as_("operator").work
    work.put({"id": "V-1", "twin": "press-7"})
    visit = {"key": "phone-1", "start": ago(platform, 2)}
    assert work.visit("V-1", visit)["state"] == "working"
    ended = visit | {"end": ago(platform, 1), "outcome": "failed", "cause": "wrong_tools", "note": "no crane"}
    for _ in range(2):
        told = work.visit("V-1", ended)
    assert told["state"] == "failed"
    assert [(one["cause"], one["note"]) for one in told["visits"]] == [("wrong_tools", "no crane")]
    assert [one["state"] for one in told["steps"]].count("failed") == 1
    with pytest.raises(InvalidInput):
        work.visit("V-1", visit | {"key": "other", "end": ago(platform, 3), "outcome": "done"})
    work.move("V-1", "cancelled")
    with pytest.raises(Conflict):
        work.move("V-1", "working")
    late = visit | {"key": "late", "end": ago(platform, 1), "outcome": "done"}
    assert work.visit("V-1", late)["state"] == "cancelled"  # it is noted, and the order stays


def test_orders_are_seen_and_changed_by_whoever_may_see_and_maintain_the_machine(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    for number in (7, 8):
        as_("operator").work.put({"id": f"SEEN-{number}", "twin": f"press-{number}", "title": "Seen"})
    seen = {name: {one["id"] for one in as_(name).work("SEEN").items} for name in ("viewer", "service", "maker")}
    assert seen == {"viewer": {"SEEN-7", "SEEN-8"}, "service": {"SEEN-7"}, "maker": {"SEEN-8"}}
    with pytest.raises(NotFound):
        as_("service").work.get("SEEN-8")
    with pytest.raises(NotFound):
        as_("service").work.visit("SEEN-8", {"key": "k", "start": ago(platform, 1)})
    assert as_("service").work.move("SEEN-7", "assigned")["may"]
    for name in ("viewer", "maker"):
        with pytest.raises((Denied, NotFound)):
            as_(name).work.move("SEEN-8", "assigned")
    with pytest.raises(Conflict, match="taken"):  # another's order is not taken over by its id
        as_("service").work.put({"id": "SEEN-8", "twin": "press-7"})
    with pytest.raises(NotFound):
        as_("service").work.put({"twin": "press-8"})
    with pytest.raises(InvalidInput, match="your own"):
        as_("service").work.visit("SEEN-7", {"key": "k", "who": "user-else", "start": ago(platform, 1)})


def test_what_an_order_assumes_is_told_to_whom_the_machine_is_and_asked_when_they_go(
    as_: Callable[[str], Client],
) -> None:
    told = {"twin": "press-7", "title": "Seal", "expects": [{"slot": "pump", "item": "PUMP-A"}]}
    as_("service").work.put({"id": "EXP-7", **told})
    assert [one["item"] for one in as_("service").work.get("EXP-7")["expects"]] == ["PUMP-A"]
    with pytest.raises(ConfigurationDiffers, match="pump of M-7 holds nothing, not PUMP-A"):
        as_("service").work.move("EXP-7", "on_the_way")
    going = {"state": "on_the_way", "concession": "a new one is brought"}
    for name in ("service", "operator"):
        with pytest.raises(Denied):  # to answer for it is for whoever may concede an operation, too
            as_(name).work.move("EXP-7", **going)
    assert as_("engineer").work.move("EXP-7", **going)["state"] == "on_the_way"
    with pytest.raises(NotFound):  # nobody asks of another's machine in this way
        as_("service").work.put({"id": "EXP-8", **told, "expects": [{"root": "M-8", "has": ["P-7"]}]})
    with pytest.raises(InvalidInput, match="say what is expected"):
        as_("service").work.put({"id": "EXP-9", **told, "expects": [{}]})


def test_an_invoice_is_seen_by_who_sees_what_is_financial_of_the_machine(
    platform: Platform, as_: Callable[[str], Client]
) -> None:
    for number in (7, 8):
        for kind in ("invoice", "case"):
            record = RecordSpec(id=f"{kind}-{number}", kind=kind, phase=Phase.SERVICE, system="erp")
            link = LinkSpec(
                kind="concerns", source=Node.parse(f"record:{record.id}"), target=Node.parse(f"twin:press-{number}")
            )
            platform.thread.weave([record], [link])
    seen = {
        name: {one["id"] for one in as_(name).thread.records(system="erp")["items"]}
        for name in ("viewer", "service", "maker")
    }
    assert seen["viewer"] == {"invoice-7", "case-7", "invoice-8", "case-8"}
    assert seen["service"] == {"case-7"}
    assert seen["maker"] == {"invoice-8", "case-8"}


def test_acts_under_an_order_are_told_with_it(platform: Platform, as_: Callable[[str], Client]) -> None:
    as_("operator").work.put({"id": "ACT-1", "twin": "press-7"})
    then = platform.clock.now() - HOUR
    platform.configuration.install("PUMP-A", "M-7", "pump", then, basis=Basis(work_order="ACT-1"))
    (told,) = as_("service").work.acts("ACT-1")
    assert (told["act"]["kind"], "PUMP-A" in told["items"]) == ("installed", True)


def test_rework_failures_and_downtime_are_counted_and_priced(platform: Platform, as_: Callable[[str], Client]) -> None:
    operator, start = as_("operator").work, ago(platform, 30)
    as_("engineer").work.put_price({"type": "press", "per_hour": "100", "currency": "EUR", "rests_on": "a guess"})
    price = {"kind": "work", "per_hour": "60.50", "currency": "EUR", "rests_on": "tariff"}
    as_("engineer").work.put_price(price)
    operator.put({"id": "R-1", "twin": "press-8", "party": "crew"})
    visit = {"key": "1", "start": ago(platform, 20), "end": ago(platform, 19), "outcome": "done"}
    operator.visit("R-1", visit)
    repair = {"id": "R-2", "twin": "press-8", "party": "crew", "repairs": "R-1", "rework": "wrong_configuration_data"}
    operator.put(repair)
    operator.visit("R-2", visit | {"start": ago(platform, 10), "end": ago(platform, 8)})
    stop = operator.put_stop({"twin": "press-8", "start": ago(platform, 20), "end": ago(platform, 18), "order": "R-1"})
    operator.put_stop({"twin": "press-8", "start": ago(platform, 19), "end": ago(platform, 17), "kind": "software"})
    operator.put_stop({"twin": "press-8", "start": ago(platform, 7), "end": ago(platform, 6), "kind": "planned"})
    told = operator.classify(stop["id"], "overload", reason="seen on site")
    assert [one["kind"] for one in told["classes"]] == ["unknown", "overload"]
    (report,) = as_("maker").work.report(start=start, twin="press-8")
    assert report["visits"]["first_time_fix"] == 0.5  # R-1 was repaired
    (rework,) = report["rework"]
    assert (rework["count"], round(rework["hours"]), rework["cost"]["amounts"]) == (1, 2, {"EUR": "121.00"})
    kinds = {one["kind"]: one["count"] for one in report["failures"] if one["count"]}
    assert kinds == {"overload": 1, "software": 1}
    (down,) = report["downtime"]
    assert (round(down["hours"]), down["cost"]["amounts"]) == (3, {"EUR": "300.00"})  # where two overlap, once
    assert down["cost"]["rests_on"] == ["100 EUR/h: a guess"]
    assert [one["orders"] for one in as_("maker").work.report(start=start, by="party", party="crew")] == [2]
    (without,) = as_("service").work.report(start=start)
    assert without["cost"]["amounts"] == {}  # what it costs is not shared with them


def test_stops_are_found_in_what_the_machine_told(platform: Platform, as_: Callable[[str], Client]) -> None:
    now = platform.clock.now()
    values = [(5.0, "ACTIVE"), (4.0, "INTERRUPTED"), (3.0, "ACTIVE"), (2.0, "INTERRUPTED"), (1.999, "READY")]
    told = [
        Reported(twin="press-7", property="execution", value=value, time=now - round(hours * HOUR))
        for hours, value in values
    ]
    platform.ingest([Message(readings=told)])
    (found,) = as_("operator").work.find_stops("press-7")  # the other one was too short
    assert (found["seen"], found["end"] is None) == (["execution=INTERRUPTED"], False)
    key = f"found:press-7:{now - 4 * HOUR}:execution=INTERRUPTED"
    body = {"twin": "press-7", "start": found["start"], "end": found["end"], "seen": found["seen"][0], "key": key}
    one, two = (as_("operator").work.put_stop(body) for _ in range(2))
    assert one["id"] == two["id"]
    assert as_("operator").work.find_stops("press-7")[0]["known"] == one["id"]
    assert as_("service").work.find_stops("press-7") == []  # its states are not shared with them


@pytest.mark.parametrize(
    "bad", [{}, {"twin": "press-7", "repairs": "x"}, {"twin": "nowhere"}, {"twin": "press-7", "system": "x"}]
)
def test_an_order_that_cannot_be_is_refused(as_: Callable[[str], Client], bad: dict) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        as_("operator").work.put(bad)


def test_a_stale_change_of_an_order_is_refused(platform: Platform, as_: Callable[[str], Client]) -> None:
    for title in ("One", "Two"):
        as_("operator").work.put({"id": "REV-1", "twin": "press-7", "title": title})
    spec = platform.work.orders.get("REV-1").spec
    with pytest.raises(RevisionConflict, match="revision 2, not 1"):
        platform.work.orders.put(msgspec.structs.replace(spec, title="Three"), if_revision=1)


def test_the_command_line_tells_the_same(platform: Platform, server: Server, as_: Callable[[str], Client]) -> None:
    token = platform.gate.tokens.add("cli", Role.ENGINEER)[1]

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["--at", server.url, "--token", token, *arguments])
        assert done.exit_code == code, done.output
        return done.stdout

    run("work", "new", "press-7", "Seal", "--id", "CLI-1", "--part", "P-7@A*2:pump", "--skill", "hydraulics")
    assert "no" in run("work", "kit", "CLI-1", code=3)
    run("work", "visit", "CLI-1", ago(platform, 2), "--end", ago(platform, 1), "--failed", "wrong_parts")
    shown = json.loads(run("--json", "work", "show", "CLI-1"))
    assert (shown["state"], shown["visits"][0]["cause"]) == ("failed", "wrong_parts")
    assert "CLI-1" in run("--json", "work", "--q", "CLI-")
    assert "wrong parts" in run("work", "report")
    assert json.loads(run("--json", "work", "prices"))
    for verb in ("show", "acts"):
        run("work", verb, "CLI-1")
    run("work", "move", "CLI-1", "cancelled", "--reason", "sold")
    run("work", "stop", "press-7", ago(platform, 50), "--end", ago(platform, 49), "--kind", "hardware")
    assert "hardware" in run("work", "stops", "--kind", "hardware")
    run("work", "find-stops", "press-7", "--note")


def test_the_same_stop_is_noted_once_from_the_command_line_and_closed(
    platform: Platform, server: Server, as_: Callable[[str], Client]
) -> None:
    token = platform.gate.tokens.add("notes", Role.ENGINEER)[1]

    def told(value: str, hours: float) -> str:
        time = platform.clock.now() - round(hours * HOUR)
        platform.ingest([Message(readings=[Reported(twin="press-9", property="execution", value=value, time=time)])])
        return to_rfc3339(time)

    def note() -> list[tuple[str, str | None]]:
        words = ["--at", server.url, "--token", token, "work", "find-stops", "press-9", "--note"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return [(one["start"], one["end"]) for one in as_("operator").work.stops(twin="press-9").items]

    began = told("INTERRUPTED", 72)
    for _ in range(2):  # it is the same stop, however often it is found
        assert note() == [(began, None)]
    again = told("ACTIVE", 1)
    assert note() == [(began, again)]


def test_exchanges_are_declared_tried_and_run_from_the_command_line(
    platform: Platform, server: Server, tmp_path: Path
) -> None:
    token = platform.gate.tokens.add("exchanges", Role.ENGINEER)[1]

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["--at", server.url, "--token", token, "--json", *arguments])
        assert done.exit_code == code, done.output
        return done.stdout

    document = tmp_path / "exchanges.yaml"
    document.write_text(
        "exchanges: [{id: files, system: mes, fields: {external: No, twin: Machine, title: Text}, "
        "pull: {folder: inbox/mes}, every_s: 0}]"
    )
    run("exchanges", "apply", str(document), "--dry-run")
    run("exchanges", "apply", str(document))
    inbox = platform.folder.path / "inbox" / "mes"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text("No;Machine;Text\n1;press-7;Oil\n2;press-99;Oil\n")
    assert json.loads(run("exchanges", "run", "files", "--dry-run"))["counts"]["new"] == 1
    (ran,) = json.loads(run("exchanges", "run", "files", code=3))
    assert (ran["counts"]["new"], ran["counts"]["updated"], ran["counts"]["refused"]) == (1, 0, 1)
    assert "press-99" in ran["faults"][0]["message"]
    assert json.loads(run("exchanges", "things", "files"))[0]["ours"] == "mes:1"
    assert len(json.loads(run("exchanges", "runs", "files"))) == 1
    (stands,) = json.loads(run("exchanges"))
    assert stands["things"] == {"same": 1}
    run("exchanges", "settle", "files", "1", "ours", code=1)
    run("exchanges", "withdraw", "files")
    assert json.loads(run("exchanges")) == []
