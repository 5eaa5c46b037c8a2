"""Which serialised parts are in the machines of the demo, and were: a small configuration with a swap and a move.

The pumps of the skid are simulated; the hydraulic units of the two lathes are invented, beside readings that are real.
"""

from __future__ import annotations

from gemel.clock import SECOND
from gemel.configuration import Basis, Every, ItemKind, ItemSpec, Operation, Promise, operations, parse_parts
from gemel.errors import GemelError
from gemel.platform import Platform

__all__ = ["PARTS", "fit"]

_HOUR = 3600 * SECOND
_BEFORE_DAYS = 400
PARTS = """
parts:
  - part: TP-100
    name: Pump skid
    slots:
      - {slot: pump_a, name: Pump A, mandatory: true}
      - {slot: pump_b, name: Pump B, mandatory: true}
      - {slot: drive, name: Frequency drive}
    rules:
      - {slot: pump_a, part: CP-40, revisions: [B..]}
      - {slot: pump_a, part: CP-40, revisions: [A], level: concession}
      - {slot: pump_a, part: CP-60, requires: [{part: VFD-2}]}
      - {slot: pump_b, part: CP-40}
      - {slot: pump_b, part: CP-60, requires: [{part: VFD-2}]}
      - {slot: drive, part: VFD-1}
      - {slot: drive, part: VFD-2}
  - part: CP-40
    name: Centrifugal pump
    revisions: [{revision: A}, {revision: B}, {revision: C, replaces: [A, B]}]
    slots: [{slot: seal, name: Shaft seal, mandatory: true}]
    rules: [{slot: seal, part: MS-12}]
    limits: [{kind: hours, limit: 16000, hard: false}]
  - part: CP-60
    name: Centrifugal pump, large
    slots: [{slot: seal, name: Shaft seal, mandatory: true}]
    rules: [{slot: seal, part: MS-12}]
  - {part: VFD-1, name: Frequency drive 4 kW}
  - {part: VFD-2, name: Frequency drive 11 kW}
  - part: MS-12
    name: Mechanical seal
    limits: [{kind: hours, limit: 8000}]
  - part: HPU-5
    name: Hydraulic power unit
    limits: [{kind: hours, limit: 20000, hard: false}]
"""
PROMISES = (
    Promise(root="SKID", within_days=500, every=Every.MONTH),
    Promise(root="MAZAK03", within_days=365),
)
"""The first is kept; of the second, what was built in 400 days ago was not looked at since."""


def fit(platform: Platform) -> int:
    """Say what was done to the machines in the days before; returns how many acts that are. Only once in a plant."""
    configuration = platform.configuration.as_("demo")
    configuration.parts.apply(configuration.parts.plan(parse_parts(PARTS)))
    said = enumerate(_said(platform))
    told = configuration.do_all([(one, Basis(source="demo", work_order=order, key=str(i))) for i, (one, order) in said])
    for one in told:
        if isinstance(one, GemelError):
            raise one
    for promise in PROMISES:
        configuration.upkeep.promise(promise)
    return len(told)


def _said(platform: Platform) -> list[tuple[Operation, str]]:
    now = platform.clock.now()
    built, swapped, moved = now - _BEFORE_DAYS * 24 * _HOUR, now - 13 * _HOUR, now - 30 * _HOUR
    twins = {twin: platform.registry.twin(twin).serial for twin in ("skid", "mazak01", "mazak03")}
    machines = (("SKID", "TP-100", "skid"), ("MAZAK01", "Integrex", "mazak01"), ("MAZAK03", "Quick Turn", "mazak03"))
    specs = [ItemSpec(id=id, part=part, serial=twins[twin], twin=twin) for id, part, twin in machines]
    specs += [
        ItemSpec(id="STORE", part="STORE", kind=ItemKind.LOCATION),
        *(
            ItemSpec(id=f"CP-40-{n}", part="CP-40", serial=str(n), revision=rev, maker="Trial pumps")
            for n, rev in ((1001, "A"), (1002, "B"), (1003, "C"))
        ),
        *(ItemSpec(id=f"MS-12-{n}", part="MS-12", serial=str(n), maker="Trial seals") for n in (71, 72, 73)),
        *(ItemSpec(id=f"AUX-{n}", part="AUX", serial=n) for n in ("01", "03")),
        *(ItemSpec(id=f"HPU-5-{n}", part="HPU-5", serial=str(n)) for n in (501, 502)),
    ]
    said: list[tuple[Operation, str]] = [(operations.Create(spec=spec, at=built), "") for spec in specs]
    places = [
        ("MS-12-71", "CP-40-1001", "seal"),
        ("MS-12-72", "CP-40-1002", "seal"),
        ("MS-12-73", "CP-40-1003", "seal"),
        ("CP-40-1001", "SKID", "pump_b"),
        ("CP-40-1002", "SKID", "pump_a"),
        ("CP-40-1003", "STORE", "shelf-3"),
        ("AUX-01", "MAZAK01", "systems"),
        ("AUX-03", "MAZAK03", "systems"),
        ("HPU-5-501", "AUX-01", "hydraulic"),
        ("HPU-5-502", "AUX-03", "hydraulic"),
    ]
    said += [
        (operations.Install(child=child, parent=parent, slot=slot, at=built), "") for child, parent, slot in places
    ]
    used = (("SKID", 4100.0), ("MAZAK01", 5210.0), ("MAZAK03", 6480.0))
    said += [
        (operations.Use(item=item, kind="hours", start=built, end=moved, amount=amount), "") for item, amount in used
    ]
    order = "WO-31"
    said += [
        (operations.Remove(child="HPU-5-501", at=moved, to=("STORE", "shelf-1")), order),
        (operations.Remove(child="HPU-5-502", at=moved, to=("AUX-01", "hydraulic")), order),
        (operations.Swap(parent="SKID", slot="pump_a", new="CP-40-1003", at=swapped, to=("STORE", "shelf-3")), "WO-32"),
    ]
    return said
