"""The plant documents of the trial plant: types, twins, rules and bindings of the pump skid, the robot cell and the
conveyor drives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from gemel.registry import load_plant
from gemel.twin import Plant

__all__ = ["CELL", "FILES", "SKID", "document", "drives"]

FILES = tuple(Path(__file__).with_name(f"{name}.yaml") for name in ("skid", "cell"))
SKID, CELL = "skid-opcua", "cell-mqtt"
"""The connectors."""


def document(urls: Mapping[str, str] | None = None) -> Plant:
    """Both objects in their plant; with `urls` (connector → where its object listens), their connectors."""
    plant = load_plant(*FILES)
    if urls is None:
        return msgspec.structs.replace(plant, connectors=())
    moved = (
        msgspec.structs.replace(spec, settings={**spec.settings, "url": urls.get(spec.id, spec.settings["url"])})
        for spec in plant.connectors
    )
    return msgspec.structs.replace(plant, connectors=tuple(moved))


def drives(url: str = "") -> Plant:
    """The conveyor drives; with the address of their broker, also their connector."""
    plant = load_plant(Path(__file__).with_name("drives.yaml"))
    if not url:
        return msgspec.structs.replace(plant, connectors=())
    (spec,) = plant.connectors
    moved = msgspec.structs.replace(spec, settings={**spec.settings, "url": url})
    return msgspec.structs.replace(plant, connectors=(moved,))
