"""Types and twins that change while the state runs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gemel.state import Selection, State
from gemel.twin import Conversion, Kind, PropertyType, Quality, TwinType
from tests.state.conftest import PRESS, Plant

MAINTENANCE = TwinType(
    id="maintained", purpose="maintenance", properties=(PropertyType(name="hours"), PropertyType(name="due"))
)


def evolved(*properties: PropertyType) -> TwinType:
    return msgspec.structs.replace(PRESS, properties=properties)


def test_a_twin_of_several_types_has_a_row_in_each(plant: Plant) -> None:
    plant.types(MAINTENANCE)
    plant.twins("both", types=("maintained", "press"))
    plant.twins("mixed", types=("press", "maintained"))
    plant.report(("both", "hours", 5.0, 0), ("both", "temperature", 1.0, 0), ("mixed", "hours", 6.0, 0))
    assert plant.now("both", "hours").value == 5.0
    assert plant.now("both", "temperature").value == 1.0
    assert plant.state.sql("SELECT twin, hours FROM live.maintained ORDER BY 1").to_pylist() == [
        {"twin": "both", "hours": 5.0},
        {"twin": "mixed", "hours": 6.0},
    ]
    joined = "SELECT hours, temperature FROM live.maintained JOIN live.press USING (twin) WHERE hours < 6"
    assert plant.state.sql(joined).to_pylist() == [{"hours": 5.0, "temperature": 1.0}]
    many = [("both", "hours", float(i), i) for i in range(100)] + [("mixed", "temperature", 3.0, 1)]
    plant.report(*many)
    assert (plant.now("both", "hours").value, plant.now("mixed", "temperature").value) == (99.0, 3.0)


def test_a_twin_that_changes_its_types_moves(plant: Plant) -> None:
    plant.types(MAINTENANCE)
    plant.report(("press-1", "temperature", 1.0, 0))
    plant.twins("press-1", types=("press", "maintained"))
    plant.report(("press-1", "hours", 5.0, 0))
    assert plant.now("press-1", "temperature").value == 1.0
    plant.twins("press-1", types=("maintained",))
    assert plant.now("press-1", "temperature") is None
    assert plant.now("press-1", "hours").value == 5.0
    assert plant.state.table("press").column("twin").to_pylist() == ["press-2"]
    plant.twins("press-3")
    assert sorted(plant.state.table("press").column("twin").to_pylist()) == ["press-2", "press-3"]
    assert plant.now("press-3", "temperature") is None


def test_a_new_property_and_a_new_type_need_no_restart(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 1.0, 0))
    plant.types(evolved(*PRESS.properties, PropertyType(name="vibration")))
    plant.report(("press-1", "vibration", 2.0, 1))
    assert plant.state.sql("SELECT temperature, vibration FROM live.press WHERE twin = 'press-1'").to_pylist() == [
        {"temperature": 1.0, "vibration": 2.0}
    ]


def test_a_renamed_property_keeps_its_value_under_both_names(plant: Plant) -> None:
    plant.report(("press-1", "temperature", 1.0, 0))
    first, *rest = PRESS.properties
    plant.types(evolved(msgspec.structs.replace(first, name="heat", aliases=("temperature",)), *rest))
    entry = plant.registry.directory.twin("press-1")
    assert entry is not None
    assert set(plant.state.twin(entry)) == {"heat"}
    now = plant.state.property(entry, "temperature")
    assert now is not None
    assert now.value == 1.0
    assert plant.state.property(entry, "nothing") is None
    query = "SELECT heat, temperature FROM live.press WHERE temperature = 1"
    assert plant.state.sql(query).to_pylist() == [{"heat": 1.0, "temperature": 1.0}]


def retype(plant: Plant, name: str, how: str, kind: Kind, **fields: Any) -> PropertyType:
    mapping = fields.pop("mapping", {})
    old = next(p for p in PRESS.properties if p.name == name)
    before = Conversion(generation=1, kind=old.kind, unit=old.unit, how=how, mapping=mapping)
    new = PropertyType(name=name, kind=kind, generation=2, earlier=(before,), **fields)
    plant.types(evolved(*(new if p.name == name else p for p in PRESS.properties)))
    return new


RETYPES = [
    ("pressure", 2.5, "unit", Kind.NUMBER, {"unit": "kPa"}, 250.0),
    ("strokes", 3, "cast", Kind.NUMBER, {}, 3.0),
    ("running", True, "cast", Kind.TEXT, {}, "true"),
    ("running", True, "map", Kind.ENUMERATION, {"mapping": {"true": "ON", "false": "OFF"}}, "ON"),
    ("mode", "AUTO", "map", Kind.INTEGER, {"mapping": {"AUTO": 2}}, 2),
    ("profile", [1.0, 2.0], "cast", Kind.TEXT, {}, "[1.0,2.0]"),
]


@pytest.mark.parametrize(("name", "value", "how", "kind", "fields", "told"), RETYPES)
def test_a_retyped_property_begins_with_its_last_value_converted(
    plant: Plant, name: str, value: Any, how: str, kind: Kind, fields: dict[str, Any], told: Any
) -> None:
    plant.report(("press-1", name, value, 0), ("press-2", name, None, 1))
    plant.report(("press-1", name, value, 5))
    earlier, keyframe = plant.now("press-1", name), plant.state.snapshot()
    whole, fast = (plant.state.subscribe(Selection(type="press"), rate_hz=rate) for rate in (None, 1000.0))
    with whole, fast:
        assert whole.get(0) is not None
        assert fast.get(0) is not None
        retype(plant, name, how, kind, **dict(fields))
        now = plant.now("press-1", name)
        assert now == msgspec.structs.replace(earlier, value=told, fresh=now.fresh, stale_since=now.stale_since)
        assert plant.now("press-2", name).quality is Quality.UNAVAILABLE
        assert plant.state.table("press").column(name).to_pylist() == [told, None]
        delta = whole.get(0)
        assert delta is not None
        assert delta.registry_changed
        assert {(u.twin, u.property, u.now.value) for u in delta.values} == {
            ("press-1", name, told),
            ("press-2", name, None),
        }
        plant.clock.step(1)
        delta = fast.get(60)
        assert delta is not None
        assert {u.now.value for u in delta.values} == {told, None}
    for begun in (None, keyframe, plant.state.snapshot()):
        again = State(plant.registry.directory, plant.clock, blocks=plant.after)
        if begun is not None:
            again.restore(begun)
        for block in plant.after(again.position):
            again.fold(block)
        entry = plant.registry.directory.twin("press-1")
        assert entry is not None
        assert again.property(entry, name) == now
        again.close()


def test_a_retyped_property_takes_new_readings_and_not_older_ones(plant: Plant) -> None:
    plant.report(("press-1", "strokes", 3, 10))
    retype(plant, "strokes", "cast", Kind.NUMBER)
    plant.report(("press-1", "strokes", 2.5, 5))
    assert plant.now("press-1", "strokes").value == 3.0
    plant.report(("press-1", "strokes", 3.5, 11))
    plant.types(MAINTENANCE)
    assert plant.now("press-1", "strokes").value == 3.5
    assert "strokes" in plant.state.table("press").column_names


def test_a_retyped_property_without_a_conversion_begins_empty(plant: Plant) -> None:
    plant.report(("press-1", "strokes", 3, 0))
    retype(plant, "strokes", "none", Kind.TEXT)
    assert plant.now("press-1", "strokes") is None


@pytest.mark.parametrize("count", [1, 100])
def test_a_property_that_came_after_the_last_registry_change_is_found(plant: Plant, count: int) -> None:
    """The directory may be ahead of the blocks, as after a restart."""
    with plant.database.write() as tx:
        changes = plant.registry.put_type(tx, MAINTENANCE)
        from gemel.twin import TwinSpec

        changes += plant.registry.put_twin(tx, TwinSpec(id="new", types=("maintained",)))
    plant.registry.committed(changes)
    plant.report(*[("new", "hours", 7.0, i) for i in range(count)])
    assert plant.now("new", "hours").value == 7.0
