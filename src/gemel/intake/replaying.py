"""Handing in again what was quarantined, after a fix, perhaps with the times of a wrong clock mended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gemel.clock import SECOND
from gemel.errors import InvalidInput
from gemel.intake.base import Happened, Message, Quarantined, ReplayRule, Reported
from gemel.intake.identity import Key, key_of
from gemel.intake.outcome import Outcome
from gemel.intake.quarantine import Held
from gemel.intake.taker import Taker
from gemel.twin import Change

__all__ = ["Taken", "check_rule", "event_keys", "mended", "take_again"]


def check_rule(rule: ReplayRule) -> ReplayRule:
    """Raises InvalidInput for a rule that means nothing."""
    if not 0.01 <= rule.rate <= 100:
        raise InvalidInput(f"the rate {rule.rate} of the replay rule is not between 0.01 and 100")
    if not abs(rule.shift_s) < 200 * 366 * 86_400:
        raise InvalidInput(f"the shift of {rule.shift_s} s of the replay rule is more than 200 years")
    if rule.time_zone:
        try:
            ZoneInfo(rule.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise InvalidInput(f"{rule.time_zone!r:.60} is no time zone; write one like Europe/Berlin") from error
    return rule


def mended(time: int, rule: ReplayRule) -> int:
    """The true time of what a wrong clock called `time`."""
    if rule.rate != 1.0:
        time = rule.anchor + round((time - rule.anchor) * rule.rate)
    time += round(rule.shift_s * SECOND)
    if rule.time_zone:
        seconds, fraction = divmod(time, SECOND)
        local = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=ZoneInfo(rule.time_zone))
        time = int(local.timestamp()) * SECOND + fraction
    return time


def event_keys(row: Quarantined) -> list[Key]:
    """The ids under which a row may have come before."""
    thing = row.payload
    return [key_of(row.source, thing.id, event=True)] if isinstance(thing, Happened) and thing.id else []


class Taken(NamedTuple):
    """What became of a row that was handed in again."""

    ordinal: int | None
    """Of the first thing it became; None if all of it is refused again: the row then stays held."""
    left: list[Held]
    """Of a row of many readings, those that are refused again: they go to rows of their own."""


def take_again(taker: Taker, row: Quarantined, rule: ReplayRule | None, outcome: Outcome) -> Taken:
    """Take one row. A change `quarantine.replayed` beside it names the row and the rule; the original stays in it."""
    told: list[Reported | Happened] = row.payload if isinstance(row.payload, list) else [row.payload]
    mended_ = [_mended(thing, row, rule) for thing in told]
    events = [one for one in mended_ if isinstance(one, Happened)]
    readings = [one for one in mended_ if isinstance(one, Reported)]
    start = taker.builder.count
    trial = taker.again(row, Message(readings=readings, events=events), outcome)
    if not trial.accepted:
        return Taken(None, [])
    taker.builder.change(
        Change(
            kind="quarantine.replayed",
            subject=row.twin,
            time=taker.now,
            source=row.source,
            body={
                "quarantine": row.id,
                "name": row.property,
                "told": told[0].time,
                "count": trial.accepted,
                "rule": None if rule is None else msgspec.to_builtins(rule),
            },
        )
    )
    came = {id(now): before for now, before in zip(mended_, told, strict=True)}
    return Taken(start, [_as_came(held, row, came) for held in trial.held()])


def _mended(thing: Reported | Happened, row: Quarantined, rule: ReplayRule | None) -> Reported | Happened:
    time = row.received if thing.time is None else thing.time
    if rule is not None and thing.time is not None:
        time = mended(time, rule)
    return msgspec.structs.replace(thing, time=time)


def _as_came(held: Held, row: Quarantined, came: dict[int, Any]) -> Held:
    payload = held.payload
    original = [came[id(one)] for one in payload] if isinstance(payload, list) else came[id(payload)]
    return Held(row.source, row.received, held.refusal, original, held.actor)
