"""Which item it is: unknown, stamped anew, the same as another, or two."""

from __future__ import annotations

import pytest

from gemel.configuration import Basis, Built, ItemKind, ItemSpec, Outcome, Wish
from gemel.configuration.operations import (
    Create,
    Identify,
    Install,
    Merge,
    Modify,
    Move,
    Observe,
    Operation,
    Report,
    Split,
    Use,
    Withdraw,
)
from gemel.errors import Conflict, InvalidInput, InvalidTime, NotFound
from tests.configuration.conftest import World, day, ids

WHY = Basis(reason="the plate was read wrong")


@pytest.fixture
def old(plain: World) -> World:
    """An old machine with a pump that nobody knows, and a pump that is known from elsewhere."""
    conf, plain.clock.time = plain.configuration, day(2, 1)
    conf.create(ItemSpec(id="M", part="MILL", serial="1"), day(1, 1))
    conf.create(ItemSpec(id="M2", part="MILL", serial="2"), day(1, 1))
    conf.create(ItemSpec(id="UNKNOWN", part="PUMP"), day(1, 1))
    conf.create(ItemSpec(id="SEAL", part="SEAL", serial="1"), day(1, 1))
    conf.install("SEAL", "UNKNOWN", "seal", day(1, 1))
    conf.install("UNKNOWN", "M", "pump", day(1, 5))
    return plain


def test_what_an_unknown_item_is_becomes_known_and_what_was_known_before_stays_so(old: World) -> None:
    conf = old.configuration
    old.clock.time = day(3, 1)
    said = conf.do(Identify(item="UNKNOWN", serial="S-7", maker="ACME", at=day(3, 1))).act

    def serial(at: int, known: int | None = None) -> str:
        return conf.tree("UNKNOWN", at, known=known).item.serial

    assert (serial(day(1, 6)), serial(day(1, 6), day(2, 2))) == ("S-7", "")
    with pytest.raises(Conflict, match="known to be that already"):
        conf.do(Identify(item="UNKNOWN", serial="S-7", at=day(3, 2)))
    with pytest.raises(InvalidInput, match="say what UNKNOWN is"):
        conf.do(Identify(item="UNKNOWN", at=day(3, 2)))
    with pytest.raises(Conflict, match="is UNKNOWN; if NEW is the same, merge them"):
        conf.create(ItemSpec(id="NEW", part="PUMP", maker="ACME", serial="S-7"), day(1, 1))
    with pytest.raises(Conflict, match="what an item is and always was"):
        conf.correct(said, day(2, 1), basis=WHY)
    old.clock.time = day(4, 1)
    conf.withdraw(said, basis=WHY)
    assert (serial(day(1, 6)), serial(day(1, 6), day(3, 2))) == ("", "S-7")
    conf.create(ItemSpec(id="NEW", part="PUMP", maker="ACME", serial="S-7"), day(1, 1))


def test_a_serial_number_that_is_stamped_anew_holds_from_then_on(old: World) -> None:
    conf = old.configuration
    old.clock.time = day(3, 1)
    stamped = conf.do(Identify(item="SEAL", serial="1X", at=day(2, 10), stamped=True)).act
    assert [conf.tree("SEAL", at).item.serial for at in (day(2, 9), day(2, 10))] == ["1", "1X"]
    conf.correct(stamped, day(2, 8), basis=WHY)
    assert conf.tree("SEAL", day(2, 9)).item.serial == "1X"
    conf.create(ItemSpec(id="SEAL-B", part="SEAL", serial="1"), day(2, 15))  # the number is used again
    with pytest.raises(Conflict, match="is SEAL-B"):
        conf.withdraw(stamped, basis=WHY)
    with pytest.raises(InvalidTime, match="not known before"):
        conf.do(Identify(item="SEAL", serial="2", at=day(1, 1) - 1, stamped=True))


