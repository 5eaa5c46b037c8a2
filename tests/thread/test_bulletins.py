"""Bulletins: to which machines each applies, what became of it there, and what relied on a belief that has changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from gemel.access import Action, Principal, Selector
from gemel.clock import SteppedClock
from gemel.configuration import Basis, Having, ItemKind, ItemSpec, RelianceQuery, Seen, parse_parts
from gemel.configuration.operations import Merge, Modify, Report
from gemel.errors import InvalidInput, InvalidTime, NotFound
from gemel.platform import Platform
from gemel.services.work import WorkSpec, WorkState
from gemel.thread import Applies, BulletinState, DocumentSpec
from tests.thread.conftest import at

S = BulletinState
PARTS = """
parts:
  - {part: PUMP, revisions: [{revision: Z}, {revision: AA}, {revision: AB}]}
  - {part: MILL, end_item: true}
"""
numbers = count()
MILLS = 6


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Mills M1 … M6 (serial numbers A1 …) in a hall, a pump P1 … of revision Z in each, of unknown revision in M4; on
    1 September 2026."""
    clock = SteppedClock(at("09-01"))
    with Platform.open(tmp_path_factory.mktemp("bulletins") / "plant", clock=clock, run_connectors=False) as platform:
        known = platform.configuration
        known.parts.apply(known.parts.plan(parse_parts(PARTS)))
        known.create(ItemSpec(id="hall", part="HALL", kind=ItemKind.LOCATION), at("01-01"))
        for n in range(1, MILLS + 1):
            known.create(ItemSpec(id=f"M{n}", part="MILL", serial=f"A{n}"), at("01-01"))
            revision = "" if n == 4 else "Z"
            known.create(ItemSpec(id=f"P{n}", part="PUMP", serial=f"S{n}", revision=revision), at("01-01"))
            known.install(f"P{n}", f"M{n}", "pump", at("01-02"))
            known.install(f"M{n}", "hall", "floor", at("01-03"))
        yield platform


def bulletin(shop: Platform, *having: Having, since: str = "02-01", **more: object) -> str:
    """A new one in force."""
    id = f"SB-{next(numbers)}"
    spec = DocumentSpec(id=id, kind="bulletin", start=at(since), having=having, **more)  # type: ignore[arg-type]
    shop.thread.add_document(spec, id.encode())
    return id


def states(shop: Platform, id: str, day: str = "09-01", known: int | None = None) -> dict[str, str]:
    _, machines = shop.thread.bulletins.get(id, at(day), known=known)
    return {one.machine: str(one.state) for one in machines}


def test_a_bulletin_is_open_unknown_complied_with_or_not_needed_any_more(shop: Platform) -> None:
    id = bulletin(shop, Having(part="PUMP", below="AB"))
    before = shop.configuration.latest()
    modified = shop.configuration.modify("P2", "revision", "AB", at("03-01"), basis=Basis(work_order="WO-2"))
    shop.thread.bulletins.comply(id, "M3", at("04-01"), basis=Basis(work_order="WO-3", reason="new seal"))
    one, machines = shop.thread.bulletins.get(id)
    assert (one.counts.open, one.counts.unknown, one.counts.complied, one.counts.not_needed) == (3, 1, 1, 1)
    told = {each.machine: each for each in machines}
    assert [each.machine for each in machines] == ["M1", "M5", "M6", "M4", "M2", "M3"]  # what is open first
    assert (told["M1"].state, told["M1"].since, told["M1"].items) == (S.OPEN, at("02-01"), ("P1",))
    assert told["M4"].state is S.UNKNOWN
    assert "not known" in told["M4"].note
    done = told["M3"].complied
    assert done is not None
    assert (done.at, done.work_order, done.reason, done.item) == (at("04-01"), "WO-3", "new seal", "M3")
    assert (told["M2"].state, told["M2"].since) == (S.NOT_NEEDED, at("03-01"))
    assert told["M2"].ended is not None
    assert (told["M2"].ended.number, told["M2"].ended.basis.work_order) == (modified, "WO-2")
    # as of any two moments
    assert states(shop, id, "02-15") == {**dict.fromkeys(("M1", "M2", "M3", "M5", "M6"), "open"), "M4": "unknown"}
    assert states(shop, id, known=before)["M2"] == "open"
    with pytest.raises(NotFound, match="in force"):
        states(shop, id, "01-15")
    shop.thread.end(done.link, None, basis=Basis(reason="it was M5"))
    assert states(shop, id)["M3"] == "open"


