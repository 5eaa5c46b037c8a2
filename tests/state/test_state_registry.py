"""Types and twins that change while the state runs."""

from __future__ import annotations

import msgspec
import pytest

from gemel.twin import Conversion, Kind, PropertyType, TwinType
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


def test_a_retyped_property_shows_its_new_generation(plant: Plant) -> None:
    plant.report(("press-1", "strokes", 3, 0))
    new = PropertyType(name="strokes", generation=2, earlier=(Conversion(generation=1, kind=Kind.INTEGER, how="cast"),))
    plant.types(evolved(*(new if p.name == "strokes" else p for p in PRESS.properties)))
    assert plant.now("press-1", "strokes") is None
    plant.report(("press-1", "strokes", 3.5, 1))
    assert plant.now("press-1", "strokes").value == 3.5
    assert "strokes" in plant.state.table("press").column_names


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
