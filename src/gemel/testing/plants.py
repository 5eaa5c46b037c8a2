"""What applying plant documents must do on any database: inherit `PlantContract`, as with `RegistryContract`."""

from __future__ import annotations

import pytest

from gemel.errors import Conflict, InvalidDocument, RevisionConflict, UnknownTwin
from gemel.registry import Registry
from gemel.testing.registry import World
from gemel.twin import LifeStage, parse_plant

__all__ = ["PLANT", "PlantContract", "plant"]

PLANT = """
gemel: 1
site: {name: Test bed, time_zone: Europe/Berlin}
types:
  - {id: hall}
  - id: press
    properties: [{name: oil_temperature, unit: Cel}]
    slots: [{name: pump, type: pump}]
  - {id: pump}
twins:
  - {id: hall-2, types: [hall]}
  - {id: press-7, types: [press], serial: SN-4711, attributes: {maker: Acme}, links: {located_in: hall-2}}
  - {id: press-7.pump, types: [pump], part_of: {twin: press-7, slot: pump}}
connectors:
  - id: press-7-mqtt
    kind: mqtt
    settings: {url: "mqtt://127.0.0.1", password: {env: GEMEL_SECRET_MQTT}}
    bindings: [{address: "a#b", twin: press-7, property: oil_temperature, unit: "[degF]"}]
"""


def plant() -> str:
    """The plant without its types: the fixture `world` has them."""
    return PLANT.replace(PLANT[PLANT.index("types:\n") : PLANT.index("twins:\n")], "")


class PlantContract:
    """Tests of plans and their application."""

    def test_applying_again_changes_nothing(self, world: World) -> None:
        first = world.apply(plant(), prune=True)
        assert first.counts() == {"create": 6, "change": 1, "remove": 0}
        again = world.registry.plan(parse_plant(plant()), prune=True)
        assert str(again) == "Nothing to do: everything is as declared."
        assert world.write(lambda tx: world.registry.apply(tx, again)) == []

    def test_a_plan_tells_what_changes_field_by_field(self, world: World) -> None:
        text = plant()
        world.apply(text)
        again = text.replace("SN-4711", "SN-4712").replace("located_in: hall-2", "feeds: hall-2")
        told = str(world.registry.plan(parse_plant(again)))
        assert "serial: SN-4711 → SN-4712" in told
        assert "+ link press-7 feeds hall-2" in told
        assert "- link press-7 located_in hall-2 (end: it stays in the history)" in told
        world.clock.step(1)
        world.apply(again)
        assert [link.kind for link in world.registry.links("press-7", direction="out")] == ["feeds"]
        assert not world.registry.plan(parse_plant(again))

    def test_what_is_no_longer_declared_stays_until_prune_is_asked_for(self, world: World) -> None:
        world.apply(plant())
        world.put("by-hand", "press")
        less = plant().partition("  - {id: press-7.pump")[0]
        assert not world.registry.plan(parse_plant(less))
        plan = world.registry.plan(parse_plant(less), prune=True)
        assert [(step.what, step.id) for step in plan.steps] == [
            ("twin", "press-7.pump"),
            ("connector", "press-7-mqtt"),
        ]
        world.clock.step(1)
        world.write(lambda tx: world.registry.apply(tx, plan))
        assert world.registry.twin("press-7.pump").stage is LifeStage.RETIRED
        assert world.registry.twin("by-hand").stage is LifeStage.PLANNED
        assert world.registry.connectors() == []

    def test_a_plan_that_time_has_passed_by_is_refused(self, world: World) -> None:
        world.apply(plant())
        plan = world.registry.plan(parse_plant(plant().replace("SN-4711", "SN-1")))
        world.put("press-7", "press", serial="SN-2")
        with pytest.raises(RevisionConflict, match="changed since the plan was made"):
            world.write(lambda tx: world.registry.apply(tx, plan))
        assert world.registry.twin("press-7").serial == "SN-2"

    def test_many_twins_are_staged_unseen_and_switched_on_at_once(self, world: World) -> None:
        many = "\n".join(f"  - {{id: m-{i}, types: [press], aliases: [a-{i}], part_of: m-0}}" for i in range(1, 1200))
        text = f"gemel: 1\ntwins:\n  - {{id: m-0, types: [press]}}\n{many}\n"
        plan = world.registry.plan(parse_plant(text))
        for work in world.registry.stages(plan):
            world.write(work)
            assert world.found(q="m-1", limit="5") == []
            assert "m-1" not in world.registry.directory
            assert "m-1" not in Registry(world.database, world.clock).directory
        with pytest.raises(UnknownTwin):
            world.registry.twin("m-1")
        with pytest.raises(Conflict, match="just being created"):
            world.put("m-1", "press")
        world.write(lambda tx: world.registry.apply(tx, plan))
        assert len(world.registry.parts("m-0")) == 1199
        assert world.entry("a-77").id == "m-77"
        assert not world.registry.plan(parse_plant(text))

    def test_what_an_interrupted_apply_left_is_cleared_by_the_next(self, world: World) -> None:
        many = "\n".join(f"  - {{id: m-{i}, types: [press], attributes: {{n: {i}}}}}" for i in range(1200))
        text = f"gemel: 1\ntwins:\n{many}\n"
        stages = world.registry.stages(world.registry.plan(parse_plant(text)))
        for _ in range(3):
            world.write(next(stages))
        restarted = World(world.database)
        assert "m-0" not in restarted.registry.directory
        restarted.apply(text)
        assert restarted.found(attribute="n:1199") == ["m-1199"]
        assert len(Registry(world.database, world.clock).directory) == 1200

    def test_everything_that_stands_against_a_plan_is_told_with_its_place(self, world: World) -> None:
        text = (
            plant()
            .replace("{twin: press-7, slot: pump}", "{twin: press-6, slot: pump}")
            .replace("property: oil_temperature", "property: oil_temprature")
            .replace("located_in: hall-2", "located_in: hall-3")
            .replace("types: [press]", "types: [perss]")
        )
        with pytest.raises(InvalidDocument) as refused:
            world.registry.plan(parse_plant(text))
        told = [(p.line > 0, p.field, p.message) for p in refused.value.problems]
        assert (True, "twins[1].types[0]", "there is no twin type perss; did you mean press?") in told
        assert (True, "twins[2].part_of", "there is no twin press-6; did you mean press-7?") in told
        assert (True, "twins[1].links.located_in", "there is no twin hall-3; did you mean hall-2?") in told
        assert world.found() == []