def test_what_applies_is_met_in_time_by_part_software_and_serial_number(shop: Platform) -> None:
    known = shop.configuration
    software = Having(part="FW", revisions=("1.0",))
    known.do(Report(item="M5", slot="plc", part="FW", version="1.0", at=at("02-01")))
    known.do(Report(item="M6", slot="plc", part="FW", version="1.0", at=at("02-01")))
    known.do(Report(item="M6", slot="plc", part="FW", version="2.0", at=at("05-01")))
    both = bulletin(shop, Having(part="PUMP", below="AB"), software, since="03-01")
    assert states(shop, both, "04-01") == {"M5": "open", "M6": "open"}
    assert states(shop, both) == {"M5": "open", "M6": "not_needed"}
    (told,) = [one for one in shop.thread.bulletins.get(both)[1] if one.machine == "M6"]
    assert told.ended is not None
    assert told.ended.kind == "reported"
    late = bulletin(shop, Having(part="PUMP"), software, since="06-01")  # M6 had other software by then
    assert states(shop, late) == {"M5": "open"}
    some = bulletin(shop, applies=(Applies(part="PUMP", revisions=("..AA",), serials=("A1..A4",)),))
    assert states(shop, some) == {"M1": "open", "M2": "not_needed", "M3": "open", "M4": "unknown"}


def test_a_part_keeps_what_was_done_to_it_wherever_it_goes(shop: Platform) -> None:
    known, bulletins = shop.configuration, shop.thread.bulletins
    known.create(ItemSpec(id="spare", part="PUMP", revision="Z"), at("01-01"))
    known.install("spare", "hall", "shelf", at("01-02"))
    id = bulletin(shop, Having(part="PUMP", revisions=("Z",)))
    bulletins.comply(id, "spare", at("02-10"))
    known.swap("M1", "pump", "spare", at("06-01"), to=("hall", "shelf"))
    assert states(shop, id)["M1"] == "complied"
    assert states(shop, id)["P1"] == "open"  # on its shelf, a machine for itself
    assert [one.bulletin for one in bulletins.of("spare") if one.bulletin == id] == [id]
    assert {one.machine for one in bulletins.of("spare")} == {"M1"}
    known.swap("M1", "pump", "P1", at("07-01"), to=("hall", "shelf"))
    assert states(shop, id)["M1"] == "open"


def test_what_went_with_the_assembly_that_it_is_in_is_not_needed_by_the_act_that_took_that_out(shop: Platform) -> None:
    known = shop.configuration
    known.create(ItemSpec(id="unit", part="UNIT"), at("01-01"))
    known.create(ItemSpec(id="seal", part="SEAL", revision="S"), at("01-01"))
    known.install("seal", "unit", "seal", at("01-02"))
    known.install("unit", "M6", "unit", at("01-03"))
    id = bulletin(shop, Having(part="SEAL", revisions=("S",)))
    assert states(shop, id) == {"M6": "open"}
    act = known.remove("unit", at("06-01"), to=("hall", "shelf"))
    assert states(shop, id) == {"M6": "not_needed", "unit": "open"}
    (told,) = [one for one in shop.thread.bulletins.of("M6") if one.bulletin == id]
    assert told.ended is not None
    assert (told.since, told.ended.number) == (at("06-01"), act)


def test_a_newer_version_is_open_again_and_says_which_one_was_complied_with(shop: Platform) -> None:
    spec = {"kind": "bulletin", "having": (Having(part="PUMP"),)}
    id = f"SB-{next(numbers)}"
    shop.thread.add_document(DocumentSpec(id=id, version="1", start=at("02-01"), **spec), b"one")  # type: ignore[arg-type]
    shop.thread.bulletins.comply(id, "M5", at("03-01"))
    assert shop.thread.bulletins.comply(id, "M5", at("04-01")).links == 0  # it was done by then already
    shop.thread.add_document(DocumentSpec(id=id, version="2", start=at("05-01"), **spec), b"two")  # type: ignore[arg-type]
    assert states(shop, id, "04-01")["M5"] == "complied"
    (told,) = [one for one in shop.thread.bulletins.of("M5") if one.bulletin == id]
    assert (told.state, told.version) == (S.OPEN, "2")
    assert "version 1 of it was complied with" in told.note


