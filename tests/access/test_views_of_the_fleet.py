"""Questions to the fleet by views of the configuration: what is told is what the view shows item by item, no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, select

from gemel.access import ItemColumn, ItemsSeen, ItemView, Machines, Principal
from gemel.access.projection import Projection
from gemel.access.projection import Seen as Shown
from gemel.clock import SteppedClock
from gemel.configuration import (
    FOREVER,
    Configuration,
    FleetPage,
    FleetSeen,
    Having,
    Item,
    ItemKind,
    ItemSpec,
    MachinePartly,
    Partly,
    Remaining,
    Seen,
    Span,
    parse_parts,
    tables,
)
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import as_of
from gemel.configuration.operations import Report
from gemel.configuration.questions import asking
from gemel.configuration.spans import covering
from gemel.errors import Denied, InvalidInput
from gemel.platform import Platform
from gemel.twin import PropertyGroup
from tests.configuration.conftest import day

PLANT = """
types: [{id: machine, properties: [{name: speed}]}]
twins:
  - {id: m1, types: [machine]}
  - {id: m2, types: [machine]}
  - {id: m3, types: [machine]}
  - {id: d1, types: [machine]}
  - {id: hall, types: [machine]}
"""
PARTS = """
parts:
  - part: MILL
    maker: Mill
    slots: [{slot: hydraulics, safety: true}, {slot: spindle}, {slot: pump}]
  - part: H-1
    slots: [{slot: pump, safety: true}]
  - part: P-7
    revisions: [{revision: A}, {revision: B}, {revision: C}]
    limits: [{kind: hours, limit: 1000}, {kind: days, limit: 400}]
  - part: D-1
    revisions: [{revision: "1"}, {revision: "2"}]
    limits: [{kind: hours, limit: 2000, hard: true}]
