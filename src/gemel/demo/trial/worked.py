"""Work on the machines of the demo: orders with visits, one that failed for a wrong part, one that repairs another,
stops and what they cost. Invented, beside a skid that is simulated."""

from __future__ import annotations

from gemel.clock import SECOND
from gemel.configuration import Having
from gemel.platform import Platform
from gemel.services.work import (
    Cause,
    Maintenance,
    Outcome,
    PartWanted,
    PriceKind,
    PriceSpec,
    ReworkCause,
    StopKind,
    StopSpec,
    VisitSpec,
    WorkSpec,
    WorkState,
)
from gemel.thread import DocumentSpec, LinkSpec, Node, RecordSpec

__all__ = ["work"]

_HOUR = 3600 * SECOND
_ACTOR = "demo"
_STEPS = ("Lock out and tag the drive", "Close suction and outlet valves", "Change pump", "Check the alignment", "Run")
PLAN = RecordSpec(
    id="JP-PUMP",
    kind="job-plan",
    title="Change a pump of the skid",
    attributes={
        "steps": list(_STEPS),
        "tools": ["torque wrench 40 Nm", "laser alignment set"],
        "skills": ["hydraulics"],
    },
)
BULLETIN = DocumentSpec(
    id="SB-7",
    kind="bulletin",
    title="Pumps below revision C: look for leaks at the shaft seal, and tighten it",
    name="SB-7.txt",
    having=(Having(part="CP-40", below="C"),),
)
_TEXT = b"SB-7. Centrifugal pumps CP-40 below revision C: look for leaks at the shaft seal and tighten it to 12 Nm.\n"


def work(platform: Platform) -> int:
    """Tell what was done, and what is planned; returns how many orders. Told again, nothing changes."""
    now = platform.clock.now()
    platform.thread.as_(_ACTOR).weave(
        [PLAN],
        [LinkSpec(kind="concerns", source=Node.parse("record:JP-PUMP"), target=Node.parse("part:TP-100"))],
    )
    orders = _orders(now)
    if platform.work.orders.known(orders[0][0]) is not None:
        return 0
    platform.thread.as_(_ACTOR).add_document(BULLETIN, _TEXT)
    crew = [platform.work.orders.person("demo", name) for name in ("first", "second")]
    for spec, visits, state in orders:
        first = min([one.start for one, _ in visits], default=now)
        order = platform.work.orders.put(spec, actor=_ACTOR, time=min(first - 20 * _HOUR, now)).order
        for visit, who in visits:
            told = VisitSpec(**{name: getattr(visit, name) for name in visit.__struct_fields__} | {"who": crew[who]})
            order = platform.work.orders.visit(order.id, told, actor=_ACTOR)
        if order.state is not state:
            platform.work.orders.move(order.id, state, actor=_ACTOR)
    _stops(platform, now)
    _prices(platform)
    return len(orders)


def _visit(key: str, start: int, hours: float, cause: Cause | None = None, note: str = "") -> VisitSpec:
    outcome = Outcome.FAILED if cause else Outcome.DONE
    return VisitSpec(key=key, start=start, end=start + round(hours * _HOUR), outcome=outcome, cause=cause, note=note)


