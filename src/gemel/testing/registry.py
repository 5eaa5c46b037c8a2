"""What a registry must do on any database: inherit `RegistryContract` and give it a `database` fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from gemel.clock import SECOND, SteppedClock
from gemel.database import Database
from gemel.errors import (
    Conflict,
    InvalidDocument,
    InvalidQuery,
    InvalidTime,
    InvalidValue,
    NotFound,
    RevisionConflict,
    UnknownConnector,
    UnknownTwin,
    UnknownType,
)
from gemel.registry import Entry, Plan, Registry, TwinQuery
from gemel.twin import (
    Change,
    ConnectorSpec,
    Kind,
    LifeStage,
    PartOf,
    PropertyType,
    Slot,
    TwinSpec,
    TwinType,
    parse_plant,
)

__all__ = ["PRESS", "RegistryContract", "World", "world"]

PUMP = TwinType(id="pump", properties=(PropertyType(name="flow", unit="L/min"),))
PRESS = TwinType(
    id="press",
    title="Hydraulic press",
    properties=(
        PropertyType(name="oil_temperature", unit="Cel", maximum=200),
        PropertyType(name="mode", kind=Kind.ENUMERATION, values=("AUTOMATIC", "MANUAL")),
    ),
    slots=(Slot(name="pump", type="pump", maximum=2),),
)
HALL = TwinType(id="hall")


class World:
    """A registry, its clock, and the writer that others would be: one transaction, then `committed`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SteppedClock()
        self.registry = Registry(database, self.clock)

    def write(self, work: Callable[[Connection], list[Change]]) -> list[Change]:
        with self.database.write() as tx:
            changes = work(tx)
        self.registry.committed(changes)
        return changes

    def put_types(self, *types: TwinType) -> list[Change]:
        return self.write(lambda tx: [change for type_ in types for change in self.registry.put_type(tx, type_)])

    def entry(self, id: str) -> Entry:
        """What the directory knows of a twin, which is there."""
        entry = self.registry.directory.twin(id)
        assert entry is not None
        return entry

    def put(self, id: str, *types: str, **fields: Any) -> list[Change]:
        spec = TwinSpec(id=id, types=types, **fields)
        return self.write(lambda tx: self.registry.put_twin(tx, spec))

    def link(self, kind: str, source: str, target: str, **more: Any) -> list[Change]:
        return self.write(lambda tx: self.registry.put_link(tx, kind, source, target, **more))

    def unlink(self, kind: str, source: str, target: str, **more: Any) -> list[Change]:
        return self.write(lambda tx: self.registry.end_link(tx, kind, source, target, **more))

    def apply(self, text: str, *, prune: bool = False) -> Plan:
        plan = self.registry.plan(parse_plant(text), prune=prune)
        for work in self.registry.stages(plan):
            self.write(work)
        self.write(lambda tx: self.registry.apply(tx, plan))
        return plan

    def found(self, **parameters: str | Iterable[str]) -> list[str]:
        return [twin.id for twin in self.registry.search(TwinQuery.parse(parameters)).items]


@pytest.fixture
def world(database: Database) -> World:
    """A migrated database with the types press, pump and hall."""
    database.migrate()
    world = World(database)
    world.put_types(PUMP, PRESS, HALL)
    return world


