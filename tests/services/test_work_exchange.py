"""Exchanges with another system, a process of its own: what becomes of cut, doubled, late and refused answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.configuration import ItemSpec
from gemel.errors import InvalidDocument, NotFound
from gemel.platform import Platform
from gemel.services.work import Cause, Outcome, VisitSpec, WorkSpec, WorkState
from gemel.services.work.exchange import parse_exchanges

NOW = parse_time("2026-06-01T08:00:00Z")
EXCHANGE = """
exchanges:
  - id: cmms
    system: cmms
    kind: work_orders
    version: changed
    fields:
      external: number
      title: {from: text, owner: both}
      twin: {from: equipment, look_up: serial, required: true}
      state: {from: status, to: status, owner: ours, values: {CRTD: planned, REL: assigned, WIP: working, TECO: done}}
      start: {from: basic.start, time: "%Y%m%d %H:%M", time_zone: Europe/Berlin}
      visit.cause: {to: cause, owner: ours}
    pull:
      {url: "URL/orders", items: data.rows, next: next, page_parameter: page, since_parameter: since}
    push: {url: "URL/orders", update_url: "URL/orders/{external}", id: result.number, new: true}
    auth: {header: X-Api-Key, prefix: "", secret: {env: GEMEL_SECRET_CMMS}}
    every_s: 0
"""


class Other:
    """The other system, from the test's side."""

    def __init__(self, url: str) -> None:
        self.url, self.number = url, 0
        self._http = httpx.Client(base_url=url, timeout=60)

    def has(self, *rows: dict) -> None:
        self._http.put("/rows", json=rows).raise_for_status()

    def answers(self, *faults: str) -> None:
        self._http.put("/faults", json=faults).raise_for_status()

    @property
    def rows(self) -> dict:
        return self._http.get("/seen").json()["rows"]

    @property
    def seen(self) -> list[dict]:
        return self._http.get("/seen").json()["seen"]

    def emptied(self) -> "Other":
        self.number += 1
        self._http.put("/empty", json=[]).raise_for_status()
        return self

    def close(self) -> None:
        self._http.close()


@contextmanager
def running() -> Iterator[Other]:
    script = Path(__file__).with_name("erp.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        system = Other(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        yield system
        system.close()
        process.kill()


@pytest.fixture(scope="module")
def process() -> Iterator[Other]:
    with running() as system:
        yield system


@pytest.fixture
def other(process: Other) -> Other:
    """With nothing in it."""
    return process.emptied()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, SteppedClock]]:
    clock = SteppedClock(NOW)
    folder = tmp_path_factory.mktemp("exchange") / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    with Platform.open(folder, clock=clock, run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: mill, properties: [{name: load, unit: kW}]}]\n"
            "twins: [{id: mill-1, types: [mill], serial: S1}, {id: mill-2, types: [mill], serial: S2}]"
        )
        platform.configuration.create(ItemSpec(id="M-1", part="MILL", serial="S1", twin="mill-1"), NOW)
        yield platform, clock


