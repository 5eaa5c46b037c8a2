"""Questions over the whole fleet, held against a plain model that steps through every moment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from gemel.configuration import Applicability, Basis, ItemKind, ItemSpec, tables
from gemel.configuration.operations import Identify, Merge, Report, Split
from gemel.configuration.parts.values import LifeLimit, PartsDocument, PartType, Revision
from gemel.configuration.questions.fleet import FleetPage, Having, meeting
from gemel.configuration.questions.limits import RemainingPage
from gemel.errors import GemelError, InvalidInput
from tests.configuration.conftest import World, day

MACHINES, PARTS, PLACE = ["M", "N"], ["a", "b", "c", "d"], "store"
PART_OF = {"a": "PUMP", "b": "PUMP", "c": "CARD", "d": "CARD"}
ORDER = ("Z", "AA", "9", "10")
"""Not in any order of letters."""
END = 12

moments = st.integers(1, END - 1)
moves = st.tuples(st.just("put"), st.sampled_from(PARTS), st.sampled_from([*MACHINES, PLACE, "a"]), moments)
removes = st.tuples(st.just("remove"), st.sampled_from(PARTS), st.just(""), moments)
revisions = st.tuples(st.just("revise"), st.sampled_from(PARTS), st.sampled_from([*ORDER, "", "X"]), moments)
amends = st.tuples(st.sampled_from(["correct", "withdraw"]), st.integers(0, 20), st.just(""), moments)
uses = st.tuples(st.just("use"), st.sampled_from([*MACHINES, "a"]), st.integers(1, 5), moments)
acts = st.lists(st.one_of(moves, moves, removes, revisions, amends, uses), max_size=18)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path_factory.mktemp('fleet') / 'configuration.sqlite'}")
    book = PartsDocument(
        parts=tuple(
            PartType(
                part=part,
                revisions=tuple(Revision(revision=one) for one in ORDER),
                limits=(LifeLimit(kind="hours", limit=100.0),),
            )
            for part in ("PUMP", "CARD")
        )
    )
    world.configuration.parts.apply(world.configuration.parts.plan(book))
    yield world
    world.configuration.shared.close()
    world.database.close()


class Belief:
    """What is believed at one moment of knowing, asked item by item and moment by moment."""

    def __init__(self, world: World, run: int, known: int, used: dict[tuple[str, int], float]) -> None:
        conf = world.configuration
        self.known, self._used = known, used
        self.ids = [f"{run}-{id}" for id in [*MACHINES, *PARTS, PLACE]]
        self._places = {id: conf.history(id, known=known) for id in self.ids}
        self._tree = lambda id, at: conf.tree(id, at, known=known)

    def holder(self, id: str, at: int) -> str | None:
        return next((one.parent for one in self._places[id] if one.valid.covers(at)), None)

    def root(self, id: str, at: int) -> str:
        holder = self.holder(id, at)
        return id if holder is None or holder.endswith(PLACE) else self.root(holder, at)

    def revision(self, id: str, at: int) -> str:
        return str(self._tree(id, at).item.revision)

    def roots(self, part: str, good: set[str], at: int) -> set[str]:
        fit = [id for id in self.ids if PART_OF.get(id.split("-")[1]) == part and self.revision(id, at) in good]
        return {self.root(id, at) for id in fit}

    def used(self, id: str, until: int) -> tuple[float, int]:
        amount, untold = 0.0, 0
        for unit in range(until):
            at: str | None = id
            while at is not None and (at, unit) not in self._used:
                at = self.holder(at, unit)
            if at is None:
                untold += 1
            else:
                amount += self._used[(at, unit)]
        return amount, untold


def said(world: World, run: int, asked: list[tuple[Any, ...]]) -> list[Belief]:
    """Say it all, of items whose ids begin with the number of the run; what was believed after each act."""
    conf, clock = world.configuration, world.clock
    named = {id: f"{run}-{id}" for id in [*MACHINES, *PARTS, PLACE]}
    for id in MACHINES:
        conf.create(ItemSpec(id=named[id], part="MACHINE", serial=named[id]), 0)
    conf.create(ItemSpec(id=named[PLACE], part="PLACE", serial=named[PLACE], kind=ItemKind.LOCATION), 0)
    for id, part in PART_OF.items():
        conf.create(ItemSpec(id=named[id], part=part, serial=named[id], revision="9"), 0)
    told: list[int] = []
    uses: dict[int, tuple[str, int, float]] = {}
    known = []
    for kind, what, value, time in asked:
        clock.time += 1000
        try:
            if kind == "put":
                told.append(conf.install(named[what], named[value], f"slot {what}", time))
            elif kind == "remove":
                told.append(conf.remove(named[what], time))
            elif kind == "revise":
                told.append(conf.modify(named[what], "revision", value, time))
            elif kind == "use":
                told.append(conf.use(named[what], "hours", time - 1, time, float(value)))
                uses[told[-1]] = named[what], time - 1, float(value)
            elif told and kind == "correct":
                conf.correct(told[what % len(told)], time, basis=Basis(reason="test"))
            elif told:
                conf.withdraw(told[what % len(told)], basis=Basis(reason="test"))
                uses.pop(told[what % len(told)], None)
        except GemelError:
            continue
        known.append(Belief(world, run, clock.time, {(id, at): amount for id, at, amount in uses.values()}))
    clock.time += 1000
    return [*known, Belief(world, run, clock.time, {(id, at): amount for id, at, amount in uses.values()})]


RUNS = iter(range(10**6))


def ask_the_fleet(fleet: World, asked: list[tuple[Any, ...]], start: int, length: int) -> None:
    run, end = next(RUNS), start + length
    conf = fleet.configuration
    conf.fleet(Having(part="CARD"))  # the columns know what was before, and have to catch up
    for belief in said(fleet, run, asked)[-3:]:
        mine = FleetPage(only=lambda part, serial, lot: serial.startswith(f"{run}-"))
        below = {"PUMP": {"Z", "AA"}, "CARD": {"10"}}
        found = conf.fleet(
            Having(part="PUMP", below="9"),
            Having(part="CARD", above="9"),
            during=(start, end),
            known=belief.known,
            page=mine,
        )
        answered = {
            (one.root, at) for one in found.machines for span in one.spans for at in range(span.start, span.end)
        }
        expected = {
            (root, at)
            for at in range(start, end)
            for root in belief.roots("PUMP", below["PUMP"], at) & belief.roots("CARD", below["CARD"], at)
        }
        assert answered == expected
        assert found.total == len({root for root, _ in expected})
        for one in found.machines:  # spans that touch are one
            assert all(first.end < second.start for first, second in zip(one.spans, one.spans[1:], strict=False))
        pumped = conf.fleet(Having(part="PUMP"), at=start, known=belief.known, page=mine)
        pumps = [id for id in belief.ids if id.endswith(("-a", "-b"))]
        assert {each.root for each in pumped.machines} == {belief.root(id, start) for id in pumps}
        page: RemainingPage = conf.remaining(kind="hours", at=end, known=belief.known, limit=10**6)
        left = {each.item: each for each in page.items if each.item.startswith(f"{run}-")}
        for id in belief.ids:
            if id.split("-")[1] in PARTS:
                amount, untold = belief.used(id, end)
                assert left[id].used == pytest.approx(amount)
                assert round(left[id].untold_s * 1e6) == untold
                count = conf.count(id, "hours", end, known=belief.known)
                assert (count.amount, round(count.untold_s * 1e6)) == (pytest.approx(amount), untold)


ANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=5, **ANY)
@given(acts, st.integers(1, END - 2), st.integers(1, 4))
def test_a_fleet_answers_as_a_plain_model_asked_moment_by_moment(
    fleet: World, asked: list[tuple[Any, ...]], start: int, length: int
) -> None:
    ask_the_fleet(fleet, asked, start, length)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=400, **ANY)
@given(acts, st.integers(1, END - 2), st.integers(1, 4))
def test_a_fleet_answers_as_a_plain_model_in_many_more_cases(
    fleet: World, asked: list[tuple[Any, ...]], start: int, length: int
) -> None:
    ask_the_fleet(fleet, asked, start, length)


def test_two_parts_that_were_never_there_at_once_are_no_answer(fleet: World) -> None:
    conf = fleet.configuration
    conf.create(ItemSpec(id="T", part="MACHINE", serial="T"), 0)
    for id, part in (("old-pump", "PUMP"), ("new-card", "CARD")):
        conf.create(ItemSpec(id=id, part=part, serial=id, revision="AA"), 0)
    conf.install("old-pump", "T", "pump", day(1, 1), until=day(3, 1))
    conf.install("new-card", "T", "card", day(3, 1))
    both = (Having(part="PUMP", below="9"), Having(part="CARD", below="9"))
    mine = FleetPage(only=lambda part, serial, lot: serial == "T")
    assert conf.fleet(*both, during=(day(1, 1), day(12, 1)), page=mine).machines == ()
    (one,) = conf.fleet(both[0], during=(day(1, 1), day(12, 1)), page=mine).machines
    assert [(span.start, span.end) for span in one.spans] == [(day(1, 1), day(3, 1))]
    assert one.items == ("old-pump",)


def test_what_a_retired_controller_last_reported_runs_nowhere(fleet: World) -> None:
    conf = fleet.configuration
    conf.create(ItemSpec(id="controller", part="CONTROLLER", serial="1"), 0)
    conf.do(Report(item="controller", slot="plc", part="PLC-FW", version="9", at=10))
    conf.retire("controller", 20)
    assert [one.root for one in conf.fleet(Having(part="PLC-FW", revisions=("9",)), at=19).machines] == ["controller"]
    assert conf.fleet(Having(part="PLC-FW"), at=20).machines == ()
    (one,) = conf.fleet(Having(part="PLC-FW"), during=(0, 100)).machines
    assert [(span.start, span.end) for span in one.spans] == [(10, 20)]


def test_what_applies_by_reported_software_applies_to_the_machines_that_are_found_by_it(fleet: World) -> None:
    conf = fleet.configuration
    book = PartsDocument(parts=(PartType(part="FW", revisions=tuple(Revision(revision=v) for v in ORDER)),))
    conf.parts.apply(conf.parts.plan(book))
    for id in ("line", "plc", "gone"):
        conf.create(ItemSpec(id=id, part=id.upper(), serial=id), 0)
    conf.install("plc", "line", "plc", 0)
    for id in ("plc", "gone"):
        conf.do(Report(item=id, slot="fw", part="FW", version="9", at=10))
    conf.retire("gone", 30)
    for one, at in ((Having(part="FW", below="10"), 20), (Having(part="FW", above="9"), 20), (Having(part="FW"), 40)):
        to = Applicability(having=(one,))
        listed = {match.root: match.items for match in conf.applicable(to, at).machines}
        told = {root: conf.applies(to, root, at) for root in ("line", "gone")}
        assert {root: one.items for root, one in told.items() if one.applies} == listed
    assert conf.applies(Applicability(having=(Having(part="FW", below="withdrawn"),)), "line", 20).applies is None
    assert told["gone"].reasons == ("gone was retired at 1970-01-01T00:00:00.00003Z",)


def test_forty_screws_and_forty_nuts_are_no_sixteen_hundred_pairs(fleet: World) -> None:
    both = (Having(part="SCREW"), Having(part="NUT"))
    with fleet.configuration.shared.columns.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE stays AS SELECT (i >= 40)::INTEGER AS condition, false AS unknown, i AS item, "
            "7 AS root, CASE WHEN i < 40 THEN i ELSE 20 END AS a, CASE WHEN i < 40 THEN i + 10 ELSE 60 END AS b "
            "FROM range(80) one(i)"
        )
        ((root, start, end, items),) = cursor.execute(meeting(both)).fetchall()
    assert (root, start, end) == (7, 20, 49)
    assert sorted(items) == list(range(11, 80)), "those whose time met none of the others are not among them"
    with pytest.raises(InvalidInput, match="ask for 16 things at most"):
        fleet.configuration.fleet(*both * 9, at=10)


def test_a_revision_that_is_not_known_is_neither_below_nor_above_and_is_counted(fleet: World) -> None:
    conf = fleet.configuration
    conf.create(ItemSpec(id="spare", part="GEAR", serial="spare"), 0)
    book = PartsDocument(parts=(PartType(part="GEAR", revisions=(Revision(revision="1"), Revision(revision="2"))),))
    conf.parts.apply(conf.parts.plan(book))
    found = conf.fleet(Having(part="GEAR", below="2"), at=10)
    assert (found.machines, found.unknown) == ((), 1)
    (one,) = conf.fleet(Having(part="GEAR", below="2", unknown=True), at=10).machines
    assert one.root == "spare"


def test_a_revision_without_a_place_in_its_order_cannot_be_compared_with(fleet: World) -> None:
    with pytest.raises(InvalidInput, match="'7' has no place in the order of 'PUMP'"):
        fleet.configuration.fleet(Having(part="PUMP", below="7"), at=10)


def test_columns_hold_what_rows_hold_on_every_database(world: World) -> None:
    conf, odd = world.configuration, 'P"1",2;\'é'
    conf.create(ItemSpec(id="M", part="MACHINE", serial='"'), 0)
    conf.create(ItemSpec(id="p", part=odd, serial="1", revision='a,\n"b'), 0)
    act = conf.install("p", "M", "slot", 10)
    (one,) = conf.fleet(Having(part=odd, revisions=('a,\n"b',)), at=20).machines
    assert (one.root, one.serial, one.items) == ("M", '"', ("p",))
    known = conf.known_of(act)
    world.clock.time += 1000
    conf.correct(act, 30, basis=Basis(reason="it was later"))
    conf.use("M", "hours", 0, 40, 0.1 + 0.2)
    asked = {"during": (0, 100), "page": FleetPage(only=lambda part, serial, lot: part == "MACHINE")}
    (after,) = conf.fleet(Having(part=odd), **asked).machines
    (before,) = conf.fleet(Having(part=odd), known=known, **asked).machines
    assert [(s.start, s.end) for one in (before, after) for s in one.spans] == [(10, 100), (30, 100)]
    limited = PartType(part=odd, limits=(LifeLimit(kind="hours", limit=1.0),))
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=(limited,))))
    (left,) = conf.remaining(at=100).items
    assert left.used == conf.count("p", "hours", 100).amount == (0.1 + 0.2) / 4
    conf.shared.close()


def test_columns_tell_of_items_what_their_rows_tell_after_each_act(world: World) -> None:
    conf, said = world.configuration, world.configuration.do
    why = Basis(reason="it was read wrong")

    def same() -> None:
        world.clock.time += 1000
        with conf.shared.columns.cursor() as cursor, world.database.read() as tx:
            names = [row[0] for row in cursor.execute("DESCRIBE own.item").fetchall()]
            rows = tx.execute(select(*(tables.item.c[name] for name in names)).order_by(tables.item.c.number)).all()
            assert cursor.execute("SELECT * FROM own.item ORDER BY number").fetchall() == [tuple(row) for row in rows]

    conf.create(ItemSpec(id="K", part="PUMP", maker="ACME", serial="9"), 20)
    conf.create(ItemSpec(id="U", part="PUMP"), 10)
    made = conf.create(ItemSpec(id="X", part="CARD", serial="1"), 10)
    same()
    for act in (
        lambda: said(Identify(item="U", lot="L", at=10)),
        lambda: said(Merge(item="K", into="U", at=30)),
        lambda: said(Split(item="U", other="K", at=40)),
        lambda: said(Merge(item="U", into="K", at=50)),
        lambda: conf.correct(made, 15, basis=why),
        lambda: conf.withdraw(made, basis=why),
        lambda: conf.create(ItemSpec(id="X", part="FAN", maker="B", serial="2"), 5),
    ):
        act()
        same()
    (one,) = conf.fleet(Having(part="FAN"), at=60).machines
    assert (one.root, one.serial) == ("X", "2")
    conf.shared.close()


BIG = "(acts?|alias|item|observation|placement|trait|usage|software)"
"""Tables that have rows of each item."""


@contextmanager
def looked_through(world: World) -> Iterator[list[str]]:
    """How SQLite goes about all that is asked meanwhile; told at the end."""
    said, plans = list[tuple[str, Any]](), list[str]()

    def hear(*told: Any) -> None:
        said.append((told[2], told[3]))

    event.listen(world.database.engine, "before_cursor_execute", hear)
    yield plans
    event.remove(world.database.engine, "before_cursor_execute", hear)
    with world.database.read() as tx:
        plans += [
            f"{row[-1]}: {statement}"
            for statement, values in said
            if "configuration_" in statement and statement.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE"))
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


def test_no_act_and_no_question_to_one_machine_looks_through_all_items(plain: World) -> None:
    conf = plain.configuration
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=(PartType(part="MACHINE"), PartType(part="PUMP")))))
    conf.create(ItemSpec(id="M", part="MACHINE", serial="1"), 0)
    for pump in "pq":
        conf.create(ItemSpec(id=pump, part="PUMP", serial=pump), 0)
    with looked_through(plain) as plans:
        conf.create(ItemSpec(id="r", part="PUMP"), 0)
        conf.install("p", "M", "slot", 10)
        act = conf.swap("M", "slot", "q", 20)
        conf.modify("q", "revision", "B", 30)
        conf.use("M", "hours", 10, 40, 5.0)
        conf.correct(act, 21, basis=Basis(reason="the report says so"))
        conf.remove("q", 50)
        conf.do(Merge(item="r", into="p", at=55))
        assert conf.tree("M", 60).parts == ()
        assert len(conf.history("p")) == 1
        assert conf.count("q", "hours", 60).amount > 0
        assert conf.acts("q")
    assert plans
    assert not [one for one in plans if re.match(rf"SCAN configuration_{BIG}\b", one)]
    conf.shared.close()


def test_after_an_act_nothing_is_looked_through_that_still_is_believed(plain: World) -> None:
    conf = plain.configuration
    conf.create(ItemSpec(id="M", part="MACHINE"), 0)
    conf.create(ItemSpec(id="p", part="PUMP"), 0)
    conf.fleet(Having(part="PUMP"), at=20)
    act = conf.install("p", "M", "slot", 10)

    with looked_through(plain) as plans:
        (one,) = conf.fleet(Having(part="PUMP"), at=20).machines
        assert one.root == "M"
        assert conf.dependants(act).roots == ("M", "p")
    assert plans
    assert not [one for one in plans if one.startswith("SCAN configuration_") or "rowid<?" in one.partition(": ")[0]]
    conf.shared.close()
