"""A small plant whose types compute, and how to wait for it."""

from typing import Any

from gemel.platform import Platform

START = 1_790_000_000_000_000
SECOND = 1_000_000

PLANT = """
gemel: 1
types:
  - id: spindle
    properties:
      - {name: load, unit: "%"}
      - {name: power, unit: kW}
  - id: mill
    slots: [{name: spindle, type: spindle}]
    properties:
      - {name: temperature, unit: Cel}
      - {name: outlet, unit: Cel, freshness: {mode: samples, within_s: 60}}
      - {name: warm, kind: boolean, computed: {expression: outlet > 60}}
      - {name: speed, unit: /min}
      - {name: feed, unit: mm/min}
      - {name: door, kind: enumeration, values: [OPEN, CLOSED]}
      - {name: pieces, kind: integer}
      - {name: hot, kind: boolean, computed: {expression: temperature > 80}}
      - {name: per_turn, unit: mm, computed: {expression: feed / speed}}
      - {name: twice, unit: mm, computed: {expression: per_turn * 2}}
      - {name: power, unit: W, computed: {expression: spindle.power}}
      - {name: safe, kind: boolean, computed: {expression: "door = 'CLOSED' AND NOT hot"}}
      - name: advice
        kind: enumeration
        values: [go, no]
        computed: {expression: "CASE WHEN safe THEN 'go' ELSE 'no' END"}
      - {name: dozens, kind: integer, maximum: 100, computed: {expression: pieces / 12}}
  - id: line
    slots: [{name: mills, type: mill, maximum: null}]
    properties:
      - {name: power, unit: kW, computed: {expression: sum(mills.power)}}
      - {name: deep, unit: kW, computed: {expression: sum(mills.spindle.power)}}
      - {name: mills, kind: integer, computed: {expression: count(parts)}}
      - {name: everything, unit: kW, computed: {expression: "sum(all_parts.power) FILTER (WHERE is_a('spindle'))"}}
"""


def cell(name: str, mills: int) -> str:
    """Twins: a line with mills, each with a spindle."""
    listed = [f"  - {{id: {name}, types: [line]}}"]
    for i in range(mills):
        mill = f"{name}-mill-{i}"
        listed.append(f"  - {{id: {mill}, types: [mill], part_of: {{twin: {name}, slot: mills}}}}")
        listed.append(f"  - {{id: {mill}-spindle, types: [spindle], part_of: {{twin: {mill}, slot: spindle}}}}")
    return "gemel: 1\ntwins:\n" + "\n".join(listed) + "\n"


def settled(plant: Platform) -> None:
    """Until everything is computed of everything that was computed."""
    position = -1
    while position != plant.position:
        position = plant.position
        assert plant.computation.wait(position, 120)


def now(plant: Platform, twin: str) -> dict[str, Any]:
    settled(plant)
    return {name: one.value for name, one in plant.now(twin).items()}