def test_two_makers_may_use_one_serial_number(plain: World) -> None:
    conf = plain.configuration
    conf.create(ItemSpec(id="A", part="P", maker="ACME", serial="7"), 1)
    conf.create(ItemSpec(id="B", part="P", maker="BETA", serial="7"), 1)
    with pytest.raises(Conflict, match="is A"):
        conf.create(ItemSpec(id="C", part="P", maker="ACME", serial="7"), 1)


def test_two_that_are_one_are_merged_with_all_that_was_said_of_either(old: World) -> None:
    conf = old.configuration
    conf.create(ItemSpec(id="PUMP-9", part="PUMP", serial="9", revision="B", aliases={"inventory": "4711"}), day(1, 20))
    gone = conf.remove("UNKNOWN", day(1, 25))
    conf.do(Install(child="PUMP-9", parent="M2", slot="pump", at=day(1, 28)))
    conf.do(Use(item="M", kind="hours", start=day(1, 5), end=day(1, 15), amount=100))
    conf.do(Use(item="UNKNOWN", kind="starts", start=day(1, 5), end=day(1, 6), amount=3))
    old.clock.time = day(3, 1)
    merged = conf.do(Merge(item="UNKNOWN", into="PUMP-9", at=day(3, 1))).act
    assert [(p.parent, p.valid.start) for p in conf.history("PUMP-9")] == [("M", day(1, 5)), ("M2", day(1, 28))]
    assert ids(conf.tree("M2", day(2, 1))) == {"PUMP-9", "SEAL"}
    assert conf.tree("UNKNOWN", day(2, 1)).item.id == "PUMP-9"
    assert conf.tree("PUMP-9", day(1, 10)).item.revision == ""
    assert conf.tree("PUMP-9", day(2, 1)).item.revision == "B"
    assert conf.count("PUMP-9", "hours", day(2, 1)).amount == 100
    assert conf.count("PUMP-9", "starts", day(2, 1)).amount == 3
    assert ids(conf.tree("M2", day(2, 1), known=day(2, 2))) == {"PUMP-9"}
    conf.correct(gone, day(1, 26), basis=WHY)
    assert conf.history("PUMP-9")[0].valid.end == day(1, 26)
    with pytest.raises(Conflict, match="split them again"):
        conf.withdraw(merged, basis=WHY)
    conf.do(Split(item="PUMP-9", other="UNKNOWN", at=day(3, 2)))
    assert [(p.parent, p.valid.end) for p in conf.history("UNKNOWN")] == [("M", day(1, 26))]
    assert ids(conf.tree("UNKNOWN", day(2, 1))) == {"SEAL"}
    assert [p.parent for p in conf.history("PUMP-9")] == ["M2"]
    assert conf.tree("PUMP-9", day(2, 1)).item.born == day(1, 20)
    assert conf.count("UNKNOWN", "starts", day(2, 1)).amount == 3


def test_what_one_was_called_only_since_a_merge_goes_back_with_a_split(old: World) -> None:
    conf, inventory = old.configuration, {"inventory": "4711"}
    spec = ItemSpec(id="K", part="PUMP", maker="ACME", serial="9", twin="pump-9", aliases=inventory)
    conf.create(spec, day(1, 20))
    for _ in range(2):
        conf.do(Merge(item="K", into="UNKNOWN", at=day(3, 1)))
        assert [one.id for code in ("9", "4711") for one in conf.called(code)] == ["UNKNOWN", "UNKNOWN"]
        assert conf.item_of("pump-9") == "UNKNOWN"
        conf.do(Split(item="UNKNOWN", other="K", at=day(3, 2)))
        assert [one.id for code in ("9", "4711") for one in conf.called(code)] == ["K", "K"]
        assert conf.item_of("pump-9") == "K"
        of = {id: conf.tree(id, day(2, 1)).item for id in ("K", "UNKNOWN")}
        assert [(one.maker, one.serial, one.twin) for one in of.values()] == [("ACME", "9", "pump-9"), ("", "", "")]
        assert of["K"].born == day(1, 20)
    conf.do(Identify(item="UNKNOWN", serial="7", at=day(1, 3)))
    assert conf.tree("UNKNOWN", day(1, 2)).item.serial == "7"