def test_what_cannot_be_is_refused_with_the_way_out(shop: Platform) -> None:
    with pytest.raises(InvalidInput, match="only a bulletin says what machines have"):
        shop.thread.add_document(DocumentSpec(id="m", having=(Having(part="PUMP"),)), b"m")
    for wrong in ((Having(part="P" * 129),), (Having(part=""),), (Having(part="PUMP"),) * 21):
        with pytest.raises(InvalidInput, match="at most"):
            bulletin(shop, *wrong)
    shop.thread.add_document(DocumentSpec(id="leaflet"), b"leaflet")
    with pytest.raises(InvalidInput, match="no bulletin"):
        shop.thread.bulletins.comply("leaflet", "M1")
    id = bulletin(shop, Having(part="PUMP"))
    with pytest.raises(InvalidTime, match="future"):
        shop.thread.bulletins.comply(id, "M1", at("10-01"))
    with pytest.raises(InvalidInput, match="there are: 1"):
        shop.thread.bulletins.comply(id, "M1", version="7")
    with pytest.raises(NotFound):
        shop.thread.bulletins.comply(id, "nowhere")
    lost = bulletin(shop, Having(part="PUMP", below="NOT-THERE"))
    one, machines = shop.thread.bulletins.get(lost)
    assert not machines
    assert "no place in the order" in one.problem


def test_an_order_that_a_bulletin_is_the_job_of_complies_when_it_is_done(shop: Platform) -> None:
    id = bulletin(shop, Having(part="PUMP", revisions=("Z",)))
    orders = shop.work.orders
    order = orders.put(WorkSpec(item="M6", job=id, title="Seals")).order.id
    (told,) = [one for one in shop.thread.bulletins.of("M6") if one.bulletin == id]
    assert (told.state, told.orders) == (S.OPEN, (order,))
    orders.move(order, WorkState.ASSIGNED)
    orders.move(order, WorkState.DONE)
    (told,) = [one for one in shop.thread.bulletins.of("M6") if one.bulletin == id]
    assert told.complied is not None
    assert (told.state, told.complied.work_order) == (S.COMPLIED, order)


def test_an_act_that_names_the_bulletin_complies_with_it(shop: Platform) -> None:
    id = bulletin(shop, Having(part="PUMP", revisions=("Z",)))
    act = shop.configuration.modify("P5", "revision", "AA", at("08-01"), basis=Basis(evidence=f"document:{id}"))
    (told,) = [one for one in shop.thread.bulletins.of("M5") if one.bulletin == id]
    assert told.complied is not None
    assert (told.state, told.since, told.complied.act) == (S.COMPLIED, at("08-01"), act)


def test_of_several_parts_it_is_about_the_whole_time_that_any_of_them_was_there(shop: Platform) -> None:
    known = shop.configuration
    known.create(ItemSpec(id="MX", part="MILL", serial="X1"), at("02-01"))
    for part in ("BLOWER", "BELT"):
        known.create(ItemSpec(id=f"{part}-X", part=part, serial="X"), at("02-01"))
    id = bulletin(shop, applies=(Applies(part="BLOWER"), Applies(part="BELT")))
    known.install("BLOWER-X", "MX", "fan", at("03-01"))
    known.install("BELT-X", "MX", "belt", at("04-01"))
    known.remove("BELT-X", at("05-01"))

    def told(day: str) -> tuple[str, int | None, int | None]:
        (one,) = [one for one in shop.thread.bulletins.of("MX", at(day)) if one.bulletin == id]
        return str(one.state), one.since, one.complied.act if one.complied else None

    assert told("06-01") == ("open", at("03-01"), None)
    taken = known.remove("BLOWER-X", at("07-01"), basis=Basis(evidence=f"document:{id}"))
    assert told("08-01") == ("complied", at("07-01"), taken)


REVISIONS = ("Z", "AA", "AB", "")
DAYS = st.integers(1, 9)


def held_against_a_model(shop: Platform, changes: dict[int, str], since: int, asked: int, done: int | None) -> None:
    n = next(numbers)
    machine, pump = f"X{n}", f"Y{n}"
    shop.configuration.create(ItemSpec(id=machine, part="MILL", serial=f"X{n}"), at("01-01"))
    shop.configuration.create(ItemSpec(id=pump, part="PUMP", revision="AB"), at("01-01"))
    shop.configuration.install(pump, machine, "pump", at("01-01"))
    for day, revision in changes.items():
        shop.configuration.do(Modify(child=pump, name="revision", value=revision, at=at(f"02-0{day}")))
    id = bulletin(shop, Having(part="PUMP", below="AB"), since=f"02-0{since}")
    if done is not None:
        shop.thread.bulletins.comply(id, machine, at(f"02-0{done}"), version="1")

    def revision_on(day: int) -> str:
        return next((changes[one] for one in sorted(changes, reverse=True) if one <= day), "AB")

    applied = [revision_on(day) in ("Z", "AA") for day in range(since, asked)]
    now = revision_on(asked)
    expected = (
        "complied" if done is not None and done <= asked
        else "open" if now in ("Z", "AA")
        else "unknown" if now == ""
        else "not_needed" if any(applied)
        else None
    )  # fmt: skip
    day = f"02-0{asked}"
    assert states(shop, id, day).get(machine) == expected
    of = {one.bulletin: str(one.state) for one in shop.thread.bulletins.of(machine, at(day))}
    assert of.get(id) == expected


