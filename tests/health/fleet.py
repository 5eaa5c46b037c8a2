"""A simulated fleet of pumps, whose hazard may depend on their revision: the truth that models must find again."""

from __future__ import annotations

import numpy as np

from gemel.clock import parse_time
from gemel.configuration import Basis, Built, Configuration, ItemKind, ItemSpec, parse_parts
from gemel.configuration.operations import Modify
from gemel.errors import GemelError

__all__ = ["DAY", "PARTS", "START", "build", "on"]

DAY = 86_400_000_000
START = parse_time("2026-01-01T00:00:00Z")
PARTS = """
parts:
  - {part: MILL, end_item: true, slots: [{slot: pump}]}
  - part: PUMP
    revisions: [{revision: A}, {revision: B}]
    limits: [{kind: hours, limit: 6000}]
"""
HOURS_A_DAY = 20.0


def on(day: float) -> int:
    """So many days after the start."""
    return START + round(day * DAY)


def build(
    configuration: Configuration, *, pumps: int, days: int, median_days: dict[str, float], shape: float, seed: int
) -> dict[str, tuple[float, bool]]:
    """Machines in a hall, with a pump each, that come one after another. Returns pump → (hours, failed)."""
    rng = np.random.default_rng(seed)
    configuration.parts.apply(configuration.parts.plan(parse_parts(PARTS)))
    configuration.create(ItemSpec(id="hall", part="", kind=ItemKind.LOCATION), on(0))
    configuration.use("hall", "hours", on(0), on(days), HOURS_A_DAY * days)
    lines: list[Built] = []
    failing: list[tuple[Modify, Basis]] = []
    truth: dict[str, tuple[float, bool]] = {}
    for at in range(pumps):
        began, revision = float(rng.uniform(0, days - 10)), "AB"[int(rng.integers(0, 2))]
        lasts = float(median_days[revision] / np.log(2) ** (1 / shape) * rng.weibull(shape))
        pump, mill = f"P{at}", f"M{at}"
        maker = "acme" if rng.random() < 0.5 else "bolt"
        lines += [
            Built(item=ItemSpec(id=mill, part="MILL"), at=on(began), parent="hall", slot="floor"),
            Built(
                item=ItemSpec(id=pump, part="PUMP", revision=revision, maker=maker, serial=str(at)),
                at=on(began),
                parent=mill,
                slot="pump",
            ),
        ]
        failed = began + lasts < days
        if failed:
            failing.append((Modify(child=pump, name="failed", value="leak", at=on(began + lasts)), Basis()))
        truth[pump] = (HOURS_A_DAY * (min(began + lasts, days) - began), failed)
    loaded = configuration.load(lines, basis=Basis(source="simulated"))
    assert not loaded.refused, loaded.refused
    wrong = [one for one in configuration.do_all(failing) if isinstance(one, GemelError)]
    assert not wrong, wrong[0]
    return truth
