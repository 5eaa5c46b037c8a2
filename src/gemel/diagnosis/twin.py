"""The platform's own twin: its health as properties, with history for free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gemel.diagnosis.check import Check, Level, worst
from gemel.intake import Message, Reported
from gemel.storage import Standing
from gemel.twin import Freshness, FreshnessMode, Kind, LifeStage, PropertyType, TwinSpec, TwinType
from gemel.witness import PeerStanding

__all__ = ["PLATFORM_TWIN", "PLATFORM_TYPE", "platform_message"]

_SAMPLES = Freshness(mode=FreshnessMode.SAMPLES, within_s=180.0)

PLATFORM_TYPE = TwinType(
    id="gemel_platform",
    title="Platform",
    description="How this platform itself is: its worst part, its room on the disk, what waits.",
    purpose="operation",
    properties=(
        PropertyType(
            name="health",
            title="Health",
            kind=Kind.ENUMERATION,
            values=tuple(Level),
            headline=True,
            freshness=_SAMPLES,
        ),
        PropertyType(
            name="problems", title="Problems", kind=Kind.INTEGER, headline=True, minimum=0, freshness=_SAMPLES
        ),
        PropertyType(name="detail", title="Detail", kind=Kind.TEXT, freshness=_SAMPLES),
        PropertyType(name="used", title="Room used", unit="By", minimum=0, freshness=_SAMPLES),
        PropertyType(name="left", title="Room left", unit="By", headline=True, minimum=0, freshness=_SAMPLES),
        PropertyType(name="days_left", title="Days left", unit="d", minimum=0, freshness=_SAMPLES),
        PropertyType(name="record", title="Record", kind=Kind.CONDITION, headline=True, freshness=_SAMPLES),
    ),
)
PLATFORM_TWIN = TwinSpec(
    id="gemel.platform", types=(PLATFORM_TYPE.id,), name="This platform", stage=LifeStage.IN_SERVICE
)


def platform_message(
    checks: Sequence[Check], room: Standing, now: int, *, peers: Sequence[PeerStanding] = ()
) -> Message:
    """The readings of the platform's twin at `now`; a peer that finds the record wrong is a condition of its own."""
    wrong = [check for check in checks if check.level is not Level.OK]
    values = {
        "health": str(worst(checks)),
        "problems": len(wrong),
        "detail": "; ".join(f"{check.part}: {check.told}" for check in wrong)[:2000],
        "used": float(room.used),
        "left": float(room.left),
    }
    if room.forecast.days is not None:
        values["days_left"] = room.forecast.days
    told: list[tuple[str, Any]] = [*values.items(), *(("record", one) for one in _record(peers))]
    return Message(
        readings=[Reported(twin=PLATFORM_TWIN.id, property=name, value=value, time=now) for name, value in told]
    )


def _record(peers: Sequence[PeerStanding]) -> list[dict[str, str]]:
    levels = {"fault": "fault", "restored": "warning"}
    found = [
        {
            "level": "fault" if one.said else levels.get(one.state, "normal"),
            "code": one.name,
            "text": "; ".join([*(wrong.told for wrong in one.wrong), *one.said])[:2000],
        }
        for one in peers
    ]
    return found or [{"level": "normal"}]