cases = {
    "changes": st.dictionaries(DAYS, st.sampled_from(REVISIONS), max_size=3),
    "since": st.integers(1, 5),
    "asked": st.integers(5, 9),
    "done": st.none() | DAYS,
}


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(**cases)
def test_the_state_at_a_machine_is_that_of_a_plain_model(
    shop: Platform, changes: dict[int, str], since: int, asked: int, done: int | None
) -> None:
    held_against_a_model(shop, changes, since, asked, done)


@pytest.mark.soak
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(**cases)
def test_the_state_at_a_machine_is_that_of_a_plain_model_at_length(
    shop: Platform, changes: dict[int, str], since: int, asked: int, done: int | None
) -> None:
    held_against_a_model(shop, changes, since, asked, done)


def test_a_crew_relied_on_what_was_believed_until_it_is_sent_again(shop: Platform) -> None:
    configuration, orders = shop.configuration, shop.work.orders
    order = orders.put(WorkSpec(item="M6", title="Service")).order.id
    asked = RelianceQuery(kind="work-order", reference=order)
    assert not configuration.reliances(asked).items  # it is only planned
    orders.move(order, WorkState.ASSIGNED)
    (one,) = configuration.reliances(asked).items
    assert (one.reliance.root, one.reliance.valid, one.differences) == ("M6", shop.clock.now(), ())
    shop.clock.step(3600)
    act = configuration.modify("P6", "revision", "AA", at("08-15"))
    (one,) = configuration.reliances(RelianceQuery(root="M6", changed=True, reference=order)).items
    assert [(each.path, each.before.revision, each.after.revision) for each in one.differences] == [  # type: ignore[union-attr]
        (("pump",), "Z", "AA")
    ]
    assert order in [each.reliance.reference for each in configuration.dependants(act).relied]
    shop.clock.step(3600)
    orders.move(order, WorkState.ON_THE_WAY)  # with what is known now
    assert not configuration.reliances(RelianceQuery(reference=order, changed=True)).items
    (one,) = configuration.reliances(asked).items
    assert one.reliance.valid == shop.clock.now()
    orders.move(order, WorkState.WORKING)
    assert configuration.reliances(asked).items[0].reliance == one.reliance


def test_what_was_said_of_an_item_that_is_another_one_is_said_of_that(shop: Platform) -> None:
    known = shop.configuration
    for id in ("F1", "F-old"):
        known.create(ItemSpec(id=id, part="FAN", revision="Z"), at("01-01"))
    known.install("F1", "M1", "fan", at("01-02"))
    id = bulletin(shop, Having(part="FAN"))
    shop.thread.bulletins.comply(id, "F-old", at("03-01"))
    known.do(Merge(item="F-old", into="F1", at=at("04-01")))
    assert states(shop, id) == {"M1": "complied"}


def test_the_version_in_force_counts_whether_it_was_said_of_the_machine_or_of_its_part(shop: Platform) -> None:
    known, say = shop.configuration, shop.thread
    known.create(ItemSpec(id="G1", part="GEAR"), at("01-01"))
    known.install("G1", "M2", "gear", at("01-02"))
    spec, id = {"kind": "bulletin", "having": (Having(part="GEAR"),)}, f"SB-{next(numbers)}"
    say.add_document(DocumentSpec(id=id, version="1", start=at("02-01"), **spec), b"one")  # type: ignore[arg-type]
    say.bulletins.comply(id, "M2", at("02-02"))
    say.add_document(DocumentSpec(id=id, version="2", start=at("03-01"), **spec), b"two")  # type: ignore[arg-type]
    assert states(shop, id) == {"M2": "open"}
    say.bulletins.comply(id, "G1", at("03-02"))
    assert states(shop, id) == {"M2": "complied"}
    say.bulletins.comply(id, "M2", at("04-01"), version="1")  # told late: what was done before
    assert states(shop, id) == {"M2": "complied"}


