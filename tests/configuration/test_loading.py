"""The as-built of many machines at once: held to the same rules as a single act, and to the same end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from gemel.configuration import Basis, Built, ItemKind, ItemSpec, Loaded, PartsDocument, PartType, SlotRule, SlotSpec
from gemel.errors import Conflict
from tests.configuration.conftest import World, day, ids

SOURCE = Basis(source="mes")


def line(id: str, parent: str = "", slot: str = "", *, at: int = 10, part: str = "P", **more: object) -> Built:
    spec = ItemSpec(id=id, part=part, serial=id, **more)  # type: ignore[arg-type]
    return Built(item=spec, at=at, parent=parent, slot=slot)


def machine(name: str) -> Iterator[Built]:
    yield line(name, part="MACHINE")
    yield line(f"{name}.pump", name, "pump", revision="B")
    yield line(f"{name}.seal", f"{name}.pump", "seal", aliases={"inventory": f"{name}-7"})
    yield line(f"{name}.card", name, "card")


def test_machines_are_loaded_with_all_their_parts_each_by_an_act_of_its_own(world: World) -> None:
    conf = world.configuration
    seen: list[int] = []
    told = conf.load((one for n in range(300) for one in machine(f"M{n}")), basis=SOURCE, progress=seen.append)
    assert (told.items, told.refused, told.repeated) == (1200, (), 0)
    assert seen[-1] == 1200
    assert len(seen) > 1
    assert ids(conf.tree("M299", 20)) == {"M299.pump", "M299.seal", "M299.card"}
    assert conf.tree("M7", 20).parts[1].item.revision == "B"
    (act,) = {one.number for one in conf.acts("M5.seal") if one.number == conf.history("M5.seal")[0].begun_by}
    conf.correct(act, 15, basis=Basis(reason="built in later"))
    assert ids(conf.tree("M5", 12)) == {"M5.pump", "M5.card"}
    assert ids(conf.tree("M6", 12)) == {"M6.pump", "M6.seal", "M6.card"}
    (changes,) = [[one.body["count"] for one in world.journaled if one.kind == "item.loaded"]]
    assert sum(changes) == 1200


def test_a_load_that_broke_off_is_begun_again_without_a_second_effect(world: World) -> None:
    conf = world.configuration

    def broken() -> Iterator[Built]:
        for n in range(200):
            yield from machine(f"M{n}")
        raise OSError("the file ended early")

    with pytest.raises(OSError, match="early"):
        conf.load(broken(), basis=SOURCE)
    begun = conf.load((one for n in range(200) for one in machine(f"M{n}")), basis=SOURCE)
    assert begun.items + begun.repeated == 800
    assert begun.repeated > 0
    again = conf.load((one for n in range(200) for one in machine(f"M{n}")), basis=SOURCE)
    assert (again.items, again.repeated, again.refused) == (0, 800, ())


def test_what_contradicts_is_refused_line_by_line_and_the_others_are_taken(world: World) -> None:
    conf = world.configuration
    conf.load([line("old"), line("old.pump", "old", "pump")], basis=SOURCE)
    told = conf.load(
        [
            line("M"),
            line("a", "M", "pump"),
            line("b", "M", "pump"),
            line("c", "nowhere", "pump"),
            line("old", part="another"),
            line("d", "old", "pump"),
            line("e", "M", "card", at=5),
            line("f g"),
            Built(item=ItemSpec(id="twice", part="P", serial="a"), at=10),
            line("good", "a", "seal"),
        ],
        basis=SOURCE,
    )
    assert told.items == 3
    assert {one.line: one.reason.split(";")[0] for one in told.refused} == {
        3: "pump of M holds another item then",
        4: "there is no item 'nowhere'",
        5: "there is an item old already, which is told otherwise",
        6: "pump of old holds another item then",
        7: "M is not known before 1970-01-01T00:00:00.00001Z",
        8: "the id of an item 'f g' is not allowed",
        9: "P with serial number a of no maker is a",
    }
    assert ids(conf.tree("M", 20)) == {"a", "good"}


def test_a_line_that_is_known_otherwise_is_refused_wherever_the_lines_are_cut(world: World) -> None:
    conf = world.configuration

    def lines(name: str) -> tuple[list[Built], dict[str, Built]]:
        pump = line(f"{name}.pump", name, "pump", revision="A", aliases={"inventory": f"{name}-1"})
        lot = Built(item=ItemSpec(id=f"{name}.bolts", part="BOLT", lot="7", quantity=5), at=10, parent=name, slot="bin")
        told = [line(name), line(f"{name}.twin"), pump, lot]
        spec, other = pump.item, {"inventory": f"{name}-2"}
        return told, {
            "slot": replace(pump, slot="valve"),
            "parent": replace(pump, parent=f"{name}.twin"),
            "until": replace(pump, until=99),
            "revision": replace(pump, item=replace(spec, revision="B")),
            "aliases": replace(pump, item=replace(spec, aliases=other)),
            "quantity": replace(lot, item=replace(lot.item, quantity=6)),
            "revision, slot": replace(pump, slot="valve", item=replace(spec, revision="B")),
        }

    def reasons(loaded: Loaded) -> list[str]:
        assert all("already, which is told otherwise; correct its " in one.reason for one in loaded.refused)
        return [one.reason.split("correct its ")[1] for one in loaded.refused]

    told, others = lines("M")
    together = conf.load([*told, *others.values(), *told], basis=SOURCE)
    assert (together.items, together.repeated, reasons(together)) == (4, 4, list(others))
    told, others = lines("N")
    conf.load(told, basis=SOURCE)
    apart = conf.load(others.values(), basis=SOURCE)
    assert (apart.items, apart.repeated, reasons(apart)) == (0, 0, list(others))
    alone = conf.load([replace(told[2], parent="", slot="")], basis=SOURCE)
    assert reasons(alone) == ["parent"]
    assert ids(conf.tree("N", 20)) == {"N.pump", "N.bolts"}


def test_what_was_done_to_an_item_since_does_not_make_its_line_another_one(world: World) -> None:
    conf, told = world.configuration, [*machine("M"), line("spare")]
    conf.load(told, basis=SOURCE)
    conf.swap("M", "pump", "spare", day(1, 1))
    conf.modify("M.pump", "revision", "C", day(1, 2))
    again = conf.load(told, basis=SOURCE)
    assert (again.repeated, again.refused) == (5, ())
    (act,) = {one.number for one in conf.acts("M.card") if one.number == conf.history("M.card")[0].begun_by}
    conf.correct(act, 15, basis=Basis(reason="built in later"))
    card = next(one for one in told if one.item.id == "M.card")
    assert conf.load([replace(card, at=15)], basis=SOURCE).repeated == 1
    assert [one.reason.split("; ")[1] for one in conf.load([card], basis=SOURCE).refused] == ["correct its at"]


def test_what_was_loaded_binds_what_is_said_later(world: World) -> None:
    conf = world.configuration
    conf.load([*machine("M"), line("spare"), line("store", part="STORE", kind=ItemKind.LOCATION)], basis=SOURCE)
    conf.load([line("s1", "store", "shelf"), line("s2", "store", "shelf")], basis=SOURCE)
    with pytest.raises(Conflict, match=r"pump of M holds M\.pump"):
        conf.install("spare", "M", "pump", day(1, 1))
    conf.swap("M", "pump", "spare", day(1, 1), to=("store", "shelf"))
    assert ids(conf.tree("store", day(1, 2))) == {"s1", "s2", "M.pump", "M.seal"}


def test_what_was_built_against_the_rules_is_a_nonconformance(world: World) -> None:
    conf = world.configuration
    parts = (
        PartType(
            part="MACHINE",
            slots=(SlotSpec(slot="pump", mandatory=True), SlotSpec(slot="feet", count=4)),
            rules=(SlotRule(slot="pump", part="GOOD"),),
        ),
    )
    conf.parts.apply(conf.parts.plan(PartsDocument(parts=parts)))
    feet = [line(f"M.foot{n}", "M", "feet", part="FOOT") for n in range(4)]
    told = conf.load([line("M", part="MACHINE"), line("M.pump", "M", "pump", part="BAD"), *feet], basis=SOURCE)
    assert (told.items, told.nonconformances, told.refused) == (6, 1, ())
    (one,) = conf.nonconformances("M", day(1, 1))
    assert (one.item, one.slot, one.rule) == ("M.pump", "pump", "part")


def test_what_became_known_while_lines_were_looked_at_is_seen_before_they_are_written(plain: World) -> None:
    conf, run = plain.configuration, plain._run
    conf.load([line("M", part="MACHINE"), line("spare")], basis=SOURCE)

    def late(work: object, *, actor: str = "") -> None:
        conf._desk._run = conf._run = run
        conf.install("spare", "M", "pump", 20)
        run(work, actor=actor)

    conf._run = late  # type: ignore[assignment]
    told = conf.load([line("a", "M", "pump", at=30), line("b", "M", "card", at=30)], basis=SOURCE)
    assert [one.reason for one in told.refused] == ["pump of M holds another item then"]
    assert ids(conf.tree("M", 40)) == {"spare", "b"}
