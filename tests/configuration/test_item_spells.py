"""Spells of items: what was so of each, as of two moments; and counters of many moments at once."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from gemel.configuration import Basis, ItemKind, ItemSpec, parse_parts
from gemel.configuration.operations import Report
from tests.configuration.conftest import World, day

PARTS = "parts: [{part: PUMP, revisions: [{revision: A}, {revision: B}]}, {part: M}]"


def built(world: World) -> None:
    made = world.configuration
    world.clock.time = day(1, 1)
    made.parts.apply(made.parts.plan(parse_parts(PARTS)))
    for id, part, kind in (("M1", "M", "hardware"), ("M2", "M", "hardware"), ("STORE", "", "location")):
        made.create(ItemSpec(id=id, part=part, kind=ItemKind(kind)), day(1, 1))
    made.create(ItemSpec(id="P1", part="PUMP", revision="A", maker="acme", serial="1", lot="L7"), day(1, 1))
    made.install("P1", "STORE", "shelf", day(1, 1))
    made.remove("P1", day(1, 11), to=("M1", "pump"))
    made.do(Report(item="M1", slot="plc", version="2.0", part="PLC", at=day(1, 1)))
    made.modify("P1", "revision", "B", day(2, 1))
    made.remove("P1", day(3, 1), to=("M2", "pump"))
    made.modify("P1", "failed", "leak", day(4, 1))


def rows(world: World, *names: str, at: int = day(5, 1), known: int | None = None) -> list[tuple[Any, ...]]:
    table = world.configuration.spells(["PUMP"], at, known=known)
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def test_a_row_begins_whenever_anything_of_an_item_changed(world: World) -> None:
    built(world)
    told = rows(world, "machine", "position", "revision", "software", "failed", "start", "end")
    assert told == [
        ("", "", "A", "", "", day(1, 1), day(1, 11)),
        ("M1", "pump", "A", "PLC 2.0", "", day(1, 11), day(2, 1)),
        ("M1", "pump", "B", "PLC 2.0", "", day(2, 1), day(3, 1)),
        ("M2", "pump", "B", "", "", day(3, 1), day(4, 1)),
        ("M2", "pump", "B", "", "leak", day(4, 1), day(5, 1)),
    ]
    assert rows(world, "item", "maker", "serial", "lot", "machine_type")[1] == ("P1", "acme", "1", "L7", "M")


def test_rows_are_as_they_were_believed(plain: World) -> None:
    built(plain)
    plain.clock.time = day(6, 1)
    act = next(one for one in plain.configuration.acts("P1") if one.kind == "modified" and one.time == day(4, 1))
    plain.configuration.withdraw(act.number, basis=Basis(reason="another pump"))
    assert [row for row in rows(plain, "failed") if row[0]] == []
    assert rows(plain, "failed", known=day(5, 30))[-1] == ("leak",)
    assert rows(plain, "end", at=day(1, 5)) == [(day(1, 5),)]


def test_one_item_is_counted_at_several_moments_at_once(world: World) -> None:
    built(world)
    made = world.configuration
    made.use("M1", "hours", day(1, 1), day(3, 1), 590.0)
    made.use("M2", "hours", day(3, 1), day(3, 31), 300.0)
    made.adjust("P1", "hours", 1000.0, day(2, 1), basis=Basis(reason="its log book"))
    number = made.spells(["PUMP"], day(5, 1))["number"][0].as_py()
    moments = [day(1, 11), day(1, 21), day(2, 1), day(3, 31)]
    asked = pa.table({"item": [number] * 4, "kind": ["hours"] * 4, "until": moments})
    told = made.counts(asked).sort_by("until").to_pydict()
    assert told["amount"] == [made.count("P1", "hours", until).amount for until in moments]
    assert told["adjusted"] == [0.0, 0.0, 1000.0, 1000.0]
    assert [value / 1e6 for value in told["untold"]] == [made.count("P1", "hours", until).untold_s for until in moments]
