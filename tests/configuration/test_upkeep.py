"""The four ways to keep a configuration up: snapshots, events, promises, and sources asked where they lie."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, make_url

import gemel
from gemel.configuration import (
    FOREVER,
    Basis,
    Every,
    FleetPage,
    Having,
    ItemSpec,
    Kept,
    Lines,
    PartsDocument,
    PartType,
    Promise,
    Revision,
    Saw,
    Source,
    Span,
    Translation,
    Upkeep,
)
from gemel.configuration.acts.acting import item_row
from gemel.configuration.operations import Observe
from gemel.configuration.parts.book import Book
from gemel.configuration.questions.completeness import completeness
from gemel.configuration.questions.confirming import confirmed
from gemel.configuration.upkeep import promises
from gemel.errors import Conflict, GemelError, InvalidDocument, InvalidInput, NotFound
from gemel.intake import Happened, Message
from gemel.platform import Platform
from gemel.services.work import WorkSpec, WorkState
from gemel.testing.postgres import PostgresServer
from gemel.twin import Change
from tests.configuration.conftest import World, day, ids

WAIT_S = 60.0
NOON = day(1, 1, 12)
NO_BOOK = Book()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('kept') / 'configuration.sqlite'}")
    world.clock.time = NOON
    yield world
    world.configuration.shared.close()
    world.database.close()


def machine(world: World, name: str) -> None:
    conf = world.configuration
    conf.create(ItemSpec(id=name, part="PRESS", serial=name), day(1, 1))
    conf.create(ItemSpec(id=f"{name}-p", part="PUMP", serial=f"{name}-p", revision="A"), day(1, 1))
    conf.install(f"{name}-p", name, "pump", day(1, 1))


def test_a_snapshot_tells_for_ever_what_was_known_of_a_moment(kept: World) -> None:
    conf, clock = kept.configuration, kept.clock
    clock.time = max(clock.time, day(2, 1))
    machine(kept, "S")
    first = conf.snapshots.take("S", day(1, 15), title="as delivered")
    assert (first.items, first.title, len(first.hash)) == (2, "as delivered", 64)
    assert first.hash == conf.hash("S", day(1, 15))
    clock.time += 1
    conf.create(ItemSpec(id="S-q", part="PUMP", serial="S-q"), day(1, 1))
    act = conf.swap("S", "pump", "S-q", day(1, 20))
    second = conf.snapshots.take("S", day(1, 25))
    (one,) = conf.snapshots.difference(first.number, second.number)
    assert (one.path, one.before and one.before.id, one.after and one.after.id) == (("pump",), "S-p", "S-q")
    conf.correct(act, day(1, 10), basis=Basis(reason="the log says so"))
    assert ids(conf.snapshots.tree(first.number)) == {"S-p"}  # as it was known then
    assert ids(conf.tree("S", day(1, 15))) == {"S-q"}
    assert [one.number for one in conf.snapshots.of("S")] == [first.number, second.number]
    with pytest.raises(InvalidInput, match="still to come"):
        conf.snapshots.take("S", clock.time + 1)
    with pytest.raises(NotFound, match="no snapshot 999"):
        conf.snapshots.tree(999)


def test_a_snapshot_that_was_tampered_with_is_refused(kept: World) -> None:
    conf = kept.configuration
    machine(kept, "X")
    taken = conf.snapshots.take("X")
    with kept.database.write() as tx:
        tx.exec_driver_sql("UPDATE configuration_snapshot SET hash = 'no' WHERE number = ?", (taken.number,))
    with pytest.raises(Conflict, match="tampered"):
        conf.snapshots.tree(taken.number)


@pytest.mark.parametrize(
    ("every", "moments"),
    [
        (Every.MONTH, [(2, 1), (3, 1), (4, 1)]),
        (Every.QUARTER, [(4, 1)]),
        (Every.YEAR, []),
    ],
)
def test_snapshots_are_taken_on_the_first_of_a_month_a_quarter_a_year(
    tmp_path: Path, every: Every, moments: list[tuple[int, int]]
) -> None:
    world = World(f"sqlite:///{tmp_path / 'configuration.sqlite'}")
    conf, clock = world.configuration, world.clock
    clock.time = NOON
    machine(world, "Q")
    told = conf.upkeep.promise(Promise(root="Q", every=every))
    assert told.state is Kept.KEPT
    house = conf.as_("gemel").upkeep
    for month in range(1, 5):
        for of in (1, 11, 21):
            clock.time = max(clock.time, day(month, of, 13))
            house.look()
    taken = conf.snapshots.of("Q")
    assert [one.valid for one in taken] == [day(*moment) for moment in moments]
    assert {one.every for one in taken} <= {every}
    clock.time = int(datetime(2029, 6, 5, tzinfo=UTC).timestamp()) * 1_000_000
    house.look()  # nobody looked for three years: one, of the last moment that was due
    assert len(conf.snapshots.of("Q")) == len(moments) + 1
    world.database.close()


def test_a_promise_breaks_when_nobody_looked_and_is_kept_again_when_somebody_did(kept: World) -> None:
    conf, clock = kept.configuration, kept.clock
    house = conf.as_("gemel").upkeep
    machine(kept, "P")
    at = clock.time = max(clock.time, day(3, 1))
    conf.do(Observe(parent="P", slot="pump", at=at, item="P-p"))
    told = conf.upkeep.promise(Promise(root="P", within_days=30))
    assert (told.state, told.confirmed, told.age_days) == (Kept.KEPT, at, 0)

    def heard() -> list[str]:
        return [one.kind for one in kept.journaled if one.subject == "P" and one.kind.startswith("item.upkeep_")]

    house.look()
    clock.time = at + 30 * 86_400_000_000
    house.look()
    assert heard() == ["item.upkeep_declared"]
    clock.time += 1
    house.look()
    house.look()
    assert heard() == ["item.upkeep_declared", "item.upkeep_broken"]
    (broken,) = conf.upkeep.standing(broken=True)
    assert (broken.root, broken.state, broken.broken_since) == ("P", Kept.BROKEN, at + 30 * 86_400_000_000)
    conf.do(Observe(parent="P", slot="pump", at=clock.time, item="P-p"))
    house.look()
    assert heard() == ["item.upkeep_declared", "item.upkeep_broken", "item.upkeep_kept_again"]
    assert conf.upkeep.standing(broken=True) == []
    assert [one.root for one in conf.upkeep.standing(root="P")] == ["P"]


def test_what_is_promised_anew_while_it_is_looked_is_not_judged_by_what_was_before(kept: World) -> None:
    conf, clock = kept.configuration, kept.clock
    machine(kept, "R")
    at = clock.time = max(clock.time, day(3, 1))
    conf.do(Observe(parent="R", slot="pump", at=at, item="R-p"))
    conf.upkeep.promise(Promise(root="R", within_days=7))
    clock.time = at + 8 * 86_400_000_000
    anew = [Promise(root="R", within_days=30)]

    def run(work: Callable[[Connection], Sequence[Change]], *, actor: str = "") -> None:
        while anew:
            conf.upkeep.promise(anew.pop())
        kept._run(work, actor=actor)

    Upkeep(kept.database, clock, run, parts=conf.parts).look()
    kinds = [one.kind for one in kept.journaled if one.subject == "R" and one.kind == "item.upkeep_broken"]
    assert (kinds, conf.upkeep.of("R").state) == ([], Kept.KEPT)
    clock.time = at + 31 * 86_400_000_000
    conf.as_("gemel").upkeep.look()  # and the new one breaks in its time
    assert [one.body["within_days"] for one in kept.journaled if one.kind == "item.upkeep_broken"][-1] == 30


@pytest.mark.parametrize("restarted", [False, True])
def test_what_one_look_does_not_take_comes_with_the_next(
    plain: World, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr(promises, "_AT_MOST", 2)
    conf, clock, names = plain.configuration, plain.clock, [f"T{n}" for n in range(5)]
    house = conf.as_("gemel").upkeep
    clock.time = day(1, 2)
    for name in names:
        machine(plain, name)
        conf.upkeep.promise(Promise(root=name, within_days=30))

    def look(days: int, upkeep: Upkeep) -> None:
        clock.time += days * 86_400_000_000
        while upkeep.look():
            pass

    look(0, house)
    look(31, house)
    for name in names:
        conf.do(Observe(parent=name, slot="pump", at=clock.time, item=f"{name}-p"))
    look(0, conf.as_("gemel").upkeep if restarted else house)
    look(31, house)
    told = {
        name: [one.kind.removeprefix("item.upkeep_") for one in plain.journaled if one.subject == name]
        for name in names
    }
    heard = ["declared", "broken", "kept_again", "broken"]
    assert {name: [kind for kind in kinds if kind in heard] for name, kinds in told.items()} == dict.fromkeys(
        names, heard
    )


_STEPS = st.tuples(
    st.sampled_from(("install", "remove", "nothing", "unknown", "item")),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(("a", "b")),
)
_RUNS = count()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(_STEPS, min_size=1, max_size=12), late=st.integers(0, 14))
def test_many_are_asked_at_once_when_they_were_confirmed_as_each_is_by_itself(
    kept: World, steps: list[tuple[str, int, int, str]], late: int
) -> None:
    conf, run, begun = kept.configuration, next(_RUNS), day(1, 1)
    names = [f"q{run}-{n}" for n in range(6)]
    for name in names:
        conf.create(ItemSpec(id=name, part="Q"), begun)
    for n, (what, child, parent, slot) in enumerate(steps, 1):
        at, seen = begun + n, {"nothing": Saw.NOTHING, "unknown": Saw.UNKNOWN, "item": Saw.ITEM}
        with suppress(GemelError):
            if what == "install":
                conf.install(names[child], names[parent], slot, at)
            elif what == "remove":
                conf.remove(names[child], at)
            else:
                item = names[child] if what == "item" else ""
                conf.do(Observe(parent=names[parent], slot=slot, at=at, saw=seen[what], item=item))
    now = FOREVER - 1
    with kept.database.read() as tx:
        numbers = {name: int(item_row(tx, name).number) for name in names}
        together = confirmed(tx, list(numbers.values()), begun + late, now, NO_BOOK)
        alone = {name: completeness(tx, name, lambda *_: (), begun + late, now).confirmed for name in names}
    assert {name: together[number] for name, number in numbers.items()} == alone


def test_what_nobody_ever_looked_at_is_told_as_that(kept: World) -> None:
    conf = kept.configuration
    conf.create(ItemSpec(id="E", part="PRESS", serial="E"), day(1, 1))
    told = conf.upkeep.promise(Promise(root="E", within_days=30))
    assert (told.state, told.confirmed, told.age_days) == (Kept.NEVER, None, None)
    with pytest.raises(InvalidInput, match="0 to 36500 days"):
        conf.upkeep.promise(Promise(root="E", within_days=-1))
    conf.upkeep.promise(Promise(root="E"))


# events


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("plant")) as platform:
        events = [
            {"name": "part_replaced", "fields": [{"name": n, "kind": "text"} for n in ("old", "new", "position")]},
            {"name": "scrapped", "fields": [{"name": "serial", "kind": "text"}, {"name": "since", "kind": "integer"}]},
        ]
        press = {"id": "press", "events": events}
        twins = [{"id": "press-7", "types": ["press"]}, {"id": "press-8", "types": ["press"]}]
        platform.apply({"gemel": 1, "types": [press], "twins": twins})
        conf = platform.configuration
        conf.create(ItemSpec(id="item-7", part="PRESS", serial="7", twin="press-7"), day(1, 1))
        conf.create(ItemSpec(id="pump-a", part="PUMP", serial="a"), day(1, 1))
        conf.create(ItemSpec(id="pump-b", part="PUMP", serial="b"), day(1, 1))
        conf.install("pump-a", "item-7", "pump", day(1, 1))
        swap = {"do": "swap", "parent": "$item", "slot": "$position", "new": {"part": "PUMP", "serial": "$new"}}
        conf.translations.declare(Translation(id="replaced", event="part_replaced", operation=swap, types=("press",)))
        yield platform


def happened(plant: Platform, twin: str, new: str, time: int, id: str, position: str = "pump") -> None:
    fields = {"old": "?", "new": new, "position": position}
    event = Happened(twin=twin, event="part_replaced", time=time, fields=fields, id=id)
    receipt = plant.intake.submit("maintenance", [Message(events=[event])]).result(WAIT_S)
    assert receipt.quarantined == 0, receipt.problems
    assert plant.translator.wait(receipt.last, WAIT_S)


def test_an_event_becomes_an_operation_once(plant: Platform) -> None:
    conf = plant.configuration
    happened(plant, "press-7", "b", day(2, 1), "e-1")
    assert ids(conf.tree("item-7", day(2, 2))) == {"pump-b"}
    assert ids(conf.tree("item-7", day(1, 20))) == {"pump-a"}
    act = conf.acts("pump-b")[-1]
    assert (act.kind, act.time, act.actor) == ("swapped", day(2, 1), "gemel")
    assert act.basis.source == "event:press-7"
    happened(plant, "press-7", "b", day(2, 1), "e-1")
    assert len(conf.acts("pump-b")) == 2
    assert conf.translations.refusals().items == []


def test_an_event_that_cannot_be_so_is_listed_with_the_reason_and_tried_again(plant: Platform) -> None:
    conf = plant.configuration
    happened(plant, "press-8", "b", day(2, 1), "e-2")
    happened(plant, "press-7", "unheard-of", day(2, 5), "e-3")
    first, second = conf.translations.refusals().items
    assert "no item has the twin 'press-8'" in first.reason
    assert "nobody knows PUMP with serial number unheard-of" in second.reason
    assert (second.fields["new"], second.time) == ("unheard-of", day(2, 5))
    with pytest.raises(NotFound, match="nobody knows"):
        conf.translations.retry(second.number)
    conf.create(ItemSpec(id="pump-c", part="PUMP", serial="unheard-of"), day(1, 1))
    assert conf.translations.retry(second.number).state == "done"
    assert ids(conf.tree("item-7", day(2, 6))) == {"pump-c"}
    assert conf.translations.discard(first.number).state == "discarded"
    assert conf.translations.refusals().items == []
    with pytest.raises(NotFound, match="nothing open"):
        conf.translations.retry(second.number)


def test_a_refusal_is_ended_once_by_whoever_is_first(plant: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    told = plant.configuration.translations
    happened(plant, "press-8", "b", day(2, 1), "e-at-once")
    (one,) = told.refusals().items
    run, others = told._run, [one.number]

    def later(work: Callable[[Connection], Sequence[Change]], *, actor: str = "") -> object:
        while others:
            told.discard(others.pop())
        return run(work, actor=actor)

    before = plant.position
    monkeypatch.setattr(told, "_run", later)
    with pytest.raises(NotFound, match="nothing open"):
        told.discard(one.number)
    ended = [each for block in plant.journal.blocks(before) for each in block.changes if "refusal_" in each.kind]
    assert len(ended) == 1


def test_an_unknown_serial_number_is_made_where_it_may_be(plant: Platform) -> None:
    conf = plant.configuration
    (rule,) = conf.translations.all()
    conf.translations.declare(
        Translation(**{name: getattr(rule, name) for name in rule.__struct_fields__ if name != "make"}, make=True)
    )
    happened(plant, "press-7", "fresh 1", day(2, 9), "e-4")
    assert ids(conf.tree("item-7", day(2, 10))) == {"PUMP:fresh-1"}
    assert conf.tree("PUMP:fresh-1", day(2, 10)).item.serial == "fresh 1"


def test_an_event_that_comes_twice_or_of_which_nobody_thought_stops_nothing(plant: Platform) -> None:
    conf = plant.configuration
    conf.create(ItemSpec(id="pump-d", part="PUMP", serial="d"), day(1, 1))
    retire = {"do": "retire", "child": {"part": "PUMP", "serial": "$serial"}}
    out = {"do": "remove", "child": {"part": "PUMP", "serial": "$serial"}, "at": "$since"}
    conf.translations.declare(Translation(id="retired", event="scrapped", operation=retire))
    for at, id in ((day(2, 1), "e-5"), (day(2, 2), "e-6")):
        scrapped(plant, at, id)
    assert conf.tree("pump-d").item.retired == day(2, 1)
    (twice,) = conf.translations.refusals().items
    assert f"pump-d was retired at 2026-02-01T00:00:00Z already; correct act {conf.acts('pump-d')[-1].number}" in (
        twice.reason
    )
    conf.translations.declare(Translation(id="retired", event="scrapped", operation=out))
    scrapped(plant, day(2, 3), "e-7", since=day(2, 3) * 1000)  # nanoseconds
    conf.translations.declare(Translation(id="retired", event="scrapped", operation={"do": "withdraw", "act": 1 << 63}))
    scrapped(plant, day(2, 4), "e-8")
    _, beyond, unthought = conf.translations.refusals().items
    assert "are these seconds or nanoseconds?" in beyond.reason
    assert "beyond 64 bits" in unthought.reason
    for one in (twice, beyond, unthought):
        conf.translations.discard(one.number)
    conf.translations.remove("retired")


def scrapped(plant: Platform, time: int, id: str, since: int = 0) -> None:
    event = Happened(twin="press-7", event="scrapped", time=time, fields={"serial": "d", "since": since}, id=id)
    receipt = plant.intake.submit("maintenance", [Message(events=[event])]).result(WAIT_S)
    assert receipt.quarantined == 0, receipt.problems
    assert plant.translator.wait(receipt.last, WAIT_S), "it stopped"


def test_finished_work_becomes_an_act_under_its_order(plant: Platform) -> None:
    conf = plant.configuration
    retrofit = {"do": "modify", "child": "$item", "name": "revision", "value": "C"}
    conf.translations.declare(Translation(id="retrofit", kind="work.done", event="JP-RETROFIT", operation=retrofit))
    for job in ("JP-OIL", "JP-RETROFIT"):
        order = plant.work.orders.put(WorkSpec(id=f"WO-{job}", item="item-7", title="as planned", job=job)).order
        plant.work.orders.move(order.id, WorkState.DONE)
    assert plant.translator.wait(plant.position, WAIT_S)
    act = conf.acts("item-7")[-1]
    assert (act.kind, act.basis.work_order, conf.tree("item-7").item.revision) == ("modified", "WO-JP-RETROFIT", "C")
    assert [one.number for one, _ in conf.acts_under("WO-JP-RETROFIT")] == [act.number]
    assert conf.translations.refusals().items == []
    conf.translations.remove("retrofit")


def test_a_translation_into_nothing_is_refused(plant: Platform) -> None:
    with pytest.raises(InvalidInput, match="there is no operation 'explode'; do is one of adjust"):
        plant.configuration.translations.declare(Translation(id="x", event="e", operation={"do": "explode"}))
    with pytest.raises(NotFound, match="no translation"):
        plant.configuration.translations.remove("unknown")


def test_what_was_believed_when_something_was_done(plant: Platform) -> None:
    conf = plant.configuration
    act = conf.create(ItemSpec(id="late", part="LAMP", serial="late"), day(1, 1))
    before = plant.position
    conf.install("late", "item-7", "lamp", day(1, 2))
    assert "late" in ids(conf.tree("item-7", day(2, 1), known=plant.known_when(f"position:{plant.position}")))
    assert "late" not in ids(conf.tree("item-7", day(2, 1), known=plant.known_when(f"position:{before}")))
    assert "late" not in ids(conf.tree("item-7", day(2, 1), known=plant.known_when(f"act:{act}")))
    assert plant.known_when("2026-01-01T00:00:00Z") == day(1, 1)
    with pytest.raises(NotFound, match="the journal ends at"):
        plant.known_when("position:99999999")


# sources

LINES = [
    ("N1", "PRESS", "", "", "", "2026-01-01"),
    ("N1-p", "PUMP", "N1", "pump", "AA", "2026-01-01"),
    ("N1-s", "SEAL", "N1-p", "seal", "1", "2026-01-01"),
    ("N2", "PRESS", "", "", "", "2026-01-01"),
    ("N2-p", "PUMP", "N2", "pump", "Z", "2026-03-01"),
    ("N2-s", "SEAL", "N2-p", "seal", "2", "2026-01-01"),
]
COLUMNS = Lines(item="id", part="pn", parent="in", slot="pos", revision="rev", since="from")


@pytest.fixture(scope="module")
def inbox(plant: Platform) -> Path:
    folder = plant.folder.path / "inbox"
    folder.mkdir(exist_ok=True)
    columns = list(zip(*LINES, strict=True))
    table = pa.table(dict(zip(("id", "pn", "in", "pos", "rev", "from"), columns, strict=True)))
    pq.write_table(table, folder / "fleet.parquet")
    with sqlite3.connect(folder / "fleet.sqlite") as tx:
        tx.execute('CREATE TABLE parts (id, pn, "in", pos, rev, "from")')
        tx.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?)", LINES)
    tx.close()
    order = tuple(Revision(revision=one) for one in ("Z", "AA", "AB"))
    seals = tuple(Revision(revision=one) for one in ("1", "2"))
    parts = PartsDocument(parts=(PartType(part="PUMP", revisions=order), PartType(part="SEAL", revisions=seals)))
    plant.configuration.parts.apply(plant.configuration.parts.plan(parts))
    return folder


@pytest.mark.parametrize(
    "source",
    [
        Source(id="files", kind="parquet", path="inbox/fleet.parquet", columns=COLUMNS),
        Source(id="database", kind="sqlite", path="inbox/fleet.sqlite", table="parts", columns=COLUMNS),
        Source(id="server", kind="postgres", secret="fleet", table="public.parts", columns=COLUMNS),
    ],
    ids=lambda source: source.kind,
)
@pytest.mark.usefixtures("inbox")
def test_a_source_is_asked_where_it_lies_and_answers_as_our_own(
    plant: Platform, source: Source, request: pytest.FixtureRequest
) -> None:
    conf = plant.configuration
    if source.kind == "postgres":
        _on_postgres(request.getfixturevalue("postgres"), plant.folder.path / "secrets" / "fleet")
    assert conf.sources.declare(source).lines == 6
    both = (Having(part="PUMP", below="AB"), Having(part="SEAL", below="2"))
    (one,) = conf.fleet(*both, at=day(2, 1), source=source.id).machines
    assert (one.root, one.part, one.items) == ("N1", "PRESS", ("N1-p", "N1-s"))
    found = conf.fleet(Having(part="PUMP", below="AA"), during=(day(1, 1), day(12, 1)), source=source.id)
    (late,) = found.machines
    assert (late.root, late.spans) == ("N2", (Span(day(3, 1), day(12, 1)),))
    page = conf.fleet(Having(part="SEAL"), at=day(4, 1), source=source.id, page=FleetPage(after="N1", limit=1))
    assert ([one.root for one in page.machines], page.total) == (["N2"], 2)
    tree = conf.attached_tree(source.id, "N1", day(2, 1))
    assert [(one.path, one.item.id, one.item.revision) for one in (tree.parts[0], tree.parts[0].parts[0])] == [
        (("pump",), "N1-p", "AA"),
        (("pump", "seal"), "N1-s", "1"),
    ]
    assert ids(conf.attached_tree(source.id, "N2", day(2, 1))) == set()
    assert [one.error for one in conf.sources.status() if one.source.id == source.id] == [""]
    with pytest.raises(NotFound, match="tells of no item 'N9'"):
        conf.attached_tree(source.id, "N9")
    conf.sources.remove(source.id)
    with pytest.raises(NotFound, match="no source"):
        conf.fleet(*both, source=source.id)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["A,P,A,x"], "A is in itself"),
        (["A,P,B,x", "B,P,A,y"], "A is in itself"),
        (["A,P,,", "L0,P,A,a", *(f"L{n},P,L{n - 1},{s}" for n in range(1, 18) for s in "ab")], "more than 50,000"),
        (["A,P,,", "B,P,A,x", "B,P,A,y"], "the id 'B' has 2 lines"),
    ],
    ids=["itself", "a ring", "doubled again and again", "several lines"],
)
def test_a_source_that_tells_what_cannot_be_is_refused(
    plant: Platform, inbox: Path, lines: list[str], said: str
) -> None:
    sources = plant.configuration.sources
    (inbox / "odd.csv").write_text("\n".join(["id,pn,in,pos", *lines]))
    columns = Lines(item="id", part="pn", parent="in", slot="pos")
    odd = Source(id="odd", kind="csv", path="inbox/odd.csv", columns=columns, moves="lines" not in said)
    if not odd.moves:
        with pytest.raises(InvalidInput, match=said):
            sources.declare(odd)
        return
    sources.declare(odd)
    with pytest.raises(InvalidInput, match=said):
        plant.configuration.attached_tree("odd", "A")
    sources.remove("odd")


def _on_postgres(server: PostgresServer, secret: Path) -> None:
    """The lines in a table of a database elsewhere, whose address is in a file."""
    url = make_url(server.create())
    engine = create_engine(url)
    with engine.begin() as tx:
        tx.exec_driver_sql('CREATE TABLE parts (id text, pn text, "in" text, pos text, rev text, "from" date)')
        tx.exec_driver_sql("INSERT INTO parts VALUES (%s, %s, %s, %s, %s, %s)", LINES)
    engine.dispose()
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(url.set(drivername="postgresql").render_as_string(hide_password=False))
    secret.chmod(0o600)


@pytest.mark.usefixtures("inbox")
def test_a_database_that_does_not_answer_is_refused_without_its_password(plant: Platform) -> None:
    secret = plant.folder.path / "secrets" / "gone"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("postgresql://reader:tell-nobody@127.0.0.1:1/fleet")
    secret.chmod(0o600)
    gone = Source(id="gone", kind="postgres", secret="gone", table="parts", columns=COLUMNS)
    with pytest.raises(InvalidInput, match="does not answer as it is declared") as refused:
        plant.configuration.sources.declare(gone)
    assert "tell-nobody" not in str(refused.value)
    with pytest.raises(InvalidDocument, match="below"):
        plant.configuration.sources.declare(msgspec.structs.replace(gone, secret="../gemel.yaml"))


def test_a_source_reaches_nothing_but_itself(plant: Platform, inbox: Path) -> None:
    conf, secret = plant.configuration, inbox.parent / "outside.parquet"
    secret.write_bytes((inbox / "fleet.parquet").read_bytes())
    for path in ("outside.parquet", "inbox/../outside.parquet", str(secret)):
        with pytest.raises(InvalidDocument, match=r"not below the platform's inbox"):
            conf.sources.declare(Source(id="bad", kind="parquet", path=path, columns=COLUMNS))
    (inbox / "link.parquet").symlink_to(secret)
    with pytest.raises((InvalidDocument, InvalidInput)):
        conf.sources.declare(Source(id="bad", kind="parquet", path="inbox/link.parquet", columns=COLUMNS))
    hostile = Lines(item='x" FROM raw', part="pn")
    with pytest.raises(InvalidInput, match=r"has no column 'x\" FROM raw'"):
        conf.sources.declare(Source(id="bad", kind="parquet", path="inbox/fleet.parquet", columns=hostile))
    with pytest.raises(InvalidInput, match="does not answer as it is declared"):
        conf.sources.declare(Source(id="bad", kind="parquet", path="inbox/none.parquet", columns=COLUMNS))
    assert conf.sources.all() == []