def test_a_split_of_what_was_said_anew_since_the_merge_tells_what_stands_against_it(old: World) -> None:
    conf = old.configuration
    conf.create(ItemSpec(id="K", part="PUMP", serial="9"), day(1, 20))
    conf.do(Merge(item="K", into="UNKNOWN", at=day(3, 1)))
    conf.do(Identify(item="UNKNOWN", serial="8", at=day(3, 1)))
    conf.do(Identify(item="UNKNOWN", serial="9", at=day(3, 1)))
    with pytest.raises(Conflict, match="PUMP with serial number 9 of no maker is UNKNOWN"):
        conf.do(Split(item="UNKNOWN", other="K", at=day(3, 2)))


def test_what_cannot_be_one_is_not_merged(old: World) -> None:
    conf = old.configuration
    conf.create(ItemSpec(id="P2", part="PUMP", serial="2"), day(1, 1))
    conf.create(ItemSpec(id="P3", part="PUMP", serial="3"), day(1, 1))
    conf.create(ItemSpec(id="STORE", part="S", kind=ItemKind.LOCATION), day(1, 1))
    with pytest.raises(Conflict, match="P2 has serial 2, P3 has 3"):
        conf.do(Merge(item="P2", into="P3", at=day(2, 1)))
    with pytest.raises(Conflict, match="has part PUMP, STORE has S"):
        conf.do(Merge(item="P2", into="STORE", at=day(2, 1)))
    conf.install("P2", "M2", "pump", day(1, 10))
    with pytest.raises(Conflict, match=r"were in two places at 2026-01-10"):
        conf.do(Merge(item="UNKNOWN", into="P2", at=day(2, 1)))
    with pytest.raises(Conflict, match="are M already"):
        conf.do(Merge(item="M", into="M", at=day(2, 1)))
    conf.create(ItemSpec(id="SEAL-X", part="SEAL"), day(1, 1))
    conf.install("M", "SEAL-X", "bench", day(1, 1))
    with pytest.raises(Conflict, match="cannot be within itself"):
        conf.do(Merge(item="SEAL-X", into="SEAL", at=day(2, 1)))
    assert ids(conf.tree("M", day(2, 1))) == {"UNKNOWN", "SEAL"}


def test_some_of_what_was_said_of_one_was_of_another(old: World) -> None:
    conf = old.configuration
    moved = conf.do(Move(child="UNKNOWN", parent="M2", slot="pump", at=day(1, 20))).act
    conf.create(ItemSpec(id="OTHER", part="PUMP"), day(1, 1))
    with pytest.raises(InvalidInput, match="say which acts"):
        conf.do(Split(item="UNKNOWN", other="OTHER", at=day(2, 1)))
    conf.do(Split(item="UNKNOWN", other="OTHER", acts=(moved,), at=day(2, 1)))
    assert [(p.parent, p.valid.end) for p in conf.history("UNKNOWN")] == [("M", day(1, 20))]
    assert [p.parent for p in conf.history("OTHER")] == ["M2"]


def test_an_item_that_never_was_can_be_known_anew(old: World) -> None:
    conf = old.configuration
    made = conf.create(ItemSpec(id="X", part="P", serial="1"), day(1, 3))
    put = conf.install("X", "M", "spare", day(1, 5))
    with pytest.raises(Conflict, match=f"act {put} says something of it"):
        conf.withdraw(made, basis=WHY)
    with pytest.raises(Conflict, match=f"act {put} says something of it at 2026-01-05"):
        conf.correct(made, day(1, 8), basis=WHY)
    conf.correct(made, day(1, 2), basis=WHY)
    assert conf.tree("X").item.born == day(1, 2)
    conf.withdraw(put, basis=WHY)
    conf.withdraw(made, basis=WHY)
    with pytest.raises(InvalidTime, match="create it again"):
        conf.install("X", "M", "spare", day(1, 5))
    conf.create(ItemSpec(id="X", part="P", serial="1"), day(1, 10))
    conf.install("X", "M", "spare", day(1, 12))