def test_a_bulletin_that_cannot_be_asked_is_unknown_at_the_machine_and_not_gone(shop: Platform) -> None:
    most = tuple(Having(part="PEG") for _ in range(15))
    id = bulletin(shop, *most, applies=(Applies(part="PEG"),))
    assert shop.thread.bulletins.get(id)[0].problem == ""
    with pytest.raises(InvalidInput, match="at most 15"):
        bulletin(shop, *most, most[0])
    lost = bulletin(shop, Having(part="PUMP", below="NOT-THERE"))
    for item in ("M3", "P3"):
        (told,) = [one for one in shop.thread.bulletins.of(item) if one.bulletin == lost]
        assert (told.machine, told.serial, told.state) == ("M3", "A3", S.UNKNOWN)
        assert "no place in the order" in told.note


def test_a_moment_that_is_none_is_refused(shop: Platform) -> None:
    id = bulletin(shop, Having(part="PUMP"))
    for wrong in (10**18, -(10**18)):
        with pytest.raises(InvalidTime):
            shop.thread.bulletins.comply(id, "M3", wrong)


def test_who_is_told_of_a_machine_from_a_moment_on_is_told_nothing_of_before(shop: Platform) -> None:
    known, say = shop.configuration, shop.thread.bulletins
    shop.apply("gemel: 1\ntypes: [{id: mill, properties: [{name: load}]}]\ntwins: [{id: mill-l, types: [mill]}]")
    shop.gate.parties.add("late", "Late Ltd")
    terms = {"groups": ["configuration"], "history_from": at("05-01")}
    shop.gate.grant("party:late", [Action.READ], Selector(twins=("mill-l",)), **terms)
    known.create(ItemSpec(id="L", part="MILL", serial="L1", twin="mill-l"), at("01-01"))
    for name, part, day in (("before", "BOLT", "03-01"), ("during", "BELT", "06-01"), ("kept", "BAND", "")):
        known.create(ItemSpec(id=name, part=part), at("01-01"))
        known.install(name, "L", part, at("01-02"))
        if day:
            known.remove(name, at(day), to=("hall", "shelf"), basis=Basis(reason=f"done {name}"))
    gone, ended, done = (bulletin(shop, Having(part=part)) for part in ("BOLT", "BELT", "BAND"))
    say.comply(done, "L", at("04-01"), basis=Basis(reason="of before", work_order="WO-9", evidence="photo"))
    items = Seen(shop.database, shop.clock, shop.view(Principal(id="user-l", kind="User", party="late")))
    assert states(shop, gone)["L"] == "not_needed"
    assert [one for one in say.get(gone, items=items)[1] if one.machine == "L"] == []
    assert say.get(gone, items=items)[0].counts.not_needed == 0
    (told,) = say.with_acts(say.get(ended, items=items)[1], items=items)
    assert (told.machine, told.since, told.items) == ("L", at("06-01"), ("during",))
    assert told.ended is not None
    assert told.ended.operation == {}  # it names the hall, which is not seen
    (told,) = say.get(done, items=items)[1]
    assert told.complied is not None
    assert (told.state, told.since, told.complied.at) == (S.COMPLIED, at("05-01"), at("05-01"))
    hidden = told.complied
    assert [hidden.actor, hidden.reason, hidden.work_order, hidden.evidence, hidden.link] == ["", "", "", "", 0]
    still = bulletin(shop, Having(part="BAND"))
    (told,) = [one for one in say.of("L", items=items) if one.bulletin == still]
    assert (told.state, told.since) == (S.OPEN, at("05-01"))


def test_how_many_complied_elsewhere_costs_no_more_questions(shop: Platform) -> None:
    id, asked = bulletin(shop, applies=(Applies(part="OTHER"),)), list[str]()

    def questions() -> int:
        def hear(*told: Any) -> None:
            asked.append(told[2])

        asked.clear()
        event.listen(shop.database.engine, "before_cursor_execute", hear)
        mine = [one for one in shop.thread.bulletins.of("M1") if one.bulletin == id]
        event.remove(shop.database.engine, "before_cursor_execute", hear)
        assert [(one.state, one.machine) for one in mine] == [(S.COMPLIED, "M1")]
        return len(asked)

    for one in ("P1", "P2"):
        shop.thread.bulletins.comply(id, one, at("04-01"))
    few = questions()
    for one in ("P3", "M4", "P5", "M6"):
        shop.thread.bulletins.comply(id, one, at("04-01"))
    assert questions() == few
    assert set(states(shop, id)) == {f"M{n}" for n in range(1, MILLS + 1)}