def _orders(now: int) -> list[tuple[WorkSpec, list[tuple[VisitSpec, int]], WorkState]]:
    moved, swapped = now - 30 * _HOUR, now - 13 * _HOUR
    pump = PartWanted(part="CP-40", revision="C", slot="pump_a")
    return [
        (
            WorkSpec(
                id="WO-31",
                twin="mazak01",
                title="Exchange the hydraulic unit",
                maintenance=Maintenance.DEFERRED,
                start=moved - _HOUR,
                end=moved + 3 * _HOUR,
            ),
            [(_visit("1", moved - _HOUR, 3.5), 0)],
            WorkState.DONE,
        ),
        (
            WorkSpec(
                id="WO-32",
                twin="skid",
                title="Pump A: exchange after a trip",
                what="The motor got hot, and the protection tripped.",
                job="JP-PUMP",
                maintenance=Maintenance.IMMEDIATE,
                start=swapped - 5 * _HOUR,
                end=swapped + 2 * _HOUR,
                parts=(pump,),
            ),
            [
                (_visit("1", swapped - 5 * _HOUR, 1.5, Cause.WRONG_PARTS, "Pump of revision A brought along"), 0),
                (_visit("2", swapped - _HOUR, 1.8), 1),
            ],
            WorkState.DONE,
        ),
        (
            WorkSpec(
                id="WO-33",
                twin="skid",
                title="Pump A: set the right protection limit",
                what="It had been set for the pump that the records said was in there.",
                maintenance=Maintenance.IMMEDIATE,
                repairs="WO-32",
                rework=ReworkCause.WRONG_CONFIGURATION_DATA,
                start=now - 8 * _HOUR,
                end=now - 6 * _HOUR,
            ),
            [(_visit("1", now - 8 * _HOUR, 1.2), 1)],
            WorkState.DONE,
        ),
        (
            WorkSpec(
                id="WO-34",
                twin="skid",
                title="Pump B: exchange, its seal is due",
                job="JP-PUMP",
                maintenance=Maintenance.PREDETERMINED,
                start=now + 4 * 24 * _HOUR,
                end=now + 4 * 24 * _HOUR + 4 * _HOUR,
                skills=("lifting",),
                parts=(
                    PartWanted(part="CP-40", revision="C", slot="pump_b"),
                    PartWanted(part="MS-14", slot="pump_b/seal"),
                    PartWanted(part="gasket DN50", quantity=2),
                ),
            ),
            [],
            WorkState.ASSIGNED,
        ),
        (
            WorkSpec(
                id="WO-35",
                twin="mazak03",
                title="Look at the chip conveyor",
                maintenance=Maintenance.CONDITION_BASED,
                start=now + 24 * _HOUR,
            ),
            [],
            WorkState.PLANNED,
        ),
    ]


def _stops(platform: Platform, now: int) -> None:
    stops = platform.work.stops
    told = [
        ("skid", now - 18 * _HOUR, 6.0, "alarm=fault", "WO-32", "CP-40-1002", StopKind.OVERLOAD, "motor over 90 °C"),
        ("skid", now - 9 * _HOUR, 2.2, "state=tripped", "WO-33", "", StopKind.USER_ERROR, "limit of another pump"),
        ("mazak01", now - 40 * _HOUR, 11.0, "", "WO-31", "HPU-5-501", StopKind.HARDWARE, "hydraulic unit leaks"),
        ("mazak03", now - 60 * _HOUR, 0.7, "execution=INTERRUPTED", "", "", None, ""),
    ]
    for number, (twin, start, hours, seen, order, item, kind, reason) in enumerate(told):
        end = start + round(hours * _HOUR)
        spec = StopSpec(twin=twin, start=start, end=end, seen=seen, order=order, item=item, key=f"demo:{number}")
        stop = stops.put(spec, actor=_ACTOR)
        if kind is not None:
            stops.classify(stop.id, kind, reason=reason, actor=_ACTOR)
        if kind is StopKind.OVERLOAD:  # what was found when it was taken apart
            stops.classify(stop.id, StopKind.HARDWARE, reason="bearing worn, found on the bench", actor=_ACTOR)


def _prices(platform: Platform) -> None:
    for spec in (
        PriceSpec(
            type="pump_skid", per_hour="180.00", currency="EUR", rests_on="invented for the demo: water bought in"
        ),
        PriceSpec(per_hour="95.00", currency="EUR", rests_on="invented for the demo: machine hour rate"),
        PriceSpec(
            kind=PriceKind.WORK, per_hour="82.50", currency="EUR", rests_on="invented for the demo: fitter, 2026"
        ),
    ):
        platform.work.prices.put(spec, actor=_ACTOR)