@pytest.fixture
def plant(opened: tuple[Platform, SteppedClock], other: Other, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setenv("GEMEL_SECRET_CMMS", "open sesame")
    platform, _ = opened
    name = name_of(other)
    text = (
        EXCHANGE.replace("URL", other.url).replace("id: cmms", f"id: {name}").replace("system: cmms", f"system: {name}")
    )
    platform.work.exchanges.apply(text)
    return platform


def name_of(other: Other) -> str:
    return f"cmms-{other.number}"


def row(number: str, changed: str = "2026-06-01T07:00:00Z", **more: object) -> dict:
    told = {"number": number, "text": f"Order {number}", "equipment": "S1", "status": "CRTD", "changed": changed}
    return told | {"basic": {"start": "20260602 10:00"}} | more


def test_orders_are_pulled_page_by_page_and_the_same_again_is_the_same(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1"), row("2", "2026-06-01T07:10:00Z", equipment="S2"), row("3", "2026-06-01T07:20:00Z"))
    ran = exchanges.run(name, only="pull")[0]
    assert (ran.outcome, ran.counts["new"]) == ("done", 3)
    order = plant.work.orders.find(name, "1")
    assert order is not None
    assert (order.twin, order.item, order.title) == ("mill-1", "M-1", "Order 1")
    assert order.start == parse_time("2026-06-02T08:00:00Z")  # ten in Berlin
    assert other.seen[-1]["auth"] == "open sesame"
    again = exchanges.run(name, only="pull")[0]
    assert (again.counts["new"], again.counts["updated"], again.counts["same"]) == (0, 0, 1)  # from the last one on
    assert other.seen[-1]["asked"]["since"] == "2026-06-01T07:20:00Z"


def test_a_state_that_another_system_tells_is_noted_as_what_it_says_and_is_no_concession(
    plant: Platform, other: Other
) -> None:
    name = name_of(other)
    other.has(row("1", status="WIP"))
    plant.work.exchanges.run(name, only="pull")
    order = plant.work.orders.find(name, "1")
    assert order is not None
    steps = plant.work.orders.get(order.id).steps
    assert [(step.state, step.reason) for step in steps][-1] == ("working", f"{name} says so")


def test_a_preview_says_what_would_become_of_each_row_and_does_nothing(plant: Platform, other: Other) -> None:
    name = name_of(other)
    other.has(row("1"), row("2", equipment="S9"), row("3", status="GONE"))
    told = plant.work.exchanges.preview(name)
    assert {one.external: one.what for one in told.rows} == {"1": "new", "2": "refused", "3": "refused"}
    messages = {one.external: one.message for one in told.rows}
    assert "S9" in messages["2"]
    assert "GONE" in messages["3"]
    assert "CRTD" in messages["3"]
    assert plant.work.orders.find(name, "1") is None


def test_a_row_that_cannot_be_taken_does_not_keep_the_others_out(plant: Platform, other: Other) -> None:
    name = name_of(other)
    other.has(row("1", equipment=""), row("2"))
    ran = plant.work.exchanges.run(name, only="pull")[0]
    assert (ran.counts["refused"], ran.counts["new"]) == (1, 1)
    assert "equipment" in ran.faults[0].message
    assert ran.faults[0].place == "page 1 row 1"


def test_an_answer_that_is_cut_is_asked_for_again_from_where_it_was(plant: Platform, other: Other) -> None:
    name = name_of(other)
    other.has(*[row(str(number), f"2026-06-01T07:0{number}:00Z") for number in range(1, 5)])
    other.answers("cut")
    ran = plant.work.exchanges.run(name, only="pull")[0]
    assert ran.outcome == "failed"
    assert "no whole answer" in ran.detail
    other.answers("500")
    assert "500" in plant.work.exchanges.run(name, only="pull")[0].detail
    ran = plant.work.exchanges.run(name, only="pull")[0]
    assert (ran.outcome, ran.counts["new"]) == ("done", 4)


def test_rows_that_come_twice_or_late_have_no_second_effect(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1", "2026-06-01T07:30:00Z", text="Second"))
    other.answers("doubled")
    ran = exchanges.run(name, only="pull")[0]
    assert (ran.counts["new"], ran.counts["same"]) == (1, 1)
    exchanges.apply(_declared(plant, name, since=False))
    other.has(row("1", "2026-06-01T07:00:00Z", text="First"))
    ran = exchanges.run(name, only="pull")[0]
    assert ran.counts["late"] == 1
    order = plant.work.orders.find(name, "1")
    assert order is not None
    assert order.title == "Second"


def _declared(plant: Platform, name: str, *, since: bool) -> tuple:
    one = plant.work.exchanges.all()[name]
    assert one.pull is not None
    return (msgspec.structs.replace(one, pull=msgspec.structs.replace(one.pull, since_parameter="since" * since)),)


def test_what_is_done_here_is_told_there_once_and_what_is_theirs_is_not_changed(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1"))
    exchanges.run(name)
    order = plant.work.orders.find(name, "1")
    assert order is not None
    assert exchanges.preview(name).outgoing == ()
    plant.work.orders.visit(
        order.id,
        VisitSpec(key="v", start=NOW - 3600 * SECOND, end=NOW, outcome=Outcome.FAILED, cause=Cause.WRONG_PARTS),
    )
    (waits,) = exchanges.preview(name).outgoing
    assert waits.body["cause"] == "wrong_parts"
    ran = exchanges.run(name, only="push")[0]
    assert (ran.outcome, ran.counts["sent"]) == ("done", 1)
    assert other.rows["1"]["cause"] == "wrong_parts"
    assert other.rows["1"]["equipment"] == "S1"
    assert exchanges.run(name, only="push")[0].counts["sent"] == 0
    other.has(row("1", "2026-06-01T09:00:00Z", status="TECO"))  # the state is ours to say
    exchanges.run(name, only="pull")
    assert plant.work.orders.get(order.id).state is WorkState.FAILED
    assert exchanges.things(name).items[0].state == "waiting"
    assert exchanges.run(name, only="push")[0].counts["sent"] == 1  # and they are told ours
    assert other.rows["1"]["status"] == "failed"
    assert exchanges.things(name).items[0].state == "same"


def test_a_new_order_is_made_there_once_though_the_answer_was_lost(
    plant: Platform, other: Other, opened: tuple[Platform, SteppedClock]
) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    mine = plant.work.orders.put(WorkSpec(twin="mill-2", title="Replace the spindle")).order
    waiting = {one.ours for one in exchanges.preview(name).outgoing}
    assert mine.id in waiting
    other.answers("cut")
    ran = exchanges.run(name, only="push")[0]
    assert ran.outcome == "failed"
    assert len(other.rows) == 1  # it was made there
    assert exchanges.run(name, only="push", at_once=False)[0].counts["waiting"] >= 1  # not before its time
    opened[1].step(3600)
    for _ in waiting:
        exchanges.run(name, only="push", at_once=False)
    assert [one["text"] for one in other.rows.values()].count("Replace the spindle") == 1
    made = plant.work.orders.get(mine.id)
    assert (made.system, made.external in other.rows) == (name, True)


def test_a_busy_system_says_when_to_come_again_and_a_refusal_waits_for_another_content(
    plant: Platform, other: Other, opened: tuple[Platform, SteppedClock]
) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1"))
    exchanges.run(name, only="pull")
    order = plant.work.orders.find(name, "1")
    assert order is not None
    plant.work.orders.move(order.id, WorkState.ASSIGNED)
    other.answers("late")
    assert exchanges.run(name, only="push")[0].outcome == "failed"
    thing = exchanges.things(name, states=["waiting"]).items[0]
    assert thing.due >= opened[1].now() + 119 * SECOND
    other.answers("422")
    ran = exchanges.run(name, only="push")[0]
    assert "no such material" in ran.faults[0].message
    assert exchanges.things(name, states=["refused"]).items[0].external == "1"
    before = len(other.seen)
    assert exchanges.run(name, only="push")[0].counts["sent"] == 0
    assert len(other.seen) == before  # the same is not told again
    plant.work.orders.move(order.id, WorkState.WORKING)
    assert exchanges.run(name, only="push")[0].counts["sent"] == 1


@pytest.mark.parametrize(("keep", "title"), [("theirs", "Theirs"), ("ours", "Ours")])
def test_what_both_changed_waits_for_a_person(plant: Platform, other: Other, keep: str, title: str) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1"))
    exchanges.run(name)
    order = plant.work.orders.find(name, "1")
    assert order is not None
    plant.work.orders.put(msgspec.structs.replace(order.spec, title="Ours"))
    other.has(row("1", "2026-06-01T09:00:00Z", text="Theirs"))
    ran = exchanges.run(name)[0]
    assert ran.counts["conflict"] == 1
    assert plant.work.orders.get(order.id).title == "Ours"
    assert exchanges.things(name, states=["conflict"]).items[0].agreed.conflict == {"title": "Theirs"}
    exchanges.settle(name, "1", keep)  # type: ignore[arg-type]
    exchanges.run(name)
    assert plant.work.orders.get(order.id).title == title
    assert other.rows["1"]["text"] == title
    with pytest.raises(NotFound):
        exchanges.settle(name, "1", "ours")


def test_an_address_that_is_not_permitted_is_not_asked(plant: Platform, other: Other) -> None:
    text = EXCHANGE.replace("URL", "http://10.1.2.3").replace("id: cmms", "id: elsewhere")
    plant.work.exchanges.apply(text)
    ran = plant.work.exchanges.run("elsewhere", only="pull")[0]
    assert "webhook_networks" in ran.detail
    plant.work.exchanges.withdraw("elsewhere")
    with pytest.raises(NotFound):
        plant.work.exchanges.run("elsewhere")


FILES = """
exchanges:
  - id: erp-invoices
    system: erp
    kind: invoices
    fields: {external: Number, title: Text, twin: {from: Machine, look_up: serial}, attributes.amount: Amount,
             attributes.currency: Currency}
    pull: {folder: inbox/invoices}
    every_s: 0
  - id: fsm
    system: fsm
    fields: {external: Job, title: Subject, twin: Machine, visit.key: Visit, visit.who: Engineer,
             visit.start: From, visit.end: To, visit.outcome: {from: Result, values: {OK: done, NOK: failed}},
             visit.cause: {from: Why, values: {parts: wrong_parts}},
             state: {from: Status, to: Status, values: {open: planned, closed: done}, owner: ours}}
    pull: {folder: inbox/fsm, items: jobs}
    push: {folder: outbox/fsm, form: csv}
    every_s: 0
"""


def test_files_are_taken_row_by_row_and_moved_away(plant: Platform) -> None:
    exchanges, folder = plant.work.exchanges, plant.folder.path
    exchanges.apply(FILES)
    inbox = folder / "inbox" / "invoices"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text("Number;Text;Machine;Amount;Currency\n71;Pump;S1;1200,50;EUR\n72;Seal;S9;3;EUR\n")
    ran = exchanges.run("erp-invoices")[0]
    assert (ran.counts["new"], ran.counts["refused"]) == (1, 1)
    assert ran.faults[0].place == "a.csv line 3"
    record = plant.thread.record("erp:invoice:71")
    assert (record.kind, record.system, record.attributes["amount"]) == ("invoice", "erp", "1200,50")
    assert [path.name for path in (inbox / "done").iterdir()] == ["a.csv"]
    (inbox / "b.csv").write_bytes(b"Number\xff\n1\n")
    assert "UTF-8" in exchanges.run("erp-invoices")[0].faults[0].message
    assert [path.name for path in (inbox / "refused").iterdir()] == ["b.csv"]


def test_exchanges_go_on_by_themselves_and_one_that_fails_does_not_hold_up_the_others(
    tmp_path: Path, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMEL_SECRET_CMMS", "open sesame")
    (tmp_path / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    other.has(row("1"))
    with Platform.open(tmp_path) as platform:
        platform.apply("gemel: 1\ntypes: [{id: mill}]\ntwins: [{id: mill-1, types: [mill], serial: S1}]")
        (tmp_path / "inbox").write_text("no folder")
        platform.work.exchanges.apply(FILES.replace("every_s: 0", "every_s: 60"))
        platform.work.exchanges.apply(EXCHANGE.replace("URL", other.url).replace("every_s: 0", "every_s: 60"))
        exchanges = platform.work.exchanges
        assert exchanges.wait(lambda: platform.work.orders.find("cmms", "1") is not None, timeout_s=60)
        platform.work.orders.move("cmms:1", WorkState.DONE)
        assert exchanges.wait(lambda: other.rows["1"]["status"] == "TECO", timeout_s=60)
        assert next(iter(exchanges.runs("erp-invoices").items)).outcome == "failed"


def test_visits_of_another_systems_people_come_without_their_names(plant: Platform) -> None:
    exchanges, folder = plant.work.exchanges, plant.folder.path
    exchanges.apply(FILES)
    inbox = folder / "inbox" / "fsm"
    inbox.mkdir(parents=True)
    job = {"Job": "J1", "Subject": "Leak", "Machine": "mill-1", "Visit": "V1", "Engineer": "anna.k", "Result": "NOK"}
    job |= {"From": "2026-05-30T08:00:00Z", "To": "2026-05-30T10:00:00Z", "Why": "parts", "Status": "open"}
    (inbox / "jobs.json").write_text(json.dumps({"jobs": [job]}))
    assert exchanges.run("fsm", only="pull")[0].counts["new"] == 1
    order = plant.work.orders.find("fsm", "J1")
    assert order is not None
    (visit,) = plant.work.orders.get(order.id).visits
    assert visit.cause == "wrong_parts"
    assert visit.who.startswith("person-")
    assert visit.who == plant.work.orders.person("fsm", "anna.k")
    plant.work.orders.move(order.id, WorkState.DONE)
    assert exchanges.run("fsm", only="push")[0].counts["sent"] == 1
    (sent,) = (folder / "outbox" / "fsm").iterdir()
    assert sent.read_text().splitlines() == ["gemel_id,Job,Status", "fsm:J1,J1,closed"]
    assert exchanges.run("fsm", only="push")[0].counts["sent"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{external: Number}", "pull"),
        ("{title: Text}\n    pull: {folder: inbox/x}", "external"),
        ("{external: N, colour: X}\n    pull: {folder: inbox/x}", "no field 'colour'"),
        ("{external: N}\n    pull: {folder: ../secrets}", "inbox/"),
        ("{external: N}\n    pull: {url: 'ftp://x/y'}", "https://"),
        ("{external: N, state: {from: S, values: {A: finished}}}\n    pull: {folder: inbox/x}", "finished"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_with_its_line(change: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        parse_exchanges(f"exchanges:\n  - id: a\n    system: b\n    fields: {change}\n")
    assert any(message in f"{one.message} {one.field}" for one in raised.value.problems)
    assert all(one.line for one in raised.value.problems)
