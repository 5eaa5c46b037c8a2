"""What is now and what the history says of now are the same after a property was retyped."""

from __future__ import annotations

from pathlib import Path

import pytest

import gemel
from gemel.twin import Quality

PLANT = """
gemel: 1
types:
  - id: press
    properties: [{properties}]
twins: [{{id: press-7, types: [press]}}]
"""
BEFORE = "{name: pressure, unit: bar}, {name: strokes, kind: integer}, {name: running, kind: boolean}"


RETYPED = [
    ("pressure", 2.5, "{name: pressure, unit: kPa, earlier: [{kind: number, unit: bar, how: unit}]}", 250.0),
    ("strokes", 3, "{name: strokes, kind: number, earlier: [{kind: integer, how: cast}]}", 3.0),
    (
        "running",
        True,
        "{name: running, kind: enumeration, values: ['ON', 'OFF'], "
        "earlier: [{kind: boolean, how: map, mapping: {'true': 'ON', 'false': 'OFF'}}]}",
        "ON",
    ),
]


@pytest.mark.parametrize(("name", "value", "after", "told"), RETYPED)
def test_now_is_what_the_history_says_of_now(tmp_path: Path, name: str, value: float, after: str, told: object) -> None:
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(PLANT.format(properties=BEFORE))
        plant.write("press-7", name, value)
        before = plant.now("press-7")[name]
        others = [one + "}" for one in BEFORE.replace("}, ", "},,").replace("}", "").split(",,") if name not in one]
        plant.apply(PLANT.format(properties=", ".join([after, *others])))
        now = plant.now("press-7")[name]
        assert (now.value, now.time, now.position) == (told, before.time, before.position)
        assert plant.at("press-7", plant.clock.now() + 1)[name].value == told
    with gemel.open(tmp_path / "plant") as plant:
        again = plant.now("press-7")[name]
        assert (again.value, again.time, again.position) == (told, before.time, before.position)
        assert plant.at("press-7", plant.clock.now() + 1)[name].value == told


def test_what_a_map_has_no_word_for_is_unknown_now_and_in_the_past(tmp_path: Path) -> None:
    with gemel.open(tmp_path / "plant") as plant:
        plant.apply(PLANT.format(properties="{name: mode, kind: text}"))
        plant.write("press-7", "mode", "odd")
        words = "earlier: [{kind: text, how: map, mapping: {'1': AUTO}}]"
        plant.apply(PLANT.format(properties=f"{{name: mode, kind: enumeration, {words}}}"))
        plant.apply(PLANT.format(properties=f"{{name: mode, kind: text, {words}}}"))
        assert "mode" not in plant.now("press-7")
        told = plant.at("press-7", plant.clock.now() + 1)["mode"]
        assert (told.value, told.quality) == (None, Quality.UNAVAILABLE)