class RegistryContract:
    """Tests of every registry; the subclass's module has a fixture `database` and imports `world`."""

    def test_migrating_twice_changes_nothing(self, database: Database) -> None:
        database.migrate()
        database.migrate()
        assert Registry(database, SteppedClock()).types() == []

    def test_a_type_is_versioned_and_its_old_versions_stay_readable(self, world: World) -> None:
        assert world.put_types(PRESS) == []
        world.put_types(TwinType(id="hall", title="Hall", properties=(PropertyType(name="light"),)))
        assert world.registry.type("hall").version == 2
        assert world.registry.type("hall", 1).properties == ()
        assert [t.version for t in world.registry.type_versions("hall")] == [1, 2]
        with pytest.raises(UnknownType, match="no version 3"):
            world.registry.type("hall", 3)
        with pytest.raises(UnknownType, match="nothing"):
            world.registry.type("nothing")

    def test_a_type_is_changed_only_from_the_version_that_was_read(self, world: World) -> None:
        new = TwinType(id="hall", title="Hall")
        with pytest.raises(RevisionConflict, match="at version 1, not 4"):
            world.write(lambda tx: world.registry.put_type(tx, new, if_version=4))
        world.write(lambda tx: world.registry.put_type(tx, new, if_version=1))

    def test_a_renamed_property_keeps_its_number_under_both_names(self, world: World) -> None:
        world.put("press-7", "press")
        before = world.entry("press-7").properties["oil_temperature"].number
        renamed = PropertyType(name="oil_temp", unit="Cel", maximum=200, aliases=("oil_temperature",))
        world.put_types(TwinType(id="press", properties=(renamed, PRESS.properties[1]), slots=PRESS.slots))
        properties = world.entry("press-7").properties
        assert properties["oil_temp"].number == properties["oil_temperature"].number == before
        assert properties["oil_temp"].property.name == "oil_temp"

    def test_a_retyped_property_gets_a_new_number_and_its_earlier_shape_stays_known(self, world: World) -> None:
        world.put("press-7", "press")
        before = world.entry("press-7").properties["oil_temperature"]
        retyped = PropertyType(name="oil_temperature", unit="K")
        world.put_types(TwinType(id="press", properties=(retyped, PRESS.properties[1]), slots=PRESS.slots))
        now = world.entry("press-7").properties["oil_temperature"]
        assert now.number != before.number
        assert now.index == before.index
        assert now.property.generation == 2
        earlier = world.registry.directory.property(before.number)
        assert earlier is not None
        assert (earlier.property.unit, earlier.property.generation) == ("Cel", 1)
        assert [r.number for r in world.registry.directory.generations(now)] == [before.number, now.number]

    def test_what_would_be_lost_is_refused(self, world: World) -> None:
        with pytest.raises(InvalidDocument, match=r"property mode is gone.*deprecated"):
            world.put_types(TwinType(id="press", properties=PRESS.properties[:1], slots=PRESS.slots))
        with pytest.raises(InvalidDocument, match="slot pump is gone"):
            world.put_types(TwinType(id="press", properties=PRESS.properties))
        retyped = PropertyType(name="mode", kind=Kind.INTEGER)
        with pytest.raises(InvalidDocument, match="say how its earlier readings convert"):
            world.put_types(TwinType(id="press", properties=(PRESS.properties[0], retyped), slots=PRESS.slots))
        assert world.registry.type("press").version == 1

    def test_a_rolled_back_change_leaves_no_trace(self, world: World) -> None:
        class Stopped(Exception): ...

        def work(tx: Connection) -> list[Change]:
            world.registry.put_twin(tx, TwinSpec(id="press-9", types=("press",)))
            world.registry.put_type(tx, TwinType(id="tank"))
            raise Stopped

        with pytest.raises(Stopped):
            world.write(work)
        assert "press-9" not in world.registry.directory
        with pytest.raises(UnknownTwin):
            world.registry.twin("press-9")
        assert world.put("press-9", "press")[0].body["number"] == 1

    def test_a_twin_is_created_once_and_changed_by_fields(self, world: World) -> None:
        fields = {"name": "Press 7", "serial": "SN-1", "aliases": ("p7",), "attributes": {"maker": "Acme"}}
        (created,) = world.put("press-7", "press", **fields)
        assert created.kind == "twin.created"
        assert world.put("press-7", "press", **fields) == []
        world.clock.step(5)
        (changed,) = world.put("press-7", "press", **fields | {"serial": "SN-2"})
        assert (changed.kind, changed.body["fields"]) == ("twin.changed", ["serial"])
        twin = world.registry.twin("p7")
        assert (twin.id, twin.serial, twin.revision, twin.attributes) == ("press-7", "SN-2", 2, {"maker": "Acme"})
        assert twin.changed - twin.created == 5 * SECOND

    def test_a_twin_is_changed_only_from_the_revision_that_was_read(self, world: World) -> None:
        world.put("press-7", "press")
        spec = TwinSpec(id="press-7", types=("press",), name="Seven")
        with pytest.raises(RevisionConflict, match="press-7 is at revision 1, not 9; read it again"):
            world.write(lambda tx: world.registry.put_twin(tx, spec, if_revision=9))
        world.write(lambda tx: world.registry.put_twin(tx, spec, if_revision=1))
        with pytest.raises(RevisionConflict, match="at revision 2, not 1"):
            world.write(lambda tx: world.registry.set_stage(tx, "press-7", LifeStage.BUILT, if_revision=1))
        with pytest.raises(RevisionConflict, match="at revision 2, not 1"):
            world.write(lambda tx: world.registry.remove_twin(tx, "press-7", if_revision=1))
        world.write(lambda tx: world.registry.remove_twin(tx, "press-7", if_revision=2))

    def test_a_twin_of_several_types_has_the_properties_of_all(self, world: World) -> None:
        world.put("unit-1", "press", "pump")
        assert set(world.entry("unit-1").properties) == {"oil_temperature", "mode", "flow"}
        assert world.found(type="pump") == world.found(type="press") == ["unit-1"]

    def test_types_that_mean_different_things_by_one_name_cannot_be_combined(self, world: World) -> None:
        world.put_types(TwinType(id="care", properties=(PropertyType(name="flow", unit="kg/s"),)))
        with pytest.raises(InvalidDocument, match="flow means number L/min in type pump and number kg/s in type care"):
            world.put("pump-1", "pump", "care")
        cost, flow = PropertyType(name="cost", unit="L/min"), PropertyType(name="flow", unit="kg/s")
        world.put_types(TwinType(id="shop", properties=(cost,)))
        world.put("pump-2", "pump", "shop")
        with pytest.raises(InvalidDocument, match="flow means"):
            world.put_types(TwinType(id="shop", properties=(cost, flow)))

    def test_an_unknown_type_is_named(self, world: World) -> None:
        with pytest.raises(UnknownType, match="'tank'"):
            world.put("tank-1", "tank")

    def test_an_id_or_alias_means_one_twin(self, world: World) -> None:
        world.put("press-7", "press", aliases=("p7",))
        with pytest.raises(Conflict, match="p7 is an alias of another twin"):
            world.put("p7", "press")
        with pytest.raises(Conflict, match="p7 already means the twin press-7"):
            world.put("press-8", "press", aliases=("p7",))
        with pytest.raises(Conflict, match="press-7 already means"):
            world.put("press-8", "press", aliases=("press-7",))
        world.put("press-7", "press")
        assert world.registry.directory.twin("p7") is None
        world.put("press-8", "press", aliases=("p7",))
        assert world.entry("p7").id == "press-8"

    def test_life_goes_step_by_step(self, world: World) -> None:
        world.put("press-7", "press")
        for stage in (LifeStage.BUILT, LifeStage.COMMISSIONED, LifeStage.IN_SERVICE, LifeStage.DOWN):
            world.write(partial(world.registry.set_stage, id="press-7", stage=stage))
        with pytest.raises(InvalidValue, match="press-7 is down and cannot become planned; it may become"):
            world.write(lambda tx: world.registry.set_stage(tx, "press-7", LifeStage.PLANNED))
        assert world.registry.twin("press-7").stage is LifeStage.DOWN

    def test_a_removed_twin_is_retired_and_its_id_is_not_used_again(self, world: World) -> None:
        world.put("press-7", "press")
        world.put("pump-1", "pump", part_of="press-7")
        world.clock.step(1)
        world.write(lambda tx: world.registry.remove_twin(tx, "press-7"))
        assert world.registry.twin("press-7").stage is LifeStage.RETIRED
        assert world.registry.parts("press-7") == []
        assert len(world.registry.links("pump-1", at=world.clock.now() - 1)) == 1
        assert "press-7" not in world.found()
        assert world.found(id="press-7") == world.found(stage="retired") == ["press-7"]
        assert world.write(lambda tx: world.registry.remove_twin(tx, "press-7")) == []

    def test_links_hold_from_to(self, world: World) -> None:
        for id in ("press-7", "press-8"):
            world.put(id, "press")
        world.put("pump-1", "pump")
        begin = world.clock.now()
        world.link("part_of", "pump-1", "press-7", slot="pump")
        assert world.link("part_of", "pump-1", "press-7", slot="pump") == []
        moved = world.clock.step(10)
        world.unlink("part_of", "pump-1", "press-7")
        world.link("part_of", "pump-1", "press-8", slot="pump")
        world.clock.step(10)

        def whole(at: int | None) -> list[str]:
            return [link.target for link in world.registry.links("pump-1", kind="part_of", at=at)]

        assert whole(begin - 1) == []
        assert whole(begin) == whole(moved - 1) == ["press-7"]
        assert whole(moved) == whole(None) == ["press-8"]
        assert [twin.id for _, twin in world.registry.parts("press-7", at=begin)] == ["pump-1"]

    def test_a_link_ends_after_it_began_and_does_not_overlap_itself(self, world: World) -> None:
        for id in ("a", "b"):
            world.put(id, "hall")
        begin = world.clock.now()
        world.link("feeds", "a", "b", since=begin)
        with pytest.raises(InvalidTime, match="it cannot end at"):
            world.unlink("feeds", "a", "b", until=begin)
        (ended,) = world.unlink("feeds", "a", "b", until=begin + 10)
        assert ended.body["until"] == begin + 10
        assert world.unlink("feeds", "a", "b") == []
        with pytest.raises(Conflict, match="a new link begins then or later"):
            world.link("feeds", "a", "b", since=begin + 5)
        world.link("feeds", "a", "b", since=begin + 10)
        world.unlink("feeds", "a", "b")
        with pytest.raises(NotFound, match="never was a link b feeds a"):
            world.unlink("feeds", "b", "a")

    def test_links_are_many_to_many_and_of_any_depth(self, world: World) -> None:
        for i in range(6):
            world.put(f"node-{i}", "hall")
        for source, target in ((1, 0), (2, 1), (3, 2), (3, 1), (4, 3), (5, 0)):
            world.link("part_of", f"node-{source}", f"node-{target}")
        parts = world.registry.parts("node-0")
        assert [(link.source, link.target) for link, _ in parts][:2] == [("node-1", "node-0"), ("node-5", "node-0")]
        assert sorted({twin.id for _, twin in parts}) == [f"node-{i}" for i in range(1, 6)]
        assert len(parts) == 6
        assert {twin.id for _, twin in world.registry.parts("node-0", depth=1)} == {"node-1", "node-5"}
        assert {link.kind for link in world.registry.links("node-3", direction="out")} == {"part_of"}
        assert len(world.registry.links("node-3", direction="in")) == 1

    def test_nothing_is_part_of_itself_at_any_depth(self, world: World) -> None:
        for i in range(4):
            world.put(f"node-{i}", "hall")
        world.link("part_of", "node-1", "node-0")
        world.link("part_of", "node-2", "node-1")
        with pytest.raises(Conflict, match="node-0 → node-2 → node-1 → node-0"):
            world.link("part_of", "node-0", "node-2")
        with pytest.raises(Conflict, match="itself"):
            world.link("part_of", "node-0", "node-0")
        world.link("feeds", "node-1", "node-0")
        world.link("feeds", "node-0", "node-1")
        world.clock.step(1)
        world.unlink("part_of", "node-1", "node-0")
        world.link("part_of", "node-0", "node-2")

    def test_a_slot_takes_its_type_and_no_more_than_fit(self, world: World) -> None:
        world.put("press-7", "press")
        for i in range(3):
            world.put(f"pump-{i}", "pump")
        for i in range(2):
            world.link("part_of", f"pump-{i}", "press-7", slot="pump")
        with pytest.raises(Conflict, match="slot pump of press-7 holds 2 already"):
            world.link("part_of", "pump-2", "press-7", slot="pump")
        with pytest.raises(NotFound, match="no slot 'pmup'; it has pump"):
            world.link("part_of", "pump-2", "press-7", slot="pmup")
        world.put("press-8", "press")
        with pytest.raises(InvalidValue, match="takes a pump; press-8 is a press"):
            world.link("part_of", "press-8", "press-7", slot="pump")

    def test_search_finds_by_everything_that_is_known(self, world: World) -> None:
        world.put("hall-2", "hall", name="Hall 2")
        world.put("line-1", "hall", part_of="hall-2")
        attributes = {"maker": "Acme", "size": {"bore_mm": 80}, "tags": ["old", "blue"], "leased": True}
        world.put("press-7", "press", name="Oil 100%", serial="SN-4711", aliases=("p7",), attributes=attributes)
        world.put("press-8", "press", part_of=PartOf(twin="line-1"), stage=LifeStage.IN_SERVICE)
        world.put("pump-1", "pump", part_of="press-8", links={"feeds": ("press-7", "hall-2")})
        assert world.found(q="PRESS") == ["press-7", "press-8"]
        assert world.found(q="100%") == world.found(q="4711") == world.found(q="P7") == ["press-7"]
        assert world.found(q="0%5") == world.found(q="_") == []
        assert world.found(serial="SN-4711") == world.found(alias="p7") == ["press-7"]
        assert world.found(stage="in_service") == ["press-8"]
        for attribute in ("maker:Acme", "size.bore_mm:80", "tags:blue", "leased:true"):
            assert world.found(attribute=attribute) == ["press-7"], attribute
        assert world.found(attribute=["maker:Acme", "leased:false"]) == []
        assert world.found(property="oil_temperature>80") == ["press-7", "press-8"]
        assert world.found(property=["flow", "mode"]) == []
        assert world.found(linked="part_of:hall-2") == ["line-1"]
        assert world.found(linked="part_of*:hall-2") == ["line-1", "press-8", "pump-1"]
        assert world.found(linked="feeds:p7") == ["pump-1"]
        assert world.found(linked="^feeds:pump-1") == ["hall-2", "press-7"]
        assert world.found(linked="^feeds/part_of*:hall-2") == ["hall-2", "press-7"]
        assert world.found(linked="part_of/part_of:line-1") == ["pump-1"]
        assert world.found(roots="true") == ["hall-2", "press-7"]
        assert world.found(roots="true", type="press") == ["press-7"]

    def test_pages_hold_everything_once_in_order_of_id(self, world: World) -> None:
        ids = [f"{letter}{n}" for letter in "bAa_Z".replace("_", "") for n in range(5)]
        for id in ids:
            world.put(id, "hall")
        seen, cursor = [], ""
        for _ in ids:
            page = world.registry.search(TwinQuery(limit=3, cursor=cursor))
            seen += [twin.id for twin in page.items]
            cursor = page.next or ""
            if not cursor:
                break
        assert seen == sorted(ids)
        with pytest.raises(InvalidQuery, match="cursor"):
            world.registry.search(TwinQuery(cursor="ä"))

    def test_the_directory_is_the_same_after_a_restart(self, world: World) -> None:
        for id, types in (("hall-2", ("hall",)), ("press-7", ("press",)), ("press-7.pump", ("pump",))):
            world.put(id, *types)
        world.put("x", "press", aliases=("y",))
        world.put("x", "press", "hall", aliases=("z",))
        again, now = Registry(world.database, world.clock).directory, world.registry.directory
        for name in ("hall-2", "press-7", "press-7.pump", "x", "z"):
            one, other = again.twin(name), now.twin(name)
            assert one is not None
            assert other is not None
            assert (one.id, one.number, one.types) == (other.id, other.number, other.types)
            assert dict(one.properties) == dict(other.properties)
        assert again.twin("y") is now.twin("y") is None
        assert list(again.numbers()) == list(now.numbers())
        assert dict(again.types) == dict(now.types)

    def test_connectors_are_kept_and_never_hold_a_secret(self, world: World) -> None:
        good = ConnectorSpec(id="c", kind="mqtt", settings={"url": "x", "password": {"env": "P"}})
        world.write(lambda tx: world.registry.put_connector(tx, good))
        assert world.write(lambda tx: world.registry.put_connector(tx, good)) == []
        assert world.registry.connectors() == [good]
        bad = ConnectorSpec(id="c", kind="mqtt", settings={"tls": {"key_password": "hunter2"}})
        with pytest.raises(InvalidDocument, match="never written here") as refused:
            world.write(lambda tx: world.registry.put_connector(tx, bad))
        assert "hunter2" not in str(refused.value)
        world.write(lambda tx: world.registry.remove_connector(tx, "c"))
        with pytest.raises(UnknownConnector):
            world.write(lambda tx: world.registry.remove_connector(tx, "c"))