"""
NOW = day(6, 1)
DAYS = [day(month, 15) for month in range(1, 6)]
QUICK = (Phase.explicit, Phase.generate)
TWINS = ("m1", "m2", "m3", "d1", "hall")
ITEMS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("M1", "MILL", "Mill", {"twin": "m1", "serial": "1"}),
    ("M2", "MILL", "Mill", {"twin": "m2", "serial": "2"}),
    ("M3", "MILL", "Mill", {"twin": "m3", "serial": "3"}),
    ("M4", "MILL", "Mill", {"serial": "4"}),
    ("LINE", "LINE", "", {}),
    ("HALL", "HALL", "", {"kind": ItemKind.LOCATION, "twin": "hall"}),
    ("H1", "H-1", "Hydra", {}),
    ("H2", "H-1", "Acme", {}),
    ("PA", "P-7", "Acme", {"serial": "A", "revision": "A"}),
    ("PB", "P-7", "Acme", {"serial": "B", "revision": "B"}),
    ("PC", "P-7", "Bolt", {"serial": "C"}),
    ("PD", "P-7", "Acme", {"serial": "D", "revision": "A"}),
    ("DR", "D-1", "Volt", {"serial": "E", "revision": "1", "twin": "d1"}),
    ("FW", "FW", "Acme", {"kind": ItemKind.SOFTWARE, "revision": "1"}),
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("fleet-views"), clock=SteppedClock(NOW), run_connectors=False) as made:
        made.apply(PLANT)
        conf, first = made.configuration, day(1, 1)
        conf.parts.apply(conf.parts.plan(parse_parts(PARTS)))
        for id, part, maker, more in ITEMS:
            conf.create(ItemSpec(id=id, part=part, maker=maker, **more), first)
        for child, parent, slot, at in (
            ("H1", "M1", "hydraulics", day(1, 2)),
            ("PA", "H1", "pump", day(1, 3)),
            ("PB", "M2", "pump", day(1, 4)),
            ("M2", "LINE", "second", day(1, 5)),
            ("M3", "HALL", "floor", day(1, 6)),
            ("M4", "HALL", "floor", day(1, 6)),
            ("DR", "M3", "spindle", day(1, 7)),
            ("FW", "DR", "firmware", day(1, 7)),
            ("H2", "M4", "hydraulics", day(1, 8)),
            ("PC", "H2", "pump", day(1, 9)),
        ):
            conf.install(child, parent, slot, at)
        conf.modify("PA", "revision", "C", day(2, 10))
        conf.do(Report(item="DR", slot="os", part="OS", version="1.0", at=day(2, 1)))
        conf.do(Report(item="DR", slot="os", part="OS", version="2.0", at=day(4, 1)))
        conf.use("M1", "hours", day(1, 10), day(3, 1), 700.0)
        conf.use("M3", "hours", day(1, 10), day(3, 1), 1900.0)
        conf.remove("DR", day(3, 5))
        conf.install("DR", "M1", "spindle", day(3, 6))
        conf.swap("H1", "pump", "PD", day(3, 20))
        conf.remove("M3", day(4, 2))
        conf.modify("PC", "revision", "B", day(4, 20))
        yield made


def seen_by(platform: Platform, *told: ItemsSeen, whole: Sequence[str] = (), since: int = 0) -> Seen:
    """What somebody sees to whom these views are granted, and these machines as a whole."""
    view = platform.view(Principal(id="user-x", kind="User", party="x"))
    groups = dict.fromkeys((str(PropertyGroup.CONFIGURATION), str(PropertyGroup.USAGE)), since)
    numbers = _numbers(platform, whole)
    kinds = np.zeros(len(numbers), np.int64)
    view.projection = Projection(platform.registry.directory, numbers, kinds, (Shown(groups),), items=told)
    return Seen(platform.database, platform.clock, view)


def _numbers(platform: Platform, twins: Sequence[str]) -> Any:
    entries = [platform.registry.directory.twin(twin) for twin in twins]
    return np.array(sorted(entry.number for entry in entries if entry is not None), np.int64)


def told_of(platform: Platform, view: ItemView, twins: Sequence[str] = TWINS, since: int = 0) -> ItemsSeen:
    numbers, columns = _numbers(platform, twins), frozenset(map(str, view.columns))
    return ItemsSeen("grant", view, numbers, columns, since, (), b"sixteen bytes, x")


views = st.builds(
    ItemView,
    makers=st.sampled_from([(), (), ("Acme",), ("Acme", "Volt")]),
    parts=st.sampled_from([(), (), ("P-7",), ("P-7", "D-1", "MILL")]),
    kinds=st.sampled_from([(), (), ("hardware",)]),
    slots=st.sampled_from([(), (), (), ("hydraulics",), ("pump", "spindle"), ("floor",)]),
    safety=st.booleans(),
    columns=st.sampled_from(
        [tuple(ItemColumn), tuple(ItemColumn), (ItemColumn.SERIALS,), (ItemColumn.REVISIONS,), (ItemColumn.LIMITS,)]
    ),
    machines=st.sampled_from(Machines),
)
havings = st.sampled_from(
    [
        Having(part="P-7"),
        Having(part="P-7", below="C"),
        Having(part="P-7", above="A", unknown=True),
        Having(part="P-7", revisions=("A", "B")),
        Having(part="D-1"),
        Having(part="MILL"),
        Having(part="OS"),
        Having(part="FW"),
    ]
)
FLOOR = ItemView(kinds=("hardware",), slots=("floor",), columns=tuple(ItemColumn), machines=Machines.NAMED)
"""Of machines that are themselves in a slot of what is seen."""
told_twins = st.lists(st.sampled_from(TWINS), unique=True, min_size=1)


class ByItem:
    """The same questions, answered from what is told of each item alone, at one moment."""

    def __init__(self, tx: Connection, scope: Seen | Partly, configuration: Configuration) -> None:
        self.tx, self.scope = tx, scope
        self.whole = scope.whole if isinstance(scope, Partly) else scope
        self.order = configuration.order()

    def items(self, at: int) -> Iterator[Item]:
        for id, *_ in ITEMS:
            number = int(item_row(self.tx, id).number)
            if covering(self.scope.spans(self.tx, number, FOREVER - 1), at) is not None:
                yield asking.tree(self.tx, id, at, FOREVER - 1).item

    def machine(self, item: str, at: int) -> str:
        number = int(item_row(self.tx, item).number)
        ways = self.whole.ways(self.tx, number, Span(at, at + 1), FOREVER - 1)
        for held in ways[0].held if ways else ():
            if item_row(self.tx, held.holder).kind == ItemKind.LOCATION:
                break
            item = held.holder
        return item

    def has(self, one: Having, at: int) -> Iterator[tuple[str, bool]]:
        """(item, whether its revision is not known) of all that may fulfil it."""
        bounded = bool(one.below or one.above or one.revisions)
        for item in self.items(at):
            s = tables.software
            ran = self.tx.execute(
                select(s.c.part, s.c.version)
                .where(s.c.item == item_row(self.tx, item.id).number)
                .where(as_of(s, at, FOREVER - 1))
            )
            facts = [(each.part, each.version) for each in ran if self.tells(ItemColumn.SOFTWARE)]
            if not bounded or self.tells(ItemColumn.REVISIONS):
                facts.append((item.part, item.revision))
            for part, revision in facts:
                if part != one.part:
                    continue
                place = self.order(part, revision) if revision else None
                if bounded and (place is None if one.below or one.above else not revision):
                    yield item.id, True
                elif (
                    (not one.revisions or revision in one.revisions)
                    and (not one.below or place < self.order(part, one.below))
                    and (not one.above or place > self.order(part, one.above))
                ):
                    yield item.id, False

    def tells(self, column: ItemColumn) -> bool:
        return not isinstance(self.scope, Partly) or self.scope.told.tells(column)

    def named(self, item: str, at: int) -> str:
        return self.scope.named(self.tx, item, at, FOREVER - 1) if isinstance(self.scope, Partly) else item

    def machines(self, having: Sequence[Having], at: int) -> dict[str, set[str]]:
        """What each machine has, as it is kept here."""
        found: list[dict[str, set[str]]] = []
        for one in having:
            of: dict[str, set[str]] = {}
            for item, unsure in self.has(one, at):
                if one.unknown or not unsure:
                    of.setdefault(self.machine(item, at), set()).add(item)
            found.append(of)
        roots = set.intersection(*(set(of) for of in found))
        return {root: set.union(*(of[root] for of in found)) for root in roots}

    def unsure(self, having: Sequence[Having], at: int) -> set[str]:
        return {item for one in having for item, unsure in self.has(one, at) if unsure}


@pytest.mark.parametrize("examples", [8, pytest.param(2_000, marks=pytest.mark.soak)])
def test_a_fleet_by_views_is_what_they_show_item_by_item(platform: Platform, examples: int) -> None:
    conf = platform.configuration

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
    @given(
        st.lists(st.tuples(views, told_twins, st.sampled_from([0, day(3, 1)])), max_size=2),
        st.lists(st.sampled_from(TWINS), unique=True),
        st.lists(havings, min_size=1, max_size=2),
        st.sampled_from(DAYS),
    )
    @example([(FLOOR, ["hall"], 0)], [], [Having(part="P-7", above="A", unknown=True)], DAYS[-1])
    def differ(granted: Any, whole: list[str], having: list[Having], at: int) -> None:
        seen = seen_by(platform, *(told_of(platform, *one) for one in granted), whole=whole, since=day(2, 1))
        bounded = any(one.below or one.above or one.revisions for one in having)
        asked = FleetSeen(seen, conf)
        expected: dict[str, tuple[str, str, str, list[str]]] = {}
        with platform.database.read() as tx:
            unsure, scopes = set[str](), [seen, *seen.partly]
            telling = [s for s in scopes if s is seen or not bounded or s.told.tells(ItemColumn.REVISIONS)]
            for scope in telling:
                by = ByItem(tx, scope, conf)
                unsure |= by.unsure(having, at)
                for root, items in by.machines(having, at).items():
                    item = asking.tree(tx, root, at, FOREVER - 1).item
                    if isinstance(scope, Partly):
                        item = scope.item_of(tx, item, at, FOREVER - 1)
                    names = sorted(by.named(each, at) for each in items)
                    expected.setdefault(root, (item.id, item.part, item.serial, names))
        if len(telling) < len(scopes) and telling == [seen] and not whole:
            with pytest.raises(Denied, match="revisions of items are not part of what is shared"):
                asked.fleet(*having, at=at)
            return
        found, after = [], ""
        while True:
            page = asked.fleet(*having, at=at, page=FleetPage(after, 2))
            assert (page.total, page.unknown) == (len(expected), len(unsure))
            found += [(one.root, one.part, one.serial, list(one.items)) for one in page.machines]
            if page.next is None:
                break
            after = page.next
        assert found == sorted(expected.values())

    differ()


@pytest.mark.parametrize("examples", [4, pytest.param(1_000, marks=pytest.mark.soak)])
def test_spans_by_a_view_are_the_times_at_which_it_shows_it(platform: Platform, examples: int) -> None:
    conf = platform.configuration

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
    @given(views, told_twins, st.sampled_from([0, day(3, 1)]), st.lists(havings, min_size=1, max_size=2))
    def differ(view: ItemView, twins: list[str], since: int, having: list[Having]) -> None:
        if ItemColumn.REVISIONS not in view.columns:
            having = [Having(part=one.part) for one in having]
        seen = seen_by(platform, told_of(platform, view, twins, since))
        during = day(1, 20), day(5, 10)
        found = FleetSeen(seen, conf).fleet(*having, during=during).machines
        (partly,) = seen.partly
        with platform.database.read() as tx:
            by = ByItem(tx, partly, conf)
            for at in (day(month, of) for month in range(1, 6) for of in (2, 6, 11, 20)):
                if during[0] <= at < during[1]:
                    told = {partly.kept(one.root) or one.root for one in found if covering(one.spans, at)}
                    assert told == set(by.machines(having, at)), at
                    for one in found:
                        if covering(one.spans, at) and not one.root.startswith("hidden-"):
                            assert by.named(one.root, at) == one.root

    differ()


@pytest.mark.parametrize("examples", [4, pytest.param(1_000, marks=pytest.mark.soak)])
def test_least_life_left_by_views_is_what_they_tell_of_each_item(platform: Platform, examples: int) -> None:
    conf, at, known = platform.configuration, day(5, 15), FOREVER - 1

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
    @given(
        st.lists(st.tuples(views, told_twins, st.just(0)), max_size=2),
        st.lists(st.sampled_from(TWINS), unique=True),
        st.integers(1, 9),
    )
    def differ(granted: Any, whole: list[str], limit: int) -> None:
        seen = seen_by(platform, *(told_of(platform, *one) for one in granted), whole=whole)
        telling = [one for one in seen.partly if one.told.tells(ItemColumn.LIMITS)]
        if seen.partly and not telling and not whole:
            with pytest.raises(Denied, match="limits of items are not part of what is shared"):
                FleetSeen(seen, conf).remaining(at=at)
            return
        told: dict[str, list[Remaining]] = {}
        with platform.database.read() as tx:
            for scope in [seen, *telling]:
                for item in ByItem(tx, scope, conf).items(at):
                    if isinstance(scope, Partly):
                        one = MachinePartly(scope).limits(scope.named(tx, item.id, at, known), at, known)
                    else:
                        where = seen.item(item.id, at)
                        one = [replace(each, root=where.root, path=where.path) for each in conf.limits(item.id, at)]
                    told.setdefault(item.id, one)
        expected = sorted((x for one in told.values() for x in one), key=lambda x: (-x.share, x.item, x.kind))
        found = FleetSeen(seen, conf).remaining(at=at, limit=limit)
        assert (list(found.items), found.total) == (expected[:limit], len(expected))

    differ()


def test_of_a_part_that_is_not_of_the_view_no_error_tells_more_than_of_none(platform: Platform) -> None:
    view = ItemView(makers=("Acme",), columns=tuple(ItemColumn), machines=Machines.ANONYMOUS)
    asked, at = FleetSeen(seen_by(platform, told_of(platform, view)), platform.configuration), day(3, 1)
    pump = Having(part="P-7", above="A", unknown=True)
    nothing = asked.fleet(pump, Having(part="NOTHING", below="1"), at=at)
    assert (nothing.machines, nothing.total) == ((), 0)
    for revision in ("2", "Z"):  # one that the parts book knows, and one that it does not
        assert asked.fleet(pump, Having(part="D-1", below=revision), at=at) == nothing
    with pytest.raises(InvalidInput, match="'Z' has no place in the order of 'P-7'"):
        asked.fleet(Having(part="P-7", below="Z"), at=at)
