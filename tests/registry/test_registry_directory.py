"""The directory: many twins in little memory, and one moment for each reader."""

import threading

import pytest

from gemel.errors import InvalidDocument
from gemel.registry import Registry, load_plant
from gemel.testing.plants import PLANT
from gemel.testing.registry import HALL
from gemel.twin import PropertyType, TwinType


def test_a_snapshot_stays_at_its_moment(world):
    world.put("press-7", "press", aliases=("p7",))
    held = world.registry.directory.snapshot()
    entry = world.registry.directory.twin("press-7")
    world.put("press-7", "press", "hall")
    world.put("press-8", "press")
    world.put_types(TwinType(id="hall", properties=(PropertyType(name="light"),)))
    assert held.twin("press-8") is None
    assert held.entry(2) is None
    assert held.twin("p7").id == "press-7"
    assert held.twin("press-7").types == entry.types == ("press",)
    assert held.type("hall") == HALL
    assert len(held) == 1
    assert world.registry.directory.revision == held.revision + 3


def test_readers_never_see_half_a_change(world):
    """`a` and `b` are renamed back and forth in one version; whoever looks sees both old or both new."""
    pair = [
        TwinType(id="pair", properties=(PropertyType(name="a"), PropertyType(name="b"))),
        TwinType(
            id="pair", properties=(PropertyType(name="c", aliases=("a",)), PropertyType(name="d", aliases=("b",)))
        ),
        TwinType(
            id="pair", properties=(PropertyType(name="a", aliases=("c",)), PropertyType(name="b", aliases=("d",)))
        ),
    ]
    world.put_types(pair[0])
    world.put("x", "pair", "hall")
    stop, torn = threading.Event(), []

    def look():
        while not stop.is_set():
            properties = world.registry.directory.twin("x").properties
            now = {properties["a"].property.name, properties["b"].property.name}
            if now not in ({"a", "b"}, {"c", "d"}):
                torn.append(now)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        world.put_types(pair[1 + i % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert torn == []


def test_twins_of_the_same_types_share_their_properties(world):
    world.put("press-7", "press")
    world.put("press-8", "press")
    directory = world.registry.directory
    assert directory.twin("press-7").properties is directory.twin("press-8").properties
    assert list(directory.numbers("press")) == [1, 2]
    assert list(directory.numbers("hall")) == []
    assert directory.ids([2, 1, 77]) == ["press-8", "press-7", ""]
    assert [ref.property.name for ref in directory.type_properties("press")] == ["oil_temperature", "mode"]
    assert directory.type_properties("nothing") == []


def test_a_hundred_thousand_twins_load_fast_and_small(world):
    world.put("press-0", "press")
    columns = "number, id, shape, name, description, serial, stage, aliases, attributes, revision, created, changed"
    with world.database.write() as tx:
        tx.exec_driver_sql(
            f"INSERT INTO registry_twin ({columns}, declared, batch) "
            "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 100000) "
            "SELECT n, 'press-' || n, 1, '', '', '', 'planned', '[]', '{}', 1, 0, 0, 0, 0 FROM n"
        )
    directory = Registry(world.database, world.clock).directory
    assert len(directory) == 100_000
    assert directory.twin("press-77777").number == 77_777


def test_a_folder_of_documents_is_one_plant(tmp_path):
    types, _, rest = PLANT.partition("twins:\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "types.yaml").write_text(types)
    (tmp_path / "twins.yml").write_text("gemel: 1\ntwins:\n" + rest)
    (tmp_path / "more.json").write_text('{"gemel": 1, "twins": [{"id": "press-9", "types": ["press"]}]}')
    (tmp_path / "notes.txt").write_text("not a document")
    plant = load_plant(tmp_path)
    assert {t.id for t in plant.types} == {"hall", "press", "pump"}
    assert {t.id for t in plant.twins} == {"hall-2", "press-7", "press-7.pump", "press-9"}
    assert load_plant(PLANT).types == plant.types


def test_faults_of_all_documents_are_told_together(tmp_path):
    (tmp_path / "a.yaml").write_text("gemel: 1\ntwin: []\n")
    (tmp_path / "b.yaml").write_text("gemel: 1\n\ntwins: [{id: x}]\n")
    with pytest.raises(InvalidDocument) as refused:
        load_plant(tmp_path)
    assert [(p.line, "a.yaml" in p.message, "b.yaml" in p.message) for p in refused.value.problems] == [
        (2, True, False),
        (3, False, True),
    ]
    with pytest.raises(InvalidDocument, match="no such file"):
        load_plant(tmp_path / "c.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidDocument, match="holds no"):
        load_plant(tmp_path / "empty")


def test_a_fault_found_while_planning_names_the_document(world, tmp_path):
    (tmp_path / "a.yaml").write_text("gemel: 1\ntwins: [{id: hall-2, types: [hall]}]\n")
    (tmp_path / "b.yaml").write_text("gemel: 1\ntwins:\n  - {id: x, types: [hall], part_of: hall-3}\n")
    with pytest.raises(InvalidDocument) as refused:
        world.registry.plan(load_plant(tmp_path))
    (problem,) = refused.value.problems
    assert (problem.line, problem.field) == (3, "twins[0].part_of")
    assert "did you mean hall-2?" in problem.message
    assert "b.yaml" in problem.message
