"""A plant that sells a machine: a parts book with rules, a model with prices and a plan, a capability over a command to
the twin itself."""

from __future__ import annotations

from gemel.configuration import parse_parts
from gemel.platform import Platform

__all__ = ["MODELS", "PARTS", "PLANT", "sell"]

PLANT = """
gemel: 1
types:
  - id: skid
    properties:
      - {name: boost, kind: enumeration, values: [locked, unlocked], group: configuration}
      - {name: load, unit: "%"}
    commands:
      - name: set_boost
        input: [{name: version, kind: text}]
        effect: {boost: {expression: input.version}}
"""
PARTS = """
parts:
  - part: TP
    name: Skid
    end_item: true
    slots:
      - {slot: pump, mandatory: true}
      - {slot: drive, mandatory: true}
      - {slot: heater}
      - {slot: guard, safety: true}
    rules:
      - {slot: pump, part: CP-40, revisions: [B..]}
      - {slot: pump, part: CP-40, revisions: [A], level: concession}
      - {slot: pump, part: CP-60, requires: [{part: VFD-7}]}
      - {slot: drive, part: VFD-5, excludes: [{part: HT-1}]}
      - {slot: drive, part: VFD-7, effectivity: {serials: [T100..]}}
      - {slot: heater, part: HT-1}
  - part: CP-40
    revisions: [{revision: A}, {revision: B}, {revision: C}]
    slots: [{slot: seal, mandatory: true}]
    rules: [{slot: seal, part: MS-12}]
    limits: [{kind: hours, limit: 1000}]
  - {part: CP-60}
  - {part: VFD-5}
  - {part: VFD-7}
  - {part: HT-1}
  - {part: MS-12}
"""
SOFTWARE = """
software:
  - part: BOOST
    versions: [{version: locked}, {version: unlocked, requires: [{part: CP-40, versions: ">=B"}]}]
    ways: [{type: skid, slot: boost, reports: boost, command: set_boost}]
"""
MODELS = """
models:
  - part: TP
    types: [skid]
    prices:
      - {amount: "18500.00", currency: EUR}
      - {part: CP-40, amount: "950.55", currency: EUR}
      - {part: CP-40, revision: C, amount: "1000.10", currency: EUR}
    capabilities: [boost]
    plans:
      - id: full
        months: 12
        availability_percent: 98
        confirmed_days: 30
        maintenance: [{title: change the seal, every: 90}]
        metering: [{kind: hours, price: "1.25", currency: EUR}]
        prices: [{amount: "300", currency: EUR, per: month, what: fee}]
"""
CAPABILITIES = """
capabilities:
  - {id: boost, part: BOOST, title: More speed, prices: [{amount: "1200", currency: EUR, per: year}]}
"""


def sell(platform: Platform) -> None:
    """Declare all of it."""
    platform.apply(PLANT)
    parts = platform.configuration.parts
    parts.apply(parts.plan(parse_parts(PARTS)))
    platform.software.apply(SOFTWARE)
    platform.capabilities.declared.apply(CAPABILITIES)
    platform.offers.models.apply(MODELS)
