"""A plant with some of everything, whose clock is stepped."""

import shutil
from functools import partial

import msgspec
import pytest

from gemel.clock import SteppedClock, parse_time
from gemel.intake import Happened, Message, Reported
from gemel.platform import Platform
from gemel.testing.postgres import postgres
from gemel.twin import parse_type

__all__ = ["clock", "filled", "opened", "plant", "postgres"]

PLANT = """
gemel: 1
site: {name: Test bed, time_zone: Europe/Berlin}
types:
  - id: press
    properties:
      - {name: oil_temperature, unit: Cel, maximum: 500}
      - {name: strokes, kind: integer}
      - {name: running, kind: boolean}
      - {name: mode, kind: enumeration, values: [AUTOMATIC, MANUAL]}
      - {name: spectrum, kind: array}
      - {name: program, kind: object}
      - {name: health, kind: condition}
    events: [{name: jammed}]
  - {id: hall}
twins:
  - {id: hall-2, types: [hall]}
  - {id: press-7, types: [press], serial: SN-4711, aliases: [P7], attributes: {maker: Ärger & Söhne}}
  - {id: press-8, types: [press], links: {located_in: hall-2}}
connectors:
  - id: line
    kind: mqtt
    settings: {url: "mqtt://127.0.0.1:1", password: {env: GEMEL_SECRET_LINE}}
    bindings: [{address: "a#b", twin: press-7, property: oil_temperature}]
"""


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The folder of such a plant, and the time on its clock; to be copied."""
    clock = SteppedClock(parse_time("2026-03-01T10:00:00Z"))
    folder = tmp_path_factory.mktemp("filled") / "plant"
    with Platform.open(folder, clock=clock, run_connectors=False) as platform:
        fill(platform, clock)
    return folder, clock.now()


@pytest.fixture
def clock(filled):
    return SteppedClock(filled[1])


@pytest.fixture
def opened(clock):
    """How plants are opened: quiet, by the same clock."""
    return partial(Platform.open, clock=clock, run_connectors=False)


@pytest.fixture
def plant(filled, opened, tmp_path):
    shutil.copytree(filled[0], tmp_path / "plant")
    with opened(tmp_path / "plant") as platform:
        yield platform


def told_of(twin, property, value, time=None):
    return Reported(twin=twin, property=property, value=value, time=time)


def fill(platform, clock):
    """Some of everything: all kinds of values, events, late data, quarantine, retyping, links that ended, people."""
    platform.apply(PLANT)
    start = clock.now()
    for step in range(40):
        clock.step(60)
        told = [
            told_of("press-7", "oil_temperature", 20.5 + step, clock.now()),
            told_of("press-8", "strokes", step, clock.now()),
            told_of("press-8", "running", step % 3 == 0, clock.now()),
            told_of("press-7", "mode", ["AUTOMATIC", "MANUAL"][step % 2], clock.now()),
        ]
        platform.ingest([Message(readings=told, id=f"m{step}")], source="line")
    late = [told_of("press-7", "oil_temperature", 19.0, start + 1), told_of("press-7", "spectrum", [1.5, 2.5])]
    platform.ingest([Message(readings=[*late, told_of("press-7", "program", {"name": "A", "steps": [1, 2]})])])
    platform.ingest(
        [Message(events=[Happened(twin="press-7", event="jammed", id="e1")], sequence=7, epoch="x")], source="line"
    )
    platform.ingest([Message(readings=[told_of("press-7", "oil_temperature", 1e9), told_of("nobody", "a", 1)])])
    retyped = "{id: press, properties: [{name: strokes, kind: number}, {name: oil_temperature, unit: K}]}"
    declared = platform.type("press")
    changed = parse_type(retyped)
    kept = {one.name: one for one in changed.properties}
    properties = tuple(
        msgspec.structs.replace(one, kind=kept[one.name].kind, unit=kept[one.name].unit, maximum=None)
        if one.name in kept
        else one
        for one in declared.properties
    )
    platform.put_type(msgspec.structs.replace(declared, properties=properties))
    platform.write("press-8", "strokes", 40.5)
    platform.change(lambda tx: platform.registry.end_link(tx, "located_in", "press-8", "hall-2"))
    platform.change(lambda tx: platform.registry.put_link(tx, "feeds", "press-8", "press-7"))
    platform.gate.accounts.add("Ada", "a long enough sentence", "administrator")
    platform.gate.accounts.add("Bob", "another long sentence", "viewer")
    clock.step(60)