def test_a_correction_does_not_make_a_circle_or_place_what_is_retired(old: World) -> None:
    conf = old.configuration
    for id in ("A", "B"):
        conf.create(ItemSpec(id=id, part=id), day(1, 1))
    conf.install("A", "B", "slot", day(1, 2))
    out = conf.remove("A", day(1, 10))
    inside = conf.install("B", "A", "slot", day(1, 12))
    with pytest.raises(Conflict, match="cannot be within itself"):
        conf.correct(out, day(1, 15), basis=WHY)
    with pytest.raises(Conflict, match="cannot be within itself"):
        conf.withdraw(out, basis=WHY)
    conf.withdraw(inside, basis=WHY)
    gone = conf.retire("A", day(1, 20))
    with pytest.raises(Conflict, match="was retired"):
        conf.withdraw(out, basis=WHY)
    with pytest.raises(Conflict, match="was in a machine then"):
        conf.correct(gone, day(1, 9), basis=WHY)


LONG = "9" * 5000


@pytest.mark.parametrize(
    "said",
    [
        Identify(item="UNKNOWN", serial=LONG, at=day(3, 1)),
        Identify(item="UNKNOWN", lot="L" * 129, at=day(3, 1), stamped=True),
        Create(spec=ItemSpec(id="X", part="PUMP", serial=LONG), at=day(1, 1)),
        Create(spec=ItemSpec(id="X", part="PUMP", revision="r" * 65), at=day(1, 1)),
        Create(spec=ItemSpec(id="X", part="PUMP", quantity=1 << 63), at=day(1, 1)),
        Create(spec=ItemSpec(id="X", part="PUMP", aliases={"inventory": LONG}), at=day(1, 1)),
        Observe(parent="M", slot="pump", serial=LONG, at=day(1, 6)),
        Modify(child="UNKNOWN", name="colour", value=LONG, at=day(1, 6)),
        Modify(child="UNKNOWN", name="quantity", value=LONG, at=day(1, 6)),
        Report(item="M", slot="plc", version=LONG, at=day(1, 6)),
        Use(item="M", kind="h" * 65, start=day(1, 6), end=day(1, 7), amount=1.0),
        Withdraw(act=1 << 63),
    ],
    ids=str,
)
def test_what_no_column_takes_is_refused_also_where_the_database_would_keep_it(old: World, said: Operation) -> None:
    """And in its place: what is told beside it is done."""
    why = Basis(reason="typed")
    fine = Modify(child="SEAL", name="colour", value="red", at=day(1, 6))
    for dry_run in (True, False):
        wishes = [Wish(operation=said, basis=why), Wish(operation=fine)]
        refused, done = old.configuration.do_all(wishes, dry_run=dry_run)
        assert isinstance(refused, InvalidInput | NotFound), refused
        assert isinstance(done, Outcome)


@pytest.mark.parametrize(
    "basis",
    [Basis(uncertainty_s=1e300), Basis(uncertainty_s=-1.0), Basis(work_order="w" * 129), Basis(key="k" * 201)],
    ids=["uncertain", "less than certain", "work order", "key"],
)
def test_what_an_act_rests_on_is_bounded(old: World, basis: Basis) -> None:
    with pytest.raises(InvalidInput):
        old.configuration.do(Modify(child="SEAL", name="colour", value="red", at=day(1, 6)), basis=basis)
    told = old.configuration.load([Built(item=ItemSpec(id="X", part="P", serial=LONG), at=day(1, 1))])
    assert [one.reason for one in told.refused] == ["serial has at most 128 characters, not 5,000: " + "9" * 40 + " …"]
