"""Views of one configuration: a party sees the items and columns of its view, and nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.access import Action, Grant, ItemColumn, ItemView, Machines, Principal, Selector
from gemel.clock import SteppedClock
from gemel.configuration import (
    FOREVER,
    Basis,
    ItemKind,
    ItemQuery,
    ItemSpec,
    MachinePartly,
    Node,
    Partly,
    Seen,
    parse_parts,
)
from gemel.configuration.operations import Install, Modify, Move, Raise, Report
from gemel.errors import Denied, GemelError, InvalidInput, NotFound
from gemel.platform import Platform
from tests.configuration.conftest import day

PLANT = """
types: [{id: machine, properties: [{name: speed}]}]
twins: [{id: m1, types: [machine]}, {id: m2, types: [machine]}]
"""
NOW = day(6, 1)
EVERY = Selector(everything=True)
MOST = tuple(ItemColumn)
_number = count()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.open(tmp_path_factory.mktemp("views"), clock=SteppedClock(NOW), run_connectors=False) as platform:
        platform.apply(PLANT)
        made, at = platform.configuration, day(1, 1)
        for id, part, maker, more in (
            ("M1", "MILL", "Mill Ltd", {"twin": "m1", "serial": "SN-M1"}),
            ("M2", "MILL", "Mill Ltd", {"twin": "m2", "serial": "SN-M2"}),
            ("HYD", "H-1", "Hydra", {"serial": "H/1"}),
            ("PUMP-A", "P-7", "Acme", {"serial": "A/1", "revision": "B", "aliases": {"giai": "4711"}}),
            ("PUMP-B", "P-7", "Acme", {"serial": "A/2", "revision": "A"}),
            ("PUMP-C", "P-7", "Acme", {"serial": "A/3"}),
            ("SEAL", "S-1", "Zeal", {"serial": "Z/1"}),
            ("DRIVE", "D-1", "Volt", {"serial": "V/1"}),
            ("BEARING", "B-1", "Acme", {"serial": "A/9"}),
            ("FIRMWARE", "FW", "Acme", {"kind": ItemKind.SOFTWARE, "revision": "1.2"}),
        ):
            made.create(ItemSpec(id=id, part=part, maker=maker, **more), at)
        for child, parent, slot in (
            ("HYD", "M1", "hydraulics"),
            ("PUMP-A", "HYD", "pump"),
            ("SEAL", "PUMP-A", "seal"),
            ("DRIVE", "M1", "spindle"),
            ("BEARING", "DRIVE", "bearing"),
            ("FIRMWARE", "DRIVE", "firmware"),
            ("PUMP-B", "M2", "pump"),
        ):
            made.install(child, parent, slot, at)
        made.use("M1", "hours", at, day(3, 1), 500.0)
        yield platform


Share = Callable[..., Seen]


@pytest.fixture
def share(platform: Platform) -> Share:
    """What a new party sees by a grant of a view of all machines, or of some."""

    def made(view: ItemView, selector: Selector = EVERY, **terms: Any) -> Seen:
        party = f"p{next(_number)}"
        platform.gate.parties.add(party, party)
        platform.gate.grant(f"party:{party}", [Action.READ], selector, items=view, **terms)
        return seen_by(platform, party)

    return made


def seen_by(platform: Platform, party: str) -> Seen:
    view = platform.view(Principal(id=f"user-{party}", kind="User", party=party))
    return Seen(platform.database, platform.clock, view)


def found(seen: Seen, **asked: Any) -> list[str]:
    return [one.item.id for one in seen.search(ItemQuery(**asked)).items]


def shape(node: Node) -> dict[tuple[str, ...], str]:
    return {node.path: node.item.id} | {path: id for part in node.parts for path, id in shape(part).items()}


# a tier supplier


SUPPLIER = ItemView(makers=("Acme",), columns=MOST, machines=Machines.ANONYMOUS)


def test_a_supplier_sees_its_own_parts_wherever_they_are_and_no_others(share: Share) -> None:
    seen = share(SUPPLIER)
    assert found(seen) == ["BEARING", "FIRMWARE", "PUMP-A", "PUMP-B"]
    for other in ("M1", "HYD", "SEAL", "DRIVE", "PUMP-C", "NOTHING"):
        with pytest.raises(NotFound, match=f"there is no item '{other}'; look for its serial number"):
            seen.item(other)
    assert shape(seen.tree("PUMP-A")) == {(): "PUMP-A"}
    assert seen.tree("PUMP-A").item.withheld == ("parts",)


def test_a_machine_without_a_name_is_the_same_for_the_same_machine_and_tells_nothing_else(share: Share) -> None:
    seen = share(SUPPLIER)
    pump, bearing, other = (seen.item(id) for id in ("PUMP-A", "BEARING", "PUMP-B"))
    assert pump.root == bearing.root != other.root
    assert pump.root.startswith("hidden-")
    assert pump.path == ("hydraulics", "pump")
    (stay,) = seen.history("PUMP-A")
    assert stay.parent.startswith("hidden-")
    assert stay.parent != pump.root
    assert {one.root for one in seen.stays("PUMP-A", day(1, 1), NOW)} == {pump.root}
    machine = seen.tree(pump.root)
    assert (machine.item.part, machine.item.serial) == ("", "")
    assert sorted(shape(machine).values()) == sorted([pump.root, "BEARING", "FIRMWARE", "PUMP-A"])
    assert share(SUPPLIER).item("PUMP-A").root != pump.root  # to others it is called otherwise
    with pytest.raises(NotFound):
        share(SUPPLIER).tree(pump.root)


def test_a_machine_is_named_where_the_grant_says_so(share: Share) -> None:
    seen = share(ItemView(makers=("Acme",), columns=MOST))
    assert seen.item("PUMP-A").root == "M1"
    tree = seen.tree("M1")
    assert (tree.item.part, tree.item.serial, tree.item.maker) == ("MILL", "", "")
    assert "serials" in tree.item.withheld
    assert shape(tree) == {
        (): "M1",
        ("hydraulics", "pump"): "PUMP-A",
        ("spindle", "bearing"): "BEARING",
        ("spindle", "firmware"): "FIRMWARE",
    }
    assert found(seen, root="M1") == ["BEARING", "FIRMWARE", "PUMP-A"]


def test_counters_go_with_the_parts(share: Share) -> None:
    assert share(SUPPLIER).counters("PUMP-A", day(3, 1))["hours"].amount == 500.0


# what is withheld


def test_what_is_withheld_is_said_and_not_shown_as_empty(share: Share) -> None:
    seen = share(ItemView(makers=("Acme",), columns=(ItemColumn.SERIALS, ItemColumn.MAKERS)))
    item = seen.item("PUMP-A").item
    assert (item.serial, item.maker, item.revision) == ("A/1", "Acme", "")
    assert {"revisions", "counters", "acts", "people"} <= set(item.withheld)
    assert not {"serials", "makers"} & set(item.withheld)
    assert "FIRMWARE" not in found(seen)
    for ask in (lambda: seen.counters("PUMP-A"), lambda: seen.count("PUMP-A", "hours"), lambda: seen.acts("PUMP-A")):
        with pytest.raises(Denied, match="of items are not part of what is shared with you"):
            ask()
        with pytest.raises(NotFound):
            seen.counters("DRIVE")


def test_without_serial_numbers_an_item_has_a_name_of_its_own_and_is_not_found_by_them(share: Share) -> None:
    seen = share(ItemView(makers=("Acme",), parts=("P-7",)))
    ids = found(seen)
    assert len(ids) == 2
    assert all(id.startswith("hidden-") for id in ids)
    assert found(seen, serial="A/1") == found(seen, q="A/1") == found(seen, q="PUMP") == found(seen, q="4711") == []
    assert found(seen, maker="Acme") == found(seen, revision="B") == found(seen, twin="m1") == []
    assert seen.called("A/1") == seen.called("PUMP-A") == []
    assert sorted(found(seen, part="P-7")) == sorted(ids)
    assert {seen.tree(id).item.id for id in ids} == set(ids)
    with pytest.raises(NotFound):
        seen.tree("PUMP-A")
    pages, after = [], ""
    while after is not None:
        page = seen.search(ItemQuery(limit=1, after=after))
        pages += [one.item.id for one in page.items]
        after = page.next
        assert after is None or after.startswith("hidden-")
    assert pages == ids


def test_acts_are_told_without_people(share: Share) -> None:
    told = share(ItemView(makers=("Acme",), columns=(ItemColumn.SERIALS, ItemColumn.ACTS))).acts("PUMP-A")
    assert [(one.kind, one.actor, one.withheld) for one in told] == [
        ("created", "", ("people",)),
        ("installed", "", ("people",)),
    ]


# a contractor, a customer, an owner


def test_a_contractor_sees_the_slots_of_its_work_for_its_time(platform: Platform) -> None:
    platform.gate.parties.add("contractor", "C")
    slots = ItemView(slots=("hydraulics",), columns=(ItemColumn.SERIALS,))
    terms = {"starts": NOW + 10_000_000, "ends": NOW + 20_000_000}
    platform.gate.grant("party:contractor", [Action.READ], Selector(twins=("m1",)), items=slots, **terms)
    clock = platform.clock
    assert isinstance(clock, SteppedClock)
    try:
        assert found(seen_by(platform, "contractor")) == []
        clock.set(NOW + 15_000_000)
        seen = seen_by(platform, "contractor")
        assert found(seen) == ["HYD", "M1", "PUMP-A", "SEAL"]
        assert shape(seen.tree("M1")) == {
            (): "M1",
            ("hydraulics",): "HYD",
            ("hydraulics", "pump"): "PUMP-A",
            ("hydraulics", "pump", "seal"): "SEAL",
        }
        assert seen.item("SEAL").root == "M1"
        for other in ("M2", "DRIVE", "PUMP-B"):
            with pytest.raises(NotFound):
                seen.item(other)
        clock.set(NOW + 20_000_000)
        assert found(seen_by(platform, "contractor")) == []
    finally:
        clock.set(NOW)


def test_a_view_of_every_item_is_of_the_machines_of_the_grant_alone(share: Share) -> None:
    seen = share(ItemView(columns=MOST), Selector(twins=("m2",)))
    assert found(seen) == ["M2", "PUMP-B"]
    assert seen.tree("M2").item.serial == "SN-M2"
    assert seen.tree("M2").item.withheld == ()


def test_only_slots_of_safety(platform: Platform, share: Share) -> None:
    book = platform.configuration.parts
    slots = "[{slot: spindle, safety: true}, {slot: hydraulics}]"
    book.apply(book.plan(parse_parts(f"gemel: 1\nparts: [{{part: MILL, slots: {slots}}}]")))
    seen = share(ItemView(safety=True, columns=(ItemColumn.SERIALS,)), Selector(twins=("m1",)))
    assert found(seen) == ["BEARING", "DRIVE", "M1"]


def test_of_several_views_the_one_that_tells_most_answers(platform: Platform) -> None:
    platform.gate.parties.add("both", "Both")
    for view in (ItemView(columns=(ItemColumn.SERIALS,)), ItemView(makers=("Acme",), columns=MOST)):
        platform.gate.grant("party:both", [Action.READ], EVERY, items=view)
    seen = seen_by(platform, "both")
    assert seen.tree("PUMP-A").item.revision == "B"
    assert seen.tree("DRIVE").item.revision == ""
    assert seen.counters("PUMP-A", day(3, 1))["hours"].amount == 500.0


# rights


def test_a_view_opens_no_twin_and_nothing_that_is_seen_whole(platform: Platform, share: Share) -> None:
    seen = share(ItemView(columns=MOST))
    assert seen._view.ids() == []
    assert not seen.sees("PUMP-A")
    assert seen.numbers(None, NOW, NOW) == []  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        seen.holders("PUMP-A", NOW)


def test_a_revoked_view_ends_at_once(platform: Platform) -> None:
    platform.gate.parties.add("gone", "Gone")
    made = platform.gate.grant("party:gone", [Action.READ], EVERY, items=SUPPLIER)
    named = seen_by(platform, "gone").item("PUMP-A").root
    platform.gate.grants.revoke(made.id)
    assert found(seen_by(platform, "gone")) == []
    with pytest.raises(NotFound):
        seen_by(platform, "gone").tree("PUMP-A")
    platform.gate.grant("party:gone", [Action.READ], EVERY, items=SUPPLIER)
    assert seen_by(platform, "gone").item("PUMP-A").root == named  # granted again, it is called as before


def test_a_token_that_is_kept_to_some_twins_sees_the_items_of_these(platform: Platform) -> None:
    platform.gate.parties.add("kept", "Kept")
    platform.gate.grant("party:kept", [Action.READ], EVERY, items=SUPPLIER)
    token = Principal(id="token-k", kind="Token", party="kept", owner="user-k", selector=Selector(twins=("m2",)))
    seen = Seen(platform.database, platform.clock, platform.view(token))
    assert found(seen) == ["PUMP-B"]


def test_a_limit_of_the_past_holds_for_items(share: Share) -> None:
    seen = share(SUPPLIER, history_from=day(2, 1))
    (stay,) = seen.history("PUMP-A")
    assert stay.valid.start == day(2, 1)
    with pytest.raises(NotFound):
        seen.tree("PUMP-A", day(1, 15))


@pytest.mark.parametrize(
    ("view", "actions"),
    [
        (ItemView(slots=("a//b",)), [Action.READ]),
        (ItemView(makers=("",)), [Action.READ]),
        (ItemView(parts=("x",) * 300), [Action.READ]),
        (ItemView(columns=(ItemColumn.DOCUMENTS,)), [Action.READ]),
        (ItemView(), [Action.READ, Action.COMMAND]),
    ],
)
def test_a_view_that_could_not_be_is_refused(platform: Platform, view: ItemView, actions: list[Action]) -> None:
    with pytest.raises(InvalidInput):
        platform.gate.grant("role:viewer", actions, EVERY, items=view)


def test_a_view_is_kept_as_it_was_granted(platform: Platform) -> None:
    made = platform.gate.grant("role:viewer", [Action.READ], EVERY, items=SUPPLIER)
    platform.gate.grants.reload()
    again: Grant = platform.gate.grants.get(made.id)
    assert again == made
    platform.gate.grants.revoke(made.id)


# what is asked of a machine


def by_view(seen: Seen, name: str, item: str, at: int = NOW, platform: Platform | None = None) -> Any:
    """What the first view that is of an item tells; nothing is seen whole here."""

    def nobody() -> Any:
        raise NotFound(f"there is no item {item!r}")

    def partly(one: Partly) -> Any:
        ask = getattr(MachinePartly(one), name)
        return ask(item, *(() if platform is None else (platform.software.within,)), at, FOREVER - 1)

    return seen.first(nobody, partly)


QUESTIONS = {
    "limits": ItemColumn.LIMITS,
    "nonconformances": ItemColumn.NONCONFORMANCES,
    "plans": ItemColumn.PLANS,
    "software": ItemColumn.SOFTWARE,
}


BOOK = """
parts:
- {part: P-7, maker: Acme, limits: [{kind: hours, limit: 1000}], slots: [{slot: seal, mandatory: true}]}
- {part: MILL, maker: Mill Ltd, slots: [{slot: tools}, {slot: pump, safety: true}], rules: [{slot: tools, part: TOOL}]}
"""


@pytest.fixture(scope="module")
def judged(platform: Platform) -> Platform:
    """With limits, plans, a nonconformance and software of M1 and of the pump in it."""
    made = platform.configuration
    made.parts.apply(made.parts.plan(parse_parts(BOOK)))
    made.plans.make([Modify(child="PUMP-A", name="revision", value="C", at=NOW)], at=NOW, title="secret words")
    made.plans.make([Move(child="PUMP-A", parent="M2", slot="spare", at=NOW)], at=NOW)
    made.plans.make([Move(child="DRIVE", parent="M2", slot="spare", at=NOW)], at=NOW)
    made.do(Report(item="PUMP-A", slot="controller", version="3.1", at=day(2, 1)))
    made.do(Report(item="DRIVE", slot="controller", version="9.9", at=day(2, 1)))
    return platform


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_where_the_view_tells_its_column_alone(
    judged: Platform, share: Share, name: str
) -> None:
    column = QUESTIONS[name]
    more = (judged,) if name == "software" else ()
    told = by_view(share(ItemView(makers=("Acme",), columns=(ItemColumn.SERIALS, column))), name, "PUMP-A", NOW, *more)
    assert isinstance(told, list)
    others = tuple(one for one in ItemColumn if one is not column)
    with pytest.raises(Denied, match="not part of what is shared"):
        by_view(share(ItemView(makers=("Acme",), columns=others)), name, "PUMP-A", NOW, *more)
    for item in ("DRIVE", "NOTHING"):
        with pytest.raises(NotFound):
            by_view(share(SUPPLIER), name, item, NOW, *more)


def test_limits_go_with_the_part_and_its_machine_has_no_name(judged: Platform, share: Share) -> None:
    (one,) = by_view(share(SUPPLIER), "limits", "PUMP-A")
    assert (one.item, one.kind, one.used, one.limit, one.revision) == ("PUMP-A", "hours", 500.0, 1000.0, "B")
    assert one.root.startswith("hidden-")
    assert one.path == ("hydraulics", "pump")
    few = share(ItemView(makers=("Acme",), columns=(ItemColumn.LIMITS,)))
    name = next(one.item.id for one in few.search(ItemQuery(part="P-7")).items if one.path[:1] == ("hydraulics",))
    (bare,) = by_view(few, "limits", name)
    assert (bare.item, bare.revision) == (name, "")


def test_of_plans_those_are_told_that_name_nothing_else(judged: Platform, share: Share) -> None:
    first, second = by_view(share(SUPPLIER), "plans", "PUMP-A")
    assert (first.number, second.number) == (1, 2)
    assert first.operations == (Modify(child="PUMP-A", name="revision", value="C", at=NOW),)
    (move,) = second.operations
    assert move.child == "PUMP-A"
    assert move.parent.startswith("hidden-")
    without = tuple(one for one in ItemColumn if one not in (ItemColumn.PEOPLE, ItemColumn.REVISIONS))
    (only,) = by_view(share(ItemView(makers=("Acme",), columns=without)), "plans", "PUMP-A")
    assert (only.title, only.actor, len(only.operations)) == ("", "", 1)
    assert by_view(share(ItemView(slots=("spindle",), columns=MOST), Selector(twins=("m1",))), "plans", "DRIVE") == []


def test_software_of_a_part_and_not_of_what_it_is_in(judged: Platform, share: Share) -> None:
    (one,) = by_view(share(SUPPLIER), "software", "PUMP-A", NOW, judged)
    assert (one.item, one.path, one.version, one.twin) == ("PUMP-A", ("controller",), "3.1", "")


def running(node: Node) -> dict[str, str]:
    """Of a tree: item → the version that it runs."""
    found = {} if not node.software else {node.item.id: node.software[0].version}
    return found | {id: version for part in node.parts for id, version in running(part).items()}


@pytest.mark.parametrize(
    ("view", "versions"),
    [
        (ItemView(columns=MOST), {"PUMP-A": "3.1", "DRIVE": "9.9"}),
        (ItemView(makers=("Acme",), columns=MOST), {"PUMP-A": "3.1"}),
        (ItemView(kinds=("hardware",), columns=MOST), {}),
        (ItemView(columns=tuple(one for one in ItemColumn if one is not ItemColumn.SOFTWARE)), {}),
    ],
)
def test_a_tree_tells_the_software_of_what_the_view_is_of_alone(
    judged: Platform, share: Share, view: ItemView, versions: dict[str, str]
) -> None:
    seen = share(view)
    machine = seen.item("PUMP-A", NOW).root
    tree = seen.tree(machine, NOW)
    assert running(tree) == versions
    assert all(one.required == () and one.state is None for one in tree.software)
    before = seen.difference((machine, day(1, 20), None), (machine, NOW, None))
    assert {one.runs.version for one in before if one.runs is not None} == set(versions.values())


def test_a_nonconformance_is_told_without_the_words_and_people_of_others(judged: Platform, share: Share) -> None:
    made = judged.configuration
    made.do(Install(child="PUMP-C", parent="M2", slot="tools", at=day(3, 1)), basis=Basis(seen=True))
    (one,) = made.nonconformances("PUMP-C", NOW)
    assert "tools" in one.text
    (told,) = by_view(share(SUPPLIER), "nonconformances", "PUMP-C")
    assert (told.number, told.item, told.slot, told.rule, told.text) == (1, "PUMP-C", "tools", one.rule, "")
    assert told.parent.startswith("hidden-")
    few = share(ItemView(makers=("Acme",), columns=(ItemColumn.SERIALS, ItemColumn.NONCONFORMANCES)))
    (bare,) = by_view(few, "nonconformances", "PUMP-C")
    assert (bare.act, bare.by, bare.reason) == (0, "", "")


def test_what_threatens_is_told_without_the_columns_that_are_withheld(judged: Platform, share: Share) -> None:
    made = judged.configuration
    made.do(Raise(item="SEAL", at=day(3, 1)), basis=Basis(reason="the words of ann"))
    made.use("M2", "hours", day(3, 1), day(5, 1), 2000.0)

    def told(machine: str, *but: ItemColumn) -> dict[str, str]:
        columns = tuple(one for one in ItemColumn if one not in but)
        return {one.kind: one.text for one in by_view(share(ItemView(columns=columns)), "threats", machine)}

    assert told("M1")["nonconformance"] == "the words of ann"
    assert told("M1", ItemColumn.PEOPLE)["nonconformance"] == ""
    assert "nonconformance" not in told("M1", ItemColumn.NONCONFORMANCES)
    assert "hours of at most" in told("M2")["safety"]
    limited = told("M2", ItemColumn.LIMITS)
    assert not {"safety", "limit"} & set(limited)
    assert "hours" not in " ".join(limited.values())


def test_how_complete_something_is_is_told_where_all_of_it_is(judged: Platform, share: Share) -> None:
    contractor = share(ItemView(slots=("hydraulics",), columns=MOST), Selector(twins=("m1",)))
    told = by_view(contractor, "completeness", "HYD")
    assert [one.path for one in told.slots if one.item] == [("pump",), ("pump", "seal")]
    slots = {one.path: one.maintained for one in by_view(contractor, "sides", "HYD").slots}
    assert slots["pump",][0].item == "PUMP-A"
    for name in ("completeness", "sides"):
        with pytest.raises(Denied, match="only some of what is in it"):
            by_view(share(SUPPLIER), name, "PUMP-A")
        with pytest.raises(NotFound):
            by_view(contractor, name, "DRIVE")
        with pytest.raises(NotFound):
            by_view(contractor, name, "M1")
    late = share(ItemView(slots=("hydraulics",), columns=MOST), Selector(twins=("m1",)), history_from=day(2, 1))
    assert by_view(late, "sides", "HYD").built is None
    assert by_view(late, "completeness", "HYD").confirmed == day(2, 1)


# nothing of the rest


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["own", "other", "hyd"]),
        st.sampled_from(["M1", "M2"]),
        st.sampled_from(["left", "right", "hyd"]),
        st.integers(1, 5),
    ),
    max_size=15,
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Platform]]:
    made = []
    for name in ("one", "two"):
        platform = Platform.open(tmp_path_factory.mktemp(name), clock=SteppedClock(NOW), run_connectors=False)
        platform.apply(PLANT)
        platform.gate.parties.add("a", "A Ltd")
        columns = tuple(one for one in ItemColumn if one is not ItemColumn.ACTS)
        view = ItemView(makers=("Acme",), columns=columns, machines=Machines.ANONYMOUS)
        platform.gate.grant("party:a", [Action.READ], EVERY, items=view)
        made.append(platform)
    yield made[0], made[1]
    for platform in made:
        platform.close()


def carry_out(platform: Platform, prefix: str, steps: list[tuple[str, str, str, int]], rich: bool) -> None:
    """The same for parts of Acme; with `rich` the parts of others are others, and more."""
    made, now = platform.configuration, 0
    for machine in ("M1", "M2"):
        spec = ItemSpec(id=prefix + machine, part="LATHE" if rich else "MILL", twin=machine.lower())
        made.create(spec, day(1, 1))
    for own in ("P1", "P2", "P3"):
        made.create(ItemSpec(id=prefix + own, part="PUMP", maker="Acme", serial=prefix + own), day(1, 1))
    made.create(ItemSpec(id=prefix + ("ZZ" if rich else "HYD"), part="X" if rich else "H", maker="Hydra"), day(1, 1))
    made.do(Report(item=prefix + "P1", slot="controller", version="1.0", at=day(1, 3)))
    for extra in range(3 if rich else 0):
        made.create(ItemSpec(id=f"{prefix}OTHER{extra}", part="OTHER", maker="Volt"), day(1, 1))
        made.do(Report(item=f"{prefix}OTHER{extra}", slot="controller", version="6.6", at=day(1, 3)))
        made.do(Report(item=prefix + "M1", slot=f"nc{extra}", version="7.7", at=day(1, 3)))
    hyd, where, others = prefix + ("ZZ" if rich else "HYD"), dict[str, tuple[str, str]](), 0
    for what, machine, slot, wait in steps:
        now += wait
        at = day(1, 1) + now * 86_400_000_000
        parent = hyd if slot == "hyd" else prefix + machine
        if what == "own":
            held = next((one for one, place in where.items() if place == (parent, slot)), "")
            free = next((one for one in ("P1", "P2", "P3") if one not in where), "")
            if held:
                made.remove(prefix + held, at)
                del where[held]
            elif free:
                made.install(prefix + free, parent, slot, at)
                where[free] = (parent, slot)
        elif what == "hyd" and "HYD" not in where:
            made.install(hyd, prefix + machine, "hydraulics", at)
            where["HYD"] = (machine, "hydraulics")
        elif what == "other" and rich and others < 3:
            made.install(f"{prefix}OTHER{others}", prefix + machine, f"other{others}", at)
            others += 1


def told(platform: Platform, prefix: str) -> Any:
    """Every question, of every item, with names that were made up in the order in which they are met."""
    seen, names = seen_by(platform, "a"), dict[str, str]()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items() if name != "recorded"}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        if isinstance(value, str) and value.startswith("hidden-"):
            return names.setdefault(value, f"hidden-{len(names)}")
        return value

    def answer(ask: Callable[[], Any]) -> Any:
        try:
            return plain(msgspec.to_builtins(ask()))
        except GemelError as error:
            return f"{error.code}: {error.detail}"

    items = [prefix + one for one in ("M1", "M2", "P1", "P2", "P3", "HYD", "ZZ", "OTHER0")]
    asked: list[Callable[[], Any]] = []
    for at in (day(1, 2), day(1, 20), NOW):
        asked.append(lambda at=at: seen.search(ItemQuery(q=prefix), at))
        asked += [lambda at=at, id=id: seen.tree(id, at) for id in items]
        asked += [lambda at=at, id=id: seen.counters(id, at) for id in items]
        asked += [lambda at=at, id=id: seen.item(id, at) for id in items]
        for name in ("limits", "nonconformances", "plans", "completeness", "sides"):
            asked += [lambda at=at, id=id, name=name: by_view(seen, name, id, at) for id in items]
        asked += [lambda at=at, id=id: by_view(seen, "software", id, at, platform) for id in items]
    asked += [lambda id=id: seen.history(id) for id in items]
    asked += [lambda id=id: seen.stays(id, day(1, 1), NOW) for id in items]
    asked += [lambda id=id: seen.acts(id) for id in items]
    asked += [lambda id=id: seen.called(id) for id in items]
    return [answer(one) for one in asked]


_example = count()


def differ_in_nothing(worlds: tuple[Platform, Platform], steps: list[tuple[str, str, str, int]]) -> None:
    prefix = f"e{next(_example)}-"
    for platform, rich in zip(worlds, (False, True), strict=True):
        carry_out(platform, prefix, steps, rich)
    one, two = (told(platform, prefix) for platform in worlds)
    assert one == two


LOAD = {"suppress_health_check": list(HealthCheck), "deadline": None}


@given(STEPS)
@settings(max_examples=3, **LOAD)
def test_two_worlds_that_differ_in_what_is_withheld_are_told_alike(
    worlds: tuple[Platform, Platform], steps: list[tuple[str, str, str, int]]
) -> None:
    differ_in_nothing(worlds, steps)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@given(STEPS)
@settings(max_examples=150, **LOAD)
def test_two_worlds_that_differ_in_what_is_withheld_are_told_alike_long(
    worlds: tuple[Platform, Platform], steps: list[tuple[str, str, str, int]]
) -> None:
    differ_in_nothing(worlds, steps)
