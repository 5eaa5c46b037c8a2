"""The worked example of a serialised configuration, and what the database refuses by itself."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gemel.configuration import Basis, ItemKind, ItemSpec
from gemel.errors import Conflict, GemelError, InvalidInput, InvalidTime, InvalidValue, KeyReused, NotFound
from tests.configuration.conftest import World, day, ids

HOURS_A_DAY = {"M1": 20, "M2": 10}


@pytest.fixture
def pumps(world: World) -> World:
    """PUMP-A with SEAL-1 in M1 from 1 January; swapped for PUMP-B, into M2; on 1 May the swap is corrected."""
    conf, clock = world.configuration, world.clock
    clock.time = day(1, 1)
    for id in ("M1", "M2", "PUMP-A", "PUMP-B", "SEAL-1"):
        conf.create(ItemSpec(id=id, part=id.split("-")[0], serial=id), day(1, 1))
    conf.install("SEAL-1", "PUMP-A", "seal", day(1, 1))
    clock.time = day(1, 2)
    conf.install("PUMP-A", "M1", "pump", day(1, 1))
    clock.time = day(3, 15)
    swap = conf.swap("M1", "pump", "PUMP-B", day(3, 10))
    clock.time = day(4, 1, 12)
    conf.install("PUMP-A", "M2", "pump", day(4, 1))
    clock.time = day(5, 1)
    conf.correct(swap, day(3, 12), basis=Basis(reason="the work sheet says the 12th"))
    return world


def test_what_was_in_a_machine_depends_on_when_it_was_known(pumps: World) -> None:
    tree = pumps.configuration.tree
    assert ids(tree("M1", day(3, 11), known=day(3, 11))) == {"PUMP-A", "SEAL-1"}
    assert ids(tree("M1", day(3, 11), known=day(3, 20))) == {"PUMP-B"}
    assert ids(tree("M1", day(3, 11), known=day(5, 2))) == {"PUMP-A", "SEAL-1"}
    assert ids(tree("M2", day(4, 2))) == {"PUMP-A", "SEAL-1"}


def test_hours_of_use_follow_a_part_through_its_parents_and_through_corrections(pumps: World) -> None:
    conf = pumps.configuration
    pumps.clock.time = day(1, 3)  # before what is asked, as a machine that tells its hours day by day
    for machine, hours in HOURS_A_DAY.items():
        conf.use(machine, "hours", day(1, 1), day(5, 1), hours * 120)

    def hours(item: str, known: int) -> float:
        stays = conf.stays(item, day(1, 1), day(5, 1), known=known)
        return sum((stay.span.end - stay.span.start) / 86_400e6 * HOURS_A_DAY.get(stay.root, 0) for stay in stays)

    assert hours("PUMP-A", day(4, 20)) == 1660
    assert hours("SEAL-1", day(5, 1) + 10) == conf.count("SEAL-1", "hours", day(5, 1)).amount == 1700
    counted = conf.count("PUMP-A", "hours", day(5, 1))
    assert counted.amount == 1700
    assert counted.untold_s == 20 * 86_400  # from the swap on 12 March until it came into M2
    conf.adjust("PUMP-A", "hours", 250, day(1, 1), basis=Basis(reason="its log card, from the time before"))
    assert conf.count("PUMP-A", "hours", day(5, 1)).amount == 1950
    assert conf.count("SEAL-1", "hours", day(5, 1)).amount == 1700


def test_use_is_counted_once_by_the_nearest_that_tells_it(world: World) -> None:
    conf, hour = world.configuration, 3_600_000_000
    for id in ("LINE", "M1", "PUMP"):
        conf.create(ItemSpec(id=id, part=id), 0)
    conf.install("M1", "LINE", "station", 0)
    conf.install("PUMP", "M1", "pump", 10 * hour)
    conf.use("LINE", "hours", 0, 100 * hour, 50)
    own = conf.use("M1", "hours", 20 * hour, 40 * hour, 20)
    assert conf.count("PUMP", "hours", 100 * hour).amount == 20 + 70 * 0.5
    assert conf.count("PUMP", "hours", 30 * hour).amount == 10 + 10 * 0.5
    assert conf.count("LINE", "hours", 100 * hour).amount == 50
    with pytest.raises(Conflict, match=f"withdraw act {own} first"):
        conf.use("M1", "hours", 30 * hour, 31 * hour, 1)
    with pytest.raises(InvalidValue, match="0 or more, not nan"):
        conf.use("M1", "starts", 0, hour, float("nan"))
    conf.withdraw(own, basis=Basis(reason="the counter was another machine's"))
    assert conf.count("PUMP", "hours", 100 * hour).amount == 45
    assert conf.count("PUMP", "starts", 100 * hour).untold_s == 360_000


def test_what_contradicts_is_refused_with_the_way_out(pumps: World) -> None:
    conf = pumps.configuration
    conf.create(ItemSpec(id="PUMP-C", part="PUMP"), day(1, 1))
    with pytest.raises(Conflict, match=r"pump of M1 holds PUMP-B since 2026-03-12.*swap them"):
        conf.install("PUMP-C", "M1", "pump", day(4, 2))
    with pytest.raises(Conflict, match=r"PUMP-A is in pump of M2 since .*move it"):
        conf.install("PUMP-A", "M1", "spare", day(4, 2))
    with pytest.raises(Conflict, match=r"from 2026-04-01.* on; say until when"):
        conf.install("PUMP-A", "M1", "spare", day(3, 20))
    conf.remove("PUMP-A", day(4, 10))
    with pytest.raises(Conflict, match="PUMP-A cannot be within itself: PUMP-A in SEAL-1 in PUMP-A"):
        conf.install("PUMP-A", "SEAL-1", "seat", day(4, 11))
    with pytest.raises(InvalidTime, match="not known before"):
        conf.install("PUMP-C", "M1", "spare", day(1, 1) - 1)
    with pytest.raises(InvalidInput, match="give a reason"):
        conf.withdraw(1, basis=Basis())
    with pytest.raises(NotFound, match="no item 'PUMP-Z'"):
        conf.tree("PUMP-Z")


def test_a_late_entry_between_two_stays_is_taken_with_its_end(pumps: World) -> None:
    conf = pumps.configuration
    conf.install("PUMP-A", "M1", "spare", day(3, 20), until=day(3, 25))
    assert [(stay.root, stay.path) for stay in conf.stays("SEAL-1", day(3, 1), day(5, 1))] == [
        ("M1", ("pump", "seal")),
        ("PUMP-A", ("seal",)),
        ("M1", ("spare", "seal")),
        ("PUMP-A", ("seal",)),
        ("M2", ("pump", "seal")),
    ]


def test_an_act_that_is_said_twice_with_its_key_is_done_once(world: World) -> None:
    conf, once = world.configuration, Basis(source="tablet-4", key="17")
    conf.create(ItemSpec(id="M1", part="M"), 1)
    conf.create(ItemSpec(id="PUMP", part="P"), 1)
    first = conf.install("PUMP", "M1", "pump", 10, basis=once)
    assert conf.install("PUMP", "M1", "pump", 10, basis=once) == first
    with pytest.raises(KeyReused, match="said already, of installed"):
        conf.remove("PUMP", 20, basis=once)
    assert [change.kind for change in world.journaled] == ["item.created", "item.created", "item.installed"]


def test_a_revision_changes_without_a_swap_also_when_it_is_told_late(world: World) -> None:
    conf, clock = world.configuration, world.clock
    conf.create(ItemSpec(id="DRIVE", part="D", revision="A"), 1)
    clock.time = 100
    late = conf.modify("DRIVE", "revision", "C", 50)
    clock.time = 200
    conf.modify("DRIVE", "revision", "B", 30)

    def revisions(known: int | None = None) -> list[str]:
        return [conf.tree("DRIVE", at, known=known).item.revision for at in (10, 40, 60)]

    assert revisions(known=150) == ["A", "A", "C"]
    assert revisions() == ["A", "B", "C"]
    clock.time = 300
    conf.withdraw(late, basis=Basis(reason="it was another drive"))
    assert revisions() == ["A", "B", "B"]


def test_parts_in_a_store_are_somewhere_and_leave_it_in_a_swap(world: World) -> None:
    conf = world.configuration
    conf.create(ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION), 1)
    for id in ("M1", "OLD", "NEW"):
        conf.create(ItemSpec(id=id, part=id), 1)
    conf.install("OLD", "M1", "pump", 5)
    conf.install("NEW", "STORE", "shelf", 5)
    conf.swap("M1", "pump", "NEW", 20, to=("STORE", "shelf"))
    assert ids(conf.tree("M1", 20)) == {"NEW"}
    assert ids(conf.tree("STORE", 20)) == {"OLD"}
    assert [(p.parent, p.valid.start) for p in conf.history("NEW")] == [("STORE", 5), ("M1", 20)]


def test_what_differs_between_two_moments_is_told_by_slot(pumps: World) -> None:
    known = day(6, 1)
    found = pumps.configuration.difference(("M1", day(2, 1), known), ("M1", day(4, 1), known))
    told = [(d.path, d.before and d.before.id, d.after and d.after.id) for d in found]
    assert told == [(("pump",), "PUMP-A", "PUMP-B"), (("pump", "seal"), "SEAL-1", None)]


def test_who_asserted_what_is_told_with_corrections(pumps: World) -> None:
    kinds = [act.kind.value for act in pumps.configuration.acts("PUMP-A")]
    assert kinds == ["created", "installed", "installed", "swapped", "installed", "corrected"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM configuration_placement",
        "DELETE FROM configuration_act",
        "UPDATE configuration_placement SET valid_from = valid_from + 1",
        "UPDATE configuration_act SET time = 5",
        "UPDATE configuration_trait SET value = 'Z'",
        "INSERT INTO configuration_placement (child, parent, place, single, valid_from, valid_to, recorded_from, "
        "recorded_to, begun_by) SELECT child, parent, place, single, valid_from + 5, valid_to, recorded_from + 1, "
        "recorded_to, begun_by FROM configuration_placement",
        "INSERT INTO configuration_trait (item, name, value, valid_from, valid_to, recorded_from, recorded_to, "
        "begun_by) SELECT item, name, value, valid_from + 5, valid_to, recorded_from + 1, recorded_to, begun_by "
        "FROM configuration_trait",
    ],
)
def test_the_database_itself_refuses(world: World, statement: str) -> None:
    for id in ("M1", "PUMP"):
        world.configuration.create(ItemSpec(id=id, part=id), 1)
    world.configuration.install("PUMP", "M1", "pump", 10)
    with pytest.raises((DatabaseError, GemelError)), world.database.write() as tx:
        tx.execute(text(statement))
    assert ids(world.configuration.tree("M1", 20)) == {"PUMP"}
