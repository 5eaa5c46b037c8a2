"""What goes wrong between two systems: lost answers, odd values, rows that cannot be taken, names that are erased."""

import json
from collections.abc import Iterator

import msgspec
import pytest

from gemel.clock import SECOND, SteppedClock, parse_time
from gemel.errors import Conflict
from gemel.platform import Platform
from gemel.services.work import WorkOrder, WorkQuery, WorkSpec, WorkState, tables
from gemel.services.work.exchange import Exchanges, Thing
from tests.services.test_work_exchange import EXCHANGE, FILES, Other, row, running

NOW = parse_time("2026-06-01T08:00:00Z")


@pytest.fixture(scope="module")
def process() -> Iterator[Other]:
    with running() as system:
        yield system


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("mishaps") / "plant"
    folder.mkdir()
    (folder / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    with Platform.open(folder, clock=SteppedClock(NOW), run_connectors=False) as platform:
        platform.apply(
            "gemel: 1\ntypes: [{id: mill}]\ntwins: [{id: mill-1, types: [mill], serial: S1}, "
            "{id: mill-2, types: [mill], serial: S2}, {id: gone, types: [mill], serial: S3}]"
        )
        yield platform


@pytest.fixture
def other(process: Other, plant: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Other]:
    """With nothing in it, and an exchange of its own that is withdrawn after the test."""
    monkeypatch.setenv("GEMEL_SECRET_CMMS", "open sesame")
    name = f"cmms-{process.emptied().number}"
    text = EXCHANGE.replace("URL", process.url).replace("cmms\n", f"{name}\n")
    plant.work.exchanges.apply(text)
    yield process
    plant.work.exchanges.withdraw(name)
    for order in plant.work.orders.each(WorkQuery()):  # a new order goes to every system that takes new ones
        if not order.system:
            plant.work.orders.put(msgspec.structs.replace(order.spec, system=name, external=f"old-{order.number}"))


def name_of(other: Other) -> str:
    return f"cmms-{other.number}"


def only_thing(exchanges: Exchanges, id: str) -> Thing:
    (thing,) = exchanges.things(id).items
    return thing


def new_order(plant: Platform) -> WorkOrder:
    return plant.work.orders.put(WorkSpec(twin="mill-1", title="Replace the spindle")).order


def posts(other: Other) -> list[dict]:
    return [one for one in other.seen if one["method"] == "POST"]


def test_a_new_order_whose_answer_was_lost_is_not_taken_in_as_a_second_one(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    mine = new_order(plant)
    other.answers("cut")
    assert exchanges.run(name, only="push")[0].outcome == "failed"
    plant.work.orders.put(msgspec.structs.replace(mine.spec, title="Replace both spindles"))
    ran = exchanges.run(name)
    assert [(one.direction, one.outcome) for one in ran] == [("push", "done"), ("pull", "done"), ("push", "done")]
    first, again = posts(other)
    assert (again["key"], again["body"]) == (first["key"], first["body"])
    assert [one.id for one in plant.work.orders.all(WorkQuery(system=name)).items] == [mine.id]
    assert [one["text"] for one in other.rows.values()] == ["Replace both spindles"]
    assert only_thing(exchanges, name).state == "same"


def test_nothing_is_taken_in_while_they_may_have_made_what_they_do_not_answer(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    mine = new_order(plant)
    other.answers("cut", "cut")
    exchanges.run(name, only="push")
    (ran,) = exchanges.run(name, only="pull")
    assert (ran.direction, ran.outcome) == ("push", "failed")
    assert plant.work.orders.find(name, "N1") is None
    exchanges.run(name)
    found = plant.work.orders.find(name, "N1")
    assert found is not None
    assert found.id == mine.id


def test_what_they_certainly_have_not_made_is_told_as_it_is_now(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    mine = new_order(plant)
    other.answers("500")
    exchanges.run(name, only="push")
    plant.work.orders.put(msgspec.structs.replace(mine.spec, title="Replace both spindles"))
    exchanges.run(name)
    assert [one["body"]["text"] for one in posts(other)] == ["Replace the spindle", "Replace both spindles"]
    other.answers("422")
    later = new_order(plant)
    exchanges.run(name, only="push")
    plant.work.orders.put(msgspec.structs.replace(later.spec, title="Replace the drive"))
    other.answers("cut")
    exchanges.run(name, only="push")
    exchanges.run(name, only="push")
    refused, made, again = posts(other)[2:]
    assert refused["key"] != made["key"] == again["key"]  # after a refusal it is something else
    assert len(other.rows) == 2


def test_what_is_another_order_here_already_is_told_and_holds_nothing_up(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    mine = new_order(plant)
    other.answers("cut")
    exchanges.run(name, only="push")
    double = plant.work.orders.put(WorkSpec(twin="mill-1", system=name, external="N1", title="Theirs")).order
    with pytest.raises(Conflict, match="another order"):
        plant.work.orders.put(msgspec.structs.replace(mine.spec, system=name, external="N1"))
    assert plant.work.orders.get(double.id).title == "Theirs"
    other.has(row("7"))
    told, pulled, _ = exchanges.run(name)
    assert double.id in told.faults[0].message
    assert (told.counts["refused"], pulled.outcome, pulled.counts["new"]) == (1, "done", 1)
    plant.work.orders.put(msgspec.structs.replace(mine.spec, title="Replace both spindles"))
    assert [one.outcome for one in exchanges.run(name)] == ["done", "done"]
    assert len(posts(other)) == 2
    assert exchanges.things(name, states=["refused"]).items[0].ours == mine.id


def test_their_row_that_cannot_be_taken_is_not_written_over(plant: Platform, other: Other) -> None:
    name, exchanges = name_of(other), plant.work.exchanges
    other.has(row("1"))
    exchanges.run(name)
    order = plant.work.orders.find(name, "1")
    assert order is not None
    plant.work.orders.move(order.id, WorkState.DONE)
    exchanges.run(name)
    other.has(row("1", "2026-06-01T09:00:00Z", text="Theirs", equipment="S2", status="TECO"))
    assert exchanges.run(name)[0].counts["refused"] == 1  # another machine, of an order that is done
    thing = only_thing(exchanges, name)
    assert (thing.state, thing.agreed.fields["title"], thing.agreed.fields["twin"]) == ("refused", "Order 1", "mill-1")
    plant.work.orders.move(order.id, WorkState.DONE)
    exchanges.run(name, only="push")
    assert other.rows["1"]["text"] == "Theirs"
    other.has(row("1", "2026-06-01T10:00:00Z", text="Theirs", status="TECO"))
    assert exchanges.run(name)[0].counts["updated"] == 1
    assert plant.work.orders.get(order.id).title == "Theirs"


ODD = """
exchanges:
  - id: odd
    system: odd
    fields: {external: No, twin: {from: Machine, default: mill-1}, start: {from: From, time: s}, parts: Parts}
    pull: {folder: inbox/odd}
    every_s: 0
"""


def test_an_odd_value_is_its_rows_fault_and_no_other_rows(plant: Platform) -> None:
    exchanges, inbox = plant.work.exchanges, plant.folder.path / "inbox" / "odd"
    exchanges.apply(ODD)
    inbox.mkdir(parents=True)
    odd = [
        {"From": 1_780_300_800_000},  # milliseconds
        {"From": 1e300},
        {"Parts": [{"part": "P", "quantity": "many"}]},
        {"Parts": [{"part": "P", "quantity": [2]}]},
        {"Parts": [{"part": "P", "quantity": 2.5}]},
        {"Parts": [{"revision": "B"}]},
    ]
    fine = [{"Parts": [{"part": "P", "quantity": "2.0"}, {"part": "Q", "quantity": None}]}]
    rows = [{"No": str(number), **one} for number, one in enumerate([*odd, *fine])]
    (inbox / "a.json").write_text(json.dumps(rows))
    (ran,) = exchanges.run("odd")
    assert (ran.outcome, ran.counts["refused"], ran.counts["new"]) == ("done", len(odd), 1)
    told = {one.external: one.message for one in ran.faults}
    assert all(told[str(number)].startswith("From: ") for number in (0, 1))
    assert all(told[str(number)].startswith("Parts: ") for number in (2, 3, 4))
    assert "part" in told["5"]
    order = plant.work.orders.find("odd", str(len(odd)))
    assert order is not None
    assert [one.quantity for one in order.parts] == [2, 1]


def test_what_waits_for_a_person_still_waits_when_a_file_is_written(plant: Platform) -> None:
    exchanges, inbox = plant.work.exchanges, plant.folder.path / "inbox" / "fsm"
    exchanges.apply(FILES.replace("title: Subject", "title: {from: Subject, owner: both}"))
    inbox.mkdir(parents=True)
    job = {"Job": "J2", "Subject": "Leak", "Machine": "mill-1", "Status": "open"}
    (inbox / "a.json").write_text(json.dumps({"jobs": [job]}))
    exchanges.run("fsm", only="pull")
    order = plant.work.orders.find("fsm", "J2")
    assert order is not None
    plant.work.orders.put(msgspec.structs.replace(order.spec, title="Ours"))
    (inbox / "b.json").write_text(json.dumps({"jobs": [job | {"Subject": "Theirs"}]}))
    assert exchanges.run("fsm", only="pull")[0].counts["conflict"] == 1
    plant.work.orders.move(order.id, WorkState.DONE)
    assert exchanges.run("fsm", only="push")[0].counts["sent"] == 1
    (sent,) = (plant.folder.path / "outbox" / "fsm").iterdir()
    assert sent.read_text().splitlines() == ["gemel_id,Job,Status", "fsm:J2,J2,closed"]
    thing = only_thing(exchanges, "fsm")
    assert (thing.state, thing.agreed.conflict) == ("conflict", {"title": "Theirs"})


VISITS = FILES.replace("fsm", "crew").replace("erp", "crew")


def test_the_name_of_who_went_is_not_kept_and_stays_erased(plant: Platform) -> None:
    exchanges, inbox, orders = plant.work.exchanges, plant.folder.path / "inbox" / "crew", plant.work.orders
    exchanges.apply(VISITS)
    inbox.mkdir(parents=True)
    job = {"Job": "J1", "Subject": "Leak", "Machine": "mill-1", "Visit": "V1", "Engineer": "anna.k", "Result": "NOK"}
    job |= {"From": "2026-05-30T08:00:00Z", "To": "2026-05-30T10:00:00Z", "Status": "open", "Why": "parts"}

    def kept() -> str:
        with plant.database.read() as tx:
            return repr([tuple(one) for table in (tables.item, tables.person) for one in tx.execute(table.select())])

    (inbox / "a.json").write_text(json.dumps({"jobs": [job]}))
    assert "anna" not in repr(exchanges.preview("crew"))
    assert "anna" not in kept()
    exchanges.run("crew", only="pull")
    who = orders.person("crew", "anna.k")
    thing = only_thing(exchanges, "crew")
    assert thing.theirs["visit.who"] == thing.agreed.fields["visit.who"] == who
    assert kept().count("anna.k") == 1  # apart, where it can be erased
    with plant.database.write() as tx:  # as it was kept once
        theirs, sent = json.dumps(thing.theirs | {"visit.who": "anna.k"}), '{"fields":{"visit.who":"anna.k"}}'
        row = tables.item.c.number == thing.number
        tx.execute(tables.item.update().where(row).values(theirs=theirs, sent=sent))
    plant.erasures.erase_person(who)
    assert "anna" not in kept()
    (inbox / "b.json").write_text(json.dumps({"jobs": [job | {"Subject": "Large leak"}]}))
    (ran,) = exchanges.run("crew", only="pull")
    assert ran.counts["updated"] == 1  # they tell the name with each row
    assert "anna" not in kept()
    assert orders.get("crew:J1").visits[0].who == who
    (inbox / "c.json").write_text(json.dumps({"jobs": [job | {"Visit": "V2", "From": "2026-05-30T09:00:00Z"}]}))
    exchanges.run("crew", only="pull")
    assert orders.get("crew:J1").visits[1].who == orders.person("crew", "anna.k", new=False) != who


RECORDS = """
exchanges:
  - id: bills
    system: bills
    kind: invoices
    fields: {external: {from: No}, title: {from: Text, owner: both}, twin: {from: Machine, look_up: serial}}
    pull: {folder: inbox/bills}
    push: {folder: outbox/bills, new: true}
    every_s: 0
"""


def test_what_was_told_of_a_machine_that_is_erased_goes_and_they_are_told_nothing_of_it(plant: Platform) -> None:
    exchanges, inbox = plant.work.exchanges, plant.folder.path / "inbox" / "bills"
    exchanges.apply(RECORDS)
    inbox.mkdir(parents=True)
    rows = [{"No": "1", "Text": "Mr Meier's pump", "Machine": "S3"}, {"No": "2", "Text": "Seal", "Machine": "S2"}]
    (inbox / "a.json").write_text(json.dumps(rows))
    assert exchanges.run("bills")[0].counts["new"] == 2
    plant.erasures.erase_twin("gone", plant.erasures.preview("gone").code)
    assert [one.external for one in exchanges.things("bills").items] == ["2"]
    assert exchanges.preview("bills").outgoing == ()
    assert exchanges.run("bills", only="push")[0].counts["sent"] == 0


def test_a_visit_of_somebody_else_is_not_put_upon_who_went(plant: Platform) -> None:
    exchanges, inbox = plant.work.exchanges, plant.folder.path / "inbox" / "crew"
    exchanges.apply(VISITS)
    inbox.mkdir(parents=True, exist_ok=True)
    job = {"Job": "J9", "Machine": "mill-1", "Visit": "V1", "Engineer": "ben", "Result": "NOK", "Why": "parts"}
    job |= {"From": "2026-05-30T08:00:00Z", "To": "2026-05-30T10:00:00Z", "Status": "open"}
    for number, who in enumerate(("ben", "carl", "c" * 201)):
        (inbox / f"{number}.json").write_text(json.dumps({"jobs": [job | {"Engineer": who}]}))
    (ran,) = exchanges.run("crew", only="pull")
    assert (ran.counts["new"], ran.counts["refused"]) == (1, 2)
    assert "another person" in ran.faults[0].message
    assert "200 characters" in ran.faults[1].message
    (visit,) = plant.work.orders.get("crew:J9").visits
    assert (visit.who, visit.end) == (plant.work.orders.person("crew", "ben"), NOW - 46 * 3600 * SECOND)
